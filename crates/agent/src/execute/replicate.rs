//! Replication: whom a standby follows, its promotion, whom a primary's commits wait for, and the proof of the term.

use super::{Parts, engine_failed};
use berth_core::election::Outcome;
use berth_core::{MemberId, Timeline};
use berth_engine::{Peer, Quorum, TermRow};
use std::collections::BTreeSet;

pub(super) async fn follow(parts: &Parts, peer: Option<Peer>) -> Outcome {
    match parts.engine.follow(peer.as_ref()).await {
        Ok(()) => Outcome::Following(peer),
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn detach(parts: &Parts) -> Outcome {
    match parts.engine.detach().await {
        Ok(end) => Outcome::Detached(end),
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn promote(parts: &Parts, timeline: Timeline) -> Outcome {
    match parts.engine.promote(timeline).await {
        Ok(start) => Outcome::Promoted(start),
        Err(error) => engine_failed(&error),
    }
}

/// The position is asked for only after the quorum is in force: what was acknowledged before it is below.
pub(super) async fn set_quorum(parts: &Parts, quorum: Quorum, followers: &BTreeSet<MemberId>) -> Outcome {
    if !followers.is_empty()
        && let Err(error) = parts.engine.welcome(followers).await
    {
        return engine_failed(&error);
    }
    if let Err(error) = parts.engine.set_quorum(&quorum).await {
        return engine_failed(&error);
    }
    match parts.engine.status().await {
        Ok(status) => Outcome::QuorumInForce { quorum, position: status.position },
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn write_term(parts: &Parts, row: TermRow) -> Outcome {
    match parts.engine.write_term(&row).await {
        Ok(position) => Outcome::TermWritten { row, position },
        Err(error) => engine_failed(&error),
    }
}
