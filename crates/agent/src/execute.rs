//! Doing what was decided: one function per effect, each without a decision of its own.

mod database;
mod replicate;
mod serve;
mod server;
mod topology;
mod volume;

use crate::peers::Link;
use crate::supervise::Supervisor;
use crate::volume::{LedgerFile, Pulse};
use berth_core::ClusterUid;
use berth_core::election::{Effect, Outcome};
use berth_engine::{Engine, EngineError};
use berth_service::Chain;
use berth_topology::Topology;
use std::path::PathBuf;
use std::sync::Arc;

pub use topology::{announce, confirm};

/// The parts of the world that effects are done to.
#[derive(Clone)]
pub struct Parts {
    /// The incarnation of the cluster.
    pub cluster: ClusterUid,
    /// The topology.
    pub topology: Arc<dyn Topology>,
    /// The database.
    pub engine: Arc<dyn Engine>,
    /// Who holds the server's process.
    pub supervisor: Arc<dyn Supervisor>,
    /// The other members' agents.
    pub link: Arc<dyn Link>,
    /// The ledger on the volume.
    pub ledger: LedgerFile,
    /// Whether the volume takes writes.
    pub pulse: Pulse,
    /// The file with the owner's verifier.
    pub verifier: PathBuf,
}

/// Does the effect and says what came of it.
///
/// *Cancel safety*: an effect that is dropped may have been done or not; each is safe to be asked for again.
pub async fn execute(parts: &Parts, effect: Effect) -> Outcome {
    match effect {
        Effect::Inspect => volume::inspect(parts).await,
        Effect::WriteLedger(ledger) => volume::write_ledger(parts, ledger).await,
        Effect::Initialize => database::initialize(parts).await,
        Effect::Clone(peer) => database::clone_from(parts, &peer).await,
        Effect::Start { boot, settings, quorum } => server::start(parts, boot, settings, quorum).await,
        Effect::Stop(run) => server::stop(parts, run).await,
        Effect::Fence => server::fence(parts).await,
        Effect::Detach => replicate::detach(parts).await,
        Effect::Rewind(peer) => database::rewind(parts, &peer).await,
        Effect::Follow(peer) => replicate::follow(parts, peer).await,
        Effect::Promote(timeline) => replicate::promote(parts, timeline).await,
        Effect::SetQuorum { quorum, followers } => replicate::set_quorum(parts, quorum, &followers).await,
        Effect::WriteTerm(row) => replicate::write_term(parts, row).await,
        Effect::EnsureAccess(wanted) => serve::ensure_access(parts, wanted).await,
        Effect::Checkpoint(patience) => serve::checkpoint(parts, patience).await,
        Effect::OpenGate => serve::open_gate(parts).await,
        Effect::Apply(settings) => serve::apply(parts, settings).await,
        Effect::SwapRule { rule, route, expected } => topology::swap(parts, rule, route, expected).await,
        Effect::PutRoute { route, rule } => topology::put_route(parts, route, rule).await,
    }
}

/// What a failed call of the engine comes to.
fn engine_failed(error: &EngineError) -> Outcome {
    Outcome::Failed { reason: Chain(error).to_string(), retryable: error.retryable() }
}

/// What any other failed step comes to. All of them may succeed later: a disk that was full, a process that could not be made.
fn step_failed(error: &(dyn std::error::Error + 'static)) -> Outcome {
    Outcome::Failed { reason: Chain(error).to_string(), retryable: true }
}
