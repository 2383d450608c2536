//! How a member becomes the primary of a term: from nothing by a grant, or anew on its own data after its server ended.
//!
//! The order is the whole point: the rule names the term before anything starts; the server starts as a standby with the quorum of the term
//! already in force; the pledge is durable before the promotion; the term counts only when its voters have its row on disk; only then does
//! the rule say Serving. The gate is not opened here.
//!
//! Where the member died in between is told by the rule and the ledger. A term in which a promotion may have happened is not gone on with by
//! another run of the server: the next term is.

use super::action::Effect;
use super::defect::Defect;
use super::event::KnownRule;
use super::ledger::Era;
use super::state::{Down, Force, Gate, Server, Source, State, Up};
use super::step::{Step, settings, start};
use super::voters::{flushed_by, setting};
use super::wait::{Refusal, Wait};
use super::{route, serve};
use crate::database::{Boot, LocalStatus, Quorum, TermRow, Volume};
use crate::position::LogPosition;
use crate::term::{Term, Timeline};
use crate::topology::{AcceptedLoss, Cause, Identity, Intent, Mishap, Phase, Proposal, Rebuild, Rule};
use std::collections::BTreeSet;

/// There is no rule: only the member that holds the grant may write the first one.
pub(super) fn from_nothing(state: &State, intent: &Intent) -> Step {
    let me = &state.me.identity;
    let Some(grant) = &intent.grant else { return Step::Wait(Wait::NoGrant) };
    if grant.to.member != me.member {
        return Step::Wait(Wait::Creating(grant.to.member.clone()));
    }
    if grant.to.claim != me.claim {
        return Step::Wait(Wait::Refused(Refusal::OtherClaim(grant.to.claim.clone())));
    }
    if !state.is_announced() {
        return Step::Wait(Wait::Unannounced);
    }
    let rule = Rule {
        term: Term(1),
        phase: Phase::Bootstrapping,
        primary: me.clone(),
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
        // What was asked for before there was anybody to hand over is no asking any more.
        switched: intent.switchover.as_ref().map(|switchover| switchover.nonce.clone()),
        system: None,
        grant: grant.nonce.clone(),
    };
    Step::act(Effect::SwapRule { route: route::without_primary(intent, &rule), rule, expected: None })
}

/// The rule says that this member is to become the primary of its term.
pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, volume: &Volume) -> Step {
    let rule = &known.rule;
    match volume {
        Volume::Empty if rule.phase == Phase::Bootstrapping => make(state, rule),
        Volume::Empty => Step::Wait(Wait::Refused(Refusal::PrimaryEmpty)),
        Volume::Present { system, .. } => match &state.server {
            Server::Unknown => Step::Wait(Wait::Warden),
            Server::Down(down) => rise(state, intent, known, down),
            Server::Up(up) => climb(state, intent, known, up, system),
        },
    }
}

fn make(state: &State, rule: &Rule) -> Step {
    match state.notes.ledger() {
        Some(ledger) if ledger.promise < rule.term => {
            Step::act(Effect::WriteLedger(ledger.clone().pledging(rule.term)))
        }
        Some(_) | None => Step::act(Effect::Initialize),
    }
}

fn rise(state: &State, intent: &Intent, known: &KnownRule, down: &Down) -> Step {
    let rule = &known.rule;
    let set_out = state.notes.ledger().is_some_and(|ledger| ledger.era(rule.term).is_some());
    if rule.phase == Phase::Electing && set_out {
        return new_term(state, intent, known, down.mishap.clone().unwrap_or(Mishap::Restarted), None);
    }
    start(state, Boot::Alone, settings(state, intent, known), quorum(state, intent, rule))
}

/// Whom the commits of this term will wait for.
fn quorum(state: &State, intent: &Intent, rule: &Rule) -> Quorum {
    if state.lacks(Defect::AsynchronousAcknowledgement) {
        return Quorum::None;
    }
    let (voters, acks) = rule.slate();
    setting(rule.term, voters, acks, &serve::idle(intent, None))
}

