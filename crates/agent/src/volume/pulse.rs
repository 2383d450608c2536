//! Whether the data volume takes writes: a few bytes are written and flushed now and then, and looked at while they are under way.
//!
//! A disk that hangs fails no call. The server goes on answering questions, no commit of it ever ends, and nothing else would tell. A disk
//! that *fails* is not looked for here: PostgreSQL ends itself when its log cannot be flushed, and its end is seen.

use berth_core::election::Moment;
use berth_service::Chain;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::warn;

/// How long a flush may take before the disk counts as one that hangs: busy disks take a second now and then, and a failover costs less
/// than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time from one write's beginning to the next one's, however often somebody asks: a flush costs a busy disk something.
const BETWEEN: Duration = Duration::from_secs(1);

/// The last write.
#[derive(Debug, Clone, Copy)]
struct Beat {
    begun: Moment,
    over: bool,
}

/// The writes to one volume, made one after the other by a thread of their own, which may stand still for ever without holding up anything.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Option<Beat>>>,
    begin: SyncSender<()>,
}

impl Pulse {
    /// Writes to a file of its own in this folder.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let path: PathBuf = folder.join("pulse");
        Self::by(move || {
            let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
            // The same bytes at the same place: the file never grows, and nothing but they is flushed.
            file.write_all(b"pulse\n")?;
            file.sync_data()
        })
    }

    /// Writes by this.
    fn by(mut write: impl FnMut() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let last = Arc::new(Mutex::new(None));
        // Room for one, so that whoever asks never waits for the thread.
        let (begin, asked) = sync_channel::<()>(1);
        let pulse = Self { last: last.clone(), begin };
        let mut well = true;
        std::thread::Builder::new().name("pulse".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                let written = write();
                if let Err(error) = &written
                    && well
                {
                    warn!(reason = %Chain(error), "the data volume refuses a write");
                }
                well = written.is_ok();
                if let Some(beat) = &mut *open(&last) {
                    beat.over = true;
                }
            }
        })?;
        Ok(pulse)
    }

    /// Whether a write has been under way for longer than five seconds. Begins one if none is and the last one is old enough.
    #[must_use]
    pub fn hangs(&self, now: Moment) -> bool {
        let mut last = open(&self.last);
        match *last {
            Some(Beat { begun, over: false }) => return now.since(begun) > PATIENCE,
            Some(Beat { begun, over: true }) if now.since(begun) < BETWEEN => return false,
            Some(_) | None => {}
        }
        // Noted before it is asked for, because the thread notes its end.
        *last = Some(Beat { begun: now, over: false });
        // The thread lives as long as this sender, so that the channel is never closed; and it is empty, because the last write is over.
        let _asked = self.begin.try_send(());
        false
    }
}

fn open(last: &Mutex<Option<Beat>>) -> MutexGuard<'_, Option<Beat>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    /// Waits until the write that is under way is over.
    fn over(pulse: &Pulse) {
        while open(&pulse.last).is_some_and(|beat| !beat.over) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_write_that_does_not_end_is_told_and_one_that_ends_is_forgotten() {
        let (release, held) = channel::<()>();
        let pulse = Pulse::by(move || {
            held.recv().unwrap();
            Ok(())
        })
        .unwrap();
        assert!(!pulse.hangs(at(10)), "it begins");
        assert!(!pulse.hangs(at(15)), "it may be slow");
        assert!(pulse.hangs(at(16)));
        release.send(()).unwrap();
        over(&pulse);
        assert!(!pulse.hangs(at(17)), "another begins");
        assert!(pulse.hangs(at(23)), "and is counted from its own beginning");
        release.send(()).unwrap();
    }

    #[test]
    fn a_write_that_is_refused_is_no_hang() {
        let pulse = Pulse::of(Path::new("/nowhere/at/all")).unwrap();
        for second in 0..100 {
            assert!(!pulse.hangs(at(second)));
            over(&pulse);
        }
    }

    #[test]
    fn the_file_stays_as_small_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::of(folder.path()).unwrap();
        for second in 0..20 {
            assert!(!pulse.hangs(at(second)));
            over(&pulse);
        }
        assert_eq!(std::fs::read(folder.path().join("pulse")).unwrap(), b"pulse\n");
    }
}
