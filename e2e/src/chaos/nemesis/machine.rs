//! Faults of whole nodes, of their disks, and of the network between them.

use super::{Awaits, Nemesis, Struck, Undo};
use crate::chaos::choice::{Role, Step, Way};
use crate::chaos::fault::Fault;
use crate::kubernetes::Direction;
use anyhow::{Context, Result};

/// The control plane, as the local Kubernetes counts.
const CONTROL_PLANE: u8 = 0;

impl Nemesis {
    pub(super) fn strike_disk(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        let claims = self.database.claims()?;
        let claim = claims.get(&format!("{}-data", target.name)).context("it has no claim")?;
        let disk = self.room.disk(&target.pod, claim)?;
        self.room.hang(&disk)?;
        Ok(Struck {
            kind: target.kind(step.fault),
            what: format!("the disk of {target} hangs: {disk}"),
            awaits: if target.role == Role::Primary { Awaits::Takeover } else { Awaits::Time },
            undo: vec![Undo::Release(disk)],
        })
    }

    pub(super) fn strike_network(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        let node = self.room.node_of(&target.pod)?;
        let direction = match step.way {
            Way::Both => Direction::Both,
            Way::From => Direction::From,
            Way::To => Direction::To,
        };
        let lost = match step.way {
            Way::Both => "everything",
            Way::From => "what it sends",
            Way::To => "what is sent to it",
        };
        let (what, mut ends) = if step.fault == Fault::CutEdge {
            let others: Vec<u8> = self.room.nodes().filter(|other| *other != node).collect();
            let peer = *others.get(step.index(others.len())).context("there is one node only")?;
            self.room.cut_edge(node, peer, direction)?;
            (format!("between n{node} of {target} and n{peer}, {lost} is lost"), vec![node, peer])
        } else if step.fault == Fault::CutControlPlane {
            self.room.cut_edge(node, CONTROL_PLANE, direction)?;
            (format!("between n{node} of {target} and the control plane, {lost} is lost"), Vec::new())
        } else {
            self.room.cut(node, direction)?;
            (format!("of n{node} of {target}, {lost} is lost"), vec![node])
        };
        let etcd = self.node_of_etcd()?;
        ends.retain(|end| *end == etcd);
        Ok(Struck {
            kind: format!(
                "{}{}",
                target.kind(step.fault),
                if ends.is_empty() { "" } else { ", etcd's node" }
            ),
            what,
            awaits: Awaits::Time,
            undo: vec![Undo::Heal(node)],
        })
    }

    pub(super) fn strike_node(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        let node = self.room.node_of(&target.pod)?;
        let takes_etcd = self.node_of_etcd()? == node;
        self.room.power_off(node)?;
        // The topology's etcd has one member here: while its node is away there is no election.
        let takeover = target.role == Role::Primary && !takes_etcd;
        Ok(Struck {
            kind: format!("{}{}", target.kind(step.fault), if takes_etcd { ", etcd's node" } else { "" }),
            what: format!(
                "n{node} of {target} loses power{}",
                if takes_etcd { ", and etcd with it" } else { "" }
            ),
            awaits: if takeover { Awaits::Takeover } else { Awaits::Time },
            undo: vec![Undo::Power(node)],
        })
    }
}
