//! Whether the system is as it was before anybody hurt it: seen in the objects, in the primary itself, and by every client.

use super::scene::Scene;
use crate::database::{Database, is_ready, text};
use crate::wait::eventually_each;
use crate::{deployment, kubectl};
use anyhow::{Result, ensure};
use std::time::Duration;

/// How long it may take after a fault has ended: a new clone, on a machine whose two cores do everything, beside a kubelet that starts a
/// container later each time that it was killed.
pub const DEADLINE: Duration = Duration::from_mins(4);

/// Berth's own deployments and how many pods each has.
const DEPLOYMENTS: [(&str, usize); 3] = [("berth-operator", 2), ("berth-proxy", 2), ("berth-etcd", 1)];

/// Between two looks. Each is some programs that start, on the machine whose pauses are measured.
pub const BETWEEN: Duration = Duration::from_millis(700);

/// Waits until it is.
pub fn wait(database: &Database, members: usize, scene: &Scene) -> Result<()> {
    scene.mark();
    eventually_each(BETWEEN, DEADLINE, "the system is whole again", || {
        look(database, members, scene).map(Some)
    })
}

/// What is missing comes as an error. What costs least is looked at first.
fn look(database: &Database, members: usize, scene: &Scene) -> Result<()> {
    let waiting = scene.waiting();
    ensure!(waiting.is_empty(), "clients without an answer: {waiting:?}");
    let object = database.object()?;
    let status = &object["status"];
    ensure!(
        status["observedGeneration"] == object["metadata"]["generation"],
        "the operator has not seen the object as it is"
    );
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    for kind in ["Ready", "Available", "Durable"] {
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        let is_true = found.is_some_and(|condition| condition["status"] == "True");
        ensure!(is_true, "{kind} is {found:?}; blocked: {}", status["blocked"]);
    }
    let pods = database.pods()?;
    let unready: Vec<_> = pods.iter().filter(|(_, pod)| !is_settled(pod)).map(|(name, _)| name).collect();
    ensure!(pods.len() == members && unready.is_empty(), "{} pods, not ready: {unready:?}", pods.len());
    // Objects may tell of yesterday; the server does not.
    let (primary, term) = (text(&status["primary"])?, &status["term"]);
    let streaming = format!(
        "select pg_is_in_recovery(), count(*) from pg_stat_replication where state = 'streaming' and application_name like '%\\_t{term}'"
    );
    let said = sql(database, primary, &streaming)?;
    ensure!(said == format!("f|{}", members - 1), "{primary} in term {term} says {said}");
    for (name, count) in DEPLOYMENTS {
        let pods = deployment::pods(name)?;
        let settled = pods.iter().filter(|pod| is_settled(pod)).count();
        ensure!(
            pods.len() == count && settled == count,
            "{name}: {settled} of {} pods are ready",
            pods.len()
        );
    }
    let nodes = kubectl::items(&["get", "nodes"])?;
    ensure!(nodes.iter().all(is_ready), "a node is not ready");
    Ok(())
}

/// What a member's server says to its superuser, who comes in by the socket only.
pub(super) fn sql(database: &Database, member: &str, sql: &str) -> Result<String> {
    let line = format!("psql -X -h /berth/run/pg -U berth -d postgres -A -t -c \"{sql}\"");
    Ok(database.in_member(member, &line)?.trim().to_owned())
}

fn is_settled(pod: &serde_json::Value) -> bool {
    is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null()
}
