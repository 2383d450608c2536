//! One bad link never costs a healthy primary its term, whichever it is and however it is bad.

use berth_testkit::simulation::{BadLink, Options, bad_link, each};

#[test]
fn ten_minutes_of_one_bad_link_change_no_term_and_hold_up_no_tenant() {
    let links = BadLink::all();
    let count = u64::try_from(links.len()).unwrap();
    let campaign = each(0..count, |number| {
        bad_link(&links[usize::try_from(number).unwrap()], number, Options::default())
    });
    let broken: Vec<_> = campaign.broken.iter().map(|(_, violation)| &violation.how).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(campaign.counts.terms, campaign.counts.runs, "one term each");
}
