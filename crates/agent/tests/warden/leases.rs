//! Leases: a server ends when its lease passes, whatever became of the agent.

use crate::world::{Agent, World, eventually};
use berth_agent::warden::protocol::{Exit, Report, Request, Run, Stop};
use berth_service::clock::since_boot;
use std::time::Duration;

/// A lease that passes while a test looks on, and is long enough to freeze an agent within it on a busy machine.
const SHORT: Duration = Duration::from_secs(2);
/// A lease that passes in no test.
const LONG: Duration = Duration::from_mins(10);
/// The server, and a child of it that has left its session.
const SERVER: &str = "setsid sleep 1000 & wait";

/// So long from now, as a lease is told: in whole milliseconds.
fn from_now(length: Duration) -> Duration {
    Duration::from_millis(u64::try_from((since_boot() + length).as_millis()).unwrap())
}

fn until_past(moment: Duration) {
    eventually("the lease to pass", || since_boot() > moment + Duration::from_millis(200));
}

fn serving(world: &World) -> Agent {
    let mut agent = world.agent();
    agent.hello();
    agent.start(SERVER, &[]);
    eventually("the server's child", || world.processes("sleep 1000") >= 1);
    agent
}

fn killed(agent: &mut Agent, run: Run) {
    let report = agent.next();
    let Report::Exited(ended) = report else { panic!("the server's end comes first: {report:?}") };
    assert_eq!((ended.run, ended.exit, ended.killed), (run, Exit::Signal(9), true));
    assert_eq!(agent.next(), Report::Fenced);
}

fn told(world: &World) -> bool {
    world.logged(|line| {
        line["target"] == "warden"
            && line["level"] == "warn"
            && line["message"].as_str().is_some_and(|message| message.contains("lease"))
    })
}

pub(crate) fn a_server_ends_with_its_lease_though_its_agent_is_frozen() {
    let world = World::start(&[]);
    let mut agent = serving(&world);
    let until = from_now(SHORT);
    agent.lease(Some(until));
    world.freeze("agent");
    // What the agent would have said next stays with it.
    agent.send(&Request::Lease { until_ms: Some(u64::MAX) });
    assert!(since_boot() < until && world.processes("sleep 1000") >= 1, "it is alive within its lease");
    eventually("the server's end", || world.processes("sleep 1000") == 0);
    assert!(since_boot() >= until, "and not before it passed");
    assert_eq!(world.pids().len(), 2, "warden and agent remain: {:?}", world.commands());
    // The fence froze everybody and let the living go on, this agent too.
    killed(&mut agent, Run(1));
    eventually("a word in the log", || told(&world));
}

pub(crate) fn a_server_ends_with_its_lease_though_its_agent_was_killed() {
    let world = World::start(&[]);
    let mut agent = serving(&world);
    let until = from_now(SHORT);
    agent.lease(Some(until));
    world.kill("agent");
    let mut next = world.agent();
    assert!(matches!(next.next(), Report::Hello { server: Some(_), .. }));
    killed(&mut next, Run(1));
    assert!(since_boot() >= until);
}

pub(crate) fn a_server_whose_lease_is_renewed_lives_and_dies_with_the_last() {
    let world = World::start(&[]);
    let mut agent = serving(&world);
    let first = from_now(SHORT);
    let mut last = first;
    agent.lease(Some(first));
    while since_boot() < first + SHORT / 2 {
        assert!(world.processes("sleep 1000") >= 1, "it lives while its lease does");
        last = from_now(SHORT);
        agent.lease(Some(last));
    }
    killed(&mut agent, Run(1));
    assert!(since_boot() >= last);
    let second = agent.start(SERVER, &[]);
    assert_eq!(second.run, Run(2), "and another may be started");
}

pub(crate) fn a_lease_that_was_taken_back_ends_nobody() {
    let world = World::start(&[]);
    let mut agent = serving(&world);
    let until = from_now(SHORT);
    agent.lease(Some(until));
    agent.lease(None);
    until_past(until);
    assert!(world.processes("sleep 1000") >= 1);
    // One that lies in the past ends it at once.
    agent.send(&Request::Lease { until_ms: Some(0) });
    killed(&mut agent, Run(1));
}

pub(crate) fn a_lease_is_forgotten_with_its_run() {
    let world = World::start(&[]);
    let mut agent = serving(&world);
    let until = from_now(SHORT);
    agent.lease(Some(until));
    agent.send(&Request::Stop { run: Run(1), how: Stop::Kill });
    assert!(matches!(agent.next(), Report::Exited(_)));
    // Nor does one count that is said while nothing runs.
    agent.send(&Request::Lease { until_ms: Some(0) });
    agent.start(SERVER, &[]);
    until_past(until);
    eventually("the second run's child", || world.processes("sleep 1000") >= 1);
    agent.lease(Some(from_now(LONG)));
    assert!(world.processes("sleep 1000") >= 1);
}
