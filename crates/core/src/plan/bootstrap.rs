//! Where a cluster's data comes from, and the one grant that lets a member make it.
//!
//! The grant is noted on the cluster and on the claim before it is given, and there is never a second: a cluster without a rule that had one
//! once has lost its topology, and a person must say what is to happen.

use super::desired::Desired;
use super::draft::Draft;
use super::lost;
use super::membership::Membership;
use super::observed::{Known, NotedGrant};
use super::secrets;
use super::step::{Kept, Step};
use super::waiting::Awaited;
use crate::topology::{Identity, Phase};

/// How far the origin of a cluster's data has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody may begin yet.
    Ungranted,
    /// One member may begin, and only its pod may exist.
    Granted,
    /// A primary has served.
    Served,
}

/// Tells how far the origin has come; none if it is unclear, and nothing may be done but to report it.
pub(super) fn origin(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership) -> Option<Origin> {
    let observed = draft.observed;
    let Known { intent, rule, .. } = observed.known()?;
    let noted = observed.cluster.grant.as_ref();
    if let Some(rule) = rule.as_ref().map(|stored| &stored.value) {
        if noted.is_some_and(|noted| noted.nonce != rule.grant) {
            draft.wait(Awaited::OtherGrant);
            return None;
        }
        let primary = observed.member_claims().find(|(identity, _)| *identity == rule.primary);
        if primary.is_none_or(|(_, claim)| claim.deleting) {
            // No set of the others may elect one of them: what was written last is on this claim alone.
            let alone = rule.acks.max(rule.grants) == 0;
            if alone || rule.phase != Phase::Electing {
                draft.wait(Awaited::PrimaryClaim { member: rule.primary.member.clone(), alone });
            }
        }
        return Some(if rule.phase == Phase::Bootstrapping { Origin::Granted } else { Origin::Served });
    }
    if observed.cluster.bootstrapped {
        draft.wait(Awaited::LostRule);
        if lost::asked(observed, desired).is_some() {
            return Some(Origin::Served);
        }
        // The primary writes its rule back, if it still serves, and needs its right to.
        secrets::ensure_user(draft);
        return None;
    }
    let written = intent.as_ref().and_then(|stored| stored.value.grant.as_ref());
    if let Some(written) = written
        && noted.is_none_or(|noted| noted.nonce != written.nonce || noted.identity() != written.to)
    {
        draft.wait(Awaited::OtherGrant);
        return None;
    }
    let Some(noted) = noted else { return Some(Origin::Ungranted) };
    if !membership.keep.contains(&noted.identity()) {
        draft.wait(Awaited::GrantedClaim { member: noted.member.clone() });
        return None;
    }
    let on_claim = granted_claim(draft, &noted.identity()).is_some_and(|(_, nonce)| nonce);
    Some(if on_claim { Origin::Granted } else { Origin::Ungranted })
}

/// Notes the grant where it is missing, and that it was used where that was seen.
pub(super) fn note(draft: &mut Draft<'_>, membership: &Membership, origin: Origin) {
    let observed = draft.observed;
    if observed.rule().is_some() {
        if !observed.cluster.bootstrapped {
            draft.on_cluster(|resource_version| Step::NoteBootstrapped { resource_version });
        }
        return;
    }
    if origin != Origin::Ungranted {
        return;
    }
    match &observed.cluster.grant {
        // All members are known before anybody begins, so that the first intent asks for the durability that the spec does.
        None if membership.missing == 0 => {
            if let Some(first) = membership.keep.first() {
                let grant = NotedGrant {
                    member: first.member.clone(),
                    claim: first.claim.clone(),
                    nonce: observed.fresh.clone(),
                };
                draft.on_cluster(|resource_version| Step::NoteGrant { grant, resource_version });
            }
        }
        None => {}
        Some(noted) => {
            if let Some((claim, false)) = granted_claim(draft, &noted.identity()) {
                draft.step(Step::NoteGrantOnClaim { claim, nonce: noted.nonce.clone() });
            }
        }
    }
}

/// The claim of an identity, and whether the cluster's grant is noted on it.
fn granted_claim(draft: &Draft<'_>, identity: &Identity) -> Option<(Kept, bool)> {
    let nonce = draft.observed.cluster.grant.as_ref().map(|grant| &grant.nonce);
    draft
        .observed
        .member_claims()
        .find(|(of, _)| of == identity)
        .map(|(_, claim)| (Kept::of(claim), claim.grant.as_ref() == nonce))
}
