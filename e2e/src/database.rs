//! A `DatabaseCluster` as a platform engineer sees it.

use crate::audit::Moment;
use crate::kubectl::{self, kubectl};
use crate::{Place, Tenant, eventually};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

/// Long enough for a cluster on a busy machine of two cores; a story that needs a tighter bound says so itself.
pub const UNHURRIED: Duration = Duration::from_mins(3);

/// A `DatabaseCluster` in a story's namespace.
#[derive(Debug, Clone)]
pub struct Database {
    namespace: String,
    name: String,
}

impl Database {
    /// Names a cluster without creating it.
    pub fn named(place: &Place, name: &str) -> Self {
        Self { namespace: place.name().to_owned(), name: name.to_owned() }
    }

    /// Applies the smallest useful manifest with this number of members.
    pub fn create(place: &Place, name: &str, members: u32) -> Result<Self> {
        let database = Self::named(place, name);
        kubectl::apply(&database.manifest(members, ""))?;
        Ok(database)
    }

    /// The smallest useful manifest; `more` is appended to the spec.
    pub fn manifest(&self, members: u32, more: &str) -> String {
        let quorum = if members > 1 { "  durability:\n    mode: Quorum\n    acks: 1\n" } else { "" };
        format!(
            "apiVersion: berth.dev/v1alpha1\nkind: DatabaseCluster\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
             spec:\n  engine:\n    postgres:\n      version: \"17\"\n  members: {members}\n{quorum}\
             \x20 storage:\n    data:\n      size: 512Mi\n{more}",
            name = self.name,
            namespace = self.namespace,
        )
    }

    /// `<namespace>/<name>`, as tenants say it.
    pub fn tenant_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object as the API server has it.
    pub fn object(&self) -> Result<Value> {
        kubectl::json(&["get", "databasecluster", &self.name, "-n", &self.namespace])
    }

    /// Its uid.
    pub fn uid(&self) -> Result<String> {
        Ok(text(&self.object()?["metadata"]["uid"])?.to_owned())
    }

