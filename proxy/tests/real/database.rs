//! A real PostgreSQL set up as the agent sets one up, as far as the proxy can tell.

use crate::authority::Authority;
use crate::program::program;
use crate::world::Primary;
use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// `nobody`: PostgreSQL refuses to run as root.
const USER: u32 = 65534;

const HBA: &str = "local all berth trust\n\
                   hostssl all berth_proxy all cert map=berth\n\
                   hostssl all all all scram-sha-256 clientcert=verify-ca\n";

/// A server. Killed when dropped.
pub(crate) struct Database {
    pub(crate) address: String,
    pub(crate) member: MemberId,
    pub(crate) uid: ClusterUid,
    home: TempDir,
    server: Option<Child>,
}

impl Database {
    /// Makes and starts a server that serves in `term`. Tenants `app` and `web` (password `secret-` and the name), each with a
    /// database; `idle` may not log in, `late` has an expired password.
    pub(crate) async fn start(authority: &Authority, uid: &str, member: &str, term: u64) -> Self {
        let home = tempfile::Builder::new().prefix("berth-proxy-").tempdir().unwrap();
        let uid = ClusterUid::new(uid).unwrap();
        let member = MemberId::new(member).unwrap();
        authority.issue(&home.path().join("tls"), uid.as_str(), &[&identity_name(&member, &uid)]);
        let address = format!("127.0.0.1:{}", free_port());
        let mut database = Self { address, member, uid, home, server: None };
        give(database.home.path());
        database.copy_template();
        fs::write(database.data().join("pg_hba.conf"), HBA).unwrap();
        fs::write(database.data().join("pg_ident.conf"), "berth berth-proxy berth_proxy\n").unwrap();
        database.set_term(term);
        database.run().await;
        database.prepare();
        database
    }

    /// Starts the server.
    pub(crate) async fn run(&mut self) {
        let (_, port) = self.address.split_once(':').unwrap();
        let log = fs::File::create(self.home.path().join("log")).unwrap();
        let server = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", port, "-k"])
            .arg(self.home.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        berth_testkit::eventually(Duration::from_mins(1), "the server answers", || {
            let answer = self.try_sql("postgres", "SELECT 1");
            async move { answer }
        })
        .await
        .unwrap();
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn crash(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Stops the server in order, as its agent does: open transactions are ended, and nothing is lost.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::INT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut server) = self.server.take() {
            kill_process(Pid::from_child(&server), signal).unwrap();
            server.wait().unwrap();
        }
    }

    /// Another member with the same data, which serves in `term`. This one is stopped, if it runs, and stays so.
    pub(crate) async fn successor(&mut self, authority: &Authority, member: &str, term: u64) -> Self {
        self.stop();
        let home = tempfile::Builder::new().prefix("berth-proxy-").tempdir().unwrap();
        let member = MemberId::new(member).unwrap();
        authority.issue(&home.path().join("tls"), self.uid.as_str(), &[&identity_name(&member, &self.uid)]);
        copy(&self.data(), &home.path().join("data"));
        give(home.path());
        let address = format!("127.0.0.1:{}", free_port());
        let mut database = Self { address, member, uid: self.uid.clone(), home, server: None };
        database.set_term(term);
        database.run().await;
        database
    }

    /// The server says from its next reload on that it serves in this term.
    pub(crate) fn set_term(&self, term: u64) {
        let tls = self.home.path().join("tls");
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nfsync = off\nshared_buffers = '16MB'\nmax_connections = 60\n\
             password_encryption = 'scram-sha-256'\nberth.term = '{term}'\nssl = on\n\
             ssl_cert_file = '{tls}/tls.crt'\nssl_key_file = '{tls}/tls.key'\nssl_ca_file = '{tls}/ca.crt'\n",
            tls = tls.display()
        );
        fs::write(self.data().join("postgresql.conf"), settings).unwrap();
        if self.server.is_some() {
            self.sql("postgres", "SELECT pg_catalog.pg_reload_conf()");
        }
    }