/// The swap to the next term, of which this member is the coordinator. One that nobody else could lead it takes for itself at once.
pub(super) fn new_term(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    what: Mishap,
    loss: Option<AcceptedLoss>,
) -> Step {
    if !state.is_announced() {
        // Whoever sees the new term finds the new address with it.
        return Step::Wait(Wait::Unannounced);
    }
    let me = &state.me.identity;
    let alone = known.rule.voters.is_empty() && known.rule.primary == *me;
    let proposal = alone.then(|| Proposal {
        candidate: me.clone(),
        voters: BTreeSet::new(),
        acks: 0,
        grants: 0,
        end: None,
    });
    let rule = Rule {
        term: known.rule.term.next(),
        phase: Phase::Electing,
        coordinator: Some(me.clone()),
        timeline: known.rule.timeline.max(used(state)).next(),
        branched: None,
        proposal,
        cause: Some(Cause { leader: known.rule.leader().member.clone(), what }),
        loss: loss.or_else(|| known.rule.loss.clone()),
        ..known.rule.clone()
    };
    Step::act(Effect::SwapRule {
        route: route::without_primary(intent, &rule),
        rule,
        expected: Some(known.revision),
    })
}

/// The highest timeline that this volume may have reached. It can be above the rule's own: a swap whose answer was lost may have named the
/// run before the one that was promoted last.
pub(super) fn used(state: &State) -> Timeline {
    let eras = state.notes.ledger().map_or(&[][..], |ledger| &ledger.lineage);
    eras.iter().map(|era| era.timeline).max().unwrap_or_default()
}

fn climb(state: &State, intent: &Intent, known: &KnownRule, up: &Up, system: &str) -> Step {
    match (up.promoted, &up.status) {
        (Some(start), _) => establish(state, intent, known, up, start, system),
        (None, None) => Step::Wait(Wait::NotAnswering(up.silent.clone())),
        (None, Some(status)) if !status.in_recovery => {
            // Another run of the agent promoted it; what it had set is not known, and nothing was let in yet.
            Step::act(Effect::Stop(up.run))
        }
        (None, Some(status)) => {
            prepare(state, intent, known, up).unwrap_or_else(|| promote(state, &known.rule, up, status))
        }
    }
}

/// What a standby needs before it is promoted: an end of its stream, the settings of the term, and whom its commits will wait for.
fn prepare(state: &State, intent: &Intent, known: &KnownRule, up: &Up) -> Option<Step> {
    if up.source != Source::Alone {
        return Some(Step::act(Effect::Detach));
    }
    let quorum = quorum(state, intent, &known.rule);
    if matches!(&up.force, Force::Known { quorum: known, .. } if *known == quorum) {
        // Most often there is nothing left to apply: with the quorum the server became one of its term.
        let settings = settings(state, intent, known);
        return (up.settings.as_ref() != Some(&settings)).then(|| Step::act(Effect::Apply(settings)));
    }
    // Everybody, and not only the voters: who is refused now tries again only later, and the term's row may wait for any of them.
    let followers = intent.members.keys().cloned().collect();
    Some(Step::act(Effect::SetQuorum { quorum, followers }))
}

fn promote(state: &State, rule: &Rule, up: &Up, status: &LocalStatus) -> Step {
    let timeline = match rule.phase {
        // No other member exists yet, so that the volume itself tells which numbers were used. A server that was promoted and killed may not
        // remember it, but each start was counted.
        Phase::Bootstrapping => status.timeline.max(starts(state)).next(),
        Phase::Electing if state.lacks(Defect::TimelineUsedTwice) => seen(state, up, status).next(),
        Phase::Electing | Phase::Serving | Phase::Switching => rule.timeline,
    };
    match state.notes.ledger() {
        Some(ledger)
            if ledger.newest().is_some_and(|era| era.term == rule.term && era.timeline == timeline) =>
        {
            Step::act(Effect::Promote(timeline))
        }
        Some(ledger) => {
            let era = Era { term: rule.term, timeline, start: None };
            Step::act(Effect::WriteLedger(ledger.clone().entering(era, status.timeline)))
        }
        None => Step::Wait(Wait::Refused(Refusal::NoLedger)),
    }
}

/// The newest timeline that the server itself has the history of.
fn seen(state: &State, up: &Up, status: &LocalStatus) -> Timeline {
    let eras = state.notes.ledger().map_or(&[][..], |ledger| &ledger.lineage);
    let begun = eras.iter().filter(|era| era.start.is_some()).map(|era| era.timeline);
    begun.chain(up.end.map(|end| end.timeline)).fold(status.timeline, Timeline::max)
}

/// As many timelines as there were starts.
fn starts(state: &State) -> Timeline {
    let starts = state.notes.ledger().map_or(0, |ledger| ledger.starts);
    Timeline(u32::try_from(starts).unwrap_or(u32::MAX - 1))
}

