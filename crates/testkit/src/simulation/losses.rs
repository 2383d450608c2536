//! Runs that show one thing: that a cluster which lost more volumes than a commit is on waits for a person, and goes on by a person's word.

use super::clock::Time;
use super::facts::Promise;
use super::happening::Happening;
use super::names::Who;
use super::options::Options;
use super::run::{Report, begin, finish, heals, until};
use super::trace::Trace;
use super::world::World;
use crate::Random;
use berth_core::topology::{AcceptLoss, Durability, DurabilityMode, OnLoss, Phase};
use std::time::Duration;

/// When the cluster serves and all members have joined.
const STANDS: Time = Time(30_000_000);
/// How long nobody says anything: many times what an election takes.
const NOBODY_SPEAKS: Duration = Duration::from_mins(3);

/// Of a cluster of three, the primary and a replica are lost for ever. Nothing may go on until a person accepts what may be lost, and then one
/// new term serves, the lost are replaced, and a commit is on two members again.
pub fn too_many_lost(seed: u64, options: Options) -> Report {
    let mut world = World::new(options, Random::new(seed), Trace::new(options.trace));
    let durability = Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block };
    begin(&mut world, 3, durability);
    let stands = Time::default().after(Duration::from_millis(seed % 5_000)).0;
    if until(&mut world, Time(STANDS.0 + stands)) {
        is_lost_and_accepted(&mut world);
    }
    finish(world, seed)
}

fn is_lost_and_accepted(world: &mut World) {
    let Some((primary, term)) = world.store.rule().map(|rule| (Who::of(&rule.primary.member), rule.term))
    else {
        return;
    };
    let members = [Who(0), Who(1), Who(2)];
    let mut replicas = members.into_iter().filter(|who| Some(*who) != primary);
    let (Some(primary), Some(other), Some(left)) = (primary, replicas.next(), replicas.next()) else {
        return;
    };
    for who in [primary, other] {
        world.volume_is_lost(who);
    }
    let silence = world.now.after(NOBODY_SPEAKS);
    if !until(world, silence) {
        return;
    }
    let Some(rule) = world.store.rule().cloned() else { return };
    if rule.phase == Phase::Serving && rule.term != term {
        return world.facts.broken(Promise::NothingLost, || {
            format!("{} serves in term {}, and nobody accepted a loss", rule.primary, rule.term)
        });
    }
    // From here on, what only the lost held is gone, and that is what was accepted.
    world.facts.lossy = true;
    world.accept_loss(AcceptLoss { term: rule.term, member: left.identity() });
    for who in [primary, other] {
        let pause = world.millis(10_000, 40_000);
        world.plan(pause, Happening::Replaced { who });
    }
    world.faults.last = world.now;
    heals(world);
    let Some(rule) = world.store.rule().cloned() else { return };
    let used = rule.loss.as_ref().is_some_and(|loss| loss.used && loss.accepted.member == left.identity());
    if world.facts.violation.is_none() && !(used && rule.acks == 1 && world.clients.last > silence) {
        world.facts.broken(Promise::Heals, || format!("a loss was accepted, and the rule is {rule:?}"));
    }
}
