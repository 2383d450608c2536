//! Faults of what is around the members: proxies, etcd, operators.

use super::{Awaits, Nemesis, Struck, Undo};
use crate::chaos::choice::Step;
use crate::chaos::fault::Fault;
use crate::database::text;
use crate::deployment;
use anyhow::{Context, Result};

impl Nemesis {
    pub(super) fn strike_control(&self, step: &Step) -> Result<Struck> {
        let (deployment, container) = if matches!(step.fault, Fault::KillProxy | Fault::FreezeProxy) {
            ("berth-proxy", "proxy")
        } else if matches!(step.fault, Fault::KillEtcd | Fault::FreezeEtcd) {
            ("berth-etcd", "etcd")
        } else {
            ("berth-operator", "operator")
        };
        let pod = if deployment == "berth-operator" {
            deployment::leader(deployment)?
        } else {
            let pods = deployment::pods(deployment)?;
            pods.get(step.index(pods.len())).cloned().with_context(|| format!("{deployment} has no pod"))?
        };
        let name = text(&pod["metadata"]["name"])?;
        let container = self.room.container(&pod, container)?;
        let kind = step.fault.name().to_owned();
        if matches!(step.fault, Fault::FreezeProxy | Fault::FreezeEtcd | Fault::FreezeOperator) {
            self.room.freeze(&container)?;
            let what = format!("{name} is frozen: {container}");
            return Ok(Struck { kind, what, awaits: Awaits::Time, undo: vec![Undo::Thaw(container)] });
        }
        self.room.kill(&container)?;
        // The kubelet would start its container later each time.
        deployment::delete_at_once(name)?;
        let what = format!("{name} is killed: {container}");
        Ok(Struck { kind, what, awaits: Awaits::Time, undo: Vec::new() })
    }
}
