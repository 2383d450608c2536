//! The report as people read it.

use super::{Anomaly, Kind, Report};
use crate::chaos::scene::Counts;
use std::fmt;

/// How many anomalies are printed; the JSON has more.
const ANOMALIES: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.kinds.values().map(|kind| kind.faults).sum();
        let Counts { acknowledged, refused, unknown, reads, failed_reads, failed_logins, ended_idle } =
            self.counts;
        writeln!(
            f,
            "Chaos, seed {}, begun {}: {:.2} hours, {faults} faults, {} terms",
            self.seed, self.began, self.hours, self.terms
        )?;
        writeln!(f, "  writes sent      {}", self.operations)?;
        writeln!(f, "    acknowledged   {acknowledged}")?;
        writeln!(f, "    refused        {refused}")?;
        writeln!(
            f,
            "    unknown        {unknown} ({:.4} %); of rows and transfers, {} turned out to be there and {} not",
            self.unknown_share * 100.0,
            self.unknown_there,
            self.unknown_absent
        )?;
        writeln!(f, "  reads            {reads}, and {failed_reads} failed")?;
        writeln!(
            f,
            "  sessions         {failed_logins} logins failed, {ended_idle} sessions were ended while idle"
        )?;
        match self.lost {
            Some(lost) => writeln!(f, "  lost             {lost}")?,
            None => writeln!(f, "  lost             not known: the last look could not be taken")?,
        }
        if let Some(bound) = self.bound {
            writeln!(
                f,
                "  bound            fewer than {bound:.1e} of acknowledged writes are lost (rule of three, 95 %)"
            )?;
        }
        let codes: Vec<_> = self.codes.iter().map(|(code, times)| format!("{code} × {times}")).collect();
        writeln!(
            f,
            "  errors           {}",
            if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }
        )?;
        self.table(f)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if self.is_clean() {
            return writeln!(f, "\nNothing is wrong.");
        }
        writeln!(f, "\nWRONG: {} anomalies", self.anomalies.len() as u64 + self.more_anomalies)?;
        for Anomaly { at, kind, what } in self.anomalies.iter().take(ANOMALIES) {
            writeln!(f, "  {at:9.3} s  {kind}: {what}")?;
        }
        Ok(())
    }
}

impl Report {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.kinds.keys().map(String::len).max().unwrap_or(0).max(4);
        writeln!(
            f,
            "\n{:width$}  faults  terms  pause of all, ms     of one, ms  refused  unknown  whole after, s",
            "kind"
        )?;
        writeln!(f, "{:width$}                 median  longest     longest                    longest", "")?;
        for (name, kind) in &self.kinds {
            let Kind {
                faults,
                terms,
                median_pause_of_all,
                longest_pause_of_all,
                longest_pause_of_one,
                refused,
                unknown,
                longest_whole_after,
            } = kind;
            writeln!(
                f,
                "{name:width$}  {faults:>6}  {terms:>5}  {median_pause_of_all:>6}  {longest_pause_of_all:>7}  {longest_pause_of_one:>10}  {refused:>7}  {unknown:>7}  {longest_whole_after:>14.1}"
            )?;
        }
        writeln!(
            f,
            "Pauses are what clients saw from each fault until the system was whole again. A client that"
        )?;
        writeln!(
            f,
            "gets no answer for 15 s gives up; a proxy or a node that falls silent costs its clients that."
        )?;
        writeln!(f, "Not done here: full disks, failing fsync, clocks that differ.")
    }
}
