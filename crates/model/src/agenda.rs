//! What can happen next by itself, and when the clock next matters.

use crate::member::Letter;
use crate::step::Step;
use crate::store::Key;
use crate::world::World;
use berth_core::election::{Effect, Moment};
use berth_testkit::simulation::database::Server;

impl World {
    /// What happens before anything else, because it concerns one member alone: in which order those of two members happen makes no difference.
    pub(crate) fn urgent(&self) -> Option<Step> {
        self.members.iter().find_map(|(who, member)| {
            member.awake()?;
            let own = member.doing.as_ref().is_some_and(|(_, effect)| concerns_nobody_else(effect));
            if !member.process.is_empty() {
                Some(Step::Minds(*who))
            } else if own {
                Some(Step::Done(*who))
            } else if self.question(*who).is_some() {
                Some(Step::Asks(*who))
            } else if member.cut {
                None
            } else if member.announcing.is_some() {
                Some(Step::Announced(*who))
            } else if member.confirming.is_some() {
                Some(Step::Confirmed(*who))
            } else if !member.news.is_empty() && member.news.iter().all(|key| matches!(key, Key::Member(_))) {
                Some(Step::Watches(*who))
            } else {
                None
            }
        })
    }

    /// What can happen now that is no fault and no tenant's wish; time left out.
    pub(crate) fn under_way(&self, steps: &mut Vec<Step>) {
        if let Some(step) = self.urgent() {
            return steps.push(step);
        }
        // Beats and grants arrive one after the other; all else in any order.
        let heard =
            |letter: &&Letter| self.members.get(&letter.to.who).is_some_and(|it| it.awake().is_some());
        let (beats, words): (Vec<&Letter>, Vec<&Letter>) =
            self.letters.iter().filter(heard).partition(|letter| letter.is_beat());
        steps.extend(beats.into_iter().take(1).chain(words).cloned().map(Step::Arrives));
        for (who, member) in &self.members {
            if self.streams(*who) {
                steps.push(Step::Streams(*who));
            }
            let Some(agent) = member.awake() else { continue };
            if member.doing.is_some() {
                steps.push(Step::Done(*who));
            }
            if !member.news.is_empty() && !member.cut {
                steps.push(Step::Watches(*who));
            }
            if agent.alarm().is_some_and(|at| at <= self.now) {
                steps.push(Step::Wakes(*who));
            }
        }
    }

    /// When the clock next matters.
    pub(crate) fn next(&self) -> Option<Moment> {
        let alarms = self.members.values().filter_map(|member| member.awake()?.alarm());
        let leases = self.members.iter().filter_map(|(who, member)| {
            member.lease.filter(|_| self.databases.servers.get(who).is_some_and(Server::writes))
        });
        alarms.chain(leases).filter(|at| *at > self.now).min().filter(|at| *at <= self.ends)
    }
}

/// Whether an effect is felt by its own member alone.
fn concerns_nobody_else(effect: &Effect) -> bool {
    match effect {
        Effect::Inspect
        | Effect::WriteLedger(_)
        | Effect::Initialize
        | Effect::Start { .. }
        | Effect::Detach
        | Effect::Follow(_)
        | Effect::EnsureAccess(_)
        | Effect::Checkpoint(_)
        | Effect::Apply(_)
        | Effect::PutRoute { .. } => true,
        Effect::Clone(_)
        | Effect::Stop(_)
        | Effect::Fence
        | Effect::Rewind(_)
        | Effect::Promote(_)
        | Effect::SetQuorum { .. }
        | Effect::WriteTerm(_)
        | Effect::OpenGate
        | Effect::SwapRule { .. } => false,
    }
}
