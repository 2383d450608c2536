//! The mutation gate: whatever is taken out of the rules on purpose is found in so many seeds, and nothing is found where nothing is wrong.
//!
//! The table is `cargo xtask simulate --defects`.

#![expect(clippy::print_stdout, reason = "by what and how soon each is found is worth knowing")]

use berth_core::election::Defect;
use berth_testkit::simulation::{Mutant, Options, control, first};

#[test]
fn each_defect_is_found_and_the_same_seeds_are_clean_without_it() {
    let mut most = 0;
    let mut missed = Vec::new();
    for mutant in &Mutant::ALL {
        if let Some(found) = mutant.find(mutant.within) {
            println!("{mutant} | {found}");
            most = most.max(found.seeds());
        } else {
            missed.push(mutant.name);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:#?}");
    let broken = control(most);
    assert!(broken.is_empty(), "broken without a defect: {broken:#?}");
}

#[test]
fn each_defect_has_its_place_in_the_gate() {
    for defect in Defect::ALL {
        assert!(Mutant::ALL.iter().any(|mutant| mutant.defects.contains(&defect)), "{defect:?}");
    }
}

/// Where two layers see to the same, either one may be missing: the other one holds, in as many seeds as both together are found in.
#[test]
fn where_there_are_two_layers_either_holds_without_the_other() {
    let layered: Vec<&Mutant> = Mutant::ALL.iter().filter(|mutant| mutant.without.is_some()).collect();
    assert!(!layered.is_empty());
    for mutant in layered {
        let Options { flaw, defects, keeps, .. } = mutant.options();
        let clean = Options { keeps, ..Options::default() };
        let each = [Options { flaw, ..clean }, Options { defects, ..clean }];
        for options in each {
            assert_eq!(first(0..mutant.within, options), None, "{options:?}");
        }
    }
}
