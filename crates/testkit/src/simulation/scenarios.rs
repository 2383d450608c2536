//! Runs that show one thing: that a single bad link costs a healthy primary nothing, however long it lasts.

use super::clock::Time;
use super::facts::Promise;
use super::names::Who;
use super::network::{Place, Plane, Way};
use super::options::Options;
use super::run::{Report, begin, finish, heals, until};
use super::trace::Trace;
use super::world::World;
use crate::Random;
use berth_core::topology::{Durability, DurabilityMode, OnLoss};
use std::time::Duration;

/// How long the link is bad.
const BAD: Duration = Duration::from_mins(10);
/// When the cluster serves and all members have joined.
const STANDS: Time = Time(30_000_000);

/// Which link is bad, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLink {
    /// In words.
    pub name: String,
    ways: Vec<Way>,
}

impl BadLink {
    /// Every edge of a cluster of three: both ways or one, for everybody or for one port; and each member's way to the store.
    pub fn all() -> Vec<Self> {
        let members = [Who(0), Who(1), Who(2)];
        let edges = members
            .into_iter()
            .flat_map(|a| members.into_iter().filter(move |b| a < *b).map(move |b| (a, b)));
        let ports: [(&str, &[Plane]); 3] = [
            ("all ports", &[Plane::Words, Plane::Data]),
            ("agents", &[Plane::Words]),
            ("databases", &[Plane::Data]),
        ];
        let mut all = Vec::new();
        for (a, b) in edges {
            for (port, planes) in ports {
                let ways: Vec<Way> = planes.iter().map(|plane| Way::between(a, b, *plane)).collect();
                all.extend(turned(&format!("{a} and {b}, {port}"), &ways));
            }
        }
        for who in members {
            let way = Way { from: Place::Member(who), to: Place::Store, plane: Plane::Words };
            all.extend(turned(&format!("{who} and etcd"), &[way]));
        }
        all
    }
}

fn turned(name: &str, ways: &[Way]) -> [BadLink; 3] {
    let back: Vec<Way> = ways.iter().map(|way| way.back()).collect();
    [
        BadLink { name: format!("{name}, one way"), ways: ways.to_vec() },
        BadLink { name: format!("{name}, the other way"), ways: back.clone() },
        BadLink { name: format!("{name}, both ways"), ways: [ways, &back].concat() },
    ]
}

/// A cluster of three with one bad link for ten minutes: its term must not change, and its tenants must not notice.
pub fn bad_link(link: &BadLink, seed: u64, options: Options) -> Report {
    let mut world = World::new(options, Random::new(seed), Trace::new(options.trace));
    let durability = Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block };
    begin(&mut world, 3, durability);
    if until(&mut world, STANDS) {
        endures(&mut world, link);
    }
    finish(world, seed)
}

fn endures(world: &mut World, link: &BadLink) {
    let term = world.store.rule().map(|rule| rule.term);
    let ways = link.ways.clone();
    world.say(&"fault", || format!("{} is bad for {BAD:?}", link.name));
    let undo = world.cut(Who(0), ways);
    world.faults.last = world.now;
    let mut looks = world.now;
    let end = looks.after(BAD);
    while looks < end {
        looks = looks.after(Duration::from_secs(5));
        if !until(world, looks) {
            return;
        }
        let now = world.store.rule().map(|rule| rule.term);
        if now != term {
            return world
                .facts
                .broken(Promise::OneBadLink, || format!("{}: term {term:?} became {now:?}", link.name));
        }
        if world.now.since(world.clients.last) > Duration::from_secs(10) {
            return world.facts.broken(Promise::OneBadLink, || {
                format!("{}: nothing was acknowledged for ten seconds", link.name)
            });
        }
    }
    world.mend(undo);
    heals(world);
}
