//! What a member knows of the others by their own word: when its leader was last heard, what it granted, who would pledge, who did.
//!
//! All of it is about the rule that is known now, and is forgotten with its term. Nothing here outlives a run of the agent: a member
//! that starts anew takes it that it has just granted a lease, and that its leader was heard a moment ago.

use super::message::{Holding, Message};
use super::moment::Moment;
use super::state::State;
use crate::ids::MemberId;
use crate::term::Term;
use crate::topology::{Identity, Phase};
use std::collections::BTreeMap;

/// Since when the rule that is known says what it says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reign {
    pub term: Term,
    pub phase: Phase,
    pub leader: Identity,
    /// When the term with this leader was first seen.
    pub since: Moment,
    /// When the phase was first seen.
    pub phase_since: Moment,
}

/// The asking of a coordinator that is to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Summons {
    pub term: Term,
    pub from: Identity,
    pub answered: bool,
}

/// A member that has pledged the term, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Recruit {
    pub holding: Holding,
    pub heard: Moment,
}

/// What a member knows of the others by their own word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Contact {
    /// When this run of the agent began to decide.
    pub started: Option<Moment>,
    pub reign: Option<Reign>,
    /// The leader's last beat.
    pub heard: Option<Moment>,
    /// Since when the leader's beats have come without a silence.
    pub unbroken: Option<Moment>,
    /// When the leader's own agent said that its server is dead.
    pub gone: Option<Moment>,
    /// When this member last granted a lease to anybody.
    pub granted: Option<Moment>,
    /// Leader: the newest beat that each member granted, by when it was sent.
    pub grants: BTreeMap<Identity, Moment>,
    /// Leader: when the topology was last asked and showed that it still leads.
    pub confirmed: Option<Moment>,
    /// Leader: the reading of the rule that is under way, and the last one that was begun.
    pub confirming: Option<u64>,
    pub confirm_sent: Option<Moment>,
    /// Whether a swap of the rule failed without a word of whether it was done: nothing is decided from the rule before it was read anew.
    pub unsure: bool,
    /// Who would pledge another term than the present one.
    pub would: BTreeMap<Identity, bool>,
    /// Coordinator: who has pledged its term.
    pub recruits: BTreeMap<Identity, Recruit>,
    pub summons: Option<Summons>,
    /// Answers that are to be given.
    pub outbox: Vec<(MemberId, Message)>,
    pub beat_sent: Option<Moment>,
    pub ask_sent: Option<Moment>,
    pub recruit_sent: Option<Moment>,
    /// The lease that the warden was told last.
    pub leased: Option<Moment>,
}

/// Brings it into step with the rule that is known now.
pub(super) fn settle(state: &mut State, now: Moment) {
    let contact = &mut state.contact;
    if contact.started.is_none() {
        contact.started = Some(now);
        contact.granted = Some(now);
    }
    let Some(known) = &state.world.view.rule else {
        contact.reign = None;
        return;
    };
    let (rule, leader) = (&known.rule, known.rule.leader());
    let before = contact.reign.take();
    let same_term = before.as_ref().is_some_and(|reign| reign.term == rule.term);
    let same = before.as_ref().filter(|reign| same_term && reign.leader == *leader);
    let since = same.map_or(now, |reign| reign.since);
    let phase_since = before
        .as_ref()
        .filter(|reign| same_term && reign.phase == rule.phase)
        .map_or(now, |reign| reign.phase_since);
    if same.is_none() {
        (contact.heard, contact.gone, contact.ask_sent, contact.beat_sent) = (None, None, None, None);
        contact.unbroken = None;
        contact.would.clear();
        contact.grants.clear();
    }
    if !same_term {
        contact.confirmed = None;
        contact.confirming = None;
        contact.recruits.clear();
        contact.recruit_sent = None;
    }
    let settled = |summons: &Summons| {
        rule.term > summons.term
            || (rule.term == summons.term && (rule.phase != Phase::Electing || rule.proposal.is_some()))
    };
    if contact.summons.as_ref().is_some_and(settled) {
        contact.summons = None;
    }
    contact.reign =
        Some(Reign { term: rule.term, phase: rule.phase, leader: leader.clone(), since, phase_since });
}
