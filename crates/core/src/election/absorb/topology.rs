//! What is heard of the topology.

use crate::election::action::{Effect, RuleRevision};
use crate::election::event::{KnownRule, News, View};
use crate::election::state::State;
use crate::topology::Phase;

pub(super) fn absorb(state: &mut State, news: News) {
    match news {
        News::Listed(view) => listed(state, *view),
        News::Intent(intent) => {
            // A cluster's generation only grows; an older intent is a late word.
            let older = match (&state.world.view.intent, &intent) {
                (Some(known), Some(new)) => new.generation < known.generation,
                (Some(_) | None, None) | (None, Some(_)) => false,
            };
            if !older {
                state.world.view.intent = intent.map(|intent| *intent);
            }
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

fn revision(state: &State) -> RuleRevision {
    state.world.view.rule.as_ref().map_or(RuleRevision(i64::MIN), |known| known.revision)
}

/// Everything at once. It may be older than what was known, when the store was restored: then it is still what the store holds.
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
    state.contact.unsure = false;
    let known = view.rule.clone();
    state.world.view = View { rule: state.world.view.rule.take(), ..view };
    rule(state, known);
}

/// Everything, as it was read after somebody else's write was met. The watch may have told of something newer since.
pub(super) fn conflicting(state: &mut State, view: View) {
    if view.rule.as_ref().is_some_and(|known| is_late(state, known)) {
        return;
    }
    listed(state, view);
}

/// The rule as it is now. What was known of the standbys and of the route ends with its term.
pub(super) fn rule(state: &mut State, known: Option<KnownRule>) {
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
        && let Effect::SwapRule { rule, .. } = &pending.effect
        && *rule == known.rule
        && (rule.phase, &rule.primary) == (Phase::Serving, &state.me.identity)
    {
        // The watch may tell of a swap of ours before its answer comes. It shows as well that nobody follows this member.
        state.contact.confirmed = state.contact.confirmed.max(Some(pending.since));
    }
    state.world.view.rule = known;
}
