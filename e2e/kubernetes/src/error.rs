//! What can go wrong while the local Kubernetes is brought up, disturbed or torn down.
//!
//! One enum for the crate, because every failure ends in the same place: in front of a person who ran a
//! command or a test. Each variant therefore names the object and carries what that person would look up next:
//! the command line, the log file and its last lines.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the local Kubernetes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, socket or device refused what was asked of it.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// A verb phrase, such as `write`.
        doing: &'static str,
        /// The object.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A program could not be started at all.
    #[error("cannot start `{command}`; is the program installed?")]
    Start {
        /// The command line.
        command: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A short-lived command ended with an error.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A condition did not come true in time.
    #[error("gave up after {:.0?} waiting for {awaited}{}", waited, shown(tail))]
    Deadline {
        /// What was awaited, as a noun phrase.
        awaited: String,
        /// For how long.
        waited: Duration,
        /// The log that tells most, and its last lines; empty when there is none.
        tail: String,
    },
    /// A long-running process ended during bring-up.
    #[error("{process} ended during bring-up ({status}); see {}{}", log.display(), shown(tail))]
    Ended {
        /// The process.
        process: String,
        /// Its exit status.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that file.
        tail: String,
    },
    /// A certificate or key could not be made.
    #[error("cannot make the certificate of {subject}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What the library said.
        source: rcgen::Error,
    },
    /// A file of ours does not read as it should.
    #[error("{} is not readable as {what}; run `cargo xtask down`", path.display())]
    Malformed {
        /// The kind of content that was expected.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// There is no running cluster of that name.
    #[error("no local Kubernetes named `{name}` is running; start it with `cargo xtask up`")]
    NotRunning {
        /// The cluster's name.
        name: String,
    },
    /// A cluster of that name runs already.
    #[error("a local Kubernetes named `{name}` is running already; end it with `cargo xtask down`")]
    AlreadyRunning {
        /// The cluster's name.
        name: String,
    },
    /// The caller asked for something that cannot be.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do instead.
        reason: String,
    },
    /// The supervisor reported a failure of its own.
    #[error("{message}")]
    Supervisor {
        /// The whole chain of causes, as the supervisor printed it.
        message: String,
    },
    /// A component could not be built.
    #[error("cannot prepare the parts of the local Kubernetes")]
    Parts(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// For `map_err`: names the operation and the object of an [`std::io::Error`].
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { doing, path, source }
    }

    /// The same for system calls made through `rustix`.
    pub(crate) fn sys(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.as_ref().to_path_buf();
        move |errno| Self::Io { doing, path, source: errno.into() }
    }

    /// The error and its causes in one text, outermost first.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn shown(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!("; its last lines:\n{tail}") }
}
