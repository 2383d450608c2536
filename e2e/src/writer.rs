//! A tenant that writes without pause and remembers what was acknowledged: what the word "lost" is measured with.

use crate::Tenant;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a writer saw.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Numbers whose insertion was acknowledged.
    pub acknowledged: BTreeSet<u64>,
    /// Numbers that were sent and got no answer: each may or may not be there.
    pub unknown: BTreeSet<u64>,
    /// Sessions that ended under the writer.
    pub sessions_lost: u64,
    /// What psql said when a session ended.
    pub errors: Vec<String>,
    /// The longest time between two acknowledgements.
    pub longest_pause: Duration,
}

/// Inserts growing numbers, one transaction each, through one `psql` session that it opens again whenever it ends.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    progress: Arc<AtomicU64>,
    record: Arc<Mutex<Record>>,
    thread: Option<JoinHandle<Result<()>>>,
    tenant: Arc<Tenant>,
    /// The highest number that an earlier writer left; this one's are above it.
    earlier: u64,
}

impl Writer {
    /// Makes the table, if an earlier writer has not, and begins to write.
    pub fn start(tenant: Tenant) -> Result<Self> {
        tenant.query("create table if not exists acknowledged (n bigint primary key)")?;
        let earlier = tenant.query("select coalesce(max(n), 0) from acknowledged")?;
        let earlier = earlier.parse().context("the highest number is no number")?;
        let tenant = Arc::new(tenant);
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(AtomicU64::new(0));
        let record = Arc::new(Mutex::new(Record::default()));
        let thread = {
            let (tenant, stop, progress, record) =
                (tenant.clone(), stop.clone(), progress.clone(), record.clone());
            std::thread::spawn(move || write(&tenant, earlier, &stop, &progress, &record))
        };
        let writer = Self { stop, progress, record, thread: Some(thread), tenant, earlier };
        writer.wait_for_more(1)?;
        Ok(writer)
    }

    /// Waits until so many more insertions were acknowledged.
    pub fn wait_for_more(&self, count: u64) -> Result<()> {
        let target = self.progress.load(Ordering::Acquire) + count;
        crate::eventually(crate::database::UNHURRIED, "the writer goes on", || {
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                bail!("the writer has ended");
            }
            let last = self.record.lock().map(|r| r.errors.last().cloned()).unwrap_or_default();
            if self.progress.load(Ordering::Acquire) < target {
                bail!("{} acknowledged; last error: {last:?}", self.progress.load(Ordering::Acquire));
            }
            Ok(Some(()))
        })
    }

    /// Stops, and returns what was seen after comparing it with the table: an acknowledged number that is not there is an error.
    pub fn finish(mut self) -> Result<Record> {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        }
        let record = self.record.lock().map_err(|_| anyhow::anyhow!("the writer panicked"))?.clone();
        let there: BTreeSet<u64> = self
            .tenant
            .query(&format!("select n from acknowledged where n > {}", self.earlier))?
            .lines()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let lost: Vec<_> = record.acknowledged.difference(&there).collect();
        if !lost.is_empty() {
            bail!("{} acknowledged rows are lost: {lost:?}", lost.len());
        }
        let invented: Vec<_> = there
            .iter()
            .filter(|n| !record.acknowledged.contains(n) && !record.unknown.contains(n))
            .collect();
        if !invented.is_empty() {
            bail!("rows that nobody inserted or that were refused: {invented:?}");
        }
        Ok(record)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// How long an application waits for an answer before it takes the connection for dead. Longer than the proxy holds clients.
const PATIENCE: Duration = Duration::from_secs(40);

struct Session {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Session {
    fn open(tenant: &Tenant) -> Result<Self> {
        let mut command = tenant.client("psql")?;
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start psql (Debian: postgresql-client)")?;
        let input = child.stdin.take().context("psql's input")?;
        let output = BufReader::new(child.stdout.take().context("psql's output")?);
        let (sender, answers) = mpsc::channel();
        // Ends with psql, whose output it reads.
        std::thread::spawn(move || {
            for line in output.lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, answers })
    }

    /// Inserts one number; true once its acknowledgement was read.
    fn insert(&mut self, n: u64) -> bool {
        let sql = format!("insert into acknowledged values ({n}) returning n;\n");
        if self.input.write_all(sql.as_bytes()).and_then(|()| self.input.flush()).is_err() {
            return false;
        }
        // psql prints the row only after the server has completed the command, which is the commit's acknowledgement.
        self.answers.recv_timeout(PATIENCE).is_ok_and(|line| line.trim() == n.to_string())
    }

    /// Ends the session, with what psql said. One that hangs on a node without power would never end by itself.
    fn close(mut self) -> Result<String> {
        drop(self.input);
        self.child.kill().context("psql")?;
        let output = self.child.wait_with_output().context("psql")?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn write(
    tenant: &Tenant,
    earlier: u64,
    stop: &AtomicBool,
    progress: &AtomicU64,
    record: &Mutex<Record>,
) -> Result<()> {
    let mut n = earlier;
    let mut last = Instant::now();
    let mut session = Session::open(tenant)?;
    while !stop.load(Ordering::Acquire) {
        n += 1;
        let acknowledged = session.insert(n);
        let mut record = record.lock().map_err(|_| anyhow::anyhow!("a reader of the record panicked"))?;
        if acknowledged {
            record.acknowledged.insert(n);
            record.longest_pause = record.longest_pause.max(last.elapsed());
            last = Instant::now();
            progress.fetch_add(1, Ordering::AcqRel);
        } else {
            record.unknown.insert(n);
            record.sessions_lost += 1;
            let ended = std::mem::replace(&mut session, Session::open(tenant)?);
            record.errors.push(ended.close()?);
        }
    }
    session.close().map(drop)
}
