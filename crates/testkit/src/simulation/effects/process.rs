//! Effects on a server's process and on data that no server uses: started, stopped, copied, cut back.

use super::{LOOK, Next, failed, over};
use crate::simulation::clock::Time;
use crate::simulation::database::{Source, Wait};
use crate::simulation::names::Who;
use crate::simulation::pods::End;
use crate::simulation::world::World;
use berth_core::Term;
use berth_core::database::Peer;
use berth_core::election::{Outcome, Run};
use std::time::Duration;

/// How long a stop waits for standbys, before it goes on without them.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a stop in order may take before it becomes a kill.
const ORDERLY: Duration = Duration::from_secs(30);

impl World {
    pub(super) fn copies(&mut self, who: Who, peer: &Peer) -> Next {
        let Some(source) = self.reached(who, peer) else { return failed("nobody answers there") };
        match self.databases.clone_from(who, source) {
            Ok(()) => over(Outcome::Cloned),
            Err(reason) => failed(reason),
        }
    }

    pub(super) fn rewinds(&mut self, who: Who, peer: &Peer, stage: u8) -> Next {
        let Some(source) = self.reached(who, peer) else { return failed("nobody answers there") };
        if stage == 0 {
            self.databases.tear(who, source);
            return Next::After(self.millis(50, 500), 1);
        }
        match self.databases.rewind(who, source) {
            Ok(()) => over(Outcome::Rewound),
            Err(reason) => failed(reason),
        }
    }

    /// Whom a peer's address leads to, if the network does and a server answers there.
    fn reached(&self, who: Who, peer: &Peer) -> Option<Who> {
        let source = Source::of(peer)?;
        self.source_answers(who, source).then_some(source.address.who)
    }

    /// With or without terms in the names.
    pub(super) fn named(&self, wait: Wait) -> Wait {
        match wait {
            Wait::Any { acks, members, .. } if self.options.forgets_terms_in_names() => {
                Wait::Any { acks, members, term: Term(0) }
            }
            Wait::Any { .. } | Wait::Nobody | Wait::None => wait,
        }
    }

    pub(super) fn nameless(&self, source: Source) -> Source {
        if self.options.forgets_terms_in_names() { Source { term: Term(0), ..source } } else { source }
    }

    pub(super) fn starts(
        &mut self,
        who: Who,
        source: Option<Source>,
        term: Term,
        wait: Wait,
    ) -> Result<Run, &'static str> {
        let Some(pod) = self.members.get_mut(&who).and_then(|member| member.pod.as_mut()) else {
            return Err("there is no pod");
        };
        if pod.stopping {
            return Err("the container ends");
        }
        let run = Run(pod.runs + 1);
        self.databases.start(who, run, source, term, wait)?;
        pod.runs += 1;
        self.process_starts(who, run);
        Ok(run)
    }

    pub(super) fn stops(&mut self, who: Who, run: Run, since: Time, stage: u8) -> Next {
        let Some(process) = self.members.get(&who).and_then(|member| member.process()) else {
            return over(Outcome::Stopped);
        };
        let frozen = process.frozen;
        if process.run != run {
            return over(Outcome::Stopped);
        }
        if self.now.since(since) >= ORDERLY {
            self.server_ends(who, End::Killed, true);
            return over(Outcome::Stopped);
        }
        if frozen {
            return Next::After(LOOK, stage);
        }
        if stage == 0 {
            self.databases.begin_stop(who);
            self.kick(who);
            return Next::After(self.millis(5, 60), 1);
        }
        if !self.databases.drained(who) && self.now.since(since) < DRAIN {
            return Next::After(LOOK, 1);
        }
        self.server_ends(who, End::Stopped, false);
        over(Outcome::Stopped)
    }
}
