//! How a member follows: copies the data if it has none, checks that its log is a part of the leader's, and streams.
//!
//! It points the server at a leader only under the name of the leader's term, and only after that term is in its ledger. A log that went
//! another way is never attached and never repaired by guessing.

use super::action::Effect;
use super::defect::Defect;
use super::event::KnownRule;
use super::ledger::{Era, Ledger};
use super::moment::Moment;
use super::state::{Down, Server, Source, State, Up};
use super::step::{Step, settings, start};
use super::wait::{Refusal, Wait};
use super::{ascend, campaign, serve};
use crate::database::{Boot, LocalStatus, LogEnd, Peer, Quorum, Volume};
use crate::topology::{Identity, Intent, Phase, Rule};
use std::time::Duration;

/// How long a stream from a leader that is heard may not come before the data is cut back to the leader's history. A restart of either is over sooner.
const NEVER: Duration = Duration::from_secs(15);

/// How long a server that came back is left as it is where nobody looks: until somebody would notice.
const UNCHECKED: Duration = Duration::from_secs(5);

/// How long a server whose data was cut back may be on its way to another leader than the present one before it is cut back to this one's
/// history: a moment longer than a start takes.
const UNWHOLE: Duration = Duration::from_secs(5);

/// How long it may be on its way to the present one: what it lacks is the little that was written while its files were copied.
const UNWHOLE_HERE: Duration = Duration::from_mins(1);

/// How long any other may recover from its own log before the same is done: that is work, not silence, and is rarely so long.
const RECOVERY: Duration = Duration::from_mins(10);

