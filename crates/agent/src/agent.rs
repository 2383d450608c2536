//! The agent's process: what it is told, and its parts put together.

use crate::execute::Parts;
use crate::metrics::Metrics;
use crate::observe::{watch_topology, watch_verifier};
use crate::peers::{Ear, TlsLink};
use crate::runtime::{Outlook, Runtime, channel};
use crate::supervise::{self, Word};
use crate::volume::{LedgerFile, LockError, Pulse, Room, VolumeLock};
use crate::{pages, warden::client};
use anyhow::{Context, Result};
use berth_core::election::{Event, Me, State};
use berth_core::topology::Identity;
use berth_core::{ClaimUid, ClusterName, ClusterRef, ClusterUid, MemberId, Namespace};
use berth_engine::Engine;
use berth_engine::postgres::{Postgres, PostgresPlace};
use berth_service::{Chain, Service, ServiceArguments};
use berth_topology::{EtcdOptions, EtcdTopology, Topology};
use clap::ValueEnum;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{Instrument, info_span, warn};

/// How long the tasks have to end after the loop has ended. The database is stopped by then.
const GRACE: Duration = Duration::from_secs(2);
/// How often a lock that another agent holds is tried again.
const LOCK_AGAIN: Duration = Duration::from_secs(1);

/// Which adapter runs the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// PostgreSQL.
    Postgres,
}

/// What `berth-agent agent` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct AgentArguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// The cluster's namespace.
    #[arg(long, env = "BERTH_NAMESPACE")]
    namespace: Namespace,
    /// The cluster's name.
    #[arg(long, env = "BERTH_CLUSTER")]
    cluster: ClusterName,
    /// The uid of the `DatabaseCluster`.
    #[arg(long, env = "BERTH_CLUSTER_UID")]
    cluster_uid: ClusterUid,
    /// This member.
    #[arg(long, env = "BERTH_MEMBER")]
    member: MemberId,
    /// The uid of the claim that is mounted.
    #[arg(long, env = "BERTH_CLAIM_UID")]
    claim_uid: ClaimUid,
    /// The uid of this pod.
    #[arg(long, env = "BERTH_POD_UID")]
    pod_uid: String,
    /// The address of this pod, at which proxies and replicas reach the database.
    #[arg(long, env = "BERTH_POD_IP")]
    pod_ip: IpAddr,
    /// The port of the database.
    #[arg(long, env = "BERTH_PORT", default_value_t = 5432)]
    port: u16,
    /// The port at which this agent hears those of the other members.
    #[arg(long, env = "BERTH_PEER_PORT", default_value_t = 5433)]
    peer_port: u16,
    /// Which database runs here.
    #[arg(long, env = "BERTH_ENGINE", value_enum, default_value = "postgres")]
    engine: EngineName,
    /// The folder of the database's programs; by default they are on the PATH.
    #[arg(long, env = "BERTH_PROGRAMS")]
    programs: Option<PathBuf>,
    /// The members of etcd, parted by commas.
    #[arg(long, env = "BERTH_ETCD_ENDPOINTS")]
    etcd_endpoints: String,
    /// The data volume.
    #[arg(long, env = "BERTH_DATA", default_value = "/berth/data")]
    data: PathBuf,
    /// The folder with ca.crt, tls.crt and tls.key.
    #[arg(long, env = "BERTH_TLS", default_value = "/berth/tls")]
    tls: PathBuf,
    /// The folder with the owner's verifier.
    #[arg(long, env = "BERTH_ACCESS", default_value = "/berth/access")]
    access: PathBuf,
    /// A folder in memory for sockets and for what must not survive the pod.
    #[arg(long, env = "BERTH_RUN", default_value = "/berth/run")]
    run: PathBuf,
}

