//! More volumes are lost than a commit is on: a person's word, and nothing less, brings the cluster back.

use berth_testkit::simulation::{Options, each, too_many_lost};

#[test]
fn with_two_of_three_volumes_lost_nothing_goes_on_until_a_person_accepts_it() {
    let campaign = each(0..60, |seed| too_many_lost(seed, Options::default()));
    let broken: Vec<_> = campaign.broken.iter().map(|(seed, violation)| (seed, &violation.how)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
