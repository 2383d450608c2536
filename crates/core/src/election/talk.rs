//! What the member says to the others now, and what it tells the warden: by time and by what it knows, never as an answer that must arrive.

use super::accept;
use super::action::{Action, EffectKind};
use super::campaign;
use super::elect;
use super::event::KnownRule;
use super::lease;
use super::message::Message;
use super::moment::Moment;
use super::pledge;
use super::state::{Server, State};
use crate::ids::MemberId;
use crate::topology::{Identity, Phase};
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two beats: four of them may be lost before a leader is.
const BEAT: Duration = Duration::from_millis(500);
/// Between two askings of the same: a message that was lost costs little.
const AGAIN: Duration = Duration::from_millis(200);

/// How long a coordinator's own promise may take before it falls silent, so that somebody with a disk that works takes the next term.
const OWN_PROMISE: Duration = Duration::from_secs(2);

/// What is to be said now. Notes that it was said.
pub(super) fn due(state: &mut State, now: Moment) -> Vec<Action> {
    if let Some((to, answer)) = pledge::answer(state, now) {
        if let Some(summons) = &mut state.contact.summons {
            summons.answered = true;
        }
        state.contact.outbox.push((to, answer));
    }
    let mut said = std::mem::take(&mut state.contact.outbox);
    let mut actions = Vec::new();
    if let Some(known) = state.world.view.rule.clone() {
        lead(state, &known, now, &mut said);
        ask(state, &known, now, &mut said);
        recruit(state, &known, now, &mut said);
        hold(state, &known, now, &mut actions);
    }
    actions.extend(said.into_iter().filter_map(|(to, message)| send(state, to, message)));
    actions
}

fn send(state: &State, to: MemberId, message: Message) -> Option<Action> {
    let record = state.world.view.members.get(&to)?;
    let address = record.peer.clone();
    (!address.is_empty()).then_some(Action::Send { to, address, message })
}

/// Every other member that has said where it is.
fn others(state: &State) -> Vec<MemberId> {
    let me = &state.me.identity.member;
    state.world.view.members.keys().filter(|member| *member != me).cloned().collect()
}

fn is_due(last: Option<Moment>, every: Duration, now: Moment) -> bool {
    last.is_none_or(|last| now.since(last) >= every)
}

/// Whether this member speaks for the term.
fn leads(state: &State, known: &KnownRule) -> bool {
    *known.rule.leader() == state.me.identity
        && state.notes.ledger().is_some_and(|ledger| ledger.promise <= known.rule.term)
}

/// Whether it chooses who leads, and cannot: its own disk does not take its promise.
fn stands_still(state: &State, known: &KnownRule, now: Moment) -> bool {
    let promise = state.pending.as_ref().filter(|pending| pending.effect.kind() == EffectKind::WriteLedger);
    chooses(state, known) && promise.is_some_and(|pending| now.since(pending.since) >= OWN_PROMISE)
}

fn lead(state: &mut State, known: &KnownRule, now: Moment, said: &mut Vec<(MemberId, Message)>) {
    if !leads(state, known) || stands_still(state, known, now) || !is_due(state.contact.beat_sent, BEAT, now)
    {
        return;
    }
    state.contact.beat_sent = Some(now);
    let term = known.rule.term;
    let dead = known.rule.phase == Phase::Serving && matches!(state.server, Server::Down(_));
    let message = if dead { Message::Gone { term } } else { Message::Beat { term, at: now } };
    said.extend(others(state).into_iter().map(|member| (member, message.clone())));
}

fn ask(state: &mut State, known: &KnownRule, now: Moment, said: &mut Vec<(MemberId, Message)>) {
    if !campaign::asks(state, known, now) || !is_due(state.contact.ask_sent, AGAIN, now) {
        return;
    }
    state.contact.ask_sent = Some(now);
    let me = &state.me.identity;
    let electors: BTreeSet<&Identity> = known.rule.voters.iter().chain([&known.rule.primary]).collect();
    let message = Message::Ask { term: known.rule.term };
    said.extend(electors.into_iter().filter(|id| *id != me).map(|id| (id.member.clone(), message.clone())));
}

/// Whether this member is choosing who leads.
fn chooses(state: &State, known: &KnownRule) -> bool {
    let rule = &known.rule;
    rule.phase == Phase::Electing
        && rule.proposal.is_none()
        && rule.coordinator.as_ref() == Some(&state.me.identity)
}

fn recruit(state: &mut State, known: &KnownRule, now: Moment, said: &mut Vec<(MemberId, Message)>) {
    if !chooses(state, known) || !is_due(state.contact.recruit_sent, AGAIN, now) {
        return;
    }
    state.contact.recruit_sent = Some(now);
    let pledged: BTreeSet<&MemberId> = state.contact.recruits.keys().map(|id| &id.member).collect();
    let message = Message::Recruit { term: known.rule.term };
    let asked = others(state).into_iter().filter(|member| !pledged.contains(member));
    said.extend(asked.map(|member| (member, message.clone())));
}

/// The lease: told to the warden when it has grown, and confirmed by the topology when it runs out.
fn hold(state: &mut State, known: &KnownRule, now: Moment, actions: &mut Vec<Action>) {
    let unsure = state.contact.unsure && is_due(state.contact.confirm_sent, AGAIN, now);
    if (unsure || lease::must_confirm(state, &known.rule, now)) && state.world.away.is_none() {
        let number = state.number();
        state.contact.confirming = Some(number);
        state.contact.confirm_sent = Some(now);
        actions.push(Action::Confirm { number });
    }
    if let Some(words) = lease::to_tell(state, &known.rule) {
        let until = match words {
            lease::Words::Until(end) => Some(end),
            lease::Words::Open => None,
        };
        state.contact.leased = until;
        actions.push(Action::Lease(until));
    }
}

/// When something is to be said, or given up, though nothing is heard.
pub(super) fn next(state: &State, now: Moment) -> Option<Moment> {
    let known = state.world.view.rule.as_ref()?;
    let rule = &known.rule;
    let beat = leads(state, known).then(|| state.contact.beat_sent.map_or(now, |sent| sent.after(BEAT)));
    let turn = campaign::turn(state, known)
        .map(|turn| turn.max(state.contact.ask_sent.map_or(turn, |sent| sent.after(AGAIN))));
    let intent = state.world.view.intent.as_ref();
    let accepted = intent.and_then(|intent| accept::turn(state, intent, known)).filter(|turn| *turn > now);
    let recruit =
        chooses(state, known).then(|| state.contact.recruit_sent.map_or(now, |sent| sent.after(AGAIN)));
    let choice = if chooses(state, known) { elect::wakes(state, rule, now) } else { None };
    let lease = state.server.up().filter(|up| up.writes()).and_then(|_| lease::deadline(state, rule));
    let confirm = lease.map(|_| now.after(BEAT));
    let unsure = state.contact.unsure.then(|| now.after(AGAIN));
    [beat, turn, accepted, recruit, choice, lease, confirm, unsure]
        .into_iter()
        .flatten()
        .map(|at| at.max(now))
        .min()
}
