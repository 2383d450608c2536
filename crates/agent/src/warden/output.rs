//! The container's stdout: one line a record, whoever wrote it.
//!
//! Agent, database and warden each write; a line longer than a pipe's atomic write would mix with another's. So all goes
//! through one thread here. Its queue is bounded: when nobody reads the container's log, the database's and the agent's writers
//! wait as they would on a full pipe, and only the warden's own words are dropped, because a fence must never wait for a log.

use berth_engine::logs::{LogDialect, LogParser, LogRecord};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that wait to be printed. Enough for a burst at a start, little enough that nothing grows.
const QUEUE: usize = 1024;
/// How long the end of the container waits for the last lines to be taken.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Bytes taken from the server's pipe at a time: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) struct Output {
    lines: SyncSender<Vec<u8>>,
    /// Fields that tell whose lines these are, the same in all.
    member: Vec<(&'static str, String)>,
}

/// The end of the printing thread.
pub(super) struct Printed(Receiver<()>);

impl Printed {
    /// Waits until every line was printed, for a moment at most. All clones of the output must be gone.
    pub(super) fn wait(self) {
        let _late_or_done = self.0.recv_timeout(LAST_LINES);
    }
}

/// Starts the thread that prints.
pub(super) fn start(member: Vec<(&'static str, String)>) -> std::io::Result<(Output, Printed)> {
    let (lines, queue) = sync_channel::<Vec<u8>>(QUEUE);
    let (done, printed) = sync_channel(1);
    let print = move || {
        let mut stdout = std::io::stdout().lock();
        for line in queue {
            // Nobody reads: there is nobody to tell.
            let _unread = stdout.write_all(&line).and_then(|()| stdout.flush());
        }
        let _nobody_waits = done.send(());
    };
    let _detached = std::thread::Builder::new().name("print".to_owned()).spawn(print)?;
    Ok((Output { lines, member }, Printed(printed)))
}

impl Output {
    /// A word of the warden itself; dropped when the queue is full.
    pub(super) fn say(&self, level: &str, message: &str) {
        let time = jiff::Timestamp::now().to_string();
        let line = self.line(&time, level, "warden", message, &[]);
        let _full = self.lines.try_send(line);
    }

    /// Prints what a server writes, as records, until its last process has closed the pipe.
    pub(super) fn follow_server(
        &self,
        pipe: PipeReader,
        dialect: LogDialect,
    ) -> std::io::Result<JoinHandle<()>> {
        let output = self.clone();
        let follow = move || {
            let mut pipe = pipe;
            let mut parser = LogParser::new(dialect);
            let mut chunk = vec![0; CHUNK];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let bytes = chunk.get(..length).unwrap_or_default();
                output.records(parser.feed(bytes, length < CHUNK));
            }
            output.records(parser.finish());
        };
        std::thread::Builder::new().name("server-log".to_owned()).spawn(follow)
    }

    /// Prints what an agent writes, line by line as it is, until it has closed the pipe.
    pub(super) fn follow_agent(&self, pipe: PipeReader) -> std::io::Result<JoinHandle<()>> {
        let output = self.clone();
        let follow = move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.read_until(b'\n', &mut line) {
                    Ok(1..) => {
                        if line.last() != Some(&b'\n') {
                            line.push(b'\n');
                        }
                        if output.lines.send(line).is_err() {
                            return;
                        }
                    }
                    Ok(0) | Err(_) => return,
                }
            }
        };
        std::thread::Builder::new().name("agent-log".to_owned()).spawn(follow)
    }

    fn records(&self, records: Vec<LogRecord>) {
        for record in records {
            let time = record.time.unwrap_or_else(|| jiff::Timestamp::now().to_string());
            let line = self.line(&time, record.level.as_str(), "database", &record.message, &record.fields);
            if self.lines.send(line).is_err() {
                return;
            }
        }
    }

    fn line(
        &self,
        time: &str,
        level: &str,
        target: &str,
        message: &str,
        fields: &[(&'static str, String)],
    ) -> Vec<u8> {
        let mut object = Map::new();
        for (name, value) in self.member.iter().chain(fields) {
            object.insert((*name).to_owned(), Value::from(value.as_str()));
        }
        for (name, value) in [("time", time), ("level", level), ("target", target), ("message", message)] {
            object.insert(name.to_owned(), Value::from(value));
        }
        let mut line = Value::Object(object).to_string().into_bytes();
        line.push(b'\n');
        line
    }
}
