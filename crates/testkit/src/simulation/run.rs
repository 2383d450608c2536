//! One run: a cluster is made, tenants use it, things go wrong, all is healed, and all must be well.

use super::clock::Time;
use super::counts::Counts;
use super::facts::{Promise, Violation};
use super::happening::Happening;
use super::options::Options;
use super::trace::Trace;
use super::world::World;
use crate::Random;
use berth_core::topology::{Durability, DurabilityMode, OnLoss};
use std::time::Duration;

/// How long things go wrong.
pub(super) const TROUBLED: Duration = Duration::from_mins(1);
/// How long it may take until all is well again.
const HEALS: Duration = Duration::from_mins(1);
/// How long what was decided before may still have its way.
const CALMS: Duration = Duration::from_secs(5);
/// How long all must stay well.
const STAYS: Duration = Duration::from_secs(6);
/// How long what is under way takes to end when nobody writes any more.
const SETTLES: Duration = Duration::from_secs(4);

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// What happened.
    pub counts: Counts,
    /// The story, if it was kept.
    pub story: Vec<String>,
}

/// Runs a seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(options, Random::new(seed), Trace::new(options.trace));
    lot(&mut world, Random::new(!seed));
    live(&mut world);
    finish(world, seed)
}

pub(super) fn finish(mut world: World, seed: u64) -> Report {
    world.counts.runs = 1;
    world.counts.fewest = Some(world.counts.all_faults());
    world.counts.seconds = world.now.0 / 1_000_000;
    world.counts.terms = u64::from(world.facts.elections);
    if let Some(violation) = &world.facts.violation {
        let text = format!("{:?} is broken: {}", violation.promise, violation.how);
        world.say(&"judge", || text);
    }
    Report { seed, violation: world.facts.violation, counts: world.counts, story: world.trace.into_lines() }
}

/// Draws a cluster and what goes wrong with it.
fn lot(world: &mut World, apart: Random) {
    let members = match world.random.below(20) {
        0..=1 => 2,
        2..=13 => 3,
        14..=15 => 4,
        _ => 5,
    };
    let most = u64::from(members) - 1;
    let acks = if world.random.once_in(3) { 1 + world.random.below(most) } else { most.min(1 + most / 3) };
    let mode = match world.random.below(14) {
        0 => DurabilityMode::All,
        1 => DurabilityMode::Async,
        _ => DurabilityMode::Quorum,
    };
    let on_loss = if world.random.once_in(12) { OnLoss::Degrade } else { OnLoss::Block };
    let durability = Durability { mode, acks: u32::try_from(acks).unwrap_or(1), on_loss };
    world.facts.lossy = World::may_lose(&durability);
    world.faults.volumes = u32::from(on_loss == OnLoss::Block);
    world.say(&"lot", || format!("{members} members, {durability:?}"));
    begin(world, members, durability);
    let first = if world.random.once_in(5) { Time(0) } else { Time(6_000_000) };
    let last = Time::default().after(TROUBLED);
    world.draw_faults(first, last);
    world.draw_forgetting(apart, first, last);
}

/// A cluster is asked for, and tenants come.
pub(super) fn begin(world: &mut World, members: u8, durability: Durability) {
    world.cluster_is_asked_for(members, durability);
    world.clients_begin(2, 3, 2);
    world.plan(Duration::from_millis(500), Happening::Looks);
}

/// Until a time, or a broken promise.
pub(super) fn until(world: &mut World, end: Time) -> bool {
    while world.facts.violation.is_none() && world.step(end) {}
    world.now = world.now.max(end);
    world.facts.violation.is_none()
}

fn live(world: &mut World) {
    if until(world, Time::default().after(TROUBLED)) {
        world.say(&"lot", || "all is healed".to_owned());
        world.heal_all();
        heals(world);
    }
}

/// After all is healed, everything comes to be well, and stays so.
pub(super) fn heals(world: &mut World) {
    let end = world.now.after(HEALS);
    let calm = world.now.after(CALMS);
    if !until(world, calm) {
        return;
    }
    while let Some(amiss) = world.amiss() {
        if world.now >= end {
            let waits = world.waits();
            world
                .facts
                .broken(Promise::Heals, || format!("{amiss}, {HEALS:?} after all was healed; {waits}"));
            return;
        }
        let next = world.now.after(Duration::from_millis(500));
        if !until(world, next) {
            return;
        }
    }
    let term = world.store.rule().map(|rule| rule.term);
    let stays = world.now.after(STAYS);
    if !until(world, stays) {
        return;
    }
    let after = world.store.rule().map(|rule| rule.term);
    if term != after {
        world
            .facts
            .broken(Promise::Heals, || format!("all was well in term {term:?}, and now it is {after:?}"));
        return;
    }
    world.clients.silent = true;
    let settled = world.now.after(SETTLES);
    if until(world, settled) {
        world.last_judgement();
    }
}
