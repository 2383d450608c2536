//! What a cluster at rest costs: requests to the Kubernetes API and writes to the topology, per minute.

use super::figures::{Figure, Report};
use anyhow::{Context, Result};
use berth_e2e::database::Database;
use berth_e2e::{Place, audit, kubectl, wait};
use std::time::{Duration, Instant};

/// Long enough that anything that happens every half minute is seen.
const REST: Duration = Duration::from_mins(1);

pub(super) fn measure(report: &mut Report) -> Result<()> {
    let place = Place::new("bench-rest")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    // What follows the last change (a status, an event) comes within seconds of it.
    settle(Duration::from_secs(10))?;
    let (before, writes) = (requests()?, topology_writes()?);
    settle(REST)?;
    let (lease, other): (Vec<_>, Vec<_>) =
        requests()?.split_off(before.len()).into_iter().partition(|r| r == "leases");
    let minutes = REST.as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^52")]
    let per_minute = |count: usize| Figure::new(vec![count as f64 / minutes], "a minute");
    report.add(
        "at rest: the operator's requests to the Kubernetes API but for its Lease",
        per_minute(other.len()),
        vec![],
    );
    report.add("at rest: the operator's requests for its Lease", per_minute(lease.len()), vec![]);
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^52")]
    let written = (topology_writes()? - writes) as f64 / minutes;
    report.add("at rest: writes to the topology's etcd", Figure::new(vec![written], "a minute"), vec![]);
    Ok(())
}

fn settle(time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    wait::eventually(time + Duration::from_secs(5), "the time goes by", || {
        Ok((Instant::now() >= until).then_some(()))
    })
}

/// What the operator asked of the API server so far, by resource; a watch that was opened once is no request at rest.
fn requests() -> Result<Vec<String>> {
    let operator = "system:serviceaccount:berth-system:berth-operator";
    Ok(audit::requests()?
        .into_iter()
        .filter(|event| event["user"]["username"] == operator && event["verb"] != "watch")
        .filter(|event| event["stage"] == "ResponseComplete")
        .map(|event| event["objectRef"]["resource"].as_str().unwrap_or_default().to_owned())
        .collect())
}

/// The number of puts that the topology's etcd has served.
fn topology_writes() -> Result<i64> {
    let metrics = kubectl::kubectl(&[
        "get",
        "--raw",
        "/api/v1/namespaces/berth-system/services/berth-etcd:metrics/proxy/metrics",
    ])?;
    let line = metrics.lines().find_map(|l| l.strip_prefix("etcd_mvcc_put_total "));
    #[expect(clippy::cast_possible_truncation, reason = "a count of puts is a whole number")]
    let count = line.context("etcd's metrics have no etcd_mvcc_put_total")?.trim().parse::<f64>()? as i64;
    Ok(count)
}
