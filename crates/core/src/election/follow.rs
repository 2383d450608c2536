//! How a member follows: copies the data if it has none, checks that its log is a part of the leader's, and streams.
//!
//! It points the server at a leader only under the name of the leader's term, and only after that term is in its ledger. A log that went
//! another way is never attached and never repaired by guessing.

use super::action::Effect;
use super::event::KnownRule;
use super::ledger::Era;
use super::state::{Server, Source, State, Up};
use super::step::{Step, settings, start};
use super::wait::{Refusal, Wait};
use super::{ascend, serve};
use crate::database::{Boot, LocalStatus, Peer, Quorum, Volume};
use crate::topology::{Identity, Intent, Phase, Rule};

/// `leader` is who is followed in this term, if that is known already.
pub(super) fn step(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    volume: &Volume,
    leader: Option<&Identity>,
) -> Step {
    let rule = &known.rule;
    let peer = leader.map(|leader| peer(state, rule, leader));
    match (&state.server, volume) {
        (Server::Unknown, _) => Step::Wait(Wait::Warden),
        (Server::Down(_), Volume::Empty) => copy(state, intent, rule, peer),
        (Server::Down(_), Volume::Present { .. }) => boot(state, intent, known, peer),
        (Server::Up(up), _) => stream(state, intent, known, up, peer),
    }
}

/// Where the leader is reached, by its own word.
fn peer(state: &State, rule: &Rule, leader: &Identity) -> Result<Peer, Wait> {
    let record = state.world.view.members.get(&leader.member).filter(|record| record.identity == *leader);
    match record {
        Some(record) => {
            Ok(Peer { member: leader.member.clone(), address: record.address.clone(), term: rule.term })
        }
        None => Err(Wait::NoAddress(leader.member.clone())),
    }
}

fn no_leader(rule: &Rule) -> Wait {
    let coordinator = rule.coordinator.as_ref().map(|coordinator| coordinator.member.clone());
    Wait::Election { term: rule.term, coordinator }
}

/// An empty volume is filled from the primary, and from a serving one only: what it copies then holds all that was ever acknowledged.
///
/// A voter whose volume was emptied comes back this way too. Until its copy is complete it holds nothing, and whoever counts members for
/// an election must not count it.
fn copy(state: &State, intent: &Intent, rule: &Rule, peer: Option<Result<Peer, Wait>>) -> Step {
    if !intent.members.contains_key(&state.me.identity.member) {
        return Step::Wait(Wait::Leaving);
    }
    let peer = match (rule.phase, peer) {
        (Phase::Serving, Some(Ok(peer))) => peer,
        (Phase::Serving, Some(Err(wait))) => return Step::Wait(wait),
        (Phase::Bootstrapping | Phase::Electing | Phase::Switching, _) | (Phase::Serving, None) => {
            return Step::Wait(no_leader(rule));
        }
    };
    if intent.paused {
        return Step::Wait(Wait::Paused);
    }
    let Some(ledger) = state.notes.ledger() else {
        return Step::Wait(Wait::Leaving);
    };
    let era = Era { term: rule.term, timeline: rule.timeline, start: rule.branched };
    if ledger.lineage == [era] {
        return Step::act(Effect::Clone(peer));
    }
    Step::act(Effect::WriteLedger(ledger.clone().emptied().entering(era, rule.timeline)))
}

/// A server that belongs to the term starts as its follower; any other starts alone and is looked at first.
fn boot(state: &State, intent: &Intent, known: &KnownRule, peer: Option<Result<Peer, Wait>>) -> Step {
    let entered = state.notes.ledger().is_some_and(|ledger| ledger.era(known.rule.term).is_some());
    let boot = match peer {
        Some(Ok(peer)) if entered => Boot::Following(peer),
        Some(Ok(_) | Err(_)) | None => Boot::Alone,
    };
    start(state, boot, settings(intent, known), Quorum::Nobody)
}

fn stream(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    up: &Up,
    peer: Option<Result<Peer, Wait>>,
) -> Step {
    let Some(status) = &up.status else {
        return Step::Wait(Wait::NotAnswering(up.silent.clone()));
    };
    if !status.in_recovery {
        // It took writes, and the rule names another: the guard kills it, or the topology is an old one and nothing is touched.
        return Step::Wait(Wait::Refused(Refusal::OtherLineage));
    }
    let peer = match peer {
        Some(Ok(peer)) => peer,
        Some(Err(wait)) => return Step::Wait(wait),
        None => return Step::Wait(no_leader(&known.rule)),
    };
    if up.source == Source::Of(peer.clone()) {
        return attached(state, intent, known, up, status, &peer);
    }
    attach(state, &known.rule, status, peer)
}

fn attached(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    up: &Up,
    status: &LocalStatus,
    peer: &Peer,
) -> Step {
    let rule = &known.rule;
    // Where the timeline begins is known only when the primary serves on it; from then on it stands in the ledger.
    if let Some(step) = rule.branched.and_then(|start| ascend::enter(state, rule.term, rule.timeline, start))
    {
        return step;
    }
    match serve::apply(intent, known, up) {
        Step::Rest if !status.receiving => Step::Wait(Wait::NotStreaming(peer.member.clone())),
        step @ (Step::Rest | Step::Do(_) | Step::Wait(_) | Step::Busy | Step::Exit) => step,
    }
}

fn attach(state: &State, rule: &Rule, status: &LocalStatus, peer: Peer) -> Step {
    let Some(ledger) = state.notes.ledger() else {
        return Step::Wait(Wait::Refused(Refusal::NoLedger));
    };
    if ledger.era(rule.term).is_some() {
        return Step::act(Effect::Follow(Some(peer)));
    }
    if went_another_way(rule, status) {
        return Step::Wait(Wait::Refused(Refusal::OtherLineage));
    }
    let era = Era { term: rule.term, timeline: rule.timeline, start: rule.branched };
    Step::act(Effect::WriteLedger(ledger.clone().entering(era, status.timeline)))
}

/// Whether the member's log holds something that the leader's does not. A timeline's number is used once, so that being on the rule's
/// timeline means to have it from the rule's own primary.
fn went_another_way(rule: &Rule, status: &LocalStatus) -> bool {
    if status.timeline == rule.timeline {
        return false;
    }
    status.timeline > rule.timeline || rule.branched.is_some_and(|start| status.position > start)
}
