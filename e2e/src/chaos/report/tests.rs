//! A report from made-up hits: what it adds up, and how it reads.

use super::*;
use crate::chaos::check::Wrong;
use crate::chaos::choice::Choice;
use crate::chaos::fault::Fault;

fn hit(kind: &str, pause: u64, whole_after: Option<f64>) -> Hit {
    let step = Choice::seeded(1, &[Fault::KillPostmaster]).next().expect("a step");
    let counts = Counts { acknowledged: 100, refused: 2, unknown: 1, ..Counts::default() };
    let window = Window {
        counts,
        pause_of_all: Duration::from_millis(pause),
        pause_of_one: Duration::from_millis(2 * pause),
        errors: Vec::new(),
    };
    let mut hit = Hit::new(&step, kind.to_owned(), "done".to_owned(), Duration::from_secs(3), window);
    hit.terms = 1;
    hit.whole_after = whole_after;
    hit
}

fn collected(findings: Vec<(Duration, Finding)>, kept: Option<Kept>) -> Collected {
    let total = Counts { acknowledged: 29_990, refused: 7, unknown: 3, reads: 500, ..Counts::default() };
    Collected {
        seed: 42,
        began: "2026-01-01T00:00:00Z".to_owned(),
        time: Duration::from_mins(30),
        hits: vec![
            hit("kill-postmaster, primary", 400, Some(6.0)),
            hit("kill-postmaster, primary", 900, Some(9.0)),
            hit("kill-postmaster, primary", 500, Some(7.0)),
            hit("cut-edge, replica", 60, Some(12.5)),
        ],
        notes: vec!["fault 9, kill-backend: there was none".to_owned()],
        terms: 4,
        sight: Sight {
            by_workload: BTreeMap::from([("rows", total.clone())]),
            total,
            codes: BTreeMap::from([("08007".to_owned(), 3)]),
            findings,
            more_findings: 0,
        },
        kept,
    }
}

fn kept() -> Kept {
    Kept { there: 20_000, lost: 0, unknown_there: 2, unknown_absent: 1 }
}

#[test]
fn faults_of_a_kind_are_taken_together() {
    let report = Report::of(collected(Vec::new(), Some(kept())));
    let kind = &report.kinds["kill-postmaster, primary"];
    let expected = Kind {
        faults: 3,
        terms: 3,
        median_pause_of_all: 500,
        longest_pause_of_all: 900,
        longest_pause_of_one: 1800,
        refused: 6,
        unknown: 3,
        longest_whole_after: 9.0,
    };
    assert_eq!(*kind, expected);
}

#[test]
fn nothing_wrong_has_a_bound() {
    let report = Report::of(collected(Vec::new(), Some(kept())));
    assert!(report.is_clean());
    assert_eq!(report.operations, 30_000);
    let text = report.to_string();
    for part in
        ["0.50 hours, 4 faults, 4 terms", "3 (0.0100 %)", "1.0e-4", "Nothing is wrong", "note: fault 9"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn an_anomaly_takes_the_bound_away_and_is_told() {
    let finding = Finding::new(Wrong::WentBack, "register 1 showed 3 after 5");
    let report = Report::of(collected(vec![(Duration::from_millis(61_500), finding)], Some(kept())));
    assert!(!report.is_clean() && report.bound.is_none());
    let text = report.to_string();
    assert!(text.contains("61.500 s  went-back: register 1 showed 3 after 5"), "{text}");
    assert!(!text.contains("Nothing is wrong") && !text.contains("rule of three"), "{text}");
}

#[test]
fn without_the_last_look_nothing_is_clean() {
    let report = Report::of(collected(Vec::new(), None));
    assert!(!report.is_clean() && report.bound.is_none());
    assert!(report.to_string().contains("not known"));
}

#[test]
fn the_json_has_what_the_text_has() {
    let report = Report::of(collected(Vec::new(), Some(kept())));
    let json = serde_json::to_value(&report).expect("a report is JSON");
    assert_eq!(json["counts"]["acknowledged"], 29_990);
    assert_eq!(json["kinds"]["cut-edge, replica"]["longest_whole_after"], 12.5);
    assert_eq!(json["hits"].as_array().map(Vec::len), Some(4));
    assert_eq!(json["lost"], 0);
}
