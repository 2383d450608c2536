//! What goes wrong in a run, by lot.

use super::{Cue, Fault, Kind, Target};
use crate::Random;
use crate::simulation::clock::Time;
use crate::simulation::happening::Happening;
use crate::simulation::world::World;
use berth_core::election::EffectKind;
use std::time::Duration;

/// The fewest faults of a run.
const FEWEST: u64 = 3;

/// In some runs all goes wrong within so long, so that one thing meets the other.
const AT_ONCE: Duration = Duration::from_secs(6);

/// Steps at which something may go wrong.
const CUES: [EffectKind; 18] = [
    EffectKind::SwapRule,
    EffectKind::SwapRule,
    EffectKind::SwapRule,
    EffectKind::WriteLedger,
    EffectKind::WriteLedger,
    EffectKind::Start,
    EffectKind::Stop,
    EffectKind::Fence,
    EffectKind::Detach,
    EffectKind::Rewind,
    EffectKind::Follow,
    EffectKind::Promote,
    EffectKind::Promote,
    EffectKind::SetQuorum,
    EffectKind::WriteTerm,
    EffectKind::OpenGate,
    EffectKind::PutRoute,
    EffectKind::Clone,
];

/// What may be done to whoever takes a step.
const AT_A_STEP: [Kind; 12] = [
    Kind::KillServer,
    Kind::KillAgent,
    Kind::KillAgent,
    Kind::LosePod,
    Kind::LosePod,
    Kind::LoseNode,
    Kind::LoseNode,
    Kind::FreezeAgent,
    Kind::FreezeServer,
    Kind::Isolate,
    Kind::CutStore,
    Kind::SlowDisk,
];

impl World {
    /// Draws the faults of a run, between two times.
    pub(in crate::simulation) fn draw_faults(&mut self, from: Time, to: Time) {
        let chain = self.random.once_in(3);
        if chain {
            self.draw_chain(from, to);
        }
        let count = if chain { 1 } else { FEWEST } + self.random.below(6);
        let whole = to.since(from);
        let (from, window) = if self.random.once_in(3) {
            let begin = from.after(whole.saturating_sub(AT_ONCE).mul_f64(fraction(&mut self.random)));
            (begin, AT_ONCE)
        } else {
            (from, whole)
        };
        for _ in 0..count {
            let at = from.after(window.mul_f64(fraction(&mut self.random)));
            let fault = draw(&mut self.random);
            self.plan_fault(at, fault);
        }
    }

    /// In some runs the store forgets as well. Drawn apart, so that the other runs are what they are without.
    pub(in crate::simulation) fn draw_forgetting(&mut self, mut apart: Random, from: Time, to: Time) {
        if self.options.keeps || !apart.once_in(4) {
            return;
        }
        let at = from.after(to.since(from).mul_f64(fraction(&mut apart)));
        // Where it keeps another from happening, this one makes up for it.
        let more = from.after(to.since(from).mul_f64(fraction(&mut apart) / 2.0));
        let other = draw(&mut apart);
        self.plan_fault(more, other);
        let kind = apart.pick(&Kind::OF_MEMORY).copied().unwrap_or(Kind::StoreLost);
        let lasts = Duration::from_secs(1);
        let target = Target::Anybody;
        self.plan_fault(at, Fault { kind, target, cue: None, lasts, begun: false, undo: Vec::new() });
    }

    /// Plans a fault for a time, unless its step comes before.
    pub(super) fn plan_fault(&mut self, at: Time, fault: Fault) {
        self.faults.all.push(fault);
        let index = self.faults.all.len() - 1;
        self.queue.plan(at, Happening::Fault { index });
    }

    /// Somebody takes a step: whatever waited for it comes.
    pub(in crate::simulation) fn faults_by_effect(
        &mut self,
        who: crate::simulation::names::Who,
        kind: EffectKind,
        held: bool,
    ) {
        if self.faults.over {
            return;
        }
        let (mut comes, now) = (Vec::new(), self.now);
        for (index, fault) in self.faults.all.iter_mut().enumerate() {
            let awaited = |cue: &&mut Cue| cue.kind == kind && cue.held == held && cue.from <= now;
            let Some(cue) = fault.cue.as_mut().filter(awaited) else { continue };
            if fault.begun {
                continue;
            }
            if cue.passes > 0 {
                cue.passes -= 1;
                continue;
            }
            fault.target = Target::This(who);
            fault.cue = None;
            comes.push(index);
        }
        for index in comes {
            let pause = if self.random.once_in(2) { self.millis(20, 1_500) } else { self.between(0, 1_500) };
            self.plan(pause, Happening::Fault { index });
        }
    }
}

pub(super) fn fraction(random: &mut Random) -> f64 {
    let parts = u32::try_from(random.below(10_001)).unwrap_or(0);
    f64::from(parts) / 10_000.0
}

fn draw(random: &mut Random) -> Fault {
    let at_a_step = random.once_in(3);
    let kinds: &[Kind] = if at_a_step { &AT_A_STEP } else { &Kind::DRAWN };
    let kind = random.pick(kinds).copied().unwrap_or(Kind::KillServer);
    let cue = random.pick(&CUES).copied().filter(|_| at_a_step);
    let cue = cue.map(|kind| Cue { kind, passes: random.below(6), from: Time(0), held: random.once_in(2) });
    let target = match random.below(10) {
        0..=5 => Target::Leader,
        6..=8 => Target::Other,
        _ => Target::Anybody,
    };
    let lasts = match random.below(10) {
        0..=2 => 100 + random.below(1_900),
        3..=6 => 2_000 + random.below(6_000),
        _ => 8_000 + random.below(30_000),
    };
    Fault { kind, target, cue, lasts: Duration::from_millis(lasts), begun: false, undo: Vec::new() }
}
