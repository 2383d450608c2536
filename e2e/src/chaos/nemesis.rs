//! Does what a step says to the running system, and undoes it.

mod control;
mod machine;
mod member;
mod planned;

use super::choice::{Role, Step};
use super::fault::Fault;
use crate::database::Database;
use crate::kubernetes::{self, Container, Disk, Room};
use crate::{deployment, kubectl};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt;

/// A fault that is there now.
#[derive(Debug)]
pub struct Struck {
    /// Under which name reports count it: the fault, and whom it hit.
    pub kind: String,
    /// What exactly was done.
    pub what: String,
    /// What it waits for before it is undone.
    pub awaits: Awaits,
    /// How it is undone; nothing where it is over already.
    pub undo: Vec<Undo>,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// Until the members have gone on to another term, because the old primary cannot serve.
    Takeover,
    /// For the time that the step says.
    Time,
    /// It was over when it was done.
    Nothing,
}

/// The end of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// SIGCONT to what was stopped in a member, by a line of shell.
    Wake {
        /// The member.
        member: String,
        /// The line.
        line: String,
    },
    /// The freezer lets go.
    Thaw(Container),
    /// The volume takes writes.
    Release(Disk),
    /// Packets pass.
    Heal(u8),
    /// Power.
    Power(u8),
    /// The request in the object is taken back, so that the next one is free to be made in any way.
    Withdraw,
}

/// Hurts one database cluster and what is around it.
#[derive(Debug)]
pub struct Nemesis {
    database: Database,
    room: Room,
}

/// The member that a step hits.
#[derive(Debug)]
struct Target {
    name: String,
    role: Role,
    pod: Value,
}

impl Nemesis {
    /// For this cluster, on the local Kubernetes that runs.
    pub fn new(database: Database) -> Result<Self> {
        Ok(Self { database, room: kubernetes::attach()? })
    }

    /// Does it.
    pub fn strike(&self, step: &Step) -> Result<Struck> {
        match step.fault {
            Fault::KillPostmaster
            | Fault::StopPostmaster
            | Fault::FreezeServer
            | Fault::KillBackend
            | Fault::StopBackend
            | Fault::KillAgent
            | Fault::StopAgent => self.strike_process(step),
            Fault::FreezeContainer | Fault::KillContainer | Fault::DeletePodAtOnce => {
                self.strike_container(step)
            }
            Fault::HangDisk => self.strike_disk(step),
            Fault::CutNode | Fault::CutEdge | Fault::CutControlPlane => self.strike_network(step),
            Fault::PowerLoss => self.strike_node(step),
            Fault::KillProxy
            | Fault::FreezeProxy
            | Fault::KillEtcd
            | Fault::FreezeEtcd
            | Fault::KillOperator
            | Fault::FreezeOperator => self.strike_control(step),
            Fault::Switchover | Fault::SwitchoverByObject | Fault::DeletePod => self.strike_by_plan(step),
        }
    }

    /// Undoes it. Undoing what has ended by itself is an error that harms nobody.
    pub fn undo(&self, undo: &Undo) -> Result<()> {
        match undo {
            Undo::Wake { member, line } => self.database.in_member(member, line).map(drop),
            Undo::Thaw(container) => self.room.thaw(container),
            Undo::Release(disk) => self.room.release(disk),
            Undo::Heal(node) => self.room.heal(*node),
            Undo::Power(node) => self.room.power_on(*node),
            Undo::Withdraw => self.withdraw(),
        }
    }

    /// Ends everything that a campaign, this one or one that was interrupted, may have left: power and packets. What was stopped or frozen
    /// is undone by its own undo; an interrupted one's is killed by the kubelet's probes.
    pub fn heal_everything(&self) -> Result<()> {
        for node in self.room.nodes() {
            self.room.heal(node)?;
            self.room.power_on(node)?;
        }
        Ok(())
    }

    fn target(&self, step: &Step) -> Result<Target> {
        let primary = self.database.primary()?;
        let mut pods = self.database.pods()?;
        let name = match step.role {
            Role::Primary => primary,
            Role::Replica => {
                let replicas: Vec<_> = pods.keys().filter(|pod| **pod != primary).cloned().collect();
                replicas.get(step.index(replicas.len())).cloned().context("there is no replica")?
            }
        };
        let pod = pods.remove(&name).with_context(|| format!("{name} has no pod"))?;
        Ok(Target { name, role: step.role, pod })
    }

    /// The node of the topology's etcd, without which there are no elections.
    fn node_of_etcd(&self) -> Result<u8> {
        let pods = deployment::pods("berth-etcd")?;
        self.room.node_of(pods.first().context("etcd has no pod")?)
    }

    /// What a member's server says to its superuser.
    fn sql(&self, member: &str, sql: &str) -> Result<String> {
        super::whole::sql(&self.database, member, sql)
    }

    fn withdraw(&self) -> Result<()> {
        let patch = r#"{"spec":{"failover":{"switchover":null}}}"#;
        let (name, namespace) = (self.database.name(), self.database.namespace());
        kubectl::kubectl(&["patch", "databasecluster", name, "-n", namespace, "--type=merge", "-p", patch])
            .map(drop)
    }
}

impl Target {
    fn kind(&self, fault: Fault) -> String {
        format!("{fault}, {}", self.role)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.role, self.name)
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wake { member, .. } => write!(f, "SIGCONT in {member}"),
            Self::Thaw(container) => write!(f, "{container} thaws"),
            Self::Release(disk) => write!(f, "{disk} takes writes again"),
            Self::Heal(node) => write!(f, "n{node} is heard again"),
            Self::Power(node) => write!(f, "n{node} boots"),
            Self::Withdraw => f.write_str("the request is withdrawn"),
        }
    }
}
