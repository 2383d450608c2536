//! The warden with real processes, as PID 1 of a real pid namespace. Needs root, as all tests with namespaces do.
//!
//! The test plays the agent: a stand-in passes the warden's socket on. The servers are shells. Warden and stand-in are this very
//! program, so that no other has to be built before.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod leases;
mod runner;
mod world;

use berth_agent::warden::protocol::{Exit, Report, Request, Run, Stop};
use std::fs;
use std::process::ExitCode;
use std::time::Duration;
use world::{World, eventually};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("warden") => world::warden(),
        Some("agent") => world::pass_on(),
        Some(_) | None => runner::run(runner::scenarios![
            leases::a_server_ends_with_its_lease_though_its_agent_is_frozen,
            leases::a_server_ends_with_its_lease_though_its_agent_was_killed,
            leases::a_server_whose_lease_is_renewed_lives_and_dies_with_the_last,
            leases::a_lease_that_was_taken_back_ends_nobody,
            leases::a_lease_is_forgotten_with_its_run,
            a_fence_reaches_children_that_left_the_servers_session_and_spares_the_agent,
            a_fence_outruns_a_server_that_forks_as_fast_as_it_can,
            a_killed_agent_is_started_again_and_told_that_the_server_went_on,
            what_a_dead_agent_was_running_ends_with_it_and_the_server_does_not,
            a_server_has_not_ended_while_a_process_that_it_left_behind_lives,
            a_word_about_an_older_run_touches_nobody_and_a_second_start_is_refused,
            on_sigterm_the_agent_stops_the_server_and_the_container_ends_with_it,
            on_sigterm_the_warden_stops_the_server_when_the_agent_does_not,
            at_the_end_of_its_grace_the_container_ends_whatever_hangs,
            orphans_that_end_leave_no_zombies,
            the_servers_log_comes_out_as_json_and_survives_the_agent,
            it_refuses_to_run_where_its_kill_would_reach_the_machine
        ]),
    }
}

fn a_fence_reaches_children_that_left_the_servers_session_and_spares_the_agent() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    let script =
        "setsid sh -c 'sleep 1000; :' & setsid -f sleep 1001; (trap '' TERM INT; exec sleep 1002) & wait";
    agent.start(script, &[]);
    eventually("the server's four descendants", || world.processes("sleep 100") >= 4);
    agent.send(&Request::Fence);
    let Report::Exited(ended) = agent.next() else { panic!("the server's end comes first") };
    assert_eq!((ended.run, ended.exit, ended.killed), (Run(1), Exit::Signal(9), true));
    assert_eq!(agent.next(), Report::Fenced);
    assert_eq!(world.pids().len(), 2, "warden and agent remain: {:?}", world.commands());
    // The agent was frozen for a moment, and is the same as before.
    agent.send(&Request::Fence);
    assert_eq!(agent.next(), Report::Fenced);
}

fn a_fence_outruns_a_server_that_forks_as_fast_as_it_can() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    let forks = "while :; do setsid sh -c 'setsid sleep 0.05 & sleep 0.02' & sleep 0.005; done";
    agent.start(forks, &[]);
    eventually("some forks", || world.processes("sleep") > 5);
    agent.send(&Request::Fence);
    agent.until_fenced();
    assert_eq!(world.pids().len(), 2, "{:?}", world.commands());
}

fn a_killed_agent_is_started_again_and_told_that_the_server_went_on() {
    let world = World::start(&[]);
    let mut first = world.agent();
    first.hello();
    let started = first.start("sleep 1000; :", &[]);
    world.kill("agent");
    let mut second = world.agent();
    let Report::Hello { server, ended, agents, .. } = second.next() else { panic!("hello comes first") };
    let server = server.expect("the server went on");
    assert_eq!((server.run, server.pid), (started.run, started.pid));
    assert!(server.age_ms >= started.age_ms);
    assert_eq!((ended, agents), (None, 2));
    // It still obeys the new agent, and the run that is over is told to the third.
    second.send(&Request::Stop { run: server.run, how: Stop::Kill });
    let Report::Exited(ended) = second.next() else { panic!("its end") };
    assert!(ended.killed);
    drop(second);
    let mut third = world.agent();
    let Report::Hello { server, ended, agents, .. } = third.next() else { panic!("hello comes first") };
    assert_eq!((server, ended.map(|ended| ended.run), agents), (None, Some(Run(1)), 3));
}

fn what_a_dead_agent_was_running_ends_with_it_and_the_server_does_not() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    agent.start("sleep 1000; :", &[]);
    world.enter("agent", "setsid sleep 2000 &");
    eventually("the agent's copy", || world.processes("sleep 2000") == 1);
    world.kill("agent");
    let mut next = world.agent();
    next.hello();
    assert_eq!(world.processes("sleep 2000"), 0, "{:?}", world.commands());
    assert!(world.processes("sleep 1000") > 0);
}

fn a_server_has_not_ended_while_a_process_that_it_left_behind_lives() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    let started = agent.start("setsid sh -c 'trap \"\" HUP TERM; sleep 1000; :' & wait", &[]);
    eventually("the child", || world.processes("sleep 1000") >= 2);
    agent.send(&Request::Stop { run: started.run, how: Stop::Kill });
    let Report::Exited(ended) = agent.next() else { panic!("its end") };
    assert!(ended.killed);
    assert_eq!(world.processes("sleep 1000"), 0, "{:?}", world.commands());
}

