//! Sixteen writers, each with one session that it opens again when it ends: what a pause is measured with.

use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

/// How many write at once.
pub(super) const WRITERS: usize = 16;
/// What a writer thinks between two rows, so that two cores are not busy with writing alone.
const THOUGHT: Duration = Duration::from_millis(8);
/// How long an application waits for an answer before it takes the connection for dead.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits for a connection, and between two attempts.
const CONNECT: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);
/// Rows of each writer have numbers of their own.
const RANGE: i64 = 1_000_000_000;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS crowd (n bigint PRIMARY KEY)";
const INSERT: &str = "INSERT INTO crowd VALUES ($1)";

/// What one writer saw.
#[derive(Debug)]
struct Seen {
    acknowledged: BTreeSet<i64>,
    last: Instant,
    /// The longest time between two acknowledgements since it was last asked.
    longest: Duration,
    /// How many rows were acknowledged.
    rows: u64,
}

/// What all saw.
#[derive(Debug, Default)]
struct Book {
    writers: Vec<Seen>,
    /// How often each error was told, by SQLSTATE; one that the driver made up by its words.
    errors: BTreeMap<String, u64>,
}

/// Writers at work.
#[derive(Debug)]
pub(super) struct Crowd {
    runtime: Runtime,
    tasks: JoinSet<()>,
    config: Config,
    book: Arc<Mutex<Book>>,
}

/// What a crowd saw in all.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) acknowledged: usize,
    pub(super) lost: usize,
}

fn open(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    /// Makes the table and begins to write.
    pub(super) fn start(config: &Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let mut session = Session::open(config).await.context("the writers' first session")?;
            session.client.batch_execute(TABLE).await.context("the writers' table")?;
            session.connection.abort_all();
            anyhow::Ok(())
        })?;
        let now = Instant::now();
        let seen = || Seen { acknowledged: BTreeSet::new(), last: now, longest: Duration::ZERO, rows: 0 };
        let writers = std::iter::repeat_with(seen).take(WRITERS).collect();
        let book = Arc::new(Mutex::new(Book { writers, errors: BTreeMap::new() }));
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn_on(write(writer, config.clone(), book.clone()), runtime.handle());
        }
        Ok(Self { runtime, tasks, config: config.clone(), book })
    }

    /// Forgets pauses and errors so far: a fault comes now.
    pub(super) fn mark(&self) {
        let mut book = open(&self.book);
        book.errors.clear();
        for seen in &mut book.writers {
            seen.longest = Duration::ZERO;
        }
    }

    /// How many rows of each writer were acknowledged.
    pub(super) fn rows(&self) -> Vec<u64> {
        open(&self.book).writers.iter().map(|seen| seen.rows).collect()
    }

    /// Whether every writer has had so many more acknowledged than `before`.
    pub(super) fn each_wrote(&self, before: &[u64], more: u64) -> bool {
        self.rows().iter().zip(before).all(|(now, before)| *now >= before + more)
    }

    /// The longest pause of each writer since the mark, and the errors.
    pub(super) fn pauses(&self) -> (Vec<Duration>, BTreeMap<String, u64>) {
        let book = open(&self.book);
        (book.writers.iter().map(|seen| seen.longest).collect(), book.errors.clone())
    }

    /// Ends, and holds what was acknowledged against what is there.
    pub(super) fn finish(mut self) -> Result<Total> {
        self.tasks.abort_all();
        self.runtime.block_on(async { while self.tasks.join_next().await.is_some() {} });
        let rows = self.runtime.block_on(async {
            let session = Session::open(&self.config).await?;
            session.client.query("SELECT n FROM crowd", &[]).await
        });
        let there: BTreeSet<i64> =
            rows.context("reading what was written")?.iter().map(|row| row.get(0)).collect();
        let book = open(&self.book);
        let acknowledged: usize = book.writers.iter().map(|seen| seen.acknowledged.len()).sum();
        ensure!(acknowledged > 0, "nothing was acknowledged; the measurement says nothing");
        let lost = book.writers.iter().flat_map(|seen| &seen.acknowledged).filter(|n| !there.contains(n));
        Ok(Total { acknowledged, lost: lost.count() })
    }
}

struct Session {
    client: Client,
    insert: Option<Statement>,
    connection: JoinSet<()>,
}

impl Session {
    async fn open(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // How it ended is told by the call that was under way.
            let _ended = connection.await;
        });
        Ok(Self { client, insert: None, connection: tasks })
    }

    async fn insert(&mut self, n: i64) -> Result<(), Error> {
        let statement = match &self.insert {
            Some(statement) => statement.clone(),
            None => self.insert.insert(self.client.prepare(INSERT).await?).clone(),
        };
        self.client.execute(&statement, &[&n]).await.map(drop)
    }
}

async fn write(writer: usize, config: Config, book: Arc<Mutex<Book>>) {
    let mut n = RANGE.saturating_mul(i64::try_from(writer).unwrap_or(i64::MAX));
    let mut session = None;
    loop {
        let Some(open_session) = session.as_mut() else {
            match timeout(CONNECT, Session::open(&config)).await {
                Ok(Ok(opened)) => session = Some(opened),
                Ok(Err(error)) => tell(&book, &error),
                Err(_elapsed) => count(&book, "no connection"),
            }
            if session.is_none() {
                sleep(AGAIN).await;
            }
            continue;
        };
        n += 1;
        match timeout(PATIENCE, open_session.insert(n)).await {
            Ok(Ok(())) => acknowledge(&book, writer, n),
            Ok(Err(error)) => {
                tell(&book, &error);
                session = None;
            }
            Err(_elapsed) => {
                count(&book, "no answer");
                session = None;
            }
        }
        sleep(THOUGHT).await;
    }
}

fn acknowledge(book: &Mutex<Book>, writer: usize, n: i64) {
    let now = Instant::now();
    let mut book = open(book);
    let Some(seen) = book.writers.get_mut(writer) else { return };
    seen.acknowledged.insert(n);
    seen.longest = seen.longest.max(now.duration_since(seen.last));
    seen.last = now;
    seen.rows += 1;
}

fn tell(book: &Mutex<Book>, error: &Error) {
    let code =
        error.code().map_or_else(|| "connection lost or refused".to_owned(), |code| code.code().to_owned());
    count(book, &code);
}

fn count(book: &Mutex<Book>, what: &str) {
    *open(book).errors.entry(what.to_owned()).or_default() += 1;
}
