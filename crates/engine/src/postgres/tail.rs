//! The end of a log: whether what was received beyond the last replayed record is a whole record that is still to be replayed, or a part
//! of one whose rest never came.
//!
//! A primary's log goes out in pages, so that one that dies under load often leaves a standby with the beginning of a record.
//! Replay waits behind it for ever, and looks no different from replay that is slow.

use super::place::PostgresPlace;
use super::{files, timelines};
use crate::EngineError;
use berth_core::{LogPosition, Timeline};
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// How the log is cut into pages and files; from the control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Bytes of a page.
    pub(super) page: u64,
    /// Bytes of a file.
    pub(super) segment: u64,
}

/// The header of a page, and that of a file's first page.
const HEADER: u64 = 24;
const FIRST_HEADER: u64 = 40;
/// The least length of a record: its own header. Less stands where there is none.
const LEAST: u64 = 24;

impl Cut {
    fn header(self, page: u64) -> u64 {
        if page.is_multiple_of(self.segment) { FIRST_HEADER } else { HEADER }
    }

    /// Where the record after this position has its length: a record begins at a multiple of 8, and not in a page's header.
    pub(super) fn begin(self, position: LogPosition) -> u64 {
        let begin = position.0.next_multiple_of(8);
        if begin.is_multiple_of(self.page) { begin + self.header(begin) } else { begin }
    }

    /// Where a record ends that begins here: it goes on behind the header of each page.
    pub(super) fn end(self, begin: u64, length: u64) -> u64 {
        let (mut at, mut left) = (begin, length);
        loop {
            let room = self.page - at % self.page;
            if left <= room {
                return at + left;
            }
            left -= room;
            at += room;
            at += self.header(at);
        }
    }

    /// The name of the file that holds the byte.
    pub(super) fn file(self, timeline: Timeline, at: u64) -> String {
        let (number, per_id) = (at / self.segment, (1 << 32) / self.segment);
        format!("{:08X}{:08X}{:08X}", timeline.0, number / per_id, number % per_id)
    }

    /// Which bytes a file of that name holds, whatever its timeline; none if it is no piece of a log.
    pub(super) fn bytes(self, file: &str) -> Option<Range<u64>> {
        let part = |range: Range<usize>| u64::from_str_radix(file.get(range)?, 16).ok();
        let number = part(8..16)? * ((1 << 32) / self.segment) + part(16..24)?;
        (file.len() == 24).then(|| number * self.segment..(number + 1) * self.segment)
    }
}

/// Whether less than a whole record lies between the two positions.
pub(super) fn is_torn(
    place: &PostgresPlace,
    cut: Cut,
    timeline: Timeline,
    replayed: LogPosition,
    received: LogPosition,
) -> Result<bool, EngineError> {
    let begin = cut.begin(replayed);
    // The length comes first, and never lies in two pages.
    if begin + 4 > received.0 {
        return Ok(true);
    }
    let path = timelines::folder(place).join(cut.file(timeline, begin));
    let mut length = [0; 4];
    let read = File::open(&path).and_then(|file| file.read_exact_at(&mut length, begin % cut.segment));
    match read {
        Ok(()) => {
            let length = u64::from(u32::from_le_bytes(length));
            // Something that is no record is for the server to make sense of.
            Ok(length >= LEAST && cut.end(begin, length) > received.0)
        }
        // The receiver makes a file with its first byte.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(files::failed("reading", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut { page: 8192, segment: 16 << 20 };

    #[test]
    fn a_record_goes_on_behind_the_header_of_each_page() {
        // On one page; up to its last byte; over it; over two; into the next file.
        for (begin, length, end) in [
            (0x0100_0028, 100, 0x0100_0028 + 100),
            (0x0100_1F00, 0x100, 0x0100_2000),
            (0x0100_1F00, 0x101, 0x0100_2000 + 24 + 1),
            (0x0100_1F00, 0x100 + 8168 + 1, 0x0100_4000 + 24 + 1),
            (0x01FF_FF00, 0x101, 0x0200_0000 + 40 + 1),
        ] {
            assert_eq!(CUT.end(begin, length), end, "{begin:X} {length:X}");
        }
    }

    #[test]
    fn a_record_begins_at_a_multiple_of_eight_and_behind_a_header() {
        for (position, begin) in [
            (0x0100_0028, 0x0100_0028),
            (0x0100_0029, 0x0100_0030),
            (0x0100_2000, 0x0100_2018),
            (0x0200_0000, 0x0200_0028),
        ] {
            assert_eq!(CUT.begin(LogPosition(position)), begin, "{position:X}");
        }
    }

    #[test]
    fn a_file_is_named_by_its_timeline_and_its_number() {
        let name = "000000030000001A00000005";
        assert_eq!(CUT.file(Timeline(3), 0x1A_0500_0098), name);
        assert_eq!(CUT.bytes(name), Some(0x1A_0500_0000..0x1A_0600_0000));
        for other in ["00000003.history", "000000030000001A00000005.partial", "archive_status", ""] {
            assert_eq!(CUT.bytes(other), None, "{other}");
        }
    }
}
