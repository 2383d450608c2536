//! What can be done to a running system, by name. How it is done is in `nemesis`; which is done when, in `choice`.

use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fmt;

/// One kind of fault. Those of a member hit the primary or a replica, as the choice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of the first process of PostgreSQL.
    KillPostmaster,
    /// SIGSTOP of the same: sessions go on, and nobody new comes in.
    StopPostmaster,
    /// SIGSTOP of all processes of PostgreSQL.
    FreezeServer,
    /// SIGKILL of one process that serves a client or a standby.
    KillBackend,
    /// SIGSTOP of one.
    StopBackend,
    /// SIGKILL of the agent.
    KillAgent,
    /// SIGSTOP of the agent.
    StopAgent,
    /// The freezer on the whole container, warden and all.
    FreezeContainer,
    /// SIGKILL of everything in the container, as when memory runs out.
    KillContainer,
    /// The pod is deleted without grace.
    DeletePodAtOnce,
    /// A member's data volume takes no write, and fails none.
    HangDisk,
    /// A node is cut off from everything.
    CutNode,
    /// Two nodes cannot reach each other; both reach everybody else.
    CutEdge,
    /// A node is cut off from the control plane, and so from the clients that come in there.
    CutControlPlane,
    /// A node without power, and its boot.
    PowerLoss,
    /// A proxy is killed.
    KillProxy,
    /// The freezer on a proxy.
    FreezeProxy,
    /// The topology's etcd is killed.
    KillEtcd,
    /// The freezer on it.
    FreezeEtcd,
    /// The operator that leads is killed.
    KillOperator,
    /// The freezer on it.
    FreezeOperator,
    /// `berth switchover`.
    Switchover,
    /// The same, asked for in the object as a repository of manifests would.
    SwitchoverByObject,
    /// The pod is deleted with its grace: the primary hands over, a replica leaves in order.
    DeletePod,
}

/// What a fault is about; a name for several at `--faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Processes of a member.
    Process,
    /// A member's container or pod as a whole.
    Container,
    /// A member's volume.
    Disk,
    /// Packets.
    Network,
    /// Whole machines.
    Node,
    /// Proxies, etcd and operators.
    Control,
    /// What a person asks for; clients must not notice.
    Planned,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 24] = [
        Self::KillPostmaster,
        Self::StopPostmaster,
        Self::FreezeServer,
        Self::KillBackend,
        Self::StopBackend,
        Self::KillAgent,
        Self::StopAgent,
        Self::FreezeContainer,
        Self::KillContainer,
        Self::DeletePodAtOnce,
        Self::HangDisk,
        Self::CutNode,
        Self::CutEdge,
        Self::CutControlPlane,
        Self::PowerLoss,
        Self::KillProxy,
        Self::FreezeProxy,
        Self::KillEtcd,
        Self::FreezeEtcd,
        Self::KillOperator,
        Self::FreezeOperator,
        Self::Switchover,
        Self::SwitchoverByObject,
        Self::DeletePod,
    ];

    /// Its name at `--faults` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillPostmaster => "kill-postmaster",
            Self::StopPostmaster => "stop-postmaster",
            Self::FreezeServer => "freeze-server",
            Self::KillBackend => "kill-backend",
            Self::StopBackend => "stop-backend",
            Self::KillAgent => "kill-agent",
            Self::StopAgent => "stop-agent",
            Self::FreezeContainer => "freeze-container",
            Self::KillContainer => "kill-container",
            Self::DeletePodAtOnce => "delete-pod-at-once",
            Self::HangDisk => "hang-disk",
            Self::CutNode => "cut-node",
            Self::CutEdge => "cut-edge",
            Self::CutControlPlane => "cut-control-plane",
            Self::PowerLoss => "power-loss",
            Self::KillProxy => "kill-proxy",
            Self::FreezeProxy => "freeze-proxy",
            Self::KillEtcd => "kill-etcd",
            Self::FreezeEtcd => "freeze-etcd",
            Self::KillOperator => "kill-operator",
            Self::FreezeOperator => "freeze-operator",
            Self::Switchover => "switchover",
            Self::SwitchoverByObject => "switchover-by-object",
            Self::DeletePod => "delete-pod",
        }
    }

    /// What it is about.
    pub fn group(self) -> Group {
        match self {
            Self::KillPostmaster
            | Self::StopPostmaster
            | Self::FreezeServer
            | Self::KillBackend
            | Self::StopBackend
            | Self::KillAgent
            | Self::StopAgent => Group::Process,
            Self::FreezeContainer | Self::KillContainer | Self::DeletePodAtOnce => Group::Container,
            Self::HangDisk => Group::Disk,
            Self::CutNode | Self::CutEdge | Self::CutControlPlane => Group::Network,
            Self::PowerLoss => Group::Node,
            Self::KillProxy
            | Self::FreezeProxy
            | Self::KillEtcd
            | Self::FreezeEtcd
            | Self::KillOperator
            | Self::FreezeOperator => Group::Control,
            Self::Switchover | Self::SwitchoverByObject | Self::DeletePod => Group::Planned,
        }
    }

    /// Whether clients must see no error at all.
    pub fn is_planned(self) -> bool {
        self.group() == Group::Planned
    }

    /// Whether it hits a member, which is the primary or a replica.
    pub fn has_target(self) -> bool {
        match self.group() {
            Group::Process | Group::Container | Group::Disk | Group::Network | Group::Node => true,
            Group::Control => false,
            Group::Planned => self == Self::DeletePod,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Group {
    const ALL: [Self; 7] =
        [Self::Process, Self::Container, Self::Disk, Self::Network, Self::Node, Self::Control, Self::Planned];

    fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Node => "node",
            Self::Control => "control",
            Self::Planned => "planned",
        }
    }
}

/// The faults that these words name: names of faults and of groups. No word means all.
pub fn named(words: &[String]) -> Result<Vec<Fault>> {
    if words.is_empty() {
        return Ok(Fault::ALL.to_vec());
    }
    let mut found = BTreeSet::new();
    for word in words {
        let of_word = |fault: &Fault| fault.name() == word || fault.group().name() == word;
        let before = found.len();
        found.extend(Fault::ALL.into_iter().filter(of_word));
        if found.len() == before && !Fault::ALL.iter().any(of_word) {
            let names = Fault::ALL.map(Fault::name).join(", ");
            let groups = Group::ALL.map(Group::name).join(", ");
            bail!("there is no fault {word}; there are {names}; and the groups {groups}");
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn faults_are_found_by_their_names_and_by_their_groups() {
        assert_eq!(named(&[]).unwrap().len(), Fault::ALL.len());
        assert_eq!(
            named(&words(&["kill-etcd", "node", "kill-etcd"])).unwrap(),
            [Fault::PowerLoss, Fault::KillEtcd]
        );
        let planned = named(&words(&["planned"])).unwrap();
        assert!(planned.len() == 3 && planned.into_iter().all(Fault::is_planned));
        let error = named(&words(&["kill-etcd", "kill-everybody"])).unwrap_err().to_string();
        assert!(error.contains("kill-everybody") && error.contains("freeze-server"), "{error}");
    }

    #[test]
    fn no_two_faults_have_one_name() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }
}
