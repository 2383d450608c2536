//! Faults of which each makes the next one worse: what is lost is lost where one thing meets another, and chance alone rarely lets them meet.
//!
//! A standby falls behind; another one, who holds what it does not, goes away; the leader is hit, perhaps with much that is on its log alone; and
//! whoever rises in its place is hit in turn, when the ones before may be back.

use super::plan::fraction;
use super::{Cue, Fault, Kind, Target};
use crate::simulation::clock::Time;
use crate::simulation::world::World;
use berth_core::election::EffectKind;
use std::time::Duration;

/// How long the longest chain takes to begin.
const LENGTH: Duration = Duration::from_secs(12);
/// What takes a standby away.
const AWAY: [Kind; 5] = [Kind::LoseNode, Kind::Isolate, Kind::FreezeAgent, Kind::LosePod, Kind::SlowStream];
/// What hits a leader.
const LEADER: [Kind; 6] =
    [Kind::KillServer, Kind::KillServer, Kind::LosePod, Kind::LoseNode, Kind::Isolate, Kind::Isolate];
/// What hits whoever rises.
const SUCCESSOR: [Kind; 4] = [Kind::KillServer, Kind::LosePod, Kind::LoseNode, Kind::LoseNode];
/// At which of its steps.
const RISING: [EffectKind; 8] = [
    EffectKind::SwapRule,
    EffectKind::SetQuorum,
    EffectKind::Promote,
    EffectKind::WriteTerm,
    EffectKind::OpenGate,
    EffectKind::OpenGate,
    EffectKind::PutRoute,
    EffectKind::PutRoute,
];

impl World {
    /// Draws a chain of faults between two times.
    pub(super) fn draw_chain(&mut self, from: Time, to: Time) {
        let room = to.since(from).saturating_sub(LENGTH);
        let mut at = from.after(room.mul_f64(fraction(&mut self.random)));
        let lags = self.millis(4_000, 15_000);
        self.link(at, Kind::SlowStream, Target::Standby(0), lags);
        if self.random.once_in(2) {
            at = at.after(self.millis(300, 3_000));
            let kind = self.random.pick(&AWAY).copied().unwrap_or(Kind::LoseNode);
            let lasts = self.millis(1_000, 8_000);
            self.link(at, kind, Target::Standby(1), lasts);
        }
        at = at.after(self.millis(50, 1_500));
        let kind = self.random.pick(&LEADER).copied().unwrap_or(Kind::KillServer);
        let lasts = self.millis(1_000, 8_000);
        self.link(at, kind, Target::Leader, lasts);
        // Who hears nobody but tenants has what they write alone.
        if kind == Kind::Isolate || self.random.once_in(2) {
            let flood = at.after(self.millis(0, 1_500));
            self.link(flood, Kind::Flood, Target::Leader, Duration::from_secs(1));
        }
        if !self.random.once_in(3) {
            self.successor_is_hit(at);
        }
    }

    fn successor_is_hit(&mut self, from: Time) {
        let kind = self.random.pick(&SUCCESSOR).copied().unwrap_or(Kind::LosePod);
        let step = self.random.pick(&RISING).copied().unwrap_or(EffectKind::Promote);
        let cue = Cue { kind: step, passes: self.random.below(2), from, held: self.random.once_in(2) };
        let (latest, lasts) = (self.millis(3_000, 8_000), self.millis(1_000, 8_000));
        let fault =
            Fault { kind, target: Target::Leader, cue: Some(cue), lasts, begun: false, undo: Vec::new() };
        self.plan_fault(from.after(latest), fault);
    }

    fn link(&mut self, at: Time, kind: Kind, target: Target, lasts: Duration) {
        self.plan_fault(at, Fault { kind, target, cue: None, lasts, begun: false, undo: Vec::new() });
    }
}
