//! What failed and when it may be tried again: a growing pause per kind of effect, and one for a server that keeps dying.
//!
//! One kind's pause holds nothing else up: a member whose settings are refused still changes its voters.

use super::action::EffectKind;
use super::moment::Moment;
use super::wait::Wait;
use std::collections::BTreeMap;
use std::time::Duration;

/// The pause after the first failure: long enough for a peer to finish what it is doing, short beside a failover.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause: a person who has mended the cause does not wait longer.
const LONGEST: Duration = Duration::from_secs(10);
/// A server that ran so long was not dying at its start.
pub(super) const STEADY: Duration = Duration::from_secs(30);

/// A failure that may repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Failure {
    pub times: u32,
    pub until: Moment,
    pub reason: String,
    /// Whether nothing but a person or another volume can help.
    pub lasting: bool,
}

/// What failed, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Failures {
    kinds: BTreeMap<EffectKind, Failure>,
    crash: Option<Failure>,
}

fn pause(times: u32) -> Duration {
    FIRST.saturating_mul(1 << times.min(10)).min(LONGEST)
}

fn again(before: Option<&Failure>, reason: String, lasting: bool, now: Moment) -> Failure {
    let times = before.map_or(0, |failure| failure.times);
    Failure { times: times + 1, until: now.after(pause(times)), reason, lasting }
}

impl Failures {
    pub(super) fn failed(&mut self, kind: EffectKind, reason: String, lasting: bool, now: Moment) {
        let failure = again(self.kinds.get(&kind), reason, lasting, now);
        self.kinds.insert(kind, failure);
    }

    pub(super) fn succeeded(&mut self, kind: EffectKind) {
        self.kinds.remove(&kind);
    }

    /// The server died without being asked to. The first time costs no pause: most crashes do not repeat, and clients wait.
    pub(super) fn crashed(&mut self, reason: String, now: Moment) {
        let first = self.crash.is_none();
        let mut failure = again(self.crash.as_ref(), reason, false, now);
        if first {
            failure.until = now;
        }
        self.crash = Some(failure);
    }

    /// The server has run for [`STEADY`].
    pub(super) fn steady(&mut self) {
        self.crash = None;
    }

    /// What holds an effect of this kind up now.
    pub(super) fn holds(&self, kind: EffectKind, now: Moment) -> Option<Wait> {
        let holds = |failure: &&Failure| failure.until > now;
        let crash = self.crash.as_ref().filter(|_| kind == EffectKind::Start).filter(holds);
        let failed = self.kinds.get(&kind).filter(holds);
        failed
            .map(|failure| Wait::Retrying { what: kind, reason: failure.reason.clone() })
            .or_else(|| crash.map(|failure| Wait::Crashing(failure.reason.clone())))
    }

    /// Why an effect of this kind will not succeed: it never can, or has failed so often.
    pub(super) fn hopeless(&self, kind: EffectKind, times: u32) -> Option<&str> {
        let failure = self.kinds.get(&kind).filter(|failure| failure.lasting || failure.times >= times)?;
        Some(&failure.reason)
    }

    /// What has failed more than once, or cannot succeed by itself: what people should hear of. Not that the member's own record cannot be
    /// written: whoever reads the record knows that it can, and writing of it would cost a second write.
    pub(super) fn told(&self) -> Option<Wait> {
        let tells = |failure: &Failure| failure.times > 1 || failure.lasting;
        let kind = self.kinds.iter().find(|(kind, failure)| **kind != EffectKind::Announce && tells(failure));
        let crash = self.crash.as_ref().filter(|failure| tells(failure));
        kind.map(|(kind, failure)| Wait::Retrying { what: *kind, reason: failure.reason.clone() })
            .or_else(|| crash.map(|failure| Wait::Crashing(failure.reason.clone())))
    }

    /// When the next pause ends.
    pub(super) fn next(&self, now: Moment) -> Option<Moment> {
        self.kinds.values().chain(&self.crash).map(|failure| failure.until).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_a_success() {
        let mut failures = Failures::default();
        let now = Moment::default();
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            failures.failed(EffectKind::Clone, "no".to_owned(), false, now);
            assert!(failures.holds(EffectKind::Clone, now).is_some());
            let pause = failures.next(now).unwrap().since(now);
            assert!(pause >= last && pause <= LONGEST);
            last = pause;
        }
        assert_eq!(last, LONGEST);
        assert!(failures.holds(EffectKind::Apply, now).is_none(), "one kind holds no other up");
        failures.succeeded(EffectKind::Clone);
        assert!(failures.holds(EffectKind::Clone, now).is_none());
    }

    #[test]
    fn the_first_crash_costs_no_pause_and_the_next_ones_do() {
        let mut failures = Failures::default();
        let now = Moment::default();
        failures.crashed("signal 9".to_owned(), now);
        assert!(failures.holds(EffectKind::Start, now).is_none());
        failures.crashed("signal 9".to_owned(), now);
        assert!(failures.holds(EffectKind::Start, now).is_some());
        failures.steady();
        assert!(failures.holds(EffectKind::Start, now).is_none());
    }
}