impl AgentArguments {
    fn me(&self) -> Me {
        Me {
            identity: Identity { member: self.member.clone(), claim: self.claim_uid.clone() },
            cluster: ClusterRef { namespace: self.namespace.clone(), name: self.cluster.clone() },
            uid: self.cluster_uid.clone(),
            incarnation: self.pod_uid.clone(),
            address: SocketAddr::new(self.pod_ip, self.port).to_string(),
            peer: SocketAddr::new(self.pod_ip, self.peer_port).to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn engine(&self) -> Arc<dyn Engine> {
        match self.engine {
            EngineName::Postgres => Arc::new(Postgres::new(PostgresPlace {
                programs: self.programs.clone(),
                data: self.data.clone(),
                run: self.run.clone(),
                tls: self.tls.clone(),
                cluster: self.cluster_uid.clone(),
                member: self.member.clone(),
                listen: "*".to_owned(),
                port: self.port,
            })),
        }
    }

    fn topology(&self) -> Result<Arc<dyn Topology>> {
        let options = EtcdOptions::new(&self.etcd_endpoints, &self.tls)?;
        Ok(Arc::new(EtcdTopology::new(options)))
    }
}

/// Runs the agent until its pod ends.
pub fn run(arguments: &AgentArguments) -> Result<()> {
    // Two workers: a flush that blocks one must not keep the other from hearing.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let service = Service::start("berth-agent", env!("CARGO_PKG_VERSION"), &arguments.service)?;
        let me = arguments.me();
        // Only now: a span that is made before the log has begun belongs to nothing.
        let span = info_span!("member", namespace = %me.cluster.namespace, cluster = %me.cluster.name, member = %me.identity.member);
        live(arguments, me, service).instrument(span).await
    })
}

async fn live(arguments: &AgentArguments, me: Me, mut service: Service) -> Result<()> {
    let metrics = Metrics::register(&mut service.registry);
    let outlook = Outlook::new(&service.health, metrics);
    let running = service.serve_admin(pages::router(outlook.summary())).await?;
    let tasks = running.shutdown.tasks().clone();
    let (requests, reports) = client::from_stdin()?;
    let (warden, words) = supervise::connect(requests, reports, &tasks);
    let (events, heard) = channel();
    let lost = hear_warden(words, events.clone(), running.shutdown.clone());
    let folder = arguments.data.join("berth");
    let stop = running.shutdown.token();
    let member = async {
        let _lock = lock(&folder).await?;
        let ledger = LedgerFile::new(&folder);
        let identity = berth_service::Identity::open(&arguments.tls)?;
        let heard_at = SocketAddr::new(arguments.pod_ip, arguments.peer_port);
        let ear = Ear::bind(heard_at, &me, identity.clone(), events.clone());
        let ear = ear.await.with_context(|| format!("cannot hear the other members at {heard_at}"))?;
        let link = TlsLink::new(me.identity.clone(), me.uid.clone(), identity, tasks.clone());
        let parts = Parts {
            cluster: me.uid.clone(),
            topology: arguments.topology()?,
            engine: arguments.engine(),
            supervisor: Arc::new(warden),
            link: Arc::new(link),
            verifier: arguments.access.join("owner.verifier"),
            ledger: ledger.clone(),
            pulse: Pulse::of(&folder).context("cannot watch over the data volume")?,
        };
        Room::of(&folder).watch(events.clone()).context("cannot watch over the room on the data volume")?;
        let cancelled = stop.clone();
        let sources = [
            tasks.spawn(
                watch_topology(parts.topology.clone(), me.uid.clone(), events.clone()).in_current_span(),
            ),
            tasks.spawn(watch_verifier(parts.verifier.clone(), events.clone()).in_current_span()),
            tasks.spawn(outlook.clone().watch_over().in_current_span()),
            tasks.spawn(ear.hear().in_current_span()),
        ];
        let state = State::new(me, ledger.read());
        let runtime = Runtime::new(parts, state, outlook, events, tasks.clone());
        runtime.run(heard, cancelled).await;
        sources.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(())
    };
    let ended: Result<()> = tokio::select! {
        ended = member => ended,
        error = lost => Err(error),
    };
    running.shutdown.ask();
    running.until_stopped(GRACE).await;
    ended
}

/// Takes the volume's lock. While another agent holds it nothing is touched, and the probes say that nothing was decided.
async fn lock(folder: &Path) -> Result<VolumeLock> {
    let mut told = false;
    loop {
        match VolumeLock::take(folder) {
            Ok(lock) => return Ok(lock),
            Err(error @ LockError::Taken(_)) => {
                if !told {
                    warn!(reason = %Chain(&error), "waiting for the data volume");
                    told = true;
                }
            }
            Err(error @ LockError::File { .. }) => return Err(error.into()),
        }
        tokio::time::sleep(LOCK_AGAIN).await;
    }
}

/// Hands the warden's words on. Returns only when the warden is lost.
async fn hear_warden(
    mut words: mpsc::Receiver<Word>,
    events: mpsc::Sender<Event>,
    shutdown: berth_service::Shutdown,
) -> anyhow::Error {
    while let Some(word) = words.recv().await {
        match word {
            Word::News(news) => {
                if events.send(Event::Process(news)).await.is_err() {
                    break;
                }
            }
            Word::Stopping => shutdown.ask(),
            Word::Lost(error) => return error.into(),
        }
    }
    client::WardenError::Gone.into()
}
