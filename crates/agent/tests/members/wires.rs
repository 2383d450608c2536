//! The link between members that run in this process: wires that can be cut, in one direction or both.
//!
//! What is said goes through the same envelope as between pods. A message is heard at once, or never.

use berth_agent::peers::Link;
use berth_agent::peers::envelope::{self, Line};
use berth_core::MemberId;
use berth_core::election::{Event, Message};
use berth_core::topology::Identity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// All wires of a cluster. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Who hears at which address.
    ears: BTreeMap<String, (MemberId, mpsc::Sender<Event>)>,
    /// From whom nothing comes to whom.
    cut: BTreeSet<(MemberId, MemberId)>,
}

impl Wires {
    /// From now on this member's agent hears at this address. The agent that did before is deaf.
    pub(crate) fn hear(&self, member: MemberId, address: String, events: mpsc::Sender<Event>) {
        self.state().ears.insert(address, (member, events));
    }

    /// The link of this member.
    pub(crate) fn link(&self, from: Identity) -> Wire {
        Wire { wires: self.clone(), from }
    }

    /// Nothing that `from` says reaches `to` any more; the other way is as it was.
    pub(crate) fn cut_one_way(&self, from: &MemberId, to: &MemberId) {
        self.state().cut.insert((from.clone(), to.clone()));
    }

    /// Neither hears the other any more.
    pub(crate) fn cut(&self, one: &MemberId, other: &MemberId) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Everybody hears everybody again.
    pub(crate) fn mend(&self) {
        self.state().cut.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// One member's end of all wires.
pub(crate) struct Wire {
    wires: Wires,
    from: Identity,
}

impl Link for Wire {
    fn send(&self, to: &MemberId, address: &str, message: Message) {
        let state = self.wires.state();
        if state.cut.contains(&(self.from.member.clone(), to.clone())) {
            return;
        }
        let Some((_, events)) = state.ears.get(address).filter(|(member, _)| member == to) else { return };
        let line = envelope::write(&self.from, &message).unwrap();
        let Line::Said { from, message } = envelope::read(&line).unwrap() else {
            panic!("an agent must understand its own version: {line}")
        };
        // One that is dead, or hears too much at a time, hears nothing of it.
        let _lost = events.try_send(Event::Heard { from, message });
    }
}
