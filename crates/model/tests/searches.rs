//! Every order of events within the bounds keeps every promise.

#![expect(clippy::print_stdout, reason = "how much was looked through is worth knowing")]

use berth_model::Scenario;
use std::time::Instant;

#[test]
fn each_search_comes_to_its_end_and_finds_no_broken_promise() {
    for scenario in &Scenario::ALL {
        let begun = Instant::now();
        let search = scenario.search();
        println!("{scenario}: {search}, {:.1} s", begun.elapsed().as_secs_f64());
        assert_eq!(search.broken, None, "{scenario}");
        assert!(search.complete, "{scenario}: something is left out");
        assert!(search.goes_on || !scenario.goes_on, "{scenario}: no later term acknowledges anything");
    }
}
