//! A proxy, the topology that it follows, and tenants' clients.

use crate::authority::Authority;
use crate::database::Database;
use crate::program::program;
use berth_core::topology::{Admission, Endpoint, Identity as Member, Phase, Route, Rule};
use berth_core::{ClaimUid, ClusterRef, ClusterUid, Nonce, Term, Timeline};
use berth_proxy::{Arguments, Proxy};
use berth_service::{Identity, Service};
use berth_topology::{Memory, Revision, Topology};
use clap::Parser;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Far above what anything here takes, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Everything around the databases.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) memory: Memory,
    home: TempDir,
    revisions: Mutex<HashMap<ClusterUid, Revision>>,
}

/// A proxy that runs, as tests see it.
pub(crate) struct Running {
    pub(crate) tenants: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: tokio::task::JoinHandle<bool>,
}

/// What a client program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        berth_service::install_crypto_provider();
        let home = tempfile::Builder::new().prefix("berth-proxy-").tempdir().unwrap();
        let authority = Authority::new();
        let names = ["localhost", "127.0.0.1", "berth-proxy.berth-system.svc", "*.berth.internal"];
        authority.issue(&home.path().join("proxy"), "berth-proxy", &names);
        Self { authority, memory: Memory::new(), home, revisions: Mutex::default() }
    }

    /// A world with one cluster `shop/orders` that serves, and a proxy.
    pub(crate) async fn serving() -> (Self, Database, Running) {
        let world = Self::new();
        let database = Database::start(&world.authority, "uid-orders", "orders-aaaaa", 1).await;
        world.route("shop/orders", &database, 1, Phase::Serving, Admission::ReadWrite).await;
        let proxy = world.proxy(&[]).await;
        (world, database, proxy)
    }

    /// A proxy that has listed the routes.
    pub(crate) async fn proxy(&self, more: &[&str]) -> Running {
        let tls = self.home.path().join("proxy");
        let mut line =
            vec!["berth-proxy", "--listen=127.0.0.1:0", "--admin-address=127.0.0.1:0", "--log-level=warn"];
        line.extend(more);
        let arguments = Arguments::try_parse_from(line).unwrap();
        let service = Service::start("berth-proxy", "test", &arguments.service).unwrap();
        let identity = Identity::open(&tls).unwrap();
        let topology = self.memory.topology();
        let proxy = berth_proxy::start(&arguments, service, identity, &topology).await.unwrap();
        let Proxy { tenants, admin, ref stop, .. } = proxy;
        let stop = stop.clone();
        let ended = tokio_util::task::TaskTracker::new().spawn(proxy.until_stopped());
        let running = Running { tenants, admin, stop, ended };
        berth_testkit::eventually(DEADLINE, "the proxy is ready", || async {
            crate::raw::get(admin, "/readyz").await.starts_with("HTTP/1.1 200")
        })
        .await
        .unwrap();
        running
    }

    /// Writes the rule and the route of a cluster.
    pub(crate) async fn route(
        &self,
        cluster: &str,
        database: &Database,
        term: u64,
        phase: Phase,
        admission: Admission,
    ) {
        let member = Member {
            member: database.member.clone(),
            claim: ClaimUid::new(format!("claim-{}", database.member)).unwrap(),
        };
        let rule = Rule {
            term: Term(term),
            phase,
            primary: member.clone(),
            coordinator: None,
            timeline: Timeline(2),
            voters: BTreeSet::new(),
            acks: 0,
            grants: 0,
            proposal: None,
            switched: None,
            system: None,
            branched: None,
            grant: Nonce::new("nonce").unwrap(),
        };
        let primary = Endpoint { member: member.member, address: database.address.clone() };
        let route = Route {
            cluster: cluster.parse::<ClusterRef>().unwrap(),
            term: Term(term),
            phase,
            admission,
            primary: (phase == Phase::Serving).then_some(primary),
            replicas: vec![],
        };
        let before = self.revisions.lock().unwrap().get(&database.uid).copied();
        let topology = self.memory.topology();
        let after = topology.swap_rule(&database.uid, &rule, &route, before).await.unwrap();
        self.revisions.lock().unwrap().insert(database.uid.clone(), after);
    }

    /// The authority's certificate as a file.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.home.path().join("proxy/ca.crt")
    }

    /// A client program of PostgreSQL, set up for `app` at the proxy; the test changes what it is about.
    pub(crate) fn client(&self, name: &str, proxy: SocketAddr) -> Command {
        let mut command = Command::new(program(name));
        command
            .env_clear()
            .envs([
                ("LC_ALL", "C.UTF-8"),
                ("PATH", "/usr/bin:/bin"),
                ("PGHOST", "localhost"),
                ("PGHOSTADDR", "127.0.0.1"),
                ("PGUSER", "app@shop/orders"),
                ("PGDATABASE", "app"),
                ("PGPASSWORD", "secret-app"),
                ("PGSSLMODE", "verify-full"),
                ("PGCONNECT_TIMEOUT", "50"),
            ])
            .env("PGPORT", proxy.port().to_string())
            .env("PGSSLROOTCERT", self.authority_file())
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// psql that runs one statement and shows SQLSTATEs.
    pub(crate) fn psql(&self, proxy: SocketAddr, statement: &str) -> Command {
        let mut command = self.client("psql", proxy);
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-c", statement]);
        command
    }
}

/// Runs a program to its end.
pub(crate) async fn say(command: &mut Command) -> Said {
    let output =
        tokio::time::timeout(DEADLINE, command.output()).await.expect("the client ends in time").unwrap();
    Said {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        err: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
}
