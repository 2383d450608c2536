//! `berth-operator`: keeps database clusters as their `DatabaseCluster` objects ask.
//!
//! It writes intent, pods and claims; who is primary is the members' business, and it never opens a database connection.

mod admin;
mod announce;
mod apply;
mod build;
mod cache;
mod kubernetes;
mod leadership;
mod metrics;
mod observe;
mod operate;
mod operator;
mod pki;
mod quantity;
mod reconcile;
mod settings;
mod status;
#[cfg(test)]
mod testing;
mod validate;
mod verifier;

use clap::Parser;

/// The allocator that gives memory back: an operator that has listed ten thousand clusters once should not keep the room for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Box::pin(operate::operate(settings::Settings::parse())).await
}