fn establish(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    up: &Up,
    start: LogPosition,
    system: &str,
) -> Step {
    let rule = &known.rule;
    let Some(timeline) = risen(state, rule, up) else {
        return Step::Wait(Wait::NotAnswering(up.silent.clone()));
    };
    if rule.phase == Phase::Bootstrapping {
        if let Some(step) = enter(state, rule.term, timeline, Some(start)) {
            return step;
        }
        match serve::access(state, intent) {
            Step::Rest => {}
            step @ (Step::Do(_) | Step::Wait(_) | Step::Busy | Step::Exit) => return step,
        }
    }
    let (voters, acks) = rule.slate();
    let quorum = quorum(state, intent, rule);
    if !matches!(&up.force, Force::Known { quorum: known, .. } if *known == quorum) {
        return Step::act(Effect::SetQuorum { quorum, followers: BTreeSet::new() });
    }
    let row = TermRow { term: rule.term, voters: voters.clone(), acks };
    let Some((_, position)) = up.row.as_ref().filter(|(written, _)| *written == row) else {
        return Step::act(Effect::WriteTerm(row));
    };
    let have = flushed_by(voters, &state.flushed(rule.term), *position);
    if have < acks && !state.lacks(Defect::TermRowNotFlushed) {
        let joins = up.status.as_ref().and_then(|status| joining(state, intent, known, status));
        return joins.unwrap_or(Step::Wait(Wait::TermOnVoters { needed: acks, have }));
    }
    if !state.is_announced() {
        return Step::Wait(Wait::Unannounced);
    }
    if state.lacks(Defect::GateBeforeSwap) && up.gate != Gate::Open {
        return Step::act(Effect::OpenGate);
    }
    let rule = Rule {
        phase: Phase::Serving,
        primary: state.me.identity.clone(),
        coordinator: None,
        timeline,
        branched: Some(start),
        voters: voters.clone(),
        acks,
        grants: rule.proposal.as_ref().map_or(rule.grants, |proposal| proposal.grants),
        proposal: None,
        rebuild: rule.rebuild.clone().map(Rebuild::done),
        system: Some(system.to_owned()),
        ..rule.clone()
    };
    Step::act(Effect::SwapRule {
        route: route::of(state, intent, &rule, None),
        rule,
        expected: Some(known.revision),
    })
}

/// The timeline that the server was promoted onto: what an election allocated, or it would not have been said to be promoted. The first of all is
/// told by the server alone.
fn risen(state: &State, rule: &Rule, up: &Up) -> Option<Timeline> {
    let told = || up.status.as_ref().map(|status| status.timeline);
    match rule.phase {
        Phase::Bootstrapping => told(),
        Phase::Electing if state.lacks(Defect::TimelineUsedTwice) => told(),
        Phase::Electing | Phase::Serving | Phase::Switching => Some(rule.timeline),
    }
}

/// Names a member that streams beside those who were chosen and do not come, or waits for fewer where fewer are asked for now. Nothing was
/// acknowledged in the term yet.
fn joining(state: &State, intent: &Intent, known: &KnownRule, status: &LocalStatus) -> Option<Step> {
    let rule = &known.rule;
    let proposal = rule.proposal.as_ref()?;
    let asked = intent.durability.asked(intent.members.len());
    if asked > 0 && asked < proposal.acks {
        let fewer = Proposal { acks: asked, grants: proposal.grants.min(asked), ..proposal.clone() };
        return Some(propose(intent, known, fewer));
    }
    let joins = intent
        .members
        .iter()
        .map(|(member, claim)| Identity { member: member.clone(), claim: claim.clone() })
        .filter(|member| *member != state.me.identity)
        .filter(|member| proposal.voters.iter().all(|voter| voter.member != member.member))
        .find(|member| state.streams(member, rule.term, status.position))?;
    let mut voters = proposal.voters.clone();
    voters.insert(joins);
    Some(propose(intent, known, Proposal { voters, ..proposal.clone() }))
}

fn propose(intent: &Intent, known: &KnownRule, proposal: Proposal) -> Step {
    let rule = Rule { proposal: Some(proposal), ..known.rule.clone() };
    Step::act(Effect::SwapRule {
        route: route::without_primary(intent, &rule),
        rule,
        expected: Some(known.revision),
    })
}

/// Enters the term's era into the ledger, if it is not there yet.
pub(super) fn enter(
    state: &State,
    term: Term,
    timeline: Timeline,
    start: Option<LogPosition>,
) -> Option<Step> {
    let ledger = state.notes.ledger()?;
    let era = Era { term, timeline, start };
    let entered = ledger.era(term) == Some(&era);
    (!entered).then(|| Step::act(Effect::WriteLedger(ledger.clone().entering(era, timeline))))
}
