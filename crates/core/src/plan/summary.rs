//! The report of a plan: who does what, and what is awaited.
//!
//! Kubernetes' view (pods, readiness) and the members' view (rule, records) are put side by side here, and nowhere is one taken for the other:
//! who is primary is the rule's word alone, and whether a member does what its role asks is its own, by its readiness.

use super::conditions::Facts;
use super::desired::Wish;
use super::draft::Draft;
use super::electing;
use super::membership::Membership;
use super::observed::{Observed, PodPhase, Topology};
use super::report::{MemberReport, MemberState, Report, Role, Switched, SwitchoverReport, Truth};
use super::step::Step;
use super::waiting::{Awaited, Waiting};
use super::{loss, switchover};
use crate::ids::MemberId;
use crate::topology::{Activity, Identity, Phase, Rule};
use std::cmp::Reverse;

/// The report of a finished draft.
pub(super) fn report(draft: &Draft<'_>, wish: &Wish, membership: &Membership) -> Report {
    let observed = draft.observed;
    let members = members(observed, membership);
    let available = available(observed, &members);
    let switchover = match wish {
        Wish::Valid(desired) if !observed.cluster.deleting => {
            switchover::report(observed, desired, membership, &members)
        }
        Wish::Valid(_) | Wish::Invalid(_) => None,
    };
    let desired = match wish {
        Wish::Valid(desired) => Some(&**desired),
        Wish::Invalid(_) => None,
    };
    let loss = loss::report(observed, desired, membership);
    let waiting = waiting(draft, wish, &members, switchover.as_ref());
    let doing: Vec<String> = draft.chains.iter().flat_map(|chain| &chain.0).map(Step::to_string).collect();
    let facts = Facts { observed, wish, members: &members, waiting: &waiting, doing: &doing, available };
    let conditions = facts.conditions();
    let stage = facts.stage();
    let asked = desired.map(|desired| desired.members);
    let rule = observed.rule();
    Report {
        stage,
        asked,
        primary: rule.filter(|rule| rule.phase == Phase::Serving).map(|rule| rule.primary.member.clone()),
        term: rule.map(|rule| rule.term),
        switchover,
        loss,
        conditions,
        members,
        waiting,
        doing,
    }
}

fn members(observed: &Observed, membership: &Membership) -> Vec<MemberReport> {
    let leaving = observed
        .member_claims()
        .map(|(identity, _)| identity)
        .filter(|i| membership.leaving.contains(&i.member));
    let mut all: Vec<MemberReport> = membership
        .keep
        .iter()
        .cloned()
        .map(|identity| member(observed, identity, false))
        .chain(leaving.map(|identity| member(observed, identity, true)))
        .collect();
    all.sort_by(|a, b| (a.role, &a.identity).cmp(&(b.role, &b.identity)));
    all
}

fn member(observed: &Observed, identity: Identity, leaving: bool) -> MemberReport {
    let pod = observed.pod_of(&identity.member);
    let record = observed
        .known()
        .and_then(|known| known.members.get(&identity.member))
        .filter(|record| record.identity == identity && pod.is_some_and(|pod| pod.uid == record.incarnation));
    let role = role(observed, &identity);
    let state = match (pod, record) {
        _ if leaving => MemberState::Leaving,
        (None, _) => MemberState::Absent,
        (Some(pod), _) if pod.deleting => MemberState::Stopping,
        (Some(pod), _) if pod.phase == PodPhase::Pending => MemberState::Pending,
        (Some(_), None) => MemberState::Waiting,
        (Some(_), Some(record)) => match record.activity {
            Activity::Waiting => MemberState::Waiting,
            Activity::Initializing => MemberState::Initializing,
            Activity::Cloning => MemberState::Cloning,
            Activity::Starting => MemberState::Starting,
            Activity::Following => MemberState::Following,
            Activity::Primary => MemberState::Serving,
            Activity::Stopping => MemberState::Stopping,
        },
    };
    MemberReport {
        role,
        state,
        in_place: !leaving && pod.is_some_and(|pod| pod.ready && !pod.deleting),
        node: pod.and_then(|pod| pod.node.as_ref()).map(|node| node.name.clone()),
        revision: pod.and_then(|pod| pod.revision.clone()),
        replication: record.filter(|_| role != Role::Primary).map(|record| record.replication),
        trouble: record.and_then(|record| record.trouble.clone()),
        pending_restart: record.map(|record| record.pending_restart.clone()).unwrap_or_default(),
        identity,
    }
}

/// While a primary is being elected there is none; who served last is a member like any other then.
fn role(observed: &Observed, identity: &Identity) -> Role {
    let Some(rule) = observed.rule() else { return Role::Replica };
    match rule.phase {
        Phase::Bootstrapping | Phase::Serving | Phase::Switching if rule.primary == *identity => {
            Role::Primary
        }
        Phase::Electing if rule.proposal.as_ref().is_some_and(|next| next.candidate == *identity) => {
            Role::Candidate
        }
        Phase::Bootstrapping | Phase::Serving | Phase::Switching | Phase::Electing => Role::Replica,
    }
}

/// Whether a primary takes writes: the rule says so, and the member that it names is ready, which a primary is only with its gate open.
fn available(observed: &Observed, members: &[MemberReport]) -> Truth {
    match (&observed.topology, observed.rule()) {
        (Topology::Away { .. }, _) => Truth::Unknown,
        (Topology::Known(_), Some(rule)) if rule.phase == Phase::Serving => {
            let in_place = members.iter().any(|m| m.identity == rule.primary && m.in_place);
            (in_place && !full(observed, &rule.primary)).into()
        }
        (Topology::Known(_), _) => Truth::False,
    }
}

