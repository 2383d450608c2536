//! What agents hear, and what they do then: production's own decisions.

use crate::member::{Letter, Told, notes};
use crate::world::World;
use berth_core::election::{Action, Event, Silence, State, decide};
use berth_testkit::simulation::database::End;
use berth_testkit::simulation::names::{Address, Who};

impl World {
    /// The agent hears of an event, decides, and begins what it decided.
    pub(crate) fn tell(&mut self, who: Who, event: Event) {
        let now = self.now;
        let Some(agent) = self.member(who).and_then(|member| member.agent.as_mut()) else { return };
        let (state, actions) = decide(agent, event, now);
        **agent = state;
        for action in actions {
            self.act(who, action);
        }
    }

    fn act(&mut self, who: Who, action: Action) {
        let now = self.now;
        let Some(member) = self.members.get_mut(&who) else { return };
        match action {
            Action::Run { issued, effect } => member.doing = Some((issued, *effect)),
            Action::Announce { number, record } => member.announcing = Some((number, *record)),
            Action::Confirm { number } => member.confirming = Some((number, now)),
            Action::Lease(until) => member.lease = until,
            Action::Exit => {
                member.agent = None;
                self.killed(who, true);
            }
            Action::Send { to: _, address, message } => {
                if let Some(to) = Address::parse(&address).filter(|to| self.reaches(who, to.who)) {
                    self.letters.insert(Letter { to, from: who, message });
                }
            }
        }
    }

    pub(crate) fn arrives(&mut self, letter: &Letter) {
        self.letters.remove(letter);
        let Letter { to, from, message } = letter;
        let there = self.members.get(&to.who).is_some_and(|member| member.address(to.who) == *to);
        if there && self.reaches(*from, to.who) {
            self.tell(to.who, Event::Heard { from: from.identity(), message: message.clone() });
        }
    }

    pub(crate) fn done(&mut self, who: Who) {
        let Some((issued, effect)) = self.member(who).and_then(|member| member.doing.take()) else { return };
        let outcome = self.perform(who, issued, &effect);
        self.tell(who, Event::Done { issued, outcome });
    }

    pub(crate) fn announced(&mut self, who: Who) {
        let Some((number, record)) = self.member(who).and_then(|member| member.announcing.take()) else {
            return;
        };
        let key = self.store.announce(record);
        self.spread(&key);
        self.tell(who, Event::Announced { number, result: Ok(()) });
    }

    pub(crate) fn confirmed(&mut self, who: Who) {
        let Some((number, asked)) = self.member(who).and_then(|member| member.confirming.take()) else {
            return;
        };
        let result = Ok(self.store.view.rule.clone().map(Box::new));
        self.tell(who, Event::Confirmed { number, asked, result });
    }

    pub(crate) fn watches(&mut self, who: Who) {
        let news = self.member(who).map(|member| std::mem::take(&mut member.news)).unwrap_or_default();
        for key in news {
            let event = self.store.news(&key);
            self.tell(who, event);
        }
    }

    pub(crate) fn minds(&mut self, who: Who) {
        let Some(member) = self.member(who).filter(|member| !member.process.is_empty()) else { return };
        let news = member.process.remove(0);
        self.tell(who, Event::Process(news));
    }

    /// What the server would say, if that is not what it last said.
    pub(crate) fn question(&self, who: Who) -> Option<Told> {
        let member = self.members.get(&who)?;
        let agent = member.agent.as_ref()?;
        let run = agent.run()?;
        let server = self.databases.servers.get(&who).filter(|server| server.run == run)?;
        let whole = self.databases.data(who).is_some_and(|data| data.log.end() >= data.consistent);
        let mut answer = self.databases.status(who, End(u32::MAX)).filter(|_| whole || server.writes());
        if let (true, Some(answer)) = (self.lacks.terms_in_names, &mut answer) {
            answer.standbys.iter_mut().for_each(|standby| standby.term = server.term);
        }
        Some((run, agent.changes(), answer)).filter(|told| member.told.as_ref() != Some(told))
    }

    pub(crate) fn asks(&mut self, who: Who) {
        let Some(told) = self.question(who) else { return };
        self.databases.is_whole(who);
        let (run, _, answer) = told.clone();
        if let Some(member) = self.member(who) {
            member.told = Some(told);
        }
        let answer = answer.ok_or_else(|| Silence::NoAnswer("it starts".to_owned()));
        let asked = self.now;
        self.tell(who, Event::Status { run, asked, answer });
    }

    pub(crate) fn agent_begins(&mut self, who: Who) {
        let ledger = self.databases.disks.get(&who).and_then(|disk| disk.ledger.clone());
        self.facts.remembers(who, ledger.as_ref());
        let defects = self.lacks.defects;
        if let Some(member) = self.member(who) {
            let state = State::new(member.me(who), notes(ledger)).with(defects);
            member.begin(state);
        }
        self.tell(who, Event::Verifier(Some("v1".to_owned())));
    }
}
