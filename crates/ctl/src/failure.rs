//! Failures as a person reads them, and the exit codes that scripts do.

use std::process::ExitCode;

/// A failure with an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no such object.
    #[error("there is no {what}{hint}")]
    Missing {
        /// The kind and name.
        what: String,
        /// What to do, from `; ` on.
        hint: String,
    },
    /// More than one cluster could be meant.
    #[error("which cluster? {choices}")]
    Unclear {
        /// What there is to choose from.
        choices: String,
    },
}

/// Done.
pub(crate) const DONE: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// What was asked for does not exist, or is not clear. 2 is clap's, for wrong usage.
const MISSING: u8 = 3;

impl Failure {
    /// Says what failed and returns the exit code.
    pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
        crate::say::error(&format!("berth: {error:#}"));
        let missing = error.downcast_ref::<Self>().is_some();
        ExitCode::from(if missing { MISSING } else { FAILED })
    }
}
