//! `berth accept-loss`: a cluster that lost too many members goes on with those that are left, because a person says so.
//!
//! Without `--yes` it only shows what is there and what may be lost. With it, it writes `spec.failover.acceptLoss` for the term that the person
//! was shown, so that it means nothing if the members went on meanwhile.

use crate::api::{self, FIELD_MANAGER};
use crate::arguments::{AcceptLoss, Kubernetes};
use crate::failure::{DONE, Failure};
use crate::say;
use crate::target;
use anyhow::{Result, bail};
use berth_api::{DatabaseCluster, DatabaseClusterStatus, MemberState, StatusPhase, condition};
use berth_core::ClusterRef;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Shows, and writes if that is meant.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &AcceptLoss) -> Result<ExitCode> {
    let client = api::connect(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let word = word(&target, &cluster, arguments.member.as_deref(), arguments.term)?;
    say::result(word.text.trim_end());
    if !arguments.yes {
        say::result(&format!(
            "\nNothing was changed. To accept this:\n  berth accept-loss {target} --member {} --term {} --yes",
            word.member, word.term
        ));
        return Ok(ExitCode::from(DONE));
    }
    let clusters: Api<DatabaseCluster> = Api::namespaced(client, target.namespace.as_str());
    let patch = json!({
        "metadata": { "uid": cluster.uid() },
        "spec": { "failover": { "acceptLoss": { "term": word.term, "member": word.member } } },
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    clusters.patch(&cluster.name_any(), &parameters, &Patch::Merge(&patch)).await.map_err(api::asked)?;
    say::result(&format!("\nAccepted. To follow what comes of it: berth topology {target} --watch"));
    Ok(ExitCode::from(DONE))
}

/// What is to be accepted.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    member: String,
    term: u64,
    text: String,
}

fn word(
    target: &ClusterRef,
    cluster: &DatabaseCluster,
    member: Option<&str>,
    term: Option<u64>,
) -> Result<Word> {
    let Some(status) = &cluster.status else {
        bail!("{target}: the operator has not looked at it yet (kubectl -n berth-system get pods)");
    };
    let Some(now) = status.term else {
        bail!("{target}: it has no term; nothing was acknowledged, and nothing can be lost");
    };
    if let Some(term) = term.filter(|term| *term != now) {
        bail!("{target}: it is in term {now}, not {term}; look again before you accept anything");
    }
    let available = condition::find(&status.conditions, condition::AVAILABLE);
    if status.phase == Some(StatusPhase::Serving) && available.is_some_and(|c| c.status == "True") {
        bail!("{target}: it serves; there is no loss to accept");
    }
    let member = chosen(target, status, member)?;
    let mut text = format!("{target} cannot go on in term {now}");
    let why = available.map(|condition| condition.message.as_str()).unwrap_or_default();
    // Writing into a String cannot fail.
    let _infallible = writeln!(text, ": {why}\n");
    for each in &status.members {
        let node = each.node.as_deref().unwrap_or("no node");
        let trouble = each.trouble.as_deref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let _infallible = writeln!(text, "  {} is {:?} on {node}{trouble}", each.id, each.state);
    }
    let _infallible = write!(
        text,
        "\nIf you accept, whoever of those that can be reached holds most of the log becomes primary in a new term ({member} begins it).\n\
         Commits that were acknowledged to applications and are only on the members that cannot be reached are LOST, also if those\n\
         members come back. Accept it only if they will not: bring back a node or a volume first if there is any way."
    );
    Ok(Word { member, term: now, text })
}

/// The member that was named, or the one that runs, if there is no choice.
fn chosen(target: &ClusterRef, status: &DatabaseClusterStatus, named: Option<&str>) -> Result<String> {
    let ids: Vec<&str> = status.members.iter().map(|member| member.id.as_str()).collect();
    let hint = || format!("; its members are {}", ids.join(", "));
    match named {
        Some(named) if ids.contains(&named) => Ok(named.to_owned()),
        Some(named) => {
            Err(Failure::Missing { what: format!("member {named} of {target}"), hint: hint() }.into())
        }
        None => {
            let gone = [MemberState::Absent, MemberState::Pending, MemberState::Initializing];
            let left: Vec<_> = status.members.iter().filter(|member| !gone.contains(&member.state)).collect();
            match left.as_slice() {
                [one] => Ok(one.id.clone()),
                _ => bail!(
                    "{target}: name who is to begin, one that still has its data, with --member{}",
                    hint()
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests;