/// What the draft waits for, and the members that are not in their place though nothing outside holds them up.
fn waiting(
    draft: &Draft<'_>,
    wish: &Wish,
    members: &[MemberReport],
    switchover: Option<&SwitchoverReport>,
) -> Vec<Waiting> {
    let observed = draft.observed;
    let mut all = draft.waiting.clone();
    let runs = !observed.cluster.deleting && matches!(wish, Wish::Valid(desired) if !desired.paused);
    if let (true, Some(known)) = (runs, observed.known()) {
        all.extend(known.rule.as_ref().and_then(|stored| of_rule(observed, &stored.value)));
        all.extend(switchover.and_then(of_switchover));
        for member in members.iter().filter(|m| m.state != MemberState::Leaving) {
            let id = member.identity.member.clone();
            if !member.in_place && !mentions(&all, &id) {
                let doing = member.trouble.clone().unwrap_or_else(|| words(member.state).to_owned());
                all.insert(Awaited::Member { member: id.clone(), doing });
            }
            if full(observed, &member.identity) {
                all.insert(Awaited::Room { member: id.clone(), primary: member.role == Role::Primary });
            }
            if !member.pending_restart.is_empty() {
                all.insert(Awaited::Restart { member: id, settings: member.pending_restart.clone() });
            }
        }
    }
    let mut all: Vec<Waiting> =
        all.into_iter().map(|on| Waiting { since: since(observed, &on), on }).collect();
    all.sort_by_key(|waiting| Reverse(waiting.on.needs()));
    all
}

/// Whether a member says that its data volume is full.
pub(super) fn full(observed: &Observed, identity: &Identity) -> bool {
    let record = observed.known().and_then(|known| known.members.get(&identity.member));
    record.is_some_and(|record| record.identity == *identity && !record.space.is_ample())
}

/// What the members are at, by their rule.
fn of_rule(observed: &Observed, rule: &Rule) -> Option<Awaited> {
    let member = rule.primary.member.clone();
    match rule.phase {
        Phase::Bootstrapping => Some(Awaited::FirstMember { member }),
        Phase::Electing => Some(Awaited::Election { doing: electing::doing(observed, rule) }),
        Phase::Switching => {
            let asked = observed.intent().and_then(|intent| intent.switchover.clone());
            Some(Awaited::HandOver { from: member, to: asked.and_then(|asked| asked.to) })
        }
        Phase::Serving => None,
    }
}

fn of_switchover(report: &SwitchoverReport) -> Option<Awaited> {
    let why = report.message.clone();
    match report.state {
        Switched::Asked => Some(Awaited::Switchover { why }),
        Switched::Refused => Some(Awaited::OtherSwitchover { why }),
        // What the members are at is told by their rule.
        Switched::UnderWay | Switched::Done => None,
    }
}

/// Whether it is already said why a member is not in its place.
fn mentions(all: &std::collections::BTreeSet<Awaited>, member: &MemberId) -> bool {
    all.iter().any(|awaited| match awaited {
        Awaited::Node { member: of, .. }
        | Awaited::Image { member: of, .. }
        | Awaited::Container { member: of, .. }
        | Awaited::SilentNode { member: of, .. }
        | Awaited::Termination { member: of }
        | Awaited::FirstMember { member: of }
        | Awaited::GrantedClaim { member: of }
        | Awaited::Rebuild { member: of, .. }
        | Awaited::PrimaryClaim { member: of, .. } => of == member,
        Awaited::Volume { claim, .. } => *claim == super::volumes::claim_name(member),
        Awaited::ValidSpec { .. }
        | Awaited::Resume
        | Awaited::Topology { .. }
        | Awaited::LostRule
        | Awaited::OtherGrant
        | Awaited::Admission { .. }
        | Awaited::OwnerSecret { .. }
        | Awaited::Election { .. }
        | Awaited::HandOver { .. }
        | Awaited::Switchover { .. }
        | Awaited::OtherSwitchover { .. }
        | Awaited::Member { .. }
        | Awaited::Room { .. }
        | Awaited::Leaving { .. }
        | Awaited::OldRevision { .. }
        | Awaited::Restart { .. } => false,
    })
}

/// Since when, as far as the objects themselves tell; the report before may know better.
fn since(observed: &Observed, on: &Awaited) -> super::observed::Time {
    let refusal = observed.refused.iter().find(
        |(refused, _)| matches!(on, Awaited::Admission { object, .. } if *object == refused.to_string()),
    );
    refusal.map_or(observed.now, |(_, refusal)| refusal.since)
}

pub(super) fn words(state: MemberState) -> &'static str {
    match state {
        MemberState::Absent => "it has no pod yet",
        MemberState::Pending => "its pod starts",
        MemberState::Waiting => "its agent starts",
        MemberState::Initializing => "it makes the database",
        MemberState::Cloning => "it copies the data from the primary",
        MemberState::Starting => "its database starts",
        MemberState::Following => "it catches up with the primary",
        MemberState::Serving => "it is the primary, and its gate is still shut",
        MemberState::Stopping => "it shuts down",
        MemberState::Leaving => "it leaves",
    }
}
