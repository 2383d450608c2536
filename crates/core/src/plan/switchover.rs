//! A planned switchover: what a person asks for becomes part of the intent, once it can be done; the members do it.
//!
//! A request that cannot be carried out is reported and left out of the intent. It stops nothing else.

use super::desired::Desired;
use super::membership::Membership;
use super::observed::Observed;
use super::report::{MemberReport, Switched, SwitchoverReport};
use crate::ids::{MemberId, Nonce};
use crate::topology::{Mishap, Phase, Replication, Rule, Switchover};

/// What the members are asked for: none if nothing is, an error in words if it cannot be.
pub(super) fn asked(desired: &Desired, membership: &Membership) -> Result<Option<Switchover>, String> {
    let Some(request) = &desired.switchover else { return Ok(None) };
    let nonce = Nonce::new(request.token.as_str()).map_err(|invalid| invalid.to_string())?;
    if desired.members <= 1 {
        return Err("there is nobody to hand over to: the cluster is of one member".to_owned());
    }
    let Some(to) = &request.to else { return Ok(Some(Switchover { nonce, to: None })) };
    match membership.keep.iter().find(|identity| identity.member.as_str() == to) {
        Some(identity) => Ok(Some(Switchover { nonce, to: Some(identity.member.clone()) })),
        None if membership.leaving.iter().any(|member| member.as_str() == to) => {
            Err(format!("{to} leaves the cluster; name one of {}", names(membership)))
        }
        None => Err(format!("there is no member {to}; name one of {}", names(membership))),
    }
}

fn names(membership: &Membership) -> String {
    membership.keep.iter().map(|identity| identity.member.as_str()).collect::<Vec<_>>().join(", ")
}

/// How far the request has come; none if there is none.
pub(super) fn report(
    observed: &Observed,
    desired: &Desired,
    membership: &Membership,
    members: &[MemberReport],
) -> Option<SwitchoverReport> {
    let request = desired.switchover.as_ref()?;
    let (state, message) = match observed.rule() {
        // What is done is done, also if nobody could be asked for it again: its member may have left since.
        Some(rule) if rule.switched.as_ref().is_some_and(|done| done.as_str() == request.token) => {
            begun(rule, request.to.as_deref())
        }
        rule => match asked(desired, membership) {
            Err(why) => (Switched::Refused, why),
            Ok(asked) => {
                let to = asked.and_then(|asked| asked.to);
                under_way(rule, to.as_ref(), desired.paused, members)
            }
        },
    };
    Some(SwitchoverReport { request: request.token.clone(), state, message })
}

/// How far one has come that the members have begun: it is over when somebody serves, or when something else has come between.
fn begun(rule: &Rule, to: Option<&str>) -> (Switched, String) {
    let by_plan = rule.cause.as_ref().is_some_and(|cause| cause.what == Mishap::HandedOver);
    match rule.phase {
        Phase::Switching => (Switched::UnderWay, hands_over(rule, to)),
        Phase::Electing if by_plan => (Switched::UnderWay, elects(rule)),
        Phase::Bootstrapping | Phase::Serving | Phase::Electing => (Switched::Done, done(rule, to)),
    }
}

fn hands_over(rule: &Rule, to: Option<&str>) -> String {
    let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
    format!("{} hands over{to}", rule.primary.member)
}

fn elects(rule: &Rule) -> String {
    format!("term {} is being elected", rule.term)
}

/// That it went otherwise than asked for, or that another has followed since, looks the same from here.
fn done(rule: &Rule, to: Option<&str>) -> String {
    let (primary, term) = (&rule.primary.member, rule.term);
    match (rule.phase, to) {
        (Phase::Electing, _) => format!("it has ended; term {term} is being elected"),
        (Phase::Bootstrapping | Phase::Serving | Phase::Switching, Some(to)) if primary.as_str() != to => {
            format!("it has ended; {primary} is the primary of term {term}, not {to}")
        }
        (Phase::Bootstrapping | Phase::Serving | Phase::Switching, _) => {
            format!("it is done; {primary} is the primary of term {term}")
        }
    }
}

fn under_way(
    rule: Option<&Rule>,
    to: Option<&MemberId>,
    paused: bool,
    members: &[MemberReport],
) -> (Switched, String) {
    let Some(rule) = rule.filter(|rule| rule.phase != Phase::Bootstrapping) else {
        return (Switched::Asked, "it begins once the cluster serves".to_owned());
    };
    let primary = &rule.primary.member;
    match rule.phase {
        Phase::Switching => (Switched::UnderWay, hands_over(rule, to.map(MemberId::as_str))),
        Phase::Electing => (Switched::UnderWay, elects(rule)),
        Phase::Bootstrapping | Phase::Serving if to == Some(primary) => {
            (Switched::Done, format!("{primary} is the primary already"))
        }
        Phase::Bootstrapping | Phase::Serving if paused => {
            (Switched::Asked, "it begins once the cluster is not paused any more".to_owned())
        }
        Phase::Bootstrapping | Phase::Serving => (Switched::Asked, awaits(primary, to, members)),
    }
}

/// What a switchover that has not begun waits for, as far as the replicas' own words tell.
fn awaits(primary: &MemberId, to: Option<&MemberId>, members: &[MemberReport]) -> String {
    let ready = |member: &&MemberReport| {
        member.in_place
            && member.replication == Some(Replication::InBound)
            && member.identity.member != *primary
    };
    match to {
        Some(to) if !members.iter().filter(ready).any(|member| member.identity.member == *to) => {
            format!("it begins once {to} has caught up with {primary}")
        }
        None if !members.iter().any(|member| ready(&member)) => {
            format!("it begins once a replica has caught up with {primary}")
        }
        Some(_) | None => format!("{primary} is asked to hand over"),
    }
}
