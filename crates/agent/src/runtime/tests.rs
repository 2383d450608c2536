//! That what is decided reaches the other members, the warden and the topology.

use super::*;
use crate::metrics::Metrics;
use crate::peers::Link;
use crate::supervise::{SuperviseError, Supervisor};
use crate::volume::{LedgerFile, Pulse};
use async_trait::async_trait;
use berth_core::disk::Space;
use berth_core::election::{KnownRule, Me, Message, RuleRevision};
use berth_core::topology::{Admission, Identity, Phase, Route, Rule};
use berth_core::{ClaimUid, ClusterUid, MemberId, Nonce, Term, Timeline};
use berth_engine::ServerCommand;
use berth_service::Health;
use berth_testkit::engine::Fleet;
use berth_topology::{EtcdOptions, EtcdTopology, Memory, Topology};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Notes what it is asked.
#[derive(Default)]
struct Noted {
    sent: Mutex<Vec<(MemberId, String, Message)>>,
    leases: Mutex<Vec<Option<Moment>>>,
}

impl Link for Noted {
    fn send(&self, to: &MemberId, address: &str, message: Message) {
        self.sent.lock().unwrap().push((to.clone(), address.to_owned(), message));
    }
}

#[async_trait]
impl Supervisor for Noted {
    async fn start(&self, _: ServerCommand) -> Result<Run, SuperviseError> {
        Err(SuperviseError::NotStarted("none is wanted here".to_owned()))
    }

    async fn stop(&self, _: Run) -> Result<(), SuperviseError> {
        Ok(())
    }

    async fn fence(&self) -> Result<(), SuperviseError> {
        Ok(())
    }

    fn lease(&self, until: Option<Moment>) {
        self.leases.lock().unwrap().push(until);
    }
}

fn identity() -> Identity {
    Identity { member: MemberId::new("orders-aaaaa").unwrap(), claim: ClaimUid::new("claim-a").unwrap() }
}

fn uid() -> ClusterUid {
    ClusterUid::new("uid-1").unwrap()
}

/// A loop that is not run: the test acts in its place, and hears what comes of it.
fn runtime(topology: Arc<dyn Topology>) -> (Runtime, Arc<Noted>, mpsc::Receiver<Event>) {
    let me = Me {
        identity: identity(),
        cluster: "shop/orders".parse().unwrap(),
        uid: uid(),
        incarnation: "pod-1".to_owned(),
        address: "10.0.0.1:5432".to_owned(),
        peer: "10.0.0.1:5433".to_owned(),
        version: "test".to_owned(),
    };
    let noted = Arc::new(Noted::default());
    // No effect is done, so that nothing is ever looked for in the folder.
    let nowhere = std::path::Path::new("/nowhere");
    let (ledger, pulse) = (LedgerFile::new(nowhere), Pulse::of(nowhere).unwrap());
    let parts = Parts {
        cluster: uid(),
        topology,
        engine: Arc::new(Fleet::default().engine(&me.identity.member, &me.address)),
        supervisor: noted.clone(),
        link: noted.clone(),
        verifier: "/nowhere/owner.verifier".into(),
        ledger: ledger.clone(),
        pulse,
    };
    let state = State::new(me, ledger.read());
    let outlook = Outlook::new(&Health::new(), Metrics::default());
    let (events, heard) = channel();
    (Runtime::new(parts, state, outlook, events, TaskTracker::new()), noted, heard)
}

fn rule() -> (Rule, Route) {
    let rule = Rule {
        term: Term(1),
        phase: Phase::Serving,
        primary: identity(),
        coordinator: None,
        timeline: Timeline(1),
        branched: None,
        voters: BTreeSet::new(),
        acks: 0,
        grants: 0,
        proposal: None,
        cause: None,
        loss: None,
        rebuild: None,
        switched: None,
        system: None,
        grant: Nonce::new("n1").unwrap(),
    };
    let route = Route {
        cluster: "shop/orders".parse().unwrap(),
        term: Term(1),
        phase: Phase::Serving,
        admission: Admission::Closed,
        primary: None,
        replicas: vec![],
        space: Space::Ample,
    };
    (rule, route)
}

#[tokio::test]
async fn messages_and_leases_are_handed_on_at_once() {
    let (mut runtime, noted, _heard) = runtime(Arc::new(Memory::new().topology()));
    let (to, address) = (MemberId::new("orders-bbbbb").unwrap(), "10.0.0.2:5433".to_owned());
    let (message, until) = (Message::Gone { term: Term(3) }, Clock.now());
    runtime.act(Action::Send { to: to.clone(), address: address.clone(), message: message.clone() });
    runtime.act(Action::Lease(Some(until)));
    runtime.act(Action::Lease(None));
    assert_eq!(*noted.sent.lock().unwrap(), [(to, address, message)]);
    assert_eq!(*noted.leases.lock().unwrap(), [Some(until), None]);
}

#[tokio::test]
async fn a_confirmation_tells_the_rule_as_it_was_after_it_was_asked() {
    let store = Memory::new();
    let (mut runtime, _noted, mut heard) = runtime(Arc::new(store.topology()));
    let before = Clock.now();
    let mut confirmed = async |number| {
        runtime.act(Action::Confirm { number });
        let event = heard.recv().await.unwrap();
        let Event::Confirmed { number: answered, asked, result } = event else { panic!("{event:?}") };
        assert!(answered == number && before <= asked && asked <= Clock.now());
        result
    };
    assert_eq!(confirmed(7).await, Ok(None));
    let (rule, route) = rule();
    let at = store.topology().swap_rule(&uid(), &rule, &route, None).await.unwrap();
    let known = KnownRule { rule, revision: RuleRevision(at.0), restored: false };
    assert_eq!(confirmed(8).await, Ok(Some(Box::new(known))));
    store.go_away();
    assert!(confirmed(9).await.unwrap_err().contains("not available"));
}

#[tokio::test]
async fn a_confirmation_that_is_not_answered_is_given_up_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["etcd".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (name, text) in
        [("ca.crt", certificate.pem()), ("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // The system takes the connections, and nobody ever reads from them.
    let mute: Vec<_> =
        std::iter::repeat_with(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).take(5).collect();
    let endpoints: Vec<_> = mute.iter().map(|one| format!("https://{}", one.local_addr().unwrap())).collect();
    let options = EtcdOptions::new(&endpoints.join(","), folder.path()).unwrap();
    let (mut runtime, _noted, mut heard) = runtime(Arc::new(EtcdTopology::new(options)));
    runtime.act(Action::Confirm { number: 1 });
    let event = heard.recv().await.unwrap();
    let Event::Confirmed { result: Err(reason), .. } = &event else { panic!("{event:?}") };
    assert_eq!(reason, "no answer within 900ms", "the patience is the loop's own, not that of the store");
}
