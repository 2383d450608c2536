//! What etcd's refusals mean. Its codes alone do not tell: the same one stands for a bug of ours and for "try again".

use crate::backend::BackendError;
use etcd_client::Error;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Users or roles were changed while it was on its way; it was not applied.
    AuthMoved,
    /// This user may not.
    Denied(String),
    /// The revision is compacted or not there yet.
    Gone(String),
    /// The user or role exists already.
    Exists,
    /// The user, role, or what was granted, does not exist.
    Missing,
    /// The member answers but cannot serve: another one would not either.
    Refused(String),
    /// The member is not reached or does not know; another one may.
    Lost(String),
}

impl Fault {
    /// Reads what the client library says.
    pub(super) fn of(error: &Error) -> Self {
        let Error::GRpcStatus(status) = error else { return Self::Lost(error.to_string()) };
        let words = status.message();
        match words.strip_prefix("etcdserver: ").unwrap_or(words) {
            "revision of auth store is old" => Self::AuthMoved,
            "permission denied" | "user name is empty" | "invalid auth token" => {
                Self::Denied(words.to_owned())
            }
            "mvcc: required revision has been compacted" | "mvcc: required revision is a future revision" => {
                Self::Gone(words.to_owned())
            }
            "user name already exists" | "role name already exists" => Self::Exists,
            "user name not found"
            | "role name not found"
            | "role is not granted to the user"
            | "permission is not granted to the role" => Self::Missing,
            "mvcc: database space exceeded" | "too many requests" | "request is too large" => {
                Self::Refused(words.to_owned())
            }
            _ => Self::Lost(chain(status)),
        }
    }

    /// In the words that every store uses.
    pub(super) fn into_backend(self) -> BackendError {
        match self {
            Self::Denied(words) => BackendError::Denied(words),
            Self::Gone(words) => BackendError::Gone(words),
            Self::AuthMoved => BackendError::Unavailable("users and roles keep changing; not applied".into()),
            Self::Exists => BackendError::Unavailable("etcd says that it exists already".into()),
            Self::Missing => BackendError::Unavailable("etcd says that it does not exist".into()),
            Self::Refused(words) | Self::Lost(words) => BackendError::Unavailable(words),
        }
    }
}

/// The words of a status and of what caused it; the outermost often says no more than "transport error".
fn chain(status: &(dyn std::error::Error + 'static)) -> String {
    let mut words = status.to_string();
    let mut cause = status.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}
