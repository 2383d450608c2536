//! Why a step was not carried out, and what of it a person has to hear.

use crate::kubernetes::{CallError, Refusal as Answer};
use crate::pki::PkiError;
use berth_core::plan::RefusalKind;
use berth_topology::TopologyError;
use berth_topology::etcd::AdministrationError;

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// What the step rests on is no longer so. No error: the next plan sees why.
    #[error("{0}")]
    Void(String),
    /// An object of that name belongs to somebody else.
    #[error("{kind} {name} exists and belongs to somebody else; Berth does not touch it")]
    Foreign {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The API said no, or nothing.
    #[error(transparent)]
    Call(CallError),
    /// The topology did.
    #[error(transparent)]
    Topology(TopologyError),
    /// Users and rights could not be brought in order.
    #[error(transparent)]
    Users(#[from] AdministrationError),
    /// No certificate could be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A plan asked for an object of a spec that is not valid: a mistake in Berth.
    #[error("there is nothing to build {0} from, because the spec is not valid")]
    Unrendered(String),
    /// The system gives no random numbers.
    #[error("cannot make a password: the system gives no random numbers")]
    Random,
}

impl From<CallError> for StepError {
    /// A precondition that does not hold is the API's conflict; an object that is not there any more is one, too.
    fn from(error: CallError) -> Self {
        match error.refusal() {
            Some(Answer::Conflict) => Self::Void(error.to_string()),
            Some(
                Answer::NotFound
                | Answer::AlreadyExists
                | Answer::Forbidden
                | Answer::Invalid
                | Answer::Unavailable
                | Answer::Other,
            )
            | None => Self::Call(error),
        }
    }
}

impl From<TopologyError> for StepError {
    fn from(error: TopologyError) -> Self {
        match error {
            TopologyError::Conflict { .. } => Self::Void(error.to_string()),
            TopologyError::Unreadable { .. }
            | TopologyError::Denied { .. }
            | TopologyError::Unavailable { .. } => Self::Topology(error),
        }
    }
}

impl StepError {
    /// What a person has to hear: that an object was refused, and why. None where trying again is all there is to do.
    pub(crate) fn refusal(&self) -> Option<(RefusalKind, String)> {
        match self {
            Self::Foreign { .. } => Some((RefusalKind::Foreign, self.to_string())),
            Self::Call(error) | Self::Pki(PkiError::Kubernetes(error)) => {
                error.needs_a_person().then(|| (kind(error), error.words()))
            }
            Self::Void(_)
            | Self::Topology(_)
            | Self::Users(_)
            | Self::Pki(_)
            | Self::Unrendered(_)
            | Self::Random => None,
        }
    }
}

/// The kind of a refusal, by the API server's words: it has no better way to tell them apart.
fn kind(error: &CallError) -> RefusalKind {
    let words = error.words();
    let says = |text: &str| words.contains(text);
    if says("exceeded quota") || says("failed quota") {
        RefusalKind::Quota
    } else if says("violates PodSecurity") {
        RefusalKind::PodSecurity
    } else if says("because it is being terminated") {
        RefusalKind::Terminating
    } else if says("webhook") || says("ValidatingAdmissionPolicy") {
        RefusalKind::Webhook
    } else {
        match error.refusal() {
            Some(Answer::Forbidden) => RefusalKind::Forbidden,
            Some(Answer::Invalid) => RefusalKind::Invalid,
            Some(
                Answer::NotFound
                | Answer::AlreadyExists
                | Answer::Conflict
                | Answer::Unavailable
                | Answer::Other,
            )
            | None => RefusalKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use rstest::rstest;

    #[rstest]
    #[case(
        403,
        "Forbidden",
        "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1",
        Some(RefusalKind::Quota)
    )]
    #[case(
        403,
        "Forbidden",
        "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"",
        Some(RefusalKind::PodSecurity)
    )]
    #[case(
        403,
        "Forbidden",
        "pods \"a\" is forbidden: User \"x\" cannot create resource",
        Some(RefusalKind::Forbidden)
    )]
    #[case(
        403,
        "Forbidden",
        "unable to create new content in namespace shop because it is being terminated",
        Some(RefusalKind::Terminating)
    )]
    #[case(
        403,
        "Forbidden",
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request",
        Some(RefusalKind::Webhook)
    )]
    #[case(400, "BadRequest", "admission webhook \"w\" denied the request: no", Some(RefusalKind::Webhook))]
    #[case(500, "InternalError", "failed calling webhook \"w\": refused", Some(RefusalKind::Webhook))]
    #[case(422, "Invalid", "spec.containers[0].image: Invalid value", Some(RefusalKind::Invalid))]
    #[case(503, "ServiceUnavailable", "starting", None)]
    #[case(429, "TooManyRequests", "later", None)]
    fn a_refusal_has_a_kind(
        #[case] code: u16,
        #[case] reason: &str,
        #[case] words: &str,
        #[case] expect: Option<RefusalKind>,
    ) {
        let status = Status::failure(words, reason).with_code(code).boxed();
        let error = CallError::new("create", "Pod".to_owned(), "a", kube::Error::Api(status));
        assert_eq!(StepError::from(error).refusal().map(|(kind, _)| kind), expect);
    }

    #[test]
    fn a_conflict_is_no_failure() {
        let status = Status::failure("changed", "Conflict").with_code(409).boxed();
        let error = CallError::new("patch", "Pod".to_owned(), "a", kube::Error::Api(status));
        assert!(matches!(StepError::from(error), StepError::Void(_)));
    }
}
