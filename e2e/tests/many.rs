//! Many clusters at once: one that is broken does not delay the others.

use anyhow::{Context, Result};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, eventually, kubectl};
use std::time::{Duration, Instant};

/// How many clusters are created at once.
const CLUSTERS: usize = 20;

/// Creates the clusters at once, of which the first may be broken, and returns how long the others took until all were available.
fn all_available(place: &Place, broken: bool) -> Result<Duration> {
    let databases: Vec<_> = (0..CLUSTERS).map(|i| Database::named(place, &format!("tenant-{i}"))).collect();
    let mut manifests = String::new();
    for (i, database) in databases.iter().enumerate() {
        let mut manifest = database.manifest(1, "");
        if broken && i == 0 {
            manifest = manifest
                .replace("version: \"17\"", "version: \"17\"\n      image: berth.dev/no-such-image:1");
        }
        manifests.push_str(&manifest);
        manifests.push_str("---\n");
    }
    let began = Instant::now();
    kubectl::apply(&manifests)?;
    for database in databases.iter().skip(1) {
        database.wait_for("Available", Duration::from_mins(10))?;
    }
    let took = began.elapsed();
    if broken {
        let first = databases.first().context("there is a first cluster")?;
        eventually(UNHURRIED, "the broken cluster says what would unblock it", || {
            let blocked = first.object()?["status"]["blocked"].to_string();
            Ok((blocked.contains("image") && blocked.contains("unblock")).then_some(()))
        })?;
    } else {
        databases.first().context("there is a first cluster")?.wait_for("Available", UNHURRIED)?;
    }
    Ok(took)
}

#[test]
fn one_broken_cluster_among_twenty_does_not_delay_the_others() -> Result<()> {
    let without = all_available(&Place::new("story-twenty")?, false)?;
    let with = all_available(&Place::new("story-twenty-broken")?, true)?;
    assert!(
        with.as_secs_f64() <= without.as_secs_f64() * 1.5,
        "{with:?} with a broken one, {without:?} without"
    );
    Ok(())
}
