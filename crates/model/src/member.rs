//! A member: its machine, its agent, and what is under way for it.

use crate::store::Key;
use berth_core::database::LocalStatus;
use berth_core::election::{Effect, Issued, Me, Message, Moment, Notes, ProcessNews, Run, State};
use berth_core::topology::MemberRecord;
use berth_testkit::simulation::names::{Address, Who, cluster, cluster_uid};
use std::collections::BTreeSet;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// To whom.
    pub(crate) to: Address,
    /// From whom.
    pub(crate) from: Who,
    /// What it says.
    pub(crate) message: Message,
}

impl Letter {
    /// Whether it only says that a leader is there, or that it was heard.
    pub(crate) fn is_beat(&self) -> bool {
        matches!(self.message, Message::Beat { .. } | Message::Grant { .. })
    }
}

/// What an agent last heard of its server: which run, after how many changes, and what it said.
pub(crate) type Told = (Run, u64, Option<LocalStatus>);

/// A member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    /// None while its machine has no power.
    pub(crate) agent: Option<Box<State>>,
    /// How many pods it has had.
    pub(crate) pods: u32,
    /// The last run of the server in this pod.
    pub(crate) runs: u64,
    /// Until when the warden lets the server run.
    pub(crate) lease: Option<Moment>,
    /// The effect that was asked for.
    pub(crate) doing: Option<(Issued, Effect)>,
    /// The record that is to be written.
    pub(crate) announcing: Option<(u64, MemberRecord)>,
    /// The reading of the rule that was asked for, and when.
    pub(crate) confirming: Option<(u64, Moment)>,
    /// What of the store it has not heard of.
    pub(crate) news: BTreeSet<Key>,
    /// What the warden has not told it of.
    pub(crate) process: Vec<ProcessNews>,
    pub(crate) told: Option<Told>,
    /// It reaches nobody, and nobody reaches it.
    pub(crate) cut: bool,
    /// Its agent stands still; its server and its warden do not.
    pub(crate) frozen: bool,
}

impl Member {
    pub(crate) fn address(&self, who: Who) -> Address {
        Address { who, pod: self.pods }
    }

    /// Its agent, if that does anything.
    pub(crate) fn awake(&self) -> Option<&State> {
        self.agent.as_deref().filter(|_| !self.frozen)
    }

    /// Whom a new agent takes itself for.
    pub(crate) fn me(&self, who: Who) -> Me {
        let address = self.address(who);
        Me {
            identity: who.identity(),
            cluster: cluster(),
            uid: cluster_uid(),
            incarnation: format!("pod-{address}"),
            address: address.database(),
            peer: address.peer(),
            version: "model".to_owned(),
        }
    }

    /// A new agent begins, and knows nothing but what lies on its volume.
    pub(crate) fn begin(&mut self, state: State) {
        self.agent = Some(Box::new(state));
        self.frozen = false;
        (self.doing, self.announcing, self.confirming, self.told) = (None, None, None, None);
        self.news = BTreeSet::from([Key::All]);
    }
}

/// What lies on a volume, as its agent finds it.
pub(crate) fn notes(ledger: Option<berth_core::election::Ledger>) -> Notes {
    ledger.map_or(Notes::Absent, Notes::Present)
}
