//! What the member says of itself, and when: on change only, and not of what passes within a moment.

use super::action::EffectKind;
use super::moment::Moment;
use super::repair;
use super::state::{Server, Source, State, Stopping};
use crate::term::Term;
use crate::topology::{Activity, MemberRecord, Replication};
use std::time::Duration;

/// How long something must be amiss before it is told: most waits of a start are over sooner.
const TROUBLE_AFTER: Duration = Duration::from_secs(2);
/// How long a standby's log must not arrive before that is told: a receiver that reconnects must not cost two writes.
pub(super) const WORSE_AFTER: Duration = Duration::from_secs(3);

/// The record that should be written now, if any.
pub(super) fn due(state: &State, now: Moment) -> Option<MemberRecord> {
    let quiet = state.announcing.is_some()
        || !state.world.listed
        || state.world.away.is_some()
        || state.world.view.intent.is_none()
        || state.failures.holds(EffectKind::Announce, now).is_some();
    if quiet {
        return None;
    }
    let record = record(state, now);
    (state.world.announced.as_ref() != Some(&record)).then_some(record)
}

/// When the record may change without anything being heard.
pub(super) fn next_change(state: &State, now: Moment) -> Option<Moment> {
    let trouble = state.waiting.as_ref().map(|(_, since)| since.after(TROUBLE_AFTER));
    let lag = (state.lag.now != state.lag.said).then(|| state.lag.since.after(WORSE_AFTER));
    [trouble, lag].into_iter().flatten().filter(|at| *at > now).min()
}

fn record(state: &State, now: Moment) -> MemberRecord {
    let starts = state.notes.ledger().map_or(0, |ledger| ledger.starts);
    MemberRecord {
        identity: state.me.identity.clone(),
        incarnation: state.me.incarnation.clone(),
        address: state.me.address.clone(),
        peer: state.me.peer.clone(),
        version: state.me.version.clone(),
        // Never less than was once told: it is the proof against a volume that was rolled back.
        starts: starts.max(state.world.told_starts),
        term: term(state),
        activity: activity(state),
        replication: if leads(state) { Replication::Detached } else { state.lag.said },
        trouble: trouble(state, now),
        beyond_repair: repair::beyond(state),
        space: state.space,
        pending_restart: state.server.up().map_or_else(Vec::new, |up| up.settled.pending_restart.clone()),
    }
}

/// Whether the rule says that this member serves.
pub(super) fn leads(state: &State) -> bool {
    state.world.view.rule.as_ref().is_some_and(|known| {
        known.rule.phase == crate::topology::Phase::Serving && known.rule.primary == state.me.identity
    })
}

fn term(state: &State) -> Term {
    let pledged = state.notes.ledger().map_or(Term(0), |ledger| ledger.promise);
    match state.server.up().map(|up| &up.source) {
        Some(Source::Of(peer)) => peer.term,
        Some(Source::Unknown | Source::Alone) | None => pledged,
    }
}

fn activity(state: &State) -> Activity {
    if state.stopping != Stopping::No {
        return Activity::Stopping;
    }
    match state.doing() {
        Some(EffectKind::Initialize) => return Activity::Initializing,
        Some(EffectKind::Clone) => return Activity::Cloning,
        Some(EffectKind::Start) => return Activity::Starting,
        Some(
            EffectKind::Inspect
            | EffectKind::WriteLedger
            | EffectKind::Stop
            | EffectKind::Fence
            | EffectKind::Detach
            | EffectKind::Rewind
            | EffectKind::Follow
            | EffectKind::Promote
            | EffectKind::SetQuorum
            | EffectKind::WriteTerm
            | EffectKind::EnsureAccess
            | EffectKind::Checkpoint
            | EffectKind::OpenGate
            | EffectKind::Apply
            | EffectKind::SwapRule
            | EffectKind::PutRoute
            | EffectKind::Announce,
        )
        | None => {}
    }
    match &state.server {
        Server::Unknown | Server::Down(_) => Activity::Waiting,
        Server::Up(up) => match (&up.status, &up.source) {
            (Some(status), _) if !status.in_recovery && leads(state) => Activity::Primary,
            (Some(status), Source::Of(_)) if status.in_recovery => Activity::Following,
            (Some(_) | None, Source::Unknown | Source::Alone | Source::Of(_)) => Activity::Starting,
        },
    }
}

/// What people should hear of.
pub(super) fn trouble(state: &State, now: Moment) -> Option<String> {
    if let Some(failure) = state.failures.told() {
        return Some(failure.to_string());
    }
    let (wait, since) = state.waiting.as_ref()?;
    (now.since(*since) >= TROUBLE_AFTER).then(|| wait.to_string())
}
