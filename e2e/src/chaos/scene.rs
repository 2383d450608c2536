//! What all clients together see: counts, pauses, errors, and what was found wrong, with the moment.

use super::check::{Fate, Finding, Wrong};
use super::session::Trouble;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many errors of one fault are kept in words; all are counted.
const ERRORS: usize = 12;
/// How many findings are kept; a database that lost its data would make one with each read.
const FINDINGS: usize = 200;

/// How operations ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes of which nobody knows.
    pub unknown: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Reads that were not.
    pub failed_reads: u64,
    /// Logins that failed.
    pub failed_logins: u64,
    /// Sessions that were ended while they were idle.
    pub ended_idle: u64,
}

/// What clients saw between two moments.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// How operations ended.
    pub counts: Counts,
    /// The longest time without any acknowledged write.
    pub pause_of_all: Duration,
    /// The longest time for which one client got no answer.
    pub pause_of_one: Duration,
    /// The first errors, in words.
    pub errors: Vec<String>,
}

#[derive(Debug)]
struct Seen {
    total: Counts,
    by_workload: BTreeMap<&'static str, Counts>,
    codes: BTreeMap<String, u64>,
    window: Window,
    last_write: Instant,
    last: BTreeMap<usize, Instant>,
    going: BTreeSet<usize>,
    findings: Vec<(Duration, Finding)>,
    more_findings: u64,
}

/// Where all clients tell what they see.
#[derive(Debug)]
pub struct Scene {
    began: Instant,
    workers: usize,
    seen: Mutex<Seen>,
}

/// Everything that was seen.
#[derive(Debug, Clone)]
pub struct Sight {
    /// How operations ended, in all.
    pub total: Counts,
    /// The same for each workload.
    pub by_workload: BTreeMap<&'static str, Counts>,
    /// How often clients were told each SQLSTATE; `-----` for no answer.
    pub codes: BTreeMap<String, u64>,
    /// What is wrong, with the time since the beginning.
    pub findings: Vec<(Duration, Finding)>,
    /// How many findings were not kept.
    pub more_findings: u64,
}

impl Scene {
    /// A scene that begins now, with so many clients.
    pub fn new(workers: usize) -> Self {
        let began = Instant::now();
        let seen = Seen {
            total: Counts::default(),
            by_workload: BTreeMap::new(),
            codes: BTreeMap::new(),
            window: Window::default(),
            last_write: began,
            last: (0..workers).map(|worker| (worker, began)).collect(),
            going: BTreeSet::new(),
            findings: Vec::new(),
            more_findings: 0,
        };
        Self { began, workers, seen: Mutex::new(seen) }
    }

    /// The time since the beginning.
    pub fn time(&self) -> Duration {
        self.began.elapsed()
    }

    /// A client's write ended.
    pub fn wrote(&self, worker: usize, workload: &'static str, fate: Fate) {
        let mut seen = self.lock();
        seen.count(workload, |counts| match fate {
            Fate::Acknowledged => counts.acknowledged += 1,
            Fate::Refused => counts.refused += 1,
            Fate::Unknown => counts.unknown += 1,
        });
        if fate == Fate::Acknowledged {
            let now = Instant::now();
            seen.window.pause_of_all = seen.window.pause_of_all.max(now - seen.last_write);
            seen.last_write = now;
            seen.answered(worker, now);
        }
    }

    /// A client's read was answered.
    pub fn read(&self, worker: usize, workload: &'static str) {
        let mut seen = self.lock();
        seen.count(workload, |counts| counts.reads += 1);
        seen.answered(worker, Instant::now());
    }

    /// A client was told of an error, or of nothing; what it was doing is counted by the caller's `count`.
    pub fn trouble(
        &self,
        workload: &'static str,
        doing: &str,
        trouble: &Trouble,
        count: impl Fn(&mut Counts),
    ) {
        let mut seen = self.lock();
        seen.count(workload, count);
        *seen.codes.entry(trouble.code.clone().unwrap_or_else(|| "-----".to_owned())).or_default() += 1;
        let at = self.time();
        if seen.window.errors.len() < ERRORS {
            seen.window.errors.push(format!("{:.3} s: {workload}: {doing}: {trouble}", at.as_secs_f64()));
        }
        if trouble.code.as_deref() == Some("25006") {
            seen.find(at, Finding::new(Wrong::ReadOnly, format!("{workload}: {doing}: {trouble}")));
        }
    }

