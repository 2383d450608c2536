//! A cluster of members that run in this process, and what can happen to it.

use crate::warden::Warden;
use crate::wires::Wires;
use berth_agent::execute::Parts;
use berth_agent::metrics::Metrics;
use berth_agent::observe::{watch_topology, watch_verifier};
use berth_agent::runtime::{Outlook, Runtime, channel};
use berth_agent::volume::{LedgerFile, Pulse};
use berth_core::election::{Event, Me, State};
use berth_core::topology::{
    Access, Admission, BootstrapGrant, Durability, DurabilityMode, EngineKind, Identity, Intent, OnLoss,
    Phase, Route, Rule,
};
use berth_core::{ClaimUid, ClusterUid, Generation, MemberId, Nonce};
use berth_service::Health;
use berth_testkit::engine::{Answer, Fleet};
use berth_testkit::eventually;
use berth_topology::{Change, Memory, Scope, Topology, User, WatchEvent};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Far above what anything here takes; only a hang meets it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn member(name: char) -> MemberId {
    MemberId::new(format!("orders-{}", name.to_string().repeat(5))).unwrap()
}

pub(crate) fn identity(name: char) -> Identity {
    Identity { member: member(name), claim: ClaimUid::new(format!("claim-{name}")).unwrap() }
}

/// A pod with a warden and an agent.
struct Pod {
    warden: Arc<Warden>,
    incarnation: u32,
    agent: Option<Agent>,
}

struct Agent {
    stop: CancellationToken,
    running: JoinHandle<()>,
    sources: Vec<JoinHandle<()>>,
}

impl Agent {
    /// As SIGKILL would.
    fn kill(self) {
        self.running.abort();
        self.sources.iter().for_each(JoinHandle::abort);
    }
}

/// A cluster of members that run in this process.
pub(crate) struct Cluster {
    pub(crate) fleet: Fleet,
    pub(crate) store: Memory,
    pub(crate) uid: ClusterUid,
    pub(crate) wires: Wires,
    intent: Intent,
    pods: BTreeMap<char, Pod>,
    folder: TempDir,
    tasks: TaskTracker,
    rows: u64,
    acknowledged: BTreeSet<u64>,
}

