//! Lines that tell a person what a slow step is doing, for how long, and how long it usually takes.
//!
//! Building Kubernetes takes minutes; silence for minutes looks like a hang. A library may not print, so the
//! caller says where the lines go. This is no logger: nothing but steps worth waiting for is told.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often a running step says that it still runs: often enough to be believed, seldom enough for a log.
const TICK: Duration = Duration::from_secs(15);

/// Where lines about slow steps go. Cheap to clone.
#[derive(Clone)]
pub struct Progress {
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl Progress {
    /// Lines go to `sink`, without a line end, possibly from another thread than the caller's.
    pub fn to(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { sink: Arc::new(sink) }
    }

    /// Lines go to standard error.
    pub fn stderr() -> Self {
        // A closed standard error must not end a build, so a failed write is passed over.
        Self::to(|line| drop(writeln!(std::io::stderr(), "{line}")))
    }

    /// Lines go nowhere.
    pub fn silent() -> Self {
        Self::to(|_| ())
    }

    /// Tells one line.
    pub fn say(&self, line: &str) {
        (self.sink)(line);
    }

    /// Runs `work`, telling that it starts, every 15 s that it still runs, and how long it took.
    ///
    /// `what` is a present-tense phrase such as "building etcd"; `expected` is what it took where it was measured.
    pub fn during<T>(&self, what: &str, expected: Duration, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        self.say(&format!("{what} (usually {})", human(expected)));
        let (done, wait) = mpsc::channel::<()>();
        let result = std::thread::scope(|scope| {
            scope.spawn(move || {
                while wait.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    self.say(&format!("{what}: {} of usually {}", human(started.elapsed()), human(expected)));
                }
            });
            let result = work();
            drop(done);
            result
        });
        self.say(&format!("{what}: took {}", human(started.elapsed())));
        result
    }
}

/// A duration as people say it: `0.4 s`, `42 s`, `4 min 10 s`.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else if seconds >= 10 {
        format!("{seconds} s")
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_step_tells_its_start_and_its_end_and_returns_the_result() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let progress = Progress::to(move |line| kept.lock().unwrap().push(line.to_owned()));
        let result = progress.during("building x", Duration::from_secs(90), || 7);
        assert_eq!(result, 7);
        let lines = lines.lock().unwrap();
        assert_eq!(lines[0], "building x (usually 1 min 30 s)");
        assert!(lines[1].starts_with("building x: took 0."), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(human(Duration::from_millis(440)), "0.4 s");
        assert_eq!(human(Duration::from_secs(42)), "42 s");
        assert_eq!(human(Duration::from_secs(250)), "4 min 10 s");
    }
}
