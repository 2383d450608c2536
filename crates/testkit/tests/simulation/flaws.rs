//! Worlds with something wrong in them on purpose: the simulation must find it, in so many seeds.

#![expect(clippy::print_stdout, reason = "how soon it is found is worth knowing")]

use berth_testkit::simulation::{Flaw, Options, Promise, first};
use rstest::rstest;

#[rstest]
#[case::a_promise_that_was_not_made_to_last(Flaw::PromiseNotDurable, Promise::TermsGrow, 100)]
#[case::an_old_route_that_is_obeyed(Flaw::OldRouteObeyed, Promise::RoutesNeverBack, 100)]
#[case::a_server_that_writes_on_after_its_fence(Flaw::SmartShutdown, Promise::FreshReads, 300)]
fn a_flaw_of_the_world_is_found(#[case] flaw: Flaw, #[case] promise: Promise, #[case] within: u64) {
    let (seed, violation) = first(0..within, Options { flaw: Some(flaw), ..Options::default() }).unwrap();
    println!("{flaw:?} was found in seed {seed}: {}", violation.how);
    assert_eq!(violation.promise, promise, "{}", violation.how);
}
