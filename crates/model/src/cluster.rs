//! The search: every path from a beginning, as far as the bounds allow.

use crate::bounds::Bounds;
use crate::step::Step;
use crate::world::{Lacks, World};
use stateright::{Checker, Model, Property};
use std::fmt;

/// How many steps of time a cluster may take to come up.
const COMES_UP: usize = 200;

/// What is looked through.
#[derive(Debug, Clone)]
pub struct Cluster {
    beginning: World,
}

/// What a search came to.
#[derive(Debug)]
pub struct Search {
    /// Different states of the world.
    pub states: usize,
    /// The most steps of a path.
    pub depth: usize,
    /// Whether nothing within the bounds is left out.
    pub complete: bool,
    /// The promise that was broken, and the path that broke it.
    pub broken: Option<(String, Vec<Step>)>,
    /// Whether a term after the first acknowledged a row on some path.
    pub goes_on: bool,
}

impl Cluster {
    /// From when all members of a cluster stream from a primary that serves.
    ///
    /// # Panics
    /// If a cluster does not come up though nothing goes wrong.
    pub fn serving(members: u8, acks: u32, bounds: Bounds, lacks: Lacks) -> Self {
        let mut world = World::asked_for(members, acks, lacks);
        for _ in 0..COMES_UP {
            run_on(&mut world);
            if world.serves() {
                break;
            }
            world.step(&Step::Time);
        }
        assert!(world.serves(), "a cluster comes up when nothing goes wrong: {world:#?}");
        Self { beginning: world.within(bounds) }
    }

    /// From when nothing but the wish is there.
    pub fn asked_for(members: u8, acks: u32, bounds: Bounds, lacks: Lacks) -> Self {
        Self { beginning: World::asked_for(members, acks, lacks).within(bounds) }
    }

    /// Looks at all of it, and stops at the first broken promise.
    pub fn search(self) -> Search {
        let checker = self
            .checker()
            .threads(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
            .finish_when(stateright::HasDiscoveries::AnyFailures)
            .spawn_dfs()
            .join();
        let broken = checker.discovery(HOLDS).map(|path| {
            let how = path
                .last_state()
                .broken()
                .map(|it| format!("{:?} is broken: {}", it.promise, it.how))
                .unwrap_or_default();
            (how, path.into_actions())
        });
        Search {
            states: checker.unique_state_count(),
            depth: checker.max_depth(),
            complete: broken.is_none() && checker.is_done(),
            goes_on: checker.discovery(GOES_ON).is_some(),
            broken,
        }
    }
}

/// Lets everything that is under way happen.
fn run_on(world: &mut World) {
    loop {
        let mut steps = Vec::new();
        world.under_way(&mut steps);
        let Some(step) = steps.first() else { return };
        world.step(step);
    }
}

const HOLDS: &str = "every promise is kept";
const GOES_ON: &str = "a later term acknowledges a row";

impl Model for Cluster {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning.clone()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.is_over() {
            return;
        }
        if let Some(step) = world.urgent() {
            return steps.push(step);
        }
        let mut under_way = Vec::new();
        world.under_way(&mut under_way);
        let late = world.late.iter().find(|step| under_way.contains(step));
        let prompt = under_way.iter().find(|step| !world.late.contains(step));
        match (prompt, late) {
            (Some(step), _) => {
                steps.push(step.clone());
                if world.left.delays > 0 {
                    steps.push(Step::Delays(Box::new(step.clone())));
                }
            }
            (None, Some(step)) => {
                steps.push(step.clone());
                if world.left.hurries > 0 && world.next().is_some() {
                    steps.push(Step::Hurries);
                }
            }
            (None, None) => {
                steps.extend(world.next().map(|_| Step::Time));
                comes_back(world, steps);
            }
        }
        wishes_and_faults(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        world.step(&step);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HOLDS, |_, world: &World| world.broken().is_none()),
            Property::sometimes(GOES_ON, |_, world: &World| world.went_on()),
        ]
    }
}

/// Whoever was lost may be there again, before the clock goes on.
fn comes_back(world: &World, steps: &mut Vec<Step>) {
    for (who, member) in &world.members {
        if member.agent.is_none() {
            steps.push(Step::Returns(*who));
        } else if member.cut {
            steps.push(Step::Joins(*who));
        } else if member.frozen {
            steps.push(Step::Thaws(*who));
        }
    }
}

fn wishes_and_faults(world: &World, steps: &mut Vec<Step>) {
    let left = &world.left;
    if left.losses > 0 {
        steps.extend(world.letters.iter().cloned().map(Step::Loses));
    }
    if left.switchovers > 0 {
        steps.push(Step::Switches);
    }
    if left.resizes > 0 {
        let asked = world.store.view.intent.as_ref().map_or(0, |intent| intent.durability.acks);
        let most = u32::try_from(world.members.len()).unwrap_or(1) - 1;
        steps.extend((1..=most).filter(|acks| *acks != asked).map(Step::Resizes));
    }
    for (who, member) in &world.members {
        let server = world.databases.servers.get(who);
        if left.rows > 0 && server.is_some_and(|server| server.open && server.writes()) {
            steps.push(Step::Writes(*who));
        }
        if left.kills > 0 && server.is_some() {
            steps.push(Step::Kills(*who));
        }
        if member.agent.is_none() {
            continue;
        }
        if left.freezes > 0 && !member.frozen {
            steps.push(Step::Freezes(*who));
        }
        if left.outages > 0 {
            steps.push(Step::Darkens(*who));
        }
        if left.restarts > 0 {
            steps.push(Step::Restarts(*who, false));
            if member.doing.is_some() {
                steps.push(Step::Restarts(*who, true));
            }
        }
        if left.cuts > 0 && !member.cut {
            steps.push(Step::Cuts(*who));
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.complete { "all of" } else { "not all of" };
        write!(f, "{all} {} states, paths of up to {} steps", self.states, self.depth)
    }
}
