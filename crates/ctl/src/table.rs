//! Columns as wide as what is in them, and times as ages.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// A table in the manner of kubectl: upper-case heads, three spaces between columns, none at the end of a line.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().enumerate().map(|(i, cell)| format!("{cell:<width$}", width = width(i)));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    let head = line(heads.to_vec());
    rows.iter().map(|row| line(row.iter().map(String::as_str).collect())).fold(head, |all, row| all + &row)
}

/// How long ago, in the two units that matter: `3d4h`, `5m10s`, `42s`.
pub(crate) fn age(since: Option<&Time>, now: Timestamp) -> String {
    let Some(since) = since else { return "-".to_owned() };
    let seconds = now.as_second().saturating_sub(since.0.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0..2) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        (1..10, _, _) => format!("{days}d{}h", hours % 24),
        (_, _, _) => format!("{days}d"),
    }
}

/// A text, or a dash for none.
pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(310, "5m10s")]
    #[case(7_260, "2h1m")]
    #[case(273_600, "3d4h")]
    #[case(86_400 * 30, "30d")]
    #[case(-5, "0s")]
    fn an_age_in_the_units_that_matter(#[case] seconds: i64, #[case] expect: &str) {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let since = Time(Timestamp::from_second(1_000_000_000 - seconds).unwrap());
        assert_eq!(age(Some(&since), now), expect);
    }
}
