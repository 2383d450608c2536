//! A proxy, the topology that it follows, and tenants' clients.

use crate::authority::Authority;
use crate::database::Database;
use crate::program::program;
use berth_core::disk::Space;
use berth_core::topology::{Admission, Endpoint, Identity as Member, Phase, Route, Rule};
use berth_core::{ClaimUid, ClusterRef, ClusterUid, MemberId, Nonce, Term, Timeline};
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

/// A proxy for drivers that come without TLS, which holds its clients for longer than any test waits.
pub(crate) const PATIENT: [&str; 2] = ["--allow-plaintext", "--hold-seconds=3600"];

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

/// What a server tells a driver at any time.
pub(crate) type Messages = tokio::sync::mpsc::UnboundedReceiver<tokio_postgres::AsyncMessage>;

/// Something that a route can lead to.
pub(crate) trait Primary {
    /// Its cluster, its member and its address.
    fn place(&self) -> (&ClusterUid, &MemberId, &str);
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
        primary: &impl Primary,
        term: u64,
        phase: Phase,
        admission: Admission,
    ) {
        self.record(cluster, primary, term, (phase, admission, Space::Ample)).await;
    }

    async fn record(
        &self,
        cluster: &str,
        primary: &impl Primary,
        term: u64,
        (phase, admission, space): (Phase, Admission, Space),
    ) {
        let (uid, member, address) = primary.place();
        let member =
            Member { member: member.clone(), claim: ClaimUid::new(format!("claim-{member}")).unwrap() };
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
            cause: None,
            loss: None,
            rebuild: None,
            switched: None,
            system: None,
            branched: None,
            grant: Nonce::new("nonce").unwrap(),
        };
        let primary = Endpoint { member: member.member, address: address.to_owned() };
        let route = Route {
            cluster: cluster.parse::<ClusterRef>().unwrap(),
            term: Term(term),
            phase,
            admission,
            primary: (phase == Phase::Serving).then_some(primary),
            replicas: vec![],
            space,
        };
        let before = self.revisions.lock().unwrap().get(uid).copied();
        let topology = self.memory.topology();
        let after = topology.swap_rule(uid, &rule, &route, before).await.unwrap();
        self.revisions.lock().unwrap().insert(uid.clone(), after);
    }

    /// Writes that `shop/orders` is served by this primary in this term, and waits until the proxy knows it.
    pub(crate) async fn serve(&self, proxy: &Running, primary: &impl Primary, term: u64) {
        self.say(proxy, primary, term, Phase::Serving, Admission::ReadWrite).await;
    }

    /// Writes that `shop/orders` is served by this primary, whose volume is full or not, and waits until the proxy knows it.
    pub(crate) async fn serve_with(&self, proxy: &Running, primary: &impl Primary, term: u64, space: Space) {
        self.record("shop/orders", primary, term, (Phase::Serving, Admission::ReadWrite, space)).await;
        berth_testkit::eventually(DEADLINE, "the proxy knows of the room", || async {
            let page = crate::raw::get(proxy.admin, "/routes").await;
            let full = page.contains("\"space\":\"Full\"");
            if full == (space == Space::Full) { Ok(()) } else { Err(page) }
        })
        .await
        .unwrap();
    }

    /// Writes that `shop/orders` has no primary to be used in this term, and waits until the proxy knows it.
    pub(crate) async fn hold(&self, proxy: &Running, primary: &impl Primary, term: u64, phase: Phase) {
        self.say(proxy, primary, term, phase, Admission::Closed).await;
    }

    async fn say(
        &self,
        proxy: &Running,
        primary: &impl Primary,
        term: u64,
        phase: Phase,
        admission: Admission,
    ) {
        self.route("shop/orders", primary, term, phase, admission).await;
        let (_, _, address) = primary.place();
        let phase_known = format!("\"term\":{term},\"phase\":\"{phase:?}\",\"admission\":\"{admission:?}\"");
        berth_testkit::eventually(DEADLINE, "the proxy knows the route", || async {
            let page = crate::raw::get(proxy.admin, "/routes").await;
            let known = page.contains(&phase_known) && (phase != Phase::Serving || page.contains(address));
            if known { Ok(()) } else { Err(page) }
        })
        .await
        .unwrap();
    }

    /// Waits until so many clients of this proxy are held.
    pub(crate) async fn until_held(&self, proxy: &Running, count: usize) {
        let wanted = format!("\"holding\":{count}}}");
        berth_testkit::eventually(DEADLINE, "clients are held", || async {
            let page = crate::raw::get(proxy.admin, "/sessions").await;
            if page.contains(&wanted) { Ok(()) } else { Err(page) }
        })
        .await
        .unwrap();
    }

    /// A driver's session as `app`, in plaintext, and what the server tells it at any time.
    pub(crate) async fn driver(&self, proxy: &Running) -> (tokio_postgres::Client, Messages) {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(proxy.tenants.port()).user("app@shop/orders").dbname("app");
        let (client, mut connection) =
            config.password("secret-app").connect(tokio_postgres::NoTls).await.unwrap();
        let (told, messages) = tokio::sync::mpsc::unbounded_channel();
        tokio_util::task::TaskTracker::new().spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                // A test that does not listen has no use for it.
                let _ = told.send(message);
            }
        });
        (client, messages)
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
