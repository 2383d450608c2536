//! How long a cluster takes from `apply`, beside a StatefulSet with the same image, claims and number of members.

use super::figures::{Figure, Report};
use anyhow::Result;
use berth_e2e::database::{Database, UNHURRIED, is_ready};
use berth_e2e::{Place, eventually, kubectl};
use std::time::Instant;

/// Enough for a median and a spread in a few minutes.
const RUNS: usize = 3;

pub(super) fn measure(report: &mut Report) -> Result<()> {
    let (mut first, mut all) = (Vec::new(), Vec::new());
    let (mut ordered, mut parallel) = (Vec::new(), Vec::new());
    // The peers take turns with Berth, so that a slow minute of the machine hits all of them.
    for run in 0..RUNS {
        let (select, ready) = berth(run)?;
        first.push(select);
        all.push(ready);
        ordered.push(stateful_set(run, "OrderedReady")?);
        parallel.push(stateful_set(run, "Parallel")?);
    }
    report.add(
        "apply → first SELECT through the proxy (three members, quorum of one)",
        Figure::new(first, "s"),
        vec![],
    );
    report.add(
        "apply → all three members ready (Berth: replicating, in quorum; StatefulSet: three unrelated databases)",
        Figure::new(all, "s"),
        vec![
            ("StatefulSet, OrderedReady", Figure::new(ordered, "s")),
            ("StatefulSet, Parallel", Figure::new(parallel, "s")),
        ],
    );
    Ok(())
}

fn berth(run: usize) -> Result<(f64, f64)> {
    let place = Place::new(&format!("bench-berth-{run}"))?;
    let database = Database::named(&place, "orders");
    let began = Instant::now();
    kubectl::apply(&database.manifest(3, ""))?;
    let select = eventually(UNHURRIED, "the first SELECT through the proxy", || {
        Ok(database.owner()?.ask("select 1", &[])?.ok.then(|| began.elapsed().as_secs_f64()))
    })?;
    database.wait_ready()?;
    Ok((select, began.elapsed().as_secs_f64()))
}

/// A StatefulSet as people write it for this image: initdb by its entrypoint's steps, then the server, with a readiness probe.
fn stateful_set(run: usize, policy: &str) -> Result<f64> {
    let place = Place::new(&format!("bench-set-{}-{run}", policy.to_lowercase()))?;
    let manifest =
        include_str!("statefulset.yaml").replace("$NAMESPACE", place.name()).replace("$POLICY", policy);
    let began = Instant::now();
    kubectl::apply(&manifest)?;
    eventually(UNHURRIED, "three pods of the StatefulSet are ready", || {
        let pods = kubectl::items(&["get", "pods", "-n", place.name()])?;
        Ok((pods.len() == 3 && pods.iter().all(is_ready)).then_some(()))
    })?;
    Ok(began.elapsed().as_secs_f64())
}
