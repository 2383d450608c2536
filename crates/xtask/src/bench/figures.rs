//! Figures with their spread, and the table that they are printed in.

use std::fmt;

/// Several measurements of one thing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    values: Vec<f64>,
    unit: &'static str,
}

impl Figure {
    /// Measurements in this unit; at least one.
    pub(super) fn new(mut values: Vec<f64>, unit: &'static str) -> Self {
        values.sort_by(f64::total_cmp);
        Self { values, unit }
    }

    /// The middle one, or the mean of the two in the middle.
    pub(super) fn median(&self) -> f64 {
        let middle = self.values.len() / 2;
        match (self.values.get(middle), self.values.len() % 2) {
            (Some(upper), 0) => {
                self.values.get(middle.wrapping_sub(1)).map_or(*upper, |lower| f64::midpoint(*lower, *upper))
            }
            (Some(value), _) => *value,
            (None, _) => f64::NAN,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::from(self.median() < 100.0);
        write!(f, "{:.places$} {}", self.median(), self.unit)?;
        if let ([least, .., most], true) = (self.values.as_slice(), self.values.len() > 1) {
            write!(f, " ({least:.places$}–{most:.places$}, n={})", self.values.len())?;
        }
        Ok(())
    }
}

/// Rows of: what, Berth's figure, its peers with theirs.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Row>);

#[derive(Debug)]
struct Row {
    what: String,
    ours: Figure,
    peers: Vec<(String, Figure)>,
}

impl Report {
    /// Adds a row.
    pub(super) fn add(&mut self, what: &str, ours: Figure, peers: Vec<(&str, Figure)>) {
        let peers = peers.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect();
        self.0.push(Row { what: what.to_owned(), ours, peers });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nmedian (least–most, n = runs)")?;
        for Row { what, ours, peers } in &self.0 {
            writeln!(f, "\n{what}\n  Berth: {ours}")?;
            for (name, figure) in peers {
                writeln!(f, "  {name}: {figure}, Berth is {:.2} of it", ours.median() / figure.median())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_tells_its_median_and_spread() {
        assert_eq!(Figure::new(vec![3.0, 1.0, 2.0], "s").to_string(), "2.0 s (1.0–3.0, n=3)");
        assert_eq!(Figure::new(vec![300.0, 100.0], "MiB").to_string(), "200 MiB (100–300, n=2)");
        assert_eq!(Figure::new(vec![7.0], "s").to_string(), "7.0 s");
    }
}