/// `leader` is who is followed in this term, if that is known already.
pub(super) fn step(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    volume: &Volume,
    leader: Option<&Identity>,
    now: Moment,
) -> Step {
    let rule = &known.rule;
    let peer = leader.map(|leader| peer(state, rule, leader));
    match (&state.server, volume) {
        (Server::Unknown, _) => Step::Wait(Wait::Warden),
        (Server::Down(_), Volume::Empty) => copy(state, intent, rule, peer),
        (Server::Down(down), Volume::Present { torn, .. }) => {
            down_with_data(state, intent, known, down, *torn, peer)
        }
        (Server::Up(up), _) => stream(state, intent, known, up, peer, now),
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

/// An empty volume is filled from the primary, or from whoever was chosen to be: what it copies then holds all that was ever acknowledged.
///
/// A voter whose volume was emptied comes back this way too. Until its copy is complete it holds nothing, and whoever counts members for
/// an election must not count it.
fn copy(state: &State, intent: &Intent, rule: &Rule, peer: Option<Result<Peer, Wait>>) -> Step {
    if !intent.members.contains_key(&state.me.identity.member) {
        return Step::Wait(Wait::Leaving);
    }
    let peer = match (rule.phase, peer) {
        (Phase::Serving | Phase::Electing, Some(Ok(peer))) => peer,
        (Phase::Serving | Phase::Electing, Some(Err(wait))) => return Step::Wait(wait),
        (Phase::Bootstrapping | Phase::Switching, _) | (Phase::Serving | Phase::Electing, None) => {
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

fn down_with_data(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    down: &Down,
    torn: bool,
    peer: Option<Result<Peer, Wait>>,
) -> Step {
    match (known.rule.phase, peer) {
        (Phase::Serving | Phase::Electing, Some(Ok(peer))) if down.diverged || down.rewound || torn => {
            rewind(state, intent, known, down, peer)
        }
        (Phase::Electing, None) => Step::Wait(no_leader(&known.rule)),
        (_, _) if torn => Step::Wait(no_leader(&known.rule)),
        (Phase::Bootstrapping | Phase::Serving | Phase::Electing | Phase::Switching, peer) => {
            boot(state, intent, known, peer)
        }
    }
}

/// Data that holds what the primary's does not is cut back to where it left the primary's history, and goes on from there.
fn rewind(state: &State, intent: &Intent, known: &KnownRule, down: &Down, peer: Peer) -> Step {
    let rule = &known.rule;
    if !intent.members.contains_key(&state.me.identity.member) {
        return Step::Wait(Wait::Leaving);
    }
    if !down.rewound {
        return Step::act(Effect::Rewind(peer));
    }
    ascend::enter(state, rule.term, rule.timeline, rule.branched).unwrap_or_else(|| {
        start(state, Boot::Following(peer), settings(state, intent, known), Quorum::Nobody)
    })
}

/// A server that belongs to the term starts as its follower; any other starts alone and is looked at first.
fn boot(state: &State, intent: &Intent, known: &KnownRule, peer: Option<Result<Peer, Wait>>) -> Step {
    let entered = state.notes.ledger().is_some_and(|ledger| ledger.era(known.rule.term).is_some());
    let boot = match peer {
        Some(Ok(peer)) if entered => Boot::Following(peer),
        Some(Ok(peer)) if state.lacks(Defect::UncheckedRejoin) => {
            let last = state.notes.ledger().and_then(Ledger::newest).map_or(peer.term, |era| era.term);
            Boot::Following(Peer { term: last, ..peer })
        }
        Some(Ok(_) | Err(_)) | None => Boot::Alone,
    };
    start(state, boot, settings(state, intent, known), Quorum::Nobody)
}

fn stream(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    up: &Up,
    peer: Option<Result<Peer, Wait>>,
    now: Moment,
) -> Step {
    let Some(status) = &up.status else {
        return if let Some(Ok(peer)) = peer
            && never_answers(state, up, &peer).is_some_and(|at| at <= now)
        {
            part(&known.rule, up)
        } else {
            Step::Wait(Wait::NotAnswering(up.silent.clone()))
        };
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
        let heard = !campaign::lost(state, now);
        let looks = !state.lacks(Defect::NoRewind);
        if looks && heard && never_arrives(state, &known.rule, up).is_some_and(|at| at <= now) {
            return part(&known.rule, up);
        }
        return attached(state, intent, known, up, status, &peer);
    }
    if state.lacks(Defect::UncheckedRejoin) && unchecked(up, &peer, now) {
        return Step::Wait(Wait::NotStreaming(peer.member));
    }
    attach(state, &known.rule, up, peer)
}

/// Whether a server that came back by itself to whoever leads now has only just done so.
fn unchecked(up: &Up, peer: &Peer, now: Moment) -> bool {
    let back = matches!(&up.source, Source::Of(source) if source.member == peer.member);
    back && now.since(up.since) < UNCHECKED
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
    if let Some(step) =
        rule.branched.and_then(|start| ascend::enter(state, rule.term, rule.timeline, Some(start)))
    {
        return step;
    }
    match serve::apply(state, intent, known, up) {
        Step::Rest if !status.receiving => Step::Wait(Wait::NotStreaming(peer.member.clone())),
        step @ (Step::Rest | Step::Do(_) | Step::Wait(_) | Step::Busy | Step::Exit) => step,
    }
}

/// The log of this member is of no use to the leader's: its server is ended, and its data cut back to the leader's. Also while the leader is
/// only chosen, because its term may count on nobody but this member.
fn part(rule: &Rule, up: &Up) -> Step {
    match rule.phase {
        Phase::Serving | Phase::Electing => Step::act(Effect::Stop(up.run)),
        Phase::Bootstrapping | Phase::Switching => Step::Wait(no_leader(rule)),
    }
}

/// When a stream that should be there and is not counts as one that never will be: the leader serves and is heard, and refuses what this
/// member asks it for, because their histories differ in a way that the rule alone does not tell.
fn never_arrives(state: &State, rule: &Rule, up: &Up) -> Option<Moment> {
    let leads = match rule.phase {
        Phase::Serving => true,
        Phase::Electing => rule.proposal.is_some(),
        Phase::Bootstrapping | Phase::Switching => false,
    };
    // A leader that is cut off says nothing of the log, however long.
    let since = state.contact.unbroken.filter(|_| leads)?;
    let idle = up.status.as_ref().is_some_and(|status| !status.receiving);
    idle.then(|| up.changed.max(state.lag.since).max(since).after(NEVER))
}

/// When a server that has not answered yet counts as one that never will. What was cut back needs what follows from a leader: it may ask one
/// that was lost before it had come as far, or one that has not kept what it asks for.
fn never_answers(state: &State, up: &Up, leader: &Peer) -> Option<Moment> {
    let asks = matches!(&up.source, Source::Of(source) if source == leader);
    let torn = matches!(state.volume, Some(Volume::Present { torn: true, .. }));
    let since = match (torn, asks) {
        (true, false) => Some(up.since.after(UNWHOLE)),
        (true, true) => state.contact.unbroken.map(|heard| up.since.max(heard).after(UNWHOLE_HERE)),
        (false, false) => Some(up.since.after(RECOVERY)),
        (false, true) => None,
    };
    since.filter(|_| up.answered.is_none())
}

/// When that is to be looked at again.
pub(super) fn wakes(state: &State) -> Option<Moment> {
    let rule = &state.world.view.rule.as_ref()?.rule;
    let up = state.server.up().filter(|_| *rule.leader() != state.me.identity)?;
    let answers =
        || peer(state, rule, rule.leader()).ok().and_then(|leader| never_answers(state, up, &leader));
    never_arrives(state, rule, up).or_else(answers)
}

fn attach(state: &State, rule: &Rule, up: &Up, peer: Peer) -> Step {
    let Some(ledger) = state.notes.ledger() else {
        return Step::Wait(Wait::Refused(Refusal::NoLedger));
    };
    // What a server says while it replays, or while another leader's log still arrives, is less than it holds in the end.
    let Some(end) = up.end else {
        return Step::act(Effect::Detach);
    };
    if went_another_way(rule, end) && !state.lacks(Defect::NoRewind) {
        return part(rule, up);
    }
    if ledger.era(rule.term).is_some() {
        return Step::act(Effect::Follow(Some(peer)));
    }
    let era = Era { term: rule.term, timeline: rule.timeline, start: rule.branched };
    Step::act(Effect::WriteLedger(ledger.clone().entering(era, end.timeline)))
}

/// Whether the member's log holds something that the leader's does not. A timeline's number is used once, so that being on the rule's
/// timeline means to have it from the rule's own primary.
fn went_another_way(rule: &Rule, log: LogEnd) -> bool {
    if log.timeline == rule.timeline {
        return false;
    }
    // While the term has only a candidate, its timeline begins where the candidate's log ended or before.
    let chosen = rule.proposal.as_ref().and_then(|proposal| proposal.end);
    let begins = rule.branched.or(chosen);
    log.timeline > rule.timeline || begins.is_some_and(|start| log.position > start)
}
