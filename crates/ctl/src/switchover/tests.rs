//! What a switchover says, from clusters as the API gives them one after another.

use super::before::Primary;
use super::*;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const MOMENTS: &str = include_str!("../../tests/moments.yaml");

fn moment(name: &str) -> Value {
    let moments: BTreeMap<String, Value> = serde_saphyr::from_str(MOMENTS).unwrap();
    moments[name].clone()
}

fn typed(cluster: Value) -> DatabaseCluster {
    serde_json::from_value(cluster).unwrap()
}

fn target() -> ClusterRef {
    "shop/orders".parse().unwrap()
}

/// The cluster at a moment, with the request `noon` in its spec and what is told of it.
fn asked(name: &str, state: &str, message: &str) -> DatabaseCluster {
    let mut cluster = moment(name);
    cluster["spec"]["failover"] = json!({"switchover": {"request": "noon"}});
    if !state.is_empty() {
        cluster["status"]["switchover"] = json!({"request": "noon", "state": state, "message": message});
    }
    typed(cluster)
}

/// What is said while the cluster goes through these, 300 ms each, and how it ends.
fn story(to: Option<&str>, clusters: &[Option<DatabaseCluster>]) -> String {
    let first = Primary { primary: "orders-7k2qd".to_owned(), term: 4 };
    let mut progress = Progress::new("noon".to_owned(), to.map(str::to_owned), first);
    let mut text = String::new();
    for (at, cluster) in (0..).zip(clusters) {
        let news = progress.look(cluster.as_ref());
        for line in news.lines {
            writeln!(text, "{}", progress::line(Duration::from_millis(300) * at, &line)).unwrap();
        }
        match news.ending {
            None => {}
            Some(Ending::Done(what)) => return format!("{text}done: {what}"),
            Some(Ending::Failed(why)) => return format!("{text}failed: {why}"),
        }
    }
    format!("{text}too late: {}", progress.too_late(&target(), Duration::from_mins(1)))
}

#[test]
fn one_that_happens() {
    let mut switching = asked("serving", "UnderWay", "orders-7k2qd hands over");
    let status = switching.status.as_mut().unwrap();
    status.phase = Some(berth_api::StatusPhase::Switching);
    status.conditions[1].status = "False".to_owned();
    status.conditions[1].message = "orders-7k2qd hands over in term 4".to_owned();
    insta::assert_snapshot!(story(
        None,
        &[
            Some(asked("serving", "", "")),
            Some(asked("serving", "Asked", "orders-7k2qd is asked to hand over")),
            Some(asked("serving", "Asked", "orders-7k2qd is asked to hand over")),
            Some(switching),
            Some(asked("electing", "UnderWay", "term 5 is being elected")),
            Some(asked("chosen", "UnderWay", "term 5 is being elected")),
            Some(asked("elected", "Done", "it is done; orders-p9x3c is the primary of term 5")),
        ]
    ));
}

#[test]
fn one_that_the_members_give_up() {
    insta::assert_snapshot!(story(
        None,
        &[
            Some(asked("serving", "Asked", "orders-7k2qd is asked to hand over")),
            Some(asked("serving", "Done", "it is done; orders-7k2qd is the primary of term 4")),
        ]
    ));
}

#[test]
fn one_that_ends_elsewhere() {
    insta::assert_snapshot!(story(
        Some("orders-m4w8z"),
        &[Some(asked(
            "elected",
            "Done",
            "it has ended; orders-p9x3c is the primary of term 5, not orders-m4w8z"
        ))]
    ));
}

#[test]
fn one_that_waits_for_too_long() {
    insta::assert_snapshot!(story(
        Some("orders-m4w8z"),
        &[Some(asked("serving", "Asked", "it begins once orders-m4w8z has caught up with orders-7k2qd"))]
    ));
}

#[test]
fn one_that_nobody_hears_of() {
    insta::assert_snapshot!(story(None, &[]));
}

#[test]
fn what_ends_it_otherwise_is_said() {
    let mut other = moment("serving");
    other["spec"]["failover"] = json!({"switchover": {"request": "evening"}});
    let refused = asked("serving", "Refused", "there is no member orders-m4w8z; name one of orders-7k2qd");
    let endings = [
        story(None, &[Some(refused)]),
        story(None, &[Some(typed(moment("serving")))]),
        story(None, &[Some(typed(other))]),
        story(None, &[None]),
    ];
    insta::assert_snapshot!(endings.join("\n"));
}

#[rstest]
#[case::to_anybody("serving", None, "asks orders-7k2qd in term 4")]
#[case::to_a_replica("serving", Some("orders-m4w8z"), "asks orders-7k2qd in term 4")]
#[case::to_the_primary(
    "serving",
    Some("orders-7k2qd"),
    "nothing: shop/orders: orders-7k2qd is the primary already, in term 4"
)]
#[case::to_nobody(
    "serving",
    Some("orders-zzzzz"),
    "exit 3: there is no member orders-zzzzz of shop/orders; its members are orders-7k2qd, orders-m4w8z, orders-p9x3c"
)]
#[case::in_an_election(
    "electing",
    None,
    "exit 1: shop/orders: there is nobody to hand over now; it is Electing: term 5 is being elected, and orders-m4w8z counts the votes; orders-7k2qd served last"
)]
fn what_can_be_told_before_is_told_before(#[case] at: &str, #[case] to: Option<&str>, #[case] expect: &str) {
    let said = match before(&target(), &typed(moment(at)), to) {
        Ok(Before::Ask(Primary { primary, term })) => format!("asks {primary} in term {term}"),
        Ok(Before::Nothing(why)) => format!("nothing: {why}"),
        Err(error) => {
            let missing = error.downcast_ref::<crate::failure::Failure>().is_some();
            format!("exit {}: {error:#}", if missing { 3 } else { 1 })
        }
    };
    assert_eq!(said, expect);
}

#[test]
fn a_single_member_and_a_cluster_that_nobody_looked_at_are_not_asked() {
    let mut single = typed(moment("serving"));
    single.status.as_mut().unwrap().members.truncate(1);
    assert!(before(&target(), &single, None).unwrap_err().to_string().contains("of one member"));
    single.status = None;
    assert!(before(&target(), &single, None).unwrap_err().to_string().contains("not looked at it"));
}

#[test]
fn a_request_is_a_name_that_the_api_takes() {
    let token = token("2026-03-01T12:00:00Z".parse().unwrap(), 0xdead_beef);
    assert_eq!(token, "cli-20260301-120000-beef");
}
