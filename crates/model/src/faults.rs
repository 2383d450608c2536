//! What goes wrong, and how it is over.

use crate::member::Member;
use crate::world::World;
use berth_core::election::{ProcessNews, Run};
use berth_testkit::simulation::names::Who;

impl World {
    pub(crate) fn killed(&mut self, who: Who, asked: bool) {
        let Some(run) = self.databases.servers.get(&who).map(|server| server.run) else { return };
        self.databases.kill(who, 0);
        self.gone(who, run, asked);
    }

    /// A server is gone; its agent hears of it.
    pub(crate) fn gone(&mut self, who: Who, run: Run, asked: bool) {
        self.hang_up(who);
        if let Some(member) = self.member(who) {
            member.lease = None;
            let how = if asked { "as was asked" } else { "signal 9" }.to_owned();
            member.process.push(ProcessNews::Exited { run, how, asked });
        }
    }

    pub(crate) fn darkens(&mut self, who: Who) {
        self.databases.kill(who, 0);
        self.databases.crash(who, 0);
        self.hang_up(who);
        self.letters.retain(|letter| letter.to.who != who);
        if let Some(member) = self.members.get_mut(&who) {
            *member = Member { pods: member.pods, cut: member.cut, ..Member::default() };
        }
    }

    pub(crate) fn returns(&mut self, who: Who) {
        if let Some(member) = self.member(who) {
            member.pods += 1;
            member.process = vec![ProcessNews::Absent { latest: Run(0) }];
        }
        self.agent_begins(who);
    }

    pub(crate) fn restarts(&mut self, who: Who, done: bool) {
        if let Some((issued, effect)) =
            self.member(who).and_then(|member| member.doing.take()).filter(|_| done)
        {
            let _nobody_hears = self.perform(who, issued, &effect);
        }
        let run = self.databases.servers.get(&who).map(|server| server.run);
        if let Some(member) = self.member(who) {
            let latest = Run(member.runs);
            member.process = vec![run.map_or(ProcessNews::Absent { latest }, ProcessNews::Runs)];
        }
        self.agent_begins(who);
    }

    pub(crate) fn cuts(&mut self, who: Who) {
        self.hang_up(who);
        if let Some(member) = self.member(who) {
            member.cut = true;
        }
        self.letters.retain(|letter| letter.to.who != who && letter.from != who);
    }

    pub(crate) fn joins(&mut self, who: Who) {
        if let Some(member) = self.member(who) {
            member.cut = false;
        }
    }

    pub(crate) fn freezes(&mut self, who: Who, frozen: bool) {
        if let Some(member) = self.member(who) {
            member.frozen = frozen;
        }
    }
}
