//! Why a call to the Kubernetes API failed, in the terms that callers act on.

use kube::core::Status;
use std::time::Duration;

/// Why a call to the Kubernetes API failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The API server answered no.
    #[error("cannot {verb} {kind} {name}: {}", status.message)]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// The kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// The answer.
        status: Box<Status>,
    },
    /// The API server could not be reached, or its answer not read.
    #[error("cannot {verb} {kind} {name}")]
    Failed {
        /// What was tried.
        verb: &'static str,
        /// The kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// What the client says.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer in time. A write may or may not have happened.
    #[error("cannot {verb} {kind} {name}: the API server did not answer within {after:?}")]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// The kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// The limit.
        after: Duration,
    },
    /// This process is not, or no longer, the one that may change anything.
    #[error("did not {verb} {kind} {name}: another operator leads")]
    NotLeading {
        /// What was to be done.
        verb: &'static str,
        /// The kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
}

/// What kind of no the API server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such object.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The object is not the version that we spoke of, or another field manager owns the field.
    Conflict,
    /// RBAC, quota, an admission webhook, or Pod Security.
    Forbidden,
    /// The object is not valid.
    Invalid,
    /// The API server is overloaded, starting or broken: the same call may succeed later.
    Unavailable,
    /// Any other no.
    Other,
}

impl CallError {
    /// Sorts what the client says.
    pub(crate) fn new(verb: &'static str, kind: String, name: &str, source: kube::Error) -> Self {
        let name = name.to_owned();
        if let kube::Error::Api(status) = source {
            Self::Refused { verb, kind, name, status }
        } else {
            Self::Failed { verb, kind, name, source: Box::new(source) }
        }
    }

    /// The kind of no, if the API server said one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { status, .. } => Some(classify(status)),
            Self::Failed { .. } | Self::Timeout { .. } | Self::NotLeading { .. } => None,
        }
    }

    /// Whether the API server said this no.
    pub(crate) fn is(&self, refusal: Refusal) -> bool {
        self.refusal() == Some(refusal)
    }

    /// Whether the API server understood the call and will say no again until somebody changes something: what a person has to hear of.
    pub(crate) fn needs_a_person(&self) -> bool {
        match self.refusal() {
            Some(Refusal::Forbidden | Refusal::Invalid | Refusal::Other) => true,
            Some(Refusal::NotFound | Refusal::AlreadyExists | Refusal::Conflict | Refusal::Unavailable)
            | None => false,
        }
    }

    /// The API server's own words, or ours where it said none.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Refused { status, .. } => status.message.clone(),
            Self::Failed { .. } | Self::Timeout { .. } | Self::NotLeading { .. } => self.to_string(),
        }
    }
}

fn classify(status: &Status) -> Refusal {
    if status.is_not_found() {
        Refusal::NotFound
    } else if status.is_already_exists() {
        Refusal::AlreadyExists
    } else if status.is_conflict() {
        Refusal::Conflict
    } else if status.is_forbidden() {
        Refusal::Forbidden
    } else if status.is_invalid() {
        Refusal::Invalid
    } else if status.code == 429 || status.code >= 500 {
        // A broken admission webhook answers 500 too, and that one does need a person, by name.
        if status.message.contains("webhook") { Refusal::Other } else { Refusal::Unavailable }
    } else {
        Refusal::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(404, "NotFound", "", Refusal::NotFound)]
    #[case(409, "AlreadyExists", "", Refusal::AlreadyExists)]
    #[case(409, "Conflict", "", Refusal::Conflict)]
    #[case(403, "Forbidden", "exceeded quota: small", Refusal::Forbidden)]
    #[case(422, "Invalid", "", Refusal::Invalid)]
    #[case(429, "TooManyRequests", "", Refusal::Unavailable)]
    #[case(500, "InternalError", "etcdserver: request timed out", Refusal::Unavailable)]
    #[case(500, "InternalError", "failed calling webhook \"a.b\": connection refused", Refusal::Other)]
    #[case(400, "BadRequest", "admission webhook \"a.b\" denied the request", Refusal::Other)]
    fn an_answer_is_sorted(
        #[case] code: u16,
        #[case] reason: &str,
        #[case] message: &str,
        #[case] expect: Refusal,
    ) {
        let status = Status::failure(message, reason).with_code(code).boxed();
        let error = CallError::new("create", "Pod".to_owned(), "a", kube::Error::Api(status));
        assert_eq!(error.refusal(), Some(expect));
    }
}