    /// Something is wrong.
    pub fn find(&self, finding: Finding) {
        let at = self.time();
        self.lock().find(at, finding);
    }

    /// How many things are wrong so far.
    pub fn wrongs(&self) -> u64 {
        let seen = self.lock();
        seen.more_findings + seen.findings.len() as u64
    }

    /// From now on, a new window.
    pub fn open_window(&self) {
        self.lock().window = Window::default();
    }

    /// What clients saw since the window was opened; pauses that are still going on count so far.
    pub fn window(&self) -> Window {
        let seen = self.lock();
        let now = Instant::now();
        let mut window = seen.window.clone();
        window.pause_of_all = window.pause_of_all.max(now - seen.last_write);
        let open = seen.last.values().map(|last| now - *last).max().unwrap_or_default();
        window.pause_of_one = window.pause_of_one.max(open);
        window
    }

    /// From now on it counts who gets an answer.
    pub fn mark(&self) {
        self.lock().going.clear();
    }

    /// The clients that got no answer since the mark.
    pub fn waiting(&self) -> Vec<usize> {
        let seen = self.lock();
        (0..self.workers).filter(|worker| !seen.going.contains(worker)).collect()
    }

    /// All of it.
    pub fn sight(&self) -> Sight {
        let seen = self.lock();
        Sight {
            total: seen.total.clone(),
            by_workload: seen.by_workload.clone(),
            codes: seen.codes.clone(),
            findings: seen.findings.clone(),
            more_findings: seen.more_findings,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn count(&mut self, workload: &'static str, count: impl Fn(&mut Counts)) {
        count(&mut self.total);
        count(&mut self.window.counts);
        count(self.by_workload.entry(workload).or_default());
    }

    fn answered(&mut self, worker: usize, now: Instant) {
        if let Some(before) = self.last.insert(worker, now) {
            self.window.pause_of_one = self.window.pause_of_one.max(now - before);
        }
        self.going.insert(worker);
    }

    fn find(&mut self, at: Duration, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push((at, finding));
        } else {
            self.more_findings += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str) -> Trouble {
        Trouble { code: Some(code.to_owned()), words: "no".to_owned(), ends: false }
    }

    #[test]
    fn windows_begin_anew_and_totals_go_on() {
        let scene = Scene::new(2);
        scene.wrote(0, "rows", Fate::Acknowledged);
        scene.trouble("rows", "insert", &refusal("57P03"), |c| c.refused += 1);
        assert_eq!((scene.window().counts.refused, scene.window().errors.len()), (1, 1));
        scene.open_window();
        scene.wrote(1, "bank", Fate::Unknown);
        assert_eq!(scene.window().counts, Counts { unknown: 1, ..Counts::default() });
        let sight = scene.sight();
        assert_eq!((sight.total.acknowledged, sight.total.refused, sight.total.unknown), (1, 1, 1));
        assert_eq!(sight.by_workload["bank"].unknown, 1);
        assert_eq!(sight.codes["57P03"], 1);
    }

    #[test]
    fn who_got_no_answer_since_the_mark_is_waited_for() {
        let scene = Scene::new(3);
        scene.wrote(0, "rows", Fate::Acknowledged);
        scene.mark();
        scene.wrote(1, "rows", Fate::Refused);
        scene.read(2, "bank");
        assert_eq!(scene.waiting(), [0, 1]);
    }

    #[test]
    fn an_application_must_not_learn_that_a_database_is_read_only() {
        let scene = Scene::new(1);
        scene.trouble("rows", "insert", &refusal("25006"), |c| c.refused += 1);
        assert_eq!(scene.wrongs(), 1);
    }
}