    /// The status of a condition ("True", "False", "Unknown") with its reason and message.
    pub fn condition(&self, kind: &str) -> Result<Option<(String, String, String)>> {
        let object = self.object()?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|c| c["type"] == kind);
        let part = |c: &Value, key: &str| c[key].as_str().unwrap_or_default().to_owned();
        Ok(found.map(|c| (part(&c, "status"), part(&c, "reason"), part(&c, "message"))))
    }

    /// Waits until a condition is True for the generation that is there now.
    pub fn wait_for(&self, condition: &str, deadline: Duration) -> Result<()> {
        eventually(deadline, &format!("{} becomes {condition}", self.tenant_name()), || {
            let object = self.object()?;
            if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
                return Ok(None);
            }
            match self.condition(condition)? {
                Some((status, ..)) if status == "True" => Ok(Some(())),
                other => bail!("{condition} is {other:?}; blocked: {}", object["status"]["blocked"]),
            }
        })
    }

    /// Waits until every member is in its place.
    pub fn wait_ready(&self) -> Result<()> {
        self.wait_for("Ready", UNHURRIED)
    }

    /// The member that the status calls primary.
    pub fn primary(&self) -> Result<String> {
        Ok(text(&self.object()?["status"]["primary"])?.to_owned())
    }

    /// The term in the status.
    pub fn term(&self) -> Result<u64> {
        self.object()?["status"]["term"].as_u64().context("the status has no term yet")
    }

    /// Its pods by name.
    pub fn pods(&self) -> Result<BTreeMap<String, Value>> {
        self.children("pods")
    }

    /// Its claims by name, retired ones too.
    pub fn claims(&self) -> Result<BTreeMap<String, Value>> {
        self.children("persistentvolumeclaims")
    }

    /// The members that are replicas now.
    pub fn replicas(&self) -> Result<BTreeSet<String>> {
        let primary = self.primary()?;
        Ok(self.pods()?.into_keys().filter(|p| *p != primary).collect())
    }

    /// Deletes a pod by name, with its grace period or at once.
    pub fn delete_pod(&self, pod: &str, at_once: bool) -> Result<()> {
        let mut arguments = vec!["delete", "pod", pod, "-n", &self.namespace, "--wait=false"];
        if at_once {
            arguments.extend(["--grace-period=0", "--force"]);
        }
        kubectl(&arguments).map(drop)
    }

    /// Waits until the pod of this name is another one than `uid` and Ready.
    pub fn wait_for_pods_successor(&self, pod: &str, uid: &str) -> Result<Value> {
        eventually(UNHURRIED, &format!("a successor of pod {pod} is Ready"), || {
            let Some(found) = self.pods()?.remove(pod) else { return Ok(None) };
            Ok((found["metadata"]["uid"] != uid && is_ready(&found)).then_some(found))
        })
    }

    /// Runs a shell line in a member's database container: a story hurts the database where it runs.
    pub fn in_member(&self, member: &str, line: &str) -> Result<String> {
        kubectl(&["exec", member, "-n", &self.namespace, "-c", "database", "--", "bash", "-c", line])
    }

    /// Changes the number of members as `kubectl scale` does.
    pub fn scale(&self, members: u32) -> Result<()> {
        let replicas = format!("--replicas={members}");
        kubectl(&["scale", "databasecluster", &self.name, "-n", &self.namespace, &replicas]).map(drop)
    }

    /// Asks for a planned switchover, as a person does.
    pub fn switch_over(&self) -> Result<()> {
        self.berth("switchover", &[]).map(drop)
    }

    /// Asks for one to this member.
    pub fn switch_over_to(&self, member: &str) -> Result<()> {
        self.berth("switchover", &["--to", member]).map(drop)
    }

    /// What `berth explain` says of it.
    pub fn explain(&self) -> Result<String> {
        self.berth("explain", &[])
    }

    /// What the command says, as a person calls it for this cluster.
    pub fn berth(&self, verb: &str, more: &[&str]) -> Result<String> {
        let said =
            Command::new("berth").args([verb, &self.tenant_name()]).args(more).output().context("berth")?;
        if !said.status.success() {
            bail!("berth {verb}: {}", String::from_utf8_lossy(&said.stderr));
        }
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Sets `spec.state`.
    pub fn set_state(&self, state: &str) -> Result<()> {
        let patch = format!(r#"{{"spec":{{"state":"{state}"}}}}"#);
        kubectl(&[
            "patch",
            "databasecluster",
            &self.name,
            "-n",
            &self.namespace,
            "--type=merge",
            "-p",
            &patch,
        ])
        .map(drop)
    }

    /// When a member's agent first logged a line with these fields.
    pub fn logged(&self, member: &str, fields: &[(&str, &str)]) -> Result<Moment> {
        let log = kubectl(&["logs", member, "-n", &self.namespace, "-c", "database"])?;
        let mut lines = log.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let line = lines.find(|line| fields.iter().all(|(key, value)| line[*key] == *value));
        let line = line.with_context(|| format!("{member} never logged {fields:?}"))?;
        Moment::parse(text(&line["time"])?)
    }

    /// The owner of its application database, as a tenant connects.
    pub fn owner(&self) -> Result<Tenant> {
        Tenant::owner_of(self)
    }

    fn children(&self, kind: &str) -> Result<BTreeMap<String, Value>> {
        let selector = format!("berth.dev/cluster-uid={}", self.uid()?);
        let found = kubectl::items(&["get", kind, "-n", &self.namespace, "-l", &selector])?;
        found.into_iter().map(|o| Ok((text(&o["metadata"]["name"])?.to_owned(), o))).collect()
    }
}

/// Whether a pod's Ready condition is True.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// A JSON value that must be a text.
pub fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("a text was expected, not {value}"))
}
