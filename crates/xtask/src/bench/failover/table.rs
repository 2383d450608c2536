//! The table of a run.

use super::subject::Blow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was seen of one kind of blow to one subject.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The longest pause of each writer, of all blows.
    pub(super) pauses: Vec<Duration>,
    /// Errors by SQLSTATE.
    pub(super) errors: BTreeMap<String, u64>,
    /// From each blow until all three were in their place again.
    pub(super) rejoin: Vec<Duration>,
    /// How many blows.
    pub(super) blows: usize,
}

/// What was seen of one subject.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) rows: BTreeMap<Blow, Row>,
    pub(super) acknowledged: usize,
    pub(super) lost: usize,
}

/// The value below which this share of all lie.
fn quantile(values: &[Duration], share: f64) -> Option<Duration> {
    let mut sorted = values.to_vec();
    sorted.sort();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among some thousand values"
    )]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(rank).copied()
}

fn seconds(value: Option<Duration>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.2}", value.as_secs_f64()))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rows, acknowledged, lost } = self;
        writeln!(f, "\n**{name}**: {acknowledged} rows acknowledged, {lost} of them lost\n")?;
        writeln!(
            f,
            "| blow | times | pause of a client, s: median | p95 | most | all in place again, s: median | most | errors by SQLSTATE |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for (blow, row) in rows {
            let errors: Vec<String> =
                row.errors.iter().map(|(code, times)| format!("{code}: {times}")).collect();
            let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
            writeln!(
                f,
                "| {blow} | {} | {} | {} | {} | {} | {} | {errors} |",
                row.blows,
                seconds(quantile(&row.pauses, 0.5)),
                seconds(quantile(&row.pauses, 0.95)),
                seconds(quantile(&row.pauses, 1.0)),
                seconds(quantile(&row.rejoin, 0.5)),
                seconds(quantile(&row.rejoin, 1.0)),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&values, 0.5), Some(Duration::from_millis(50)));
        assert_eq!(quantile(&values, 0.95), Some(Duration::from_millis(95)));
        assert_eq!(quantile(&values, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_blow_without_errors_says_so() {
        let row = Row { pauses: vec![Duration::from_millis(120)], blows: 1, ..Row::default() };
        let rows = BTreeMap::from([(Blow::Switchover, row)]);
        let part = Part { name: "it".to_owned(), rows, acknowledged: 9, lost: 0 };
        let text = part.to_string();
        assert!(text.contains("| planned switchover | 1 | 0.12 | 0.12 | 0.12 | – | – | none |"), "{text}");
    }
}
