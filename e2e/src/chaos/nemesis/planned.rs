//! What a person asks for, each waited for to its end.

use super::{Awaits, Nemesis, Struck, Undo};
use crate::chaos::choice::{Role, Step};
use crate::chaos::fault::Fault;
use crate::database::{UNHURRIED, text};
use crate::{eventually, kubectl};
use anyhow::{Result, bail};

impl Nemesis {
    pub(super) fn strike_by_plan(&self, step: &Step) -> Result<Struck> {
        if step.fault == Fault::SwitchoverByObject {
            return self.switch_by_object(step);
        }
        if step.fault == Fault::DeletePod {
            return self.delete_pod(step);
        }
        self.database.switch_over()?;
        Ok(Struck {
            kind: step.fault.name().to_owned(),
            what: format!("berth switchover made {} the primary", self.database.primary()?),
            awaits: Awaits::Nothing,
            undo: Vec::new(),
        })
    }

    fn switch_by_object(&self, step: &Step) -> Result<Struck> {
        let target = self.target(&Step { role: Role::Replica, ..step.clone() })?;
        let request = format!("chaos-{}-{:x}", step.number, step.pick);
        let patch = format!(
            r#"{{"spec":{{"failover":{{"switchover":{{"request":"{request}","to":"{}"}}}}}}}}"#,
            target.name
        );
        let (name, namespace) = (self.database.name(), self.database.namespace());
        kubectl::kubectl(&["patch", "databasecluster", name, "-n", namespace, "--type=merge", "-p", &patch])?;
        eventually(UNHURRIED, &format!("the switchover {request} is done"), || {
            let status = &self.database.object()?["status"]["switchover"];
            if status["request"] == request.as_str() && status["state"] == "Done" {
                return Ok(Some(()));
            }
            bail!("status.switchover is {status}")
        })?;
        Ok(Struck {
            kind: step.fault.name().to_owned(),
            what: format!(
                "spec.failover.switchover to {}: {} is the primary",
                target.name,
                self.database.primary()?
            ),
            awaits: Awaits::Nothing,
            undo: vec![Undo::Withdraw],
        })
    }

    fn delete_pod(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        self.database.delete_pod(&target.name, false)?;
        self.database.wait_for_pods_successor(&target.name, text(&target.pod["metadata"]["uid"])?)?;
        Ok(Struck {
            kind: target.kind(step.fault),
            what: format!("the pod of {target} was deleted with its grace"),
            awaits: Awaits::Nothing,
            undo: Vec::new(),
        })
    }
}
