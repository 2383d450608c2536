//! Why a term was followed by another, for whoever is woken by it.

use crate::ids::MemberId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a term was followed by another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Who led that term.
    pub leader: MemberId,
    /// What happened to it.
    pub what: Mishap,
}

/// What happened to a leader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Mishap {
    /// Its server ended, and nobody had asked it to.
    Ended {
        /// How.
        how: String,
    },
    /// Its server ran, did not answer, and was killed.
    Frozen,
    /// Its disk hung: it ran, none of its commits ended, and it was killed.
    DiskHangs,
    /// It was killed at the end of its lease, because it heard neither enough of the others nor etcd.
    CutOff,
    /// Its container was started anew.
    Restarted,
    /// Its agent said that the server is dead.
    Gone,
    /// Nothing was heard of it.
    Silent,
    /// Too few were left to choose another, and a person accepted what may be lost.
    LossAccepted,
    /// The topology was lost with nobody left who could write it back, and is rebuilt from what members hold.
    TopologyLost,
    /// None: it handed over.
    HandedOver,
    /// One that a newer version knows.
    #[serde(other)]
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leader, what } = self;
        match what {
            Mishap::Ended { how } => write!(f, "the database of {leader} ended by {how}"),
            Mishap::Frozen => {
                write!(
                    f,
                    "the database of {leader} ran but did not answer (frozen, or overloaded), and was killed"
                )
            }
            Mishap::DiskHangs => {
                write!(
                    f,
                    "the disk of {leader} hung: no write to its data volume ended; its database was killed"
                )
            }
            Mishap::CutOff => write!(
                f,
                "{leader} was cut off: it heard neither enough of the others nor etcd, and its lease ran out"
            ),
            Mishap::Restarted => write!(f, "the container of {leader} was started anew"),
            Mishap::Gone => write!(f, "the agent of {leader} said that its database is dead"),
            Mishap::Silent => {
                write!(f, "nothing was heard of {leader} (its node, its network or its agent)")
            }
            Mishap::LossAccepted => write!(
                f,
                "{leader} was lost with too many others, and a person accepted the loss of what only they held"
            ),
            Mishap::TopologyLost => f.write_str(
                "the topology was lost, or restored from an older backup, and was rebuilt from what the members hold",
            ),
            Mishap::HandedOver => write!(f, "{leader} handed over"),
            Mishap::Other => write!(f, "{leader} could not go on"),
        }
    }
}
