//! What a process says of its own health: named checks that the parts of it set, and the three answers made of them.
//!
//! *Started* once all parts were up at least once; *live* while no part says that only a restart can help; *ready* while
//! started, all readiness checks pass and no shutdown was asked. A check that nobody has set yet fails, so that a part
//! that never reports cannot pass for a healthy one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The health of one process. Clones share it.
#[derive(Clone, Default)]
pub struct Health {
    inner: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    startup: BTreeMap<String, Option<String>>,
    readiness: BTreeMap<String, Option<String>>,
    liveness: BTreeMap<String, Option<String>>,
    stopping: bool,
}

/// Which of the answers a check counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// One named check, held by the part that it is about.
#[derive(Clone)]
pub struct Check {
    health: Health,
    kind: Kind,
    name: String,
}

/// What fails, by check. Empty means healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failing(pub BTreeMap<String, String>);

impl Failing {
    /// Whether nothing fails.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "ok");
        }
        self.0.iter().try_for_each(|(name, reason)| writeln!(f, "{name}: {reason}"))
    }
}

impl Health {
    /// A health without checks: started, live and ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A check that must have passed once before the process counts as started. Passing is final: later failures are
    /// readiness's business.
    pub fn startup(&self, name: impl Into<String>) -> Check {
        self.check(Kind::Startup, name.into(), Some("not there yet"))
    }

    /// A check that must pass for the process to be ready. Fails until it is first passed.
    pub fn readiness(&self, name: impl Into<String>) -> Check {
        self.check(Kind::Readiness, name.into(), Some("not there yet"))
    }

    /// A check whose failure means that only a restart can help. Passes until it is first failed.
    pub fn liveness(&self, name: impl Into<String>) -> Check {
        self.check(Kind::Liveness, name.into(), None)
    }

    /// From here on the process is not ready, whatever the checks say.
    pub fn stopping(&self) {
        self.state().stopping = true;
    }

    /// What keeps the process from counting as started.
    pub fn unstarted(&self) -> Failing {
        failing(&self.state().startup)
    }

    /// What keeps the process from being ready.
    pub fn unready(&self) -> Failing {
        let state = self.state();
        let mut all = failing(&state.startup);
        all.0.extend(failing(&state.readiness).0);
        if state.stopping {
            all.0.insert("shutdown".into(), "the process is stopping".into());
        }
        all
    }

    /// What only a restart can mend.
    pub fn unlive(&self) -> Failing {
        failing(&self.state().liveness)
    }

    fn check(&self, kind: Kind, name: String, first: Option<&str>) -> Check {
        let mut state = self.state();
        of(&mut state, kind).insert(name.clone(), first.map(str::to_owned));
        drop(state);
        Check { health: self.clone(), kind, name }
    }

    /// The state is a plain value that no panic can leave half-written.
    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// The part is well.
    pub fn pass(&self) {
        let mut state = self.health.state();
        of(&mut state, self.kind).insert(self.name.clone(), None);
    }

    /// The part is not well, for this reason. A startup check that has passed stays passed.
    pub fn fail(&self, reason: impl Into<String>) {
        let mut state = self.health.state();
        let checks = of(&mut state, self.kind);
        let passed = checks.get(&self.name).is_some_and(Option::is_none);
        if self.kind == Kind::Startup && passed {
            return;
        }
        checks.insert(self.name.clone(), Some(reason.into()));
    }

    /// Passes on `Ok`, else fails with the reason.
    pub fn set(&self, result: Result<(), String>) {
        match result {
            Ok(()) => self.pass(),
            Err(reason) => self.fail(reason),
        }
    }
}

fn of(state: &mut State, kind: Kind) -> &mut BTreeMap<String, Option<String>> {
    match kind {
        Kind::Startup => &mut state.startup,
        Kind::Readiness => &mut state.readiness,
        Kind::Liveness => &mut state.liveness,
    }
}

fn failing(checks: &BTreeMap<String, Option<String>>) -> Failing {
    Failing(
        checks.iter().filter_map(|(name, why)| why.as_ref().map(|why| (name.clone(), why.clone()))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_nobody_set_fails_and_says_so() {
        let health = Health::new();
        let routes = health.readiness("routes");
        assert_eq!(health.unready().to_string(), "routes: not there yet\n");
        routes.pass();
        assert_eq!(health.unready().to_string(), "ok\n");
        routes.fail("the topology is away");
        assert_eq!(health.unready().to_string(), "routes: the topology is away\n");
    }

    #[test]
    fn started_is_final_and_needed_for_ready() {
        let health = Health::new();
        let database = health.startup("database");
        assert!(!health.unstarted().is_empty());
        assert!(!health.unready().is_empty());
        database.pass();
        database.fail("restarting");
        assert!(health.unstarted().is_empty());
        assert!(health.unready().is_empty());
    }

    #[test]
    fn a_stopping_process_is_live_but_not_ready() {
        let health = Health::new();
        let worker = health.liveness("worker");
        health.stopping();
        assert!(health.unlive().is_empty());
        assert!(!health.unready().is_empty());
        worker.fail("stuck");
        assert!(!health.unlive().is_empty());
    }
}