    /// A setting, from now on for everybody who has not chosen otherwise.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let path = self.data().join("postgresql.conf");
        let settings = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{settings}{name} = '{value}'\n")).unwrap();
        self.sql("postgres", "SELECT pg_catalog.pg_reload_conf()");
    }

    /// The server comes up as a standby from its next start on.
    pub(crate) fn demote(&self) {
        let signal = self.data().join("standby.signal");
        fs::write(&signal, "").unwrap();
        chown(&signal, Some(USER), Some(USER)).unwrap();
    }

    /// Runs SQL as the superuser over the socket; gives the output without decoration.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        self.try_sql(database, statement).unwrap()
    }

    /// As [`Self::sql`]; what went wrong is given.
    pub(crate) fn try_sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let output = self.psql(database).args(["-c", statement]).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn psql(&self, database: &str) -> Command {
        let (_, port) = self.address.split_once(':').unwrap();
        let mut psql = self.program("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "berth", "-p", port, "-d", database, "-h"]);
        psql.arg(self.home.path());
        psql
    }

    fn prepare(&self) {
        let mut psql = self.psql("postgres");
        for statement in [
            "CREATE ROLE berth_proxy LOGIN",
            "CREATE SCHEMA berth",
            "CREATE FUNCTION berth.lookup(role text, OUT verifier text, OUT valid_until timestamptz) \
             RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$ \
             SELECT rolpassword, rolvaliduntil FROM pg_catalog.pg_authid WHERE rolname = role AND rolcanlogin \
             AND NOT rolsuper AND NOT rolreplication AND rolname NOT LIKE 'berth%' $$",
            "REVOKE ALL ON FUNCTION berth.lookup FROM PUBLIC",
            "GRANT USAGE ON SCHEMA berth TO berth_proxy",
            "GRANT EXECUTE ON FUNCTION berth.lookup TO berth_proxy",
            "CREATE ROLE app LOGIN PASSWORD 'secret-app'",
            "CREATE ROLE web LOGIN PASSWORD 'secret-web'",
            "CREATE ROLE idle NOLOGIN PASSWORD 'secret-idle'",
            "CREATE ROLE late LOGIN PASSWORD 'secret-late' VALID UNTIL '2001-01-01'",
            "CREATE ROLE plain LOGIN",
            "ALTER ROLE berth PASSWORD 'secret-berth'",
            "CREATE DATABASE app OWNER app",
            "CREATE DATABASE web OWNER web",
        ] {
            psql.args(["-c", statement]);
        }
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// An empty cluster, made by `initdb` once and copied for each test: `initdb` takes seconds.
    fn copy_template(&self) {
        static TEMPLATE: Mutex<()> = Mutex::new(());
        let _one_at_a_time = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept with what cargo builds, so that `cargo clean` removes it, and apart by version.
        let version = self.program("postgres").arg("--version").output().unwrap().stdout;
        let digits: String = String::from_utf8_lossy(&version).chars().filter(char::is_ascii_digit).collect();
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgresql-{digits}"));
        if template.join("PG_VERSION").exists() {
            copy(&template, &self.data());
            return;
        }
        let made = self
            .program("initdb")
            .args([
                "--no-sync",
                "--no-instructions",
                "-U",
                "berth",
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "trust",
            ])
            .arg("-D")
            .arg(self.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let beside = template.with_extension(std::process::id().to_string());
        copy(&self.data(), &beside);
        // If another process was first, its copy is as good.
        if fs::rename(&beside, &template).is_err() {
            fs::remove_dir_all(&beside).unwrap();
        }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.home.path());
        if rustix::process::geteuid().is_root() {
            command.uid(USER).gid(USER);
        }
        command
    }
}

impl Primary for Database {
    fn place(&self) -> (&ClusterUid, &MemberId, &str) {
        (&self.uid, &self.member, &self.address)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Copies a directory with owners and modes.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).output().unwrap();
    assert!(copied.status.success(), "cp: {}", String::from_utf8_lossy(&copied.stderr));
}

/// Gives a directory to the server's user.
fn give(directory: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    chown(directory, Some(USER), Some(USER)).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give(&path);
        } else {
            chown(&path, Some(USER), Some(USER)).unwrap();
        }
    }
}

/// A port that was free a moment ago. Another process may take it in between; then the server says so and the test fails.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
