//! How much room the data volume has, looked at again and again, and the ballast that keeps a little of it.
//!
//! What follows from a measurement is `berth_core::disk`'s to say; here it is measured and done. The ballast is a file of allocated blocks that
//! hold nothing: given up, they are what PostgreSQL recovers with.

use berth_core::disk::{Ballast, Judgement, Space, Usage, judge};
use berth_core::election::Event;
use berth_service::Chain;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// How often it is looked: in this time a fast disk takes less than the room that writes are refused for on any but the smallest volumes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The unit in which the system counts what a file takes.
const BLOCK: u64 = 512;

/// The room on one volume.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    space: Space,
    /// Whether the last look, and what was done after it, went well: a trouble is told once.
    well: bool,
}

impl Room {
    /// The room of the volume on which this folder lies. The ballast lies in the folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), space: Space::Ample, well: true }
    }

    /// Looks for ever, and tells of every change, first of what it is now. Ends when nobody listens.
    ///
    /// A thread of its own does it: asking a disk that hangs may stand still for ever, and must hold nothing up.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn watch(mut self, events: mpsc::Sender<Event>) -> io::Result<()> {
        std::thread::Builder::new().name("room".to_owned()).spawn(move || {
            let mut told = None;
            while !events.is_closed() {
                let space = self.look();
                if told != Some(space) {
                    told = Some(space);
                    if events.blocking_send(Event::Space(space)).is_err() {
                        return;
                    }
                }
                std::thread::park_timeout(LOOK_EVERY);
            }
        })?;
        Ok(())
    }

    /// Looks once, does what is due to the ballast, and says whether there is room. What cannot be measured is as it was.
    pub fn look(&mut self) -> Space {
        let looked = self.measure().and_then(|usage| {
            let Judgement { space, ballast } = judge(self.space, usage);
            self.tell(space, usage);
            self.space = space;
            self.carry_out(ballast)
        });
        if let Err(error) = &looked
            && self.well
        {
            warn!(reason = %Chain(error), "cannot look after the room on the data volume");
        }
        self.well = looked.is_ok();
        self.space
    }

    fn tell(&self, space: Space, Usage { size, free, ballast }: Usage) {
        match space {
            _ if space == self.space => {}
            Space::Full => warn!(size, free, ballast, "the data volume is full; writes are refused"),
            Space::Ample => info!(size, free, ballast, "the data volume has room again"),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    fn measure(&self) -> io::Result<Usage> {
        let volume = statvfs(&self.folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        // What the file system keeps for root is nobody's here.
        let used = volume.f_blocks.saturating_sub(volume.f_bfree);
        let ballast = match fs::metadata(self.ballast()) {
            Ok(file) => file.blocks().saturating_mul(BLOCK),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Usage { size: bytes(used.saturating_add(volume.f_bavail)), free: bytes(volume.f_bavail), ballast })
    }

    fn carry_out(&self, ballast: Ballast) -> io::Result<()> {
        match ballast {
            Ballast::Keep => Ok(()),
            Ballast::Make(size) => self.make(size),
            Ballast::Drop => {
                warn!("the data volume has no room left; its ballast is given up");
                fs::remove_file(self.ballast())
            }
        }
    }

    /// Some file systems cannot set blocks aside. What was set aside until it failed is given back: half a ballast would be made again and again.
    fn make(&self, size: u64) -> io::Result<()> {
        let path = self.ballast();
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        let made = fallocate(&file, FallocateFlags::empty(), 0, size);
        if made.is_err() {
            drop(file);
            fs::remove_file(&path)?;
        }
        made.map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::Command;

    const MIB: u64 = 1024 * 1024;

    /// A small volume in memory. Needs root.
    struct Volume(tempfile::TempDir);

    impl Volume {
        fn new(size: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self::mount(&[&format!("size={size}"), "-t", "tmpfs", "tmpfs"], folder.path());
            Self(folder)
        }

        fn mount(options: &[&str], at: &Path) {
            assert!(Command::new("mount").arg("-o").args(options).arg(at).status().unwrap().success());
        }

        /// Writes so much more of what a database would.
        fn fill(&self, bytes: u64) {
            let mut file =
                File::options().append(true).create(true).open(self.0.path().join("data")).unwrap();
            let block = vec![7; usize::try_from(MIB).unwrap()];
            for _ in 0..bytes / MIB {
                file.write_all(&block).unwrap();
            }
        }

        fn ballast(&self) -> Option<u64> {
            fs::metadata(self.0.path().join("ballast")).ok().map(|file| file.blocks() * BLOCK)
        }
    }

    impl Drop for Volume {
        fn drop(&mut self) {
            let _done = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        }
    }

    #[test]
    fn a_volume_that_fills_is_told_gives_up_its_ballast_last_and_makes_it_again_with_room() {
        let volume = Volume::new("512m");
        let mut room = Room::of(volume.0.path());
        assert_eq!((room.look(), volume.ballast()), (Space::Ample, Some(32 * MIB)));
        volume.fill(400 * MIB);
        assert_eq!(room.look(), Space::Ample);
        volume.fill(20 * MIB);
        assert_eq!((room.look(), volume.ballast()), (Space::Full, Some(32 * MIB)));
        volume.fill(50 * MIB);
        assert_eq!((room.look(), volume.ballast()), (Space::Full, None), "the last room is given up");
        volume.fill(20 * MIB);
        assert_eq!(room.look(), Space::Full, "and can be written");

        // A new agent comes to the same, and so does one to whose volume a little came back.
        let mut room = Room::of(volume.0.path());
        assert_eq!((room.look(), volume.ballast()), (Space::Full, None));
        Volume::mount(&["remount,size=600m"], volume.0.path());
        assert_eq!((room.look(), volume.ballast()), (Space::Full, None));
        Volume::mount(&["remount,size=1g"], volume.0.path());
        assert_eq!((room.look(), volume.ballast()), (Space::Ample, Some(32 * MIB)), "a volume that grew");
    }

    #[test]
    fn what_cannot_be_measured_is_as_it_was() {
        assert_eq!(Room::of(Path::new("/nowhere/at/all")).look(), Space::Ample);
    }

    #[tokio::test]
    async fn changes_are_told_and_the_thread_ends_with_its_listener() {
        let volume = Volume::new("512m");
        let (send, mut events) = mpsc::channel(1);
        Room::of(volume.0.path()).watch(send).unwrap();
        assert_eq!(events.recv().await, Some(Event::Space(Space::Ample)));
        volume.fill(450 * MIB);
        assert_eq!(events.recv().await, Some(Event::Space(Space::Full)));
        fs::remove_file(volume.0.path().join("data")).unwrap();
        assert_eq!(events.recv().await, Some(Event::Space(Space::Ample)));
    }
}