impl Cluster {
    /// A cluster with these members, the grant to the first, and no pod yet.
    pub(crate) async fn new(members: &str, acks: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("owner.verifier"), "SCRAM-SHA-256$4096:test\n").unwrap();
        let first = members.chars().next().unwrap();
        let intent = Intent {
            cluster: "shop/orders".parse().unwrap(),
            generation: Generation(0),
            members: members.chars().map(|name| (identity(name).member, identity(name).claim)).collect(),
            durability: Durability { mode: DurabilityMode::Quorum, acks, on_loss: OnLoss::Block },
            engine: EngineKind::Postgres,
            parameters: BTreeMap::new(),
            access: Access { database: "app".to_owned(), owner: "app".to_owned() },
            grant: Some(BootstrapGrant { to: identity(first), nonce: Nonce::new("n1").unwrap() }),
            paused: false,
            switchover: None,
            accept_loss: None,
            rebuild: None,
        };
        let mut cluster = Self {
            fleet: Fleet::default(),
            store: Memory::new(),
            uid: ClusterUid::new("uid-1").unwrap(),
            wires: Wires::default(),
            intent,
            pods: BTreeMap::new(),
            folder,
            tasks: TaskTracker::new(),
            rows: 0,
            acknowledged: BTreeSet::new(),
        };
        cluster.intend(|_| ()).await;
        cluster
    }

    /// A cluster whose members all run, with tenants let in.
    pub(crate) async fn serving(members: &str, acks: u32) -> Self {
        let mut cluster = Self::new(members, acks).await;
        for name in members.chars() {
            cluster.pod(name);
        }
        let replicas = members.len() - 1;
        cluster.until_rule("all to vote", |rule| rule.voters.len() == replicas && rule.acks == acks).await;
        cluster.until_open().await;
        cluster
    }

    /// The operator changes what it asks.
    pub(crate) async fn intend(&mut self, change: impl FnOnce(&mut Intent)) {
        change(&mut self.intent);
        self.intent.generation.0 += 1;
        let topology = self.store.topology();
        let known = topology.read(&self.uid).await.unwrap().intent.map(|stored| stored.revision);
        topology.put_intent(&self.uid, &self.intent, known).await.unwrap();
    }

    pub(crate) async fn ask_members(&mut self, members: &str, acks: u32) {
        self.intend(|intent| {
            intent.members =
                members.chars().map(|name| (identity(name).member, identity(name).claim)).collect();
            intent.durability.acks = acks;
        })
        .await;
    }

    /// A new pod for the member, on its own volume.
    pub(crate) fn pod(&mut self, name: char) {
        let incarnation = self.pods.get(&name).map_or(1, |pod| pod.incarnation + 1);
        let warden = Warden::new(self.fleet.clone(), member(name), &self.tasks);
        self.pods.insert(name, Pod { warden, incarnation, agent: None });
        self.agent(name);
    }

    /// A new agent in the member's pod.
    pub(crate) fn agent(&mut self, name: char) {
        let volume = self.volume(name);
        std::fs::create_dir_all(&volume).unwrap();
        let pod = self.pods.get_mut(&name).unwrap();
        let address = format!("{name}{}:5432", pod.incarnation);
        let peer = format!("{name}{}:5433", pod.incarnation);
        let me = Me {
            identity: identity(name),
            cluster: self.intent.cluster.clone(),
            uid: self.uid.clone(),
            incarnation: format!("pod-{name}-{}", pod.incarnation),
            address: address.clone(),
            peer: peer.clone(),
            version: "test".to_owned(),
        };
        let user = User::Members(self.intent.cluster.clone(), self.uid.clone());
        let parts = Parts {
            cluster: self.uid.clone(),
            topology: Arc::new(self.store.seen_by(user).topology()),
            engine: Arc::new(self.fleet.engine(&member(name), &address)),
            supervisor: pod.warden.clone(),
            link: Arc::new(self.wires.link(identity(name))),
            ledger: LedgerFile::new(&volume),
            pulse: Pulse::of(&volume).unwrap(),
            verifier: self.folder.path().join("owner.verifier"),
        };
        let outlook = Outlook::new(&Health::new(), Metrics::default());
        let state = State::new(me, LedgerFile::new(&volume).read());
        let (events, heard) = channel();
        self.wires.hear(member(name), peer, events.clone());
        let (news, mut told) = mpsc::unbounded_channel();
        pod.warden.greet(news);
        let sink = events.clone();
        let sources = vec![
            self.tasks.spawn(async move {
                while let Some(news) = told.recv().await {
                    if sink.send(Event::Process(news)).await.is_err() {
                        return;
                    }
                }
            }),
            self.tasks.spawn(watch_topology(parts.topology.clone(), self.uid.clone(), events.clone())),
            self.tasks.spawn(watch_verifier(parts.verifier.clone(), events.clone())),
        ];
        let stop = CancellationToken::new();
        let runtime = Runtime::new(parts, state, outlook, events, self.tasks.clone());
        let running = self.tasks.spawn(runtime.run(heard, stop.clone()));
        pod.agent = Some(Agent { stop, running, sources });
    }

    /// Whoever holds the server of this member.
    pub(crate) fn warden(&self, name: char) -> Arc<Warden> {
        self.pods[&name].warden.clone()
    }

    pub(crate) fn volume(&self, name: char) -> std::path::PathBuf {
        self.folder.path().join(name.to_string())
    }

    /// The pod is deleted with grace.
    pub(crate) async fn end_pod(&mut self, name: char) {
        let pod = self.pods.get_mut(&name).unwrap();
        let agent = pod.agent.take().unwrap();
        agent.stop.cancel();
        tokio::time::timeout(DEADLINE, agent.running).await.expect("the agent ends in time").unwrap();
        agent.sources.iter().for_each(JoinHandle::abort);
        pod.warden.end(true, "signal 9", true);
    }

    /// The pod is gone at once, as by the loss of power.
    pub(crate) fn lose_pod(&mut self, name: char) {
        let pod = self.pods.get_mut(&name).unwrap();
        if let Some(agent) = pod.agent.take() {
            agent.kill();
        }
        pod.warden.end(true, "signal 9", true);
    }

    /// The agent alone is killed; the server goes on.
    pub(crate) fn kill_agent(&mut self, name: char) {
        self.pods.get_mut(&name).unwrap().agent.take().unwrap().kill();
    }

    /// The server alone is killed.
    pub(crate) fn kill_server(&mut self, name: char) {
        self.pods[&name].warden.end(true, "signal 9", false);
    }

    pub(crate) async fn rule(&self) -> Option<Rule> {
        self.store.topology().read(&self.uid).await.ok()?.rule.map(|stored| stored.value)
    }

    /// The name of the member that the rule calls primary.
    pub(crate) async fn primary(&self) -> char {
        let rule = self.rule().await.unwrap();
        self.pods.keys().copied().find(|name| identity(*name) == rule.primary).unwrap()
    }

    pub(crate) async fn revision(&self) -> i64 {
        self.store.topology().read(&self.uid).await.unwrap().revision.0
    }

    pub(crate) async fn route(&self) -> Option<Route> {
        let mut watch = self.store.topology().watch(Scope::Routes);
        let Some(WatchEvent::Listed { records, .. }) = watch.next().await else { return None };
        records.into_iter().find_map(|record| match record {
            Change::Route(_, uid, Some(stored)) if uid == self.uid => Some(stored.value),
            Change::Intent(..) | Change::Rule(..) | Change::Member(..) | Change::Route(..) => None,
        })
    }

    /// Until nothing at all is written for so long.
    pub(crate) async fn until_quiet(&self, quiet: Duration) {
        let topology = self.store.topology();
        let mut changes =
            futures::stream::select(topology.watch(Scope::Clusters), topology.watch(Scope::Routes)).skip(2);
        let settle = async {
            let mut last = None;
            while let Ok(change) = tokio::time::timeout(quiet, changes.next()).await {
                last = change;
            }
            last
        };
        tokio::time::timeout(DEADLINE, settle).await.expect("a cluster at rest must stop writing");
    }

    pub(crate) async fn trouble(&self, name: char) -> Option<String> {
        let snapshot = self.store.topology().read(&self.uid).await.ok()?;
        snapshot.members.get(&member(name))?.value.trouble.clone()
    }

    pub(crate) async fn until_rule(&self, what: &str, is: impl Fn(&Rule) -> bool) -> Rule {
        eventually(DEADLINE, what, || async {
            let rule = self.rule().await.ok_or_else(|| "there is no rule".to_owned())?;
            if is(&rule) { Ok(rule) } else { Err(format!("{rule:?}")) }
        })
        .await
        .unwrap()
    }

    /// Until the route lets tenants in, in a term that serves.
    pub(crate) async fn until_open(&self) -> Route {
        eventually(DEADLINE, "tenants to be let in", || async {
            let route = self.route().await.ok_or_else(|| "there is no route".to_owned())?;
            let open = route.phase == Phase::Serving && route.admission == Admission::ReadWrite;
            if open { Ok(route) } else { Err(format!("{route:?}")) }
        })
        .await
        .unwrap()
    }

    /// A tenant writes through the route until a row is acknowledged.
    pub(crate) async fn write(&mut self) {
        self.rows += 1;
        let row = self.rows;
        eventually(DEADLINE, "an acknowledged write", || async {
            let primary = self.until_open().await.primary.ok_or_else(|| "no primary".to_owned())?;
            match self.fleet.write(&primary.member, row) {
                Answer::Acknowledged => Ok(()),
                answer @ (Answer::Waits | Answer::Refused) => Err(format!("{answer:?}")),
            }
        })
        .await
        .unwrap();
        self.acknowledged.insert(row);
    }

    /// What was acknowledged is on the primary and on as many replicas as the rule says.
    pub(crate) async fn nothing_is_lost(&self) {
        let rule = self.rule().await.unwrap();
        let holds = |member: &MemberId| self.acknowledged.is_subset(&self.fleet.rows(member));
        assert!(holds(&rule.primary.member), "the primary misses acknowledged rows");
        let copies = rule.voters.iter().filter(|voter| holds(&voter.member)).count();
        assert!(copies >= usize::try_from(rule.acks).unwrap(), "{copies} voters hold what was acknowledged");
    }
}