fn a_word_about_an_older_run_touches_nobody_and_a_second_start_is_refused() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    agent.start("exit 3", &[]);
    let Report::Exited(ended) = agent.next() else { panic!("its end") };
    assert_eq!((ended.exit, ended.killed), (Exit::Code(3), false));
    let second = agent.start("sleep 1000; :", &[]);
    assert_eq!(second.run, Run(2));
    agent.send(&Request::Stop { run: Run(1), how: Stop::Kill });
    agent.send(&Request::Start(World::server("true")));
    assert!(matches!(agent.next(), Report::NotStarted { .. }));
    assert!(world.processes("sleep 1000") > 0, "the second run goes on");
    agent.send(&Request::Stop { run: Run(2), how: Stop::Kill });
    assert!(matches!(agent.next(), Report::Exited(_)));
    let mut missing = World::server("true");
    missing.program = "/no/such/program".into();
    agent.send(&Request::Start(missing));
    let Report::NotStarted { reason } = agent.next() else { panic!("it cannot start") };
    assert!(reason.contains("/no/such/program"), "{reason}");
}

fn on_sigterm_the_agent_stops_the_server_and_the_container_ends_with_it() {
    let world = World::start(&["--patience", "30", "--grace", "40"]);
    let mut agent = world.agent();
    agent.hello();
    let mark = world.path("stopped");
    let script = format!(
        "trap 'echo fast > {}; exit 0' INT; echo ready > {}; while :; do sleep 0.05; done",
        mark.display(),
        world.path("ready").display()
    );
    let started = agent.start(&script, &[]);
    eventually("the trap", || world.path("ready").exists());
    world.terminate();
    assert_eq!(agent.next(), Report::Stopping { patience_ms: 30_000 });
    agent.send(&Request::Stop { run: started.run, how: Stop::Fast });
    let Report::Exited(ended) = agent.next() else { panic!("its end") };
    assert_eq!((ended.exit, ended.killed), (Exit::Code(0), false));
    drop(agent);
    assert_eq!(world.wait(Duration::from_secs(5)), Some(0));
    assert_eq!(fs::read_to_string(mark).unwrap(), "fast\n");
}

fn on_sigterm_the_warden_stops_the_server_when_the_agent_does_not() {
    let world = World::start(&["--patience", "1", "--grace", "30"]);
    let mut agent = world.agent();
    agent.hello();
    let script = format!(
        "trap 'echo fast > {}; exit 0' INT; echo ready > {}; while :; do sleep 0.05; done",
        world.path("stopped").display(),
        world.path("ready").display()
    );
    agent.start(&script, &[]);
    eventually("the trap", || world.path("ready").exists());
    world.terminate();
    assert!(matches!(agent.next(), Report::Stopping { .. }));
    // The server's end is told too, but with it the container ends, and the stand-in may be killed before it has passed that on.
    assert_eq!(world.wait(Duration::from_secs(5)), Some(0), "though the agent never left");
    assert!(world.path("stopped").exists());
}

fn at_the_end_of_its_grace_the_container_ends_whatever_hangs() {
    let world = World::start(&["--patience", "0", "--grace", "1"]);
    let mut agent = world.agent();
    agent.hello();
    let ready = world.path("ready");
    agent.start(&format!("trap '' INT TERM; echo > {}; while :; do sleep 0.1; done", ready.display()), &[]);
    eventually("the trap", || ready.exists());
    world.terminate();
    assert_eq!(world.wait(Duration::from_secs(5)), Some(0));
}

fn orphans_that_end_leave_no_zombies() {
    let world = World::start(&[]);
    let mut agent = world.agent();
    agent.hello();
    let done = world.path("done");
    let script =
        format!("for i in 1 2 3 4 5; do (setsid -f true); done; echo > {}; exec sleep 1000", done.display());
    agent.start(&script, &[]);
    eventually("the orphans", || done.exists());
    eventually("nothing but warden, agent and server", || world.zombies() == 0 && world.pids().len() == 3);
}

fn the_servers_log_comes_out_as_json_and_survives_the_agent() {
    let world = World::start(&["--member", "orders-7k2qd"]);
    let mut agent = world.agent();
    agent.hello();
    let go = world.path("go");
    let line = r"\0362026-11-21 15:48:20.123 UTC\03742\037client backend\03742601\037[local]\037ann\037app\037psql\037ERROR:  syntax error\n";
    let script = format!(
        "printf '{line}' >&2; while ! [ -e {} ]; do sleep 0.02; done; echo plain; exec sleep 1000",
        go.display()
    );
    agent.start(&script, &[]);
    eventually("the first line", || {
        world.logged(|line| line["message"] == "syntax error" && line["level"] == "error")
    });
    assert!(world.logged(|line| line["user"] == "ann"
        && line["database"] == "app"
        && line["sqlstate"] == "42601"
        && line["pid"] == "42"
        && line["member"] == "orders-7k2qd"));
    world.kill("agent");
    let mut next = world.agent();
    next.hello();
    fs::write(go, "").unwrap();
    eventually("the second line", || world.logged(|line| line["message"] == "plain"));
    assert!(
        world.logged(|line| line["target"] == "warden" && line["level"] == "warn"),
        "the agent's end is told"
    );
}

fn it_refuses_to_run_where_its_kill_would_reach_the_machine() {
    let output = World::outside();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("must be PID 1"), "{text}");
}
