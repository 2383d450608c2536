//! What members say to each other, directly and not by way of the topology.
//!
//! Messages may be lost, doubled, late or out of order: each names the term that it speaks of, and whoever hears it drops what is older than
//! what it knows. Nothing is acknowledged by a message's arrival; what must be answered is asked again until it is. Both ends are told
//! apart by their certificates, so that nobody can speak for another member.

use super::moment::Moment;
use crate::database::LogEnd;
use crate::disk::Space;
use crate::term::Term;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a member that heard its leader's beat pledges nothing higher, counted by each side from its own end of the message: the leader
/// from when it sent the beat, the member from when it heard it, so that the member's always ends later.
pub const LEASE: Duration = Duration::from_secs(3);

/// What a member says to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The leader of a term to everybody: I am here, and ask for a grant.
    Beat {
        /// The term that it leads.
        term: Term,
        /// When it was sent, by the leader's own clock; comes back in the grant.
        at: Moment,
    },
    /// To the leader: I pledge nothing above `term` for [`LEASE`] from when I heard the beat of `at`.
    Grant {
        /// The term.
        term: Term,
        /// The beat's own.
        at: Moment,
    },
    /// From the leader's own agent: the server that led `term` is dead, with all that it started.
    Gone {
        /// The term.
        term: Term,
    },
    /// Would you pledge a term above `term`? Asked before the topology is touched, so that one bad link costs no healthy primary its term.
    Ask {
        /// The term that is to be followed by another.
        term: Term,
    },
    /// The answer.
    Would {
        /// The term that was asked about.
        term: Term,
        /// Whether the leader of that term is lost to the one who answers, too.
        yes: bool,
    },
    /// From the coordinator of `term`: pledge it, end what leads or follows in another, and say what you hold.
    Recruit {
        /// The term, which the topology shows to be the coordinator's.
        term: Term,
    },
    /// The pledge is on disk, and nothing that it ended can take or acknowledge a write any more.
    Pledged {
        /// The term.
        term: Term,
        /// What the member holds.
        holding: Holding,
    },
}

/// What a recruit holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holding {
    /// Its log.
    pub log: Log,
    /// What remains of the grant that it gave to a leader before, from when this was said.
    pub granted: Duration,
    /// The engine's identity of the data; none if there is no data.
    pub system: Option<String>,
    /// Whether its volume has room.
    #[serde(default, skip_serializing_if = "Space::is_ample")]
    pub space: Space,
}

/// The log of a recruit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// There is no database, or none that was copied to its end: it holds nothing, and counts for nothing.
    Nothing,
    /// A standby's, which ends here and can grow no more by the term before.
    Ends {
        /// The term that the last of it was written in.
        term: Term,
        /// Where it ends.
        end: LogEnd,
    },
    /// That of a server which led, and was stopped in order.
    Closed {
        /// The term in which it led.
        term: Term,
        /// Where its last record, the shutdown checkpoint, begins. Whoever holds more than this holds all.
        at: LogEnd,
    },
    /// That of a server which led and was killed or crashed: its end is unknown and counts as the highest.
    Open {
        /// The term in which it led.
        term: Term,
    },
}
