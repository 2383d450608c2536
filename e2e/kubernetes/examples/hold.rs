//! Brings up a cluster of one node and holds it until stdin ends or this process does, however it does.
//!
//! The shortest use of the library; the tests kill it to see that its cluster goes with it.

use std::io::{Read as _, Write as _};

use berth_e2e_kubernetes::{Cluster, Options, Progress};

fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "hold".to_owned());
    let cluster =
        Cluster::up(Options { name, workers: 1, progress: Progress::stderr(), ..Options::default() })?;
    writeln!(std::io::stdout(), "{}", cluster.kubeconfig().display())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    cluster.down()?;
    Ok(())
}
