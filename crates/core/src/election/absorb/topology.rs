//! What is heard of the topology.

use crate::election::action::{Issued, RuleRevision};
use crate::election::event::{KnownRule, News, View};
use crate::election::forgotten;
use crate::election::state::State;
use crate::topology::{Intent, Phase};

pub(super) fn absorb(state: &mut State, news: News) {
    match news {
        News::Listed(view) => listed(state, *view),
        News::Intent(intent) => {
            let known = state.world.view.intent.take();
            state.world.view.intent = newer_intent(known, intent.map(|intent| *intent));
            state.world.unreadable = None;
        }
        News::Rule(known) => {
            newer(state, known.map(|known| *known));
            state.world.unreadable = None;
        }
        News::Member(member, record) => {
            if member == state.me.identity.member {
                // Our own writes are known by their outcomes; only a removal by somebody else is news.
                if record.is_none() {
                    state.world.announced = None;
                }
            }
            match record {
                Some(record) => state.world.view.members.insert(member, *record),
                None => state.world.view.members.remove(&member),
            };
        }
        News::Unreadable { key, reason } => state.world.unreadable = Some((key, reason)),
        News::Away(reason) => state.world.away = Some(reason),
        News::Back => state.world.away = None,
    }
}

/// The rule, unless it is a late word.
pub(super) fn newer(state: &mut State, known: Option<KnownRule>) {
    if known.as_ref().is_none_or(|known| !is_late(state, known)) {
        rule(state, known);
    }
}

/// Whether a newer rule is known already, which will not be told again.
pub(super) fn is_late(state: &State, known: &KnownRule) -> bool {
    known.revision < revision(state)
}

/// Whether the topology has forgotten the rule since this was asked for.
pub(super) fn forgot_since(state: &State, issued: Issued) -> bool {
    state.world.forgotten.is_some() && issued.rule != Some(revision(state))
}

fn revision(state: &State) -> RuleRevision {
    state.world.view.rule.as_ref().map_or(RuleRevision(i64::MIN), |known| known.revision)
}

/// Everything at once, also if it is older than what was known: the store may have been restored.
pub(super) fn listed(state: &mut State, view: View) {
    let mine = view.members.get(&state.me.identity.member);
    if !state.world.listed {
        state.world.told_starts =
            mine.filter(|record| record.identity == state.me.identity).map_or(0, |record| record.starts);
    }
    state.world.announced = mine.cloned();
    state.world.listed = true;
    state.world.away = None;
    state.world.unreadable = None;
    let View { rule: shown, intent, members } = view;
    let before = std::mem::take(&mut state.world.view);
    state.world.view = View { intent: newer_intent(before.intent, intent), rule: before.rule, members };
    rule(state, shown);
    state.contact.unsure = false;
    if state.world.forgotten.is_some() {
        // Where the others are was forgotten with the rule, and they must hear each other to have it written back.
        for (member, record) in before.members {
            state.world.view.members.entry(member).or_insert(record);
        }
    }
}

/// A cluster's generation only grows; an older intent is a late word, or one of a backup.
fn newer_intent(known: Option<Intent>, told: Option<Intent>) -> Option<Intent> {
    match (known, told) {
        (Some(known), Some(told)) if told.generation < known.generation => Some(known),
        (known, told) => told.or(known),
    }
}

/// Everything, as it was read after somebody else's write was met. The watch may have told of something newer since.
pub(super) fn conflicting(state: &mut State, view: View) {
    if view.rule.as_ref().is_some_and(|known| is_late(state, known)) {
        return;
    }
    listed(state, view);
}

/// The rule that the topology shows, or the one that is remembered if the topology has forgotten that one.
pub(super) fn rule(state: &mut State, shown: Option<KnownRule>) {
    let (known, forgotten) = forgotten::recalled(shown, state.world.view.rule.clone());
    obey(state, known);
    state.world.forgotten = forgotten;
}

/// The rule as it is now. What was known of the standbys and of the route ends with its term.
pub(super) fn obey(state: &mut State, known: Option<KnownRule>) {
    let before = state.world.view.rule.as_ref().map(|known| (known.rule.term, known.revision));
    let after = known.as_ref().map(|known| (known.rule.term, known.revision));
    if before != after {
        state.world.route = None;
    }
    if before.map(|(term, _)| term) != after.map(|(term, _)| term) {
        state.streamed.clear();
        state.short = None;
    }
    if let Some((term, _)) = after {
        state.seen = state.seen.max(term);
    }
    if let (Some(known), Some(pending)) = (&known, &state.pending)
        && pending.effect.swaps_to(&known.rule)
        && (known.rule.phase, &known.rule.primary) == (Phase::Serving, &state.me.identity)
    {
        // The watch may tell of a swap of ours before its answer comes. It shows as well that nobody follows this member.
        state.contact.confirmed = state.contact.confirmed.max(Some(pending.since));
    }
    state.world.view.rule = known;
    state.world.forgotten = None;
}
