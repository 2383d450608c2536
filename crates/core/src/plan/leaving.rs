//! Members that leave: first the intent drops them, then the primary takes them out of the voters, then the pod goes, and last the claim is
//! marked as nobody's. The claim and its volume are kept. Until its member has left, a lost pod is made again: an election may need its voice.

use super::draft::Draft;
use super::membership::Membership;
use super::observed::{Known, Observed};
use super::rebuild;
use super::step::{DeletePod, Kept, Step, Why};
use super::waiting::Awaited;
use crate::ids::MemberId;

/// Leads every leaving member one step on.
pub(super) fn plan(draft: &mut Draft<'_>, membership: &Membership) {
    let observed = draft.observed;
    let Some(Known { members, .. }) = observed.known() else { return };
    // One disruption at a time: an available pod goes only after the one before is gone.
    let mut disrupted =
        observed.own_pods().any(|(member, pod)| membership.leaving.contains(member) && pod.deleting);
    for member in &membership.leaving {
        if !has_left(observed, member) {
            draft.wait(leaves(observed, member));
            continue;
        }
        match observed.pod_of(member) {
            Some(pod) if pod.deleting => draft.wait(leaves(observed, member)),
            Some(pod) => {
                if !(pod.ready && disrupted) {
                    disrupted |= pod.ready;
                    draft.step(Step::DeletePod(DeletePod::of(pod, observed, Why::Left)));
                }
                draft.wait(leaves(observed, member));
            }
            None => {
                for (_, claim) in observed
                    .member_claims()
                    .filter(|(identity, claim)| identity.member == *member && !claim.deleting)
                {
                    draft.step(Step::RetireClaim { claim: Kept::of(claim) });
                }
            }
        }
    }
    let strangers = members.keys().filter(|member| {
        !membership.keep.iter().any(|identity| identity.member == **member)
            && observed.pod_of(member).is_none()
            && has_left(observed, member)
    });
    for member in strangers {
        draft.step(Step::RemoveMember { member: member.clone() });
    }
}

/// Whether neither the intent nor the rule names a member any more.
fn has_left(observed: &Observed, member: &MemberId) -> bool {
    let out_of_intent = observed.intent().is_some_and(|intent| !intent.members.contains_key(member));
    out_of_intent && !observed.in_rule(member)
}

fn leaves(observed: &Observed, member: &MemberId) -> Awaited {
    let member = member.clone();
    match rebuild::why(observed, &member) {
        Some(why) => Awaited::Rebuild { why: why.to_owned(), member },
        None => Awaited::Leaving { member },
    }
}
