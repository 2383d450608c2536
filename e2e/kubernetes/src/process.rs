//! Running other programs: short commands to their end, daemons with a log file and a watcher.
//!
//! A daemon that ends on its own is started again after a second, as an init system would, until it is stopped
//! on purpose. Nothing here decides which programs run.

mod daemon;

use std::ffi::OsStr;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) use daemon::Daemon;

use rustix::process::Pid;

use crate::error::Error;

/// How many bytes of a log's end are shown in an error message: some ten to twenty lines.
const TAIL: u64 = 2500;

/// Runs a command to its end and returns what it wrote to stdout; an unsuccessful end is an error.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    finish(command, None)
}

/// The same with `input` on its stdin.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Result<String, Error> {
    finish(command, Some(input))
}

fn finish(command: &mut Command, input: Option<&str>) -> Result<String, Error> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => return Err(Error::Start { command: line(command), source }),
    };
    // The input of our commands fits their pipe or is read before they write much, so that writing first and
    // reading afterwards cannot block both sides.
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A command that ends without reading its input tells more by its exit status than by this error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = match child.wait_with_output() {
        Ok(output) => output,
        Err(source) => return Err(Error::Start { command: line(command), source }),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Command { command: line(command), status: output.status.to_string(), output: last(&text) })
}

/// A command's line as a person would read it, shortened.
pub(crate) fn line(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    let mut text = words.join(" ");
    if text.len() > 400 {
        let mut end = 400;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The last lines of a log file; empty when there is none.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map(|text| format!("[{}]\n{}", path.display(), last(&text))).unwrap_or_default()
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The child of a process that has exactly one, as the wrappers that enter namespaces do.
pub(crate) fn only_child(parent: u32) -> Option<Pid> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
}

/// When a process started, in the kernel's ticks since boot; nothing if there is no such process.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    // The start time is field 22; after the name, counting begins at 3.
    rest.split_whitespace().nth(22 - 3)?.parse().ok()
}
