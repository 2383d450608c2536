//! psql sessions that are told one statement after the other, and waiting for what they do.

use crate::database::Database;
use crate::world::{DEADLINE, World};
use rustix::process::Pid;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

/// psql that is told one statement after the other.
pub(crate) struct Session {
    child: Child,
    stdin: ChildStdin,
    out: Lines<BufReader<ChildStdout>>,
}

impl Session {
    pub(crate) async fn open(world: &World, proxy: SocketAddr) -> Self {
        let mut psql = world.client("psql", proxy);
        psql.args(["-XAtq", "-v", "VERBOSITY=verbose"]);
        let mut child =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut session = Self { child, stdin, out };
        assert_eq!(session.ask("SELECT 'here'").await, "here");
        session
    }

    /// Says something whose answer is not waited for.
    pub(crate) async fn say(&mut self, statement: &str) {
        self.stdin.write_all(format!("{statement};\n").as_bytes()).await.unwrap();
    }

    /// Says something; gives the first line of the answer.
    pub(crate) async fn ask(&mut self, statement: &str) -> String {
        self.say(statement).await;
        timeout(DEADLINE, self.out.next_line()).await.expect("an answer in time").unwrap().unwrap_or_default()
    }

    /// The process of the database that serves this session.
    pub(crate) async fn process(&mut self) -> Pid {
        let pid = self.ask("SELECT pg_backend_pid()").await;
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }

    /// What was complained of, up to the end.
    pub(crate) async fn complaints(mut self) -> String {
        drop(self.stdin);
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        timeout(DEADLINE, stderr.read_to_string(&mut err)).await.expect("psql ends in time").unwrap();
        err
    }
}

impl Session {
    /// As [`Self::process`], behind a statement whose output is not of interest.
    pub(crate) async fn process_after(&mut self, before: &str) -> Pid {
        if before.starts_with("SELECT") {
            timeout(DEADLINE, self.out.next_line()).await.unwrap().unwrap();
        }
        self.process().await
    }
}

pub(crate) async fn until_sessions(proxy: &crate::world::Running, count: usize) {
    let wanted = format!("\"sessions\":{count},");
    berth_testkit::eventually(DEADLINE, "the number of sessions", || async {
        let page = crate::raw::get(proxy.admin, "/sessions").await;
        if page.contains(&wanted) { Ok(()) } else { Err(page) }
    })
    .await
    .unwrap();
}

pub(crate) async fn until_running(database: &Database, what: &str) {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{what}%' AND usename = 'app'"
    );
    berth_testkit::eventually(DEADLINE, "the statement runs", || {
        let running = database.sql("postgres", &query);
        async move { running == "1" }
    })
    .await
    .unwrap();
}
