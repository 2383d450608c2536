//! Settings that follow from the size of the data volume, so that PostgreSQL's log alone never fills it.
//!
//! Everything here is part of one budget: at the worst moment the log takes what an absent member may hold back (a quarter) or what lies
//! between two checkpoints (an eighth, and as much again while a checkpoint is late), whichever is more, because both are counted back from
//! the same end. PostgreSQL's own default of 1 GB between checkpoints fills a volume of 512 MiB by itself.

use super::files;
use crate::EngineError;
use std::path::Path;

/// What PostgreSQL calls a MB.
const MEGABYTE: u64 = 1_048_576;
/// PostgreSQL's default for what lies between two checkpoints, in MB: more would make the recovery after a crash longer.
const MOST_BETWEEN_CHECKPOINTS: u64 = 1024;
/// The least of it, in MB: four segments. PostgreSQL takes two, and would make a checkpoint for each.
const LEAST_BETWEEN_CHECKPOINTS: u64 = 64;
/// PostgreSQL's default for the segments that are kept to be written again, in MB.
const MOST_KEPT_TO_REUSE: u64 = 80;

/// How much of the log a volume of so many MB has room for, in MB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// `max_wal_size`: an eighth of the volume, up to PostgreSQL's default.
    pub(super) between_checkpoints: u64,
    /// `min_wal_size`: PostgreSQL's default, but never more than half of what lies between checkpoints.
    pub(super) kept_to_reuse: u64,
    /// `wal_keep_size`: how much log each server keeps without being asked. So far a member may be behind at a failover, whose new primary had
    /// no slot for it before. A sixteenth of the volume, up to what a member misses in a restart of its pod of two minutes at 16 MB a second.
    pub(super) kept_for_members: u64,
    /// `max_slot_wal_keep_size`: how much log an absent member may hold back. A quarter of the volume: less and a member that was away for an
    /// hour is copied anew; more and its absence fills the disk.
    pub(super) kept_for_absent: u64,
}

impl Sizes {
    /// For the volume that this folder lies on.
    pub(super) fn of(folder: &Path) -> Result<Self, EngineError> {
        let volume = rustix::fs::statvfs(folder)
            .map_err(|errno| files::failed("measuring the volume of", folder)(errno.into()))?;
        Ok(Self::for_volume(volume.f_blocks.saturating_mul(volume.f_frsize) / MEGABYTE))
    }

    fn for_volume(megabytes: u64) -> Self {
        let between_checkpoints = (megabytes / 8).clamp(LEAST_BETWEEN_CHECKPOINTS, MOST_BETWEEN_CHECKPOINTS);
        Self {
            between_checkpoints,
            kept_to_reuse: (between_checkpoints / 2).min(MOST_KEPT_TO_REUSE),
            kept_for_members: (megabytes / 16).clamp(64, 2048),
            kept_for_absent: (megabytes / 4).max(64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_its_part_of_the_volume() {
        for (megabytes, expect) in [
            (256, (64, 32, 64, 64)),
            (512, (64, 32, 64, 128)),
            (1024, (128, 64, 64, 256)),
            (20 * 1024, (1024, 80, 1280, 5120)),
            (1024 * 1024, (1024, 80, 2048, 262_144)),
        ] {
            let Sizes { between_checkpoints, kept_to_reuse, kept_for_members, kept_for_absent } =
                Sizes::for_volume(megabytes);
            let sizes = (between_checkpoints, kept_to_reuse, kept_for_members, kept_for_absent);
            assert_eq!(sizes, expect, "{megabytes} MB");
        }
    }
}
