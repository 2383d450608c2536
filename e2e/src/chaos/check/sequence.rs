//! Numbered rows of several writers: an acknowledged one is there, once; a refused one is not.

use super::{Fate, Finding, Wrong};
use std::collections::{BTreeMap, BTreeSet};

/// A row: who wrote it, and its number, from 1.
pub type Row = (usize, usize);

/// The fates of all numbers that were sent. A number without a fate is under way, or its writer ended before it had an answer.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    fates: Vec<Vec<Option<Fate>>>,
}

/// How the unknown ones turned out, besides what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged and there.
    pub kept: u64,
    /// Acknowledged and not there.
    pub lost: u64,
    /// Unknown, and there.
    pub unknown_there: u64,
    /// Unknown, and not there.
    pub unknown_absent: u64,
    /// What is wrong, the lost ones too.
    pub findings: Vec<Finding>,
}

impl Sequence {
    /// A history in which nothing happened yet.
    pub fn of(writers: usize) -> Self {
        Self { fates: vec![Vec::new(); writers] }
    }

    /// A writer is about to send its next number, which is returned.
    pub fn sends(&mut self, writer: usize) -> usize {
        let Some(fates) = self.fates.get_mut(writer) else { return 0 };
        fates.push(None);
        fates.len()
    }

    /// A number's call ended.
    pub fn ended(&mut self, (writer, number): Row, fate: Fate) {
        let slot = self.fates.get_mut(writer).and_then(|fates| fates.get_mut(number.wrapping_sub(1)));
        if let Some(slot) = slot {
            *slot = Some(fate);
        }
    }

    /// How many numbers each writer has sent.
    pub fn sent(&self) -> Vec<usize> {
        self.fates.iter().map(Vec::len).collect()
    }

    /// Acknowledged numbers above those of `since` that are not among the rows. The rows must have been read after this history was taken.
    pub fn lost(&self, rows: &BTreeSet<Row>, since: &[usize]) -> Vec<Row> {
        self.all()
            .filter(|((writer, number), fate)| {
                let new = *number > since.get(*writer).copied().unwrap_or(0);
                new && *fate == Some(Fate::Acknowledged) && !rows.contains(&(*writer, *number))
            })
            .map(|(row, _)| row)
            .collect()
    }

    /// The whole of it, once all writers have ended.
    pub fn judge(&self, rows: &[Row]) -> Verdict {
        let mut times: BTreeMap<Row, usize> = BTreeMap::new();
        for row in rows {
            *times.entry(*row).or_default() += 1;
        }
        let there: BTreeSet<Row> = times.keys().copied().collect();
        let mut verdict = Verdict::default();
        for (row, fate) in self.all() {
            match (fate, there.contains(&row)) {
                (Some(Fate::Acknowledged), true) => verdict.kept += 1,
                (Some(Fate::Acknowledged), false) => {
                    verdict.lost += 1;
                    verdict.findings.push(Finding::new(Wrong::Lost, words("acknowledged and gone", row)));
                }
                (Some(Fate::Refused), true) => {
                    verdict.findings.push(Finding::new(Wrong::Ghost, words("refused and there", row)));
                }
                (Some(Fate::Refused), false) => {}
                (Some(Fate::Unknown) | None, true) => verdict.unknown_there += 1,
                (Some(Fate::Unknown) | None, false) => verdict.unknown_absent += 1,
            }
        }
        for (row, times) in times {
            let (writer, number) = row;
            if times > 1 {
                verdict
                    .findings
                    .push(Finding::new(Wrong::Twice, words(&format!("{times} times there"), row)));
            }
            if number == 0 || number > self.fates.get(writer).map_or(0, Vec::len) {
                verdict.findings.push(Finding::new(Wrong::Ghost, words("never sent", row)));
            }
        }
        verdict
    }

    fn all(&self) -> impl Iterator<Item = (Row, Option<Fate>)> + '_ {
        self.fates.iter().enumerate().flat_map(|(writer, fates)| {
            fates.iter().enumerate().map(move |(index, fate)| ((writer, index + 1), *fate))
        })
    }
}

fn words(what: &str, (writer, number): Row) -> String {
    format!("row {number} of writer {writer}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two writers; the first one's numbers have these fates, the second sent one that was acknowledged.
    fn history(fates: &[Option<Fate>]) -> Sequence {
        let mut history = Sequence::of(2);
        for fate in fates {
            let number = history.sends(0);
            if let Some(fate) = fate {
                history.ended((0, number), *fate);
            }
        }
        let number = history.sends(1);
        history.ended((1, number), Fate::Acknowledged);
        history
    }

    const MIXED: [Option<Fate>; 5] =
        [Some(Fate::Acknowledged), Some(Fate::Refused), Some(Fate::Unknown), Some(Fate::Unknown), None];

    fn kinds(verdict: &Verdict) -> Vec<Wrong> {
        verdict.findings.iter().map(|f| f.wrong).collect()
    }

    #[test]
    fn unknown_rows_may_be_there_or_not() {
        let verdict = history(&MIXED).judge(&[(0, 1), (0, 3), (1, 1)]);
        assert_eq!(verdict, Verdict { kept: 2, unknown_there: 1, unknown_absent: 2, ..Verdict::default() });
    }

    #[test]
    fn an_acknowledged_row_that_is_gone_is_lost() {
        let verdict = history(&MIXED).judge(&[(0, 3), (1, 1)]);
        assert_eq!((verdict.lost, kinds(&verdict)), (1, vec![Wrong::Lost]));
    }

    #[test]
    fn a_row_that_is_there_twice_was_done_twice() {
        assert_eq!(kinds(&history(&MIXED).judge(&[(0, 1), (1, 1), (0, 1)])), [Wrong::Twice]);
    }

    #[test]
    fn refused_and_invented_rows_are_ghosts() {
        let verdict = history(&MIXED).judge(&[(0, 1), (0, 2), (1, 1), (1, 2), (5, 1)]);
        assert_eq!(kinds(&verdict), [Wrong::Ghost, Wrong::Ghost, Wrong::Ghost]);
    }

    #[test]
    fn in_between_only_what_is_new_and_acknowledged_counts() {
        let history =
            history(&[Some(Fate::Acknowledged), Some(Fate::Acknowledged), Some(Fate::Unknown), None]);
        let rows = BTreeSet::from([(1, 1), (0, 9)]);
        assert_eq!(history.lost(&rows, &[0, 0]), [(0, 1), (0, 2)]);
        assert_eq!(history.lost(&rows, &[1, 0]), [(0, 2)]);
        assert_eq!(history.sent(), [4, 1]);
    }
}
