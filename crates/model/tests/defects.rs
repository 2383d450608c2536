//! The mutation gate of the model: what is taken out of the rules on purpose is found. The same bounds without a defect are a part of the searches.

#![expect(clippy::print_stdout, reason = "how soon each is found is worth knowing")]

use berth_model::Mutant;

#[test]
fn each_defect_breaks_a_promise_within_its_bounds() {
    let mut missed = Vec::new();
    for mutant in Mutant::all() {
        let search = mutant.search();
        match &search.broken {
            Some((how, path)) => println!("{mutant}: {how}; {} steps, {} states", path.len(), search.states),
            None => missed.push(mutant.to_string()),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
}
