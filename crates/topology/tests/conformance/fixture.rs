//! Records to write.

use berth_core::disk::Space;
use berth_core::topology::{
    Access, Activity, Admission, Durability, DurabilityMode, Endpoint, EngineKind, Identity, Intent,
    MemberRecord, OnLoss, Phase, Replication, Route, Rule,
};
use berth_core::{
    ClaimUid, ClusterRef, ClusterUid, Generation, LogPosition, MemberId, Nonce, Term, Timeline,
};
use berth_topology::User;
use std::collections::{BTreeMap, BTreeSet};

/// A cluster to write records of.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) name: ClusterRef,
    pub(crate) uid: ClusterUid,
}

impl Cluster {
    pub(crate) fn new(name: &str, uid: &str) -> Self {
        Self { name: name.parse().unwrap(), uid: ClusterUid::new(uid).unwrap() }
    }

    pub(crate) fn orders() -> Self {
        Self::new("shop/orders", "0a1b")
    }

    pub(crate) fn stock() -> Self {
        Self::new("shop/stock", "2c3d")
    }

    /// The user that its members are.
    pub(crate) fn members(&self) -> User {
        User::Members(self.name.clone(), self.uid.clone())
    }

    pub(crate) fn member(&self, short: &str) -> MemberId {
        MemberId::new(format!("{}-{short}", self.name.name)).unwrap()
    }

    pub(crate) fn identity(&self, short: &str) -> Identity {
        Identity { member: self.member(short), claim: ClaimUid::new(format!("claim-{short}")).unwrap() }
    }

    pub(crate) fn intent(&self, generation: i64) -> Intent {
        Intent {
            cluster: self.name.clone(),
            generation: Generation(generation),
            members: BTreeMap::from([(self.member("7k2qd"), self.identity("7k2qd").claim)]),
            durability: Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block },
            engine: EngineKind::Postgres,
            parameters: BTreeMap::from([("work_mem".to_owned(), "8MB".to_owned())]),
            access: Access { database: "app".to_owned(), owner: "app".to_owned() },
            grant: None,
            paused: false,
            switchover: None,
            accept_loss: None,
            rebuild: None,
        }
    }

    pub(crate) fn rule(&self, term: u64) -> Rule {
        Rule {
            term: Term(term),
            phase: Phase::Serving,
            primary: self.identity("7k2qd"),
            coordinator: None,
            timeline: Timeline(u32::try_from(term).unwrap()),
            branched: Some(LogPosition(0x300_0028)),
            voters: BTreeSet::new(),
            acks: 0,
            grants: 0,
            proposal: None,
            cause: None,
            loss: None,
            rebuild: None,
            switched: None,
            system: Some("7300000000000000001".to_owned()),
            grant: Nonce::new("nonce-1").unwrap(),
        }
    }

    pub(crate) fn route(&self, term: u64) -> Route {
        let endpoint =
            Endpoint { member: self.member("7k2qd"), address: format!("10.0.0.1:{}", 5432 + term) };
        Route {
            cluster: self.name.clone(),
            term: Term(term),
            phase: Phase::Serving,
            admission: Admission::ReadWrite,
            primary: Some(endpoint),
            replicas: vec![],
            space: Space::Ample,
        }
    }

    pub(crate) fn record(&self, short: &str, starts: u64) -> MemberRecord {
        MemberRecord {
            identity: self.identity(short),
            incarnation: "pod-1".to_owned(),
            address: "10.0.0.1:5432".to_owned(),
            peer: "10.0.0.1:5433".to_owned(),
            version: "0.1.0".to_owned(),
            starts,
            term: Term(1),
            activity: Activity::Following,
            replication: Replication::InBound,
            trouble: None,
            beyond_repair: None,
            space: Space::Ample,
            pending_restart: vec![],
        }
    }
}
