//! Worlds with something wrong in them on purpose: the simulation must find it, in so many seeds.

use berth_testkit::simulation::{Flaw, Options, Promise, many};
use rstest::rstest;

#[rstest]
#[case::a_promise_that_was_not_made_to_last(Flaw::PromiseNotDurable, Promise::TermsGrow)]
#[case::a_ledger_that_overtakes_a_newer_one(Flaw::LedgersOvertake, Promise::TermsGrow)]
#[case::an_old_route_that_is_obeyed(Flaw::OldRouteObeyed, Promise::RoutesNeverBack)]
fn a_flaw_of_the_world_is_found(#[case] flaw: Flaw, #[case] promise: Promise) {
    let campaign = many(0..200, Options { trace: false, flaw: Some(flaw) });
    let found = campaign.broken.iter().find(|(_, violation)| violation.promise == promise);
    assert!(found.is_some(), "{flaw:?} was not found: {:?}", campaign.broken);
}
