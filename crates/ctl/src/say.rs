//! The two places where text leaves the program: results on standard output, everything else on standard error.

use std::io::Write;

/// Prints a result. A reader that went away (`berth status | head`) is no failure.
pub(crate) fn result(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}

/// Says something beside the result.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
