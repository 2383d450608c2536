//! Faults of a member's processes, its container and its pod.

use super::{Awaits, Nemesis, Struck, Target, Undo};
use crate::chaos::choice::{Role, Step};
use crate::chaos::fault::Fault;
use anyhow::{Context, Result};

/// The first process of PostgreSQL.
const POSTMASTER: &str = "$(head -1 /berth/data/pgdata/postmaster.pid)";
/// The agent: the process that has its mode as an argument.
const AGENT: &str = "$(grep -lsz '^agent$' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -1)";

impl Nemesis {
    pub(super) fn strike_process(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        if step.fault == Fault::FreezeServer {
            return self.freeze_server(&target);
        }
        let process = if matches!(step.fault, Fault::KillPostmaster | Fault::StopPostmaster) {
            POSTMASTER.to_owned()
        } else if matches!(step.fault, Fault::KillAgent | Fault::StopAgent) {
            AGENT.to_owned()
        } else {
            self.backend(&target, step)?
        };
        let stops = matches!(step.fault, Fault::StopPostmaster | Fault::StopBackend | Fault::StopAgent);
        let signal = if stops { "STOP" } else { "KILL" };
        // What it is has to be read before it is gone.
        let line = format!(
            "pid={process}; what=$(tr '\\0' ' ' < /proc/$pid/cmdline); kill -{signal} $pid && echo $pid: $what"
        );
        let said = self.database.in_member(&target.name, &line)?;
        let said = said.trim();
        let pid = said.split(':').next().context("nobody was hit")?;
        let wake = Undo::Wake { member: target.name.clone(), line: format!("kill -CONT {pid}") };
        // A server without one of its processes ends as a whole; one whose first process stands still goes on for those who are in.
        let ends = matches!(step.fault, Fault::KillPostmaster | Fault::KillBackend | Fault::StopAgent);
        let ends = ends && target.role == Role::Primary;
        Ok(Struck {
            kind: target.kind(step.fault),
            what: format!("SIG{signal} to process {said} of {target}"),
            awaits: if ends { Awaits::Takeover } else { Awaits::Time },
            undo: if stops { vec![wake] } else { Vec::new() },
        })
    }

    fn freeze_server(&self, target: &Target) -> Result<Struck> {
        self.database.in_member(&target.name, "pkill -STOP postgres")?;
        Ok(Struck {
            kind: target.kind(Fault::FreezeServer),
            what: format!("SIGSTOP to all processes of PostgreSQL of {target}"),
            awaits: if target.role == Role::Primary { Awaits::Takeover } else { Awaits::Time },
            undo: vec![Undo::Wake {
                member: target.name.clone(),
                line: "pkill -CONT postgres || true".to_owned(),
            }],
        })
    }

    /// One of the server's processes: mostly one that serves a client, sometimes one that sends to a standby; on a replica one that receives.
    fn backend(&self, target: &Target, step: &Step) -> Result<String> {
        let kinds = match target.role {
            Role::Primary if step.pick.is_multiple_of(4) => "backend_type = 'walsender'",
            Role::Primary => "backend_type = 'client backend' and usename = 'app'",
            Role::Replica => "backend_type in ('walreceiver', 'startup')",
        };
        let sql = format!("select pid from pg_stat_activity where {kinds} order by pid");
        let said = self.sql(&target.name, &sql)?;
        let pids: Vec<&str> = said.lines().collect();
        let pid =
            pids.get(step.index(pids.len())).with_context(|| format!("{target} has no such process"))?;
        Ok((*pid).to_owned())
    }

    pub(super) fn strike_container(&self, step: &Step) -> Result<Struck> {
        let target = self.target(step)?;
        let kind = target.kind(step.fault);
        let ends = if target.role == Role::Primary { Awaits::Takeover } else { Awaits::Time };
        if step.fault == Fault::DeletePodAtOnce {
            self.database.delete_pod(&target.name, true)?;
            let what = format!("the pod of {target} is deleted without grace");
            return Ok(Struck { kind, what, awaits: ends, undo: Vec::new() });
        }
        let container = self.room.container(&target.pod, "database")?;
        let what = format!("{} of {target}: {container}", step.fault);
        if step.fault == Fault::FreezeContainer {
            self.room.freeze(&container)?;
            return Ok(Struck { kind, what, awaits: ends, undo: vec![Undo::Thaw(container)] });
        }
        self.room.kill(&container)?;
        Ok(Struck { kind, what, awaits: ends, undo: Vec::new() })
    }
}
