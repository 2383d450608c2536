//! One suite for every store of a topology: what agents, operator and proxies rest on, held against memory and against a real
//! etcd that is killed, compacted, restored and replaced under them.
//!
//! The etcd is `BERTH_TEST_ETCD` (a path to the binary, with `etcdutl` and `etcdctl` beside it), or the newest that
//! `cargo xtask up` has built; without one the tests fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test"
)]

mod cases;
mod etcd;
mod fixture;
mod memory;
mod watching;
mod world;

/// Makes a test of each case, on one kind of world.
macro_rules! conformance {
    ($kind:ident, $world:expr, $($group:ident :: $case:ident),* $(,)?) => {
        mod $kind {
            $(
                #[tokio::test]
                async fn $case() {
                    let world = $world.await;
                    crate::cases::$group::$case(&world).await;
                }
            )*
        }
    };
}

/// Every case there is; the list is here once.
macro_rules! everywhere {
    ($kind:ident, $world:expr) => {
        conformance!(
            $kind,
            $world,
            records::what_is_written_is_read,
            records::the_rule_is_read_alone_as_it_is_now,
            records::a_removed_cluster_leaves_nothing_and_touches_no_other,
            records::names_that_begin_alike_do_not_mix,
            records::more_than_a_page_is_listed_whole,
            swaps::a_swap_expects_what_was_read,
            swaps::a_lower_term_never_replaces_a_higher,
            swaps::of_concurrent_swaps_one_wins,
            swaps::rule_and_route_change_at_one_revision,
            swaps::a_route_is_fenced_by_the_rule,
            swaps::an_older_generation_never_replaces_a_newer,
            swaps::a_swap_on_a_restored_store_is_refused,
            versions::a_rule_of_another_store_is_known_to_be_from_a_backup,
            versions::the_version_before_and_unknown_fields_are_read,
            versions::a_newer_version_is_told_and_the_others_go_on,
            versions::a_record_under_another_key_is_refused,
            access::another_clusters_user_is_refused,
            access::members_read_the_intent_and_write_their_own,
            access::a_proxy_reads_routes_and_writes_nothing,
            access::a_denied_watch_says_so_and_begins_when_it_may,
            watches::a_list_comes_first_and_changes_in_order,
            watches::a_scope_tells_nothing_of_others,
            watches::a_restart_is_resumed_without_a_list,
            watches::an_outage_is_told_once,
            watches::a_watch_begun_in_an_outage_lists_after_it,
            watches::what_was_compacted_is_listed_anew,
            watches::a_compaction_of_others_changes_is_survived,
            watches::a_restored_store_is_listed_anew,
            watches::a_restored_store_that_moved_on_is_listed_anew,
            watches::a_restored_store_is_listed_anew_though_nothing_of_it_changed,
            watches::a_replaced_store_is_listed_anew,
            watches::a_replaced_store_is_known_by_its_identity,
            watches::a_store_at_rest_is_not_written,
        );
    };
}

everywhere!(on_memory, async { crate::memory::InMemory::new() });
everywhere!(on_etcd, crate::etcd::RealEtcd::start());
