//! Three members with real servers, certificates and clients.

use crate::{VERIFIER, access};
use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId, Term, Timeline};
use berth_engine::logs::{LogDialect, LogParser, LogRecord};
use berth_engine::postgres::{Postgres, PostgresPlace};
use berth_engine::{Boot, Engine, Peer, Quorum, Settings};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take that is not measured. Generous, because two cores may be busy with a build.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long a commit is watched before it counts as waiting: many times what one takes that goes on.
const WATCH: Duration = Duration::from_millis(700);

/// Waits until the condition holds, or fails.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::task::yield_now().await;
    }
}

/// Settings of a term, without parameters.
pub(crate) fn settings(term: u64) -> Settings {
    Settings { term: Term(term), ..Settings::default() }
}

/// The authority that all members' certificates are of.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "authority");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes a leaf as a mounted Secret would hold it.
    fn leaf(&self, folder: &Path, common: &str, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        fs::create_dir_all(folder).unwrap();
        for (file, content) in
            [("ca.crt", self.certificate.clone()), ("tls.crt", certificate), ("tls.key", key.serialize_pem())]
        {
            fs::write(folder.join(file), content).unwrap();
        }
    }
}

/// Three members.
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    authority: Arc<Authority>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::of(&Arc::new(Authority::new()), "0a1b", 1)
    }

    /// Another cluster of the same authority, as another tenant's in the same cell.
    pub(crate) fn other(cluster: &Cluster) -> Self {
        Self::of(&cluster.authority, "0a1c", 2)
    }

    fn of(authority: &Arc<Authority>, uid: &str, net: u8) -> Self {
        let uid = ClusterUid::new(uid).unwrap();
        // A network of loopback addresses of this process alone: other scenarios run on the same machine.
        let parent = fs::read_link("/proc/self/ns/pid").unwrap();
        let number: u32 = parent
            .to_string_lossy()
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(7, |n, byte| n.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let (high, low) = (1 + number % 250, net.wrapping_add(u8::try_from(number / 250 % 120).unwrap() * 2));
        let member = |(index, short): (usize, &str)| {
            Member::new(authority, &uid, short, &format!("127.{high}.{low}.{}", index + 1))
        };
        let members = ["aaaaa", "bbbbb", "ccccc"].into_iter().enumerate().map(member).collect();
        Self { members, authority: authority.clone() }
    }

    /// With the first member serving on timeline 2, and everything in it that a cluster has.
    pub(crate) async fn serving(term: Term) -> Self {
        let mut cluster = Self::new();
        let ids = cluster.members.iter().map(|member| member.id.clone()).collect();
        let primary = &mut cluster.members[0];
        primary.engine.initialize().await.unwrap();
        primary.start(&Boot::Alone, &settings(term.0), &Quorum::None).await;
        primary.engine.promote(Timeline(2)).await.unwrap();
        primary.engine.ensure_access(&access(), VERIFIER, &ids).await.unwrap();
        primary.superuser("CREATE TABLE public.written (n serial, what text)").await;
        cluster
    }

    /// Copies a member from the first and lets it follow.
    pub(crate) async fn join(&mut self, index: usize, term: Term) {
        let source = self.members[0].peer(term);
        let member = &mut self.members[index];
        member.engine.clone_from(&source).await.unwrap();
        member.start(&Boot::Following(source), &settings(term.0), &Quorum::Nobody).await;
        eventually("it streams", async || member.engine.status().await.unwrap().receiving).await;
    }

    pub(crate) fn replicas(&self) -> BTreeSet<MemberId> {
        self.members[1..].iter().map(|member| member.id.clone()).collect()
    }
}

/// A member: its adapter, and its server while it runs.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) engine: Postgres,
    pub(crate) data: PathBuf,
    folder: TempDir,
    uid: ClusterUid,
    address: String,
    server: Option<Child>,
}

impl Member {
    fn new(authority: &Authority, uid: &ClusterUid, short: &str, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = MemberId::new(format!("orders-{short}")).unwrap();
        authority.leaf(&folder.path().join("tls"), uid.as_str(), &identity_name(&id, uid));
        authority.leaf(&folder.path().join("proxy"), "berth-proxy", "berth-proxy.berth-system.svc");
        fs::set_permissions(
            folder.path().join("proxy/tls.key"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let engine = Postgres::new(PostgresPlace {
            programs: None,
            data: folder.path().join("data"),
            run: folder.path().join("run"),
            tls: folder.path().join("tls"),
            cluster: uid.clone(),
            member: id.clone(),
            listen: address.to_owned(),
            port: 5432,
        });
        let data = folder.path().join("data");
        Self { id, engine, data, folder, uid: uid.clone(), address: address.to_owned(), server: None }
    }

    pub(crate) fn peer(&self, term: Term) -> Peer {
        Peer { member: self.id.clone(), address: format!("{}:5432", self.address), term }
    }

    /// Starts the server as the warden would, and waits until it answers.
    pub(crate) async fn start(&mut self, boot: &Boot, settings: &Settings, quorum: &Quorum) {
        self.engine.clear_remains().await.unwrap();
        let command = self.engine.server(boot, settings, quorum).await.unwrap();
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let server = Command::new(&command.program)
            .args(&command.arguments)
            .envs(&command.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        let start = Instant::now();
        while let Err(error) = self.engine.status().await {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(ended.is_none() && start.elapsed() < DEADLINE, "{error} ({ended:?}):\n{}", log());
            tokio::task::yield_now().await;
        }
    }

    /// SIGKILL to the postmaster, and then to what it left behind.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        // As the warden would: nobody of it may be alive when this returns. All of them name the socket's folder nowhere, but
        // their working directory is the database.
        let own = self.data.join("pgdata").canonicalize().unwrap();
        loop {
            let left: Vec<String> = fs::read_dir("/proc")
                .unwrap()
                .flatten()
                .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == own))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            if left.is_empty() {
                return;
            }
            let _gone = Command::new("kill").arg("-9").args(&left).stderr(Stdio::null()).status();
        }
    }

    /// A fast stop.
    pub(crate) fn stop(&mut self) {
        self.signal("INT");
        let mut server = self.server.take().unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = server.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(start.elapsed() < DEADLINE, "no fast stop");
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, &[self.server.as_ref().unwrap().id().to_string()]);
    }

    /// The server's log as the warden would print it.
    pub(crate) fn log_records(&self) -> Vec<LogRecord> {
        let mut parser = LogParser::new(LogDialect::Postgres);
        let mut records = parser.feed(&fs::read(self.folder.path().join("log")).unwrap(), true);
        records.extend(parser.finish());
        records
    }

    fn sockets(&self) -> String {
        self.folder.path().join("run/pg").display().to_string()
    }

    /// Runs a statement as the superuser, in the tenant's way of waiting.
    pub(crate) async fn superuser(&self, sql: &str) -> String {
        let conninfo = format!(
            "host={} user=berth dbname=postgres options='-c synchronous_commit=local'",
            self.sockets()
        );
        psql(&conninfo, None, sql).await.unwrap()
    }

    /// Writes a row with the synchrony of a tenant, in the background.
    pub(crate) fn write(&self, what: &str) -> Write {
        self.run(&format!("INSERT INTO public.written (what) VALUES ('{what}')"))
    }

    /// Runs a statement with the synchrony of a tenant, in the background.
    pub(crate) fn run(&self, sql: &str) -> Write {
        let conninfo = format!("host={} user=berth dbname=postgres", self.sockets());
        Write(std::cell::RefCell::new(command(&conninfo, None, sql).spawn().unwrap()))
    }

    /// Tries to write a row again and again, from before it can, with the synchrony of a tenant.
    pub(crate) fn hammer(&self) -> Hammer {
        let conninfo = format!("host={} user=berth dbname=postgres", self.sockets());
        let mut command = Command::new("psql");
        command.args(["-X", "-w", "-q", "-t", "-A", "-d", &conninfo]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut script = child.stdin.take().unwrap();
        std::thread::spawn(move || {
            // Ends when the pipe does.
            while script
                .write_all(b"INSERT INTO public.written (what) VALUES ('at once') RETURNING n;\n")
                .is_ok()
            {}
        });
        Hammer(child)
    }

    /// Processes of the server of this kind.
    pub(crate) async fn processes(&self, kind: &str) -> Vec<String> {
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}'");
        self.superuser(&sql).await.lines().map(str::to_owned).collect()
    }

    /// The rows, in their order.
    pub(crate) async fn rows(&self) -> String {
        self.superuser("SELECT string_agg(what, ',' ORDER BY n) FROM public.written").await
    }

    fn conninfo(&self, tls: &str, user: &str, database: &str) -> String {
        let tls = self.folder.path().join(tls).display().to_string();
        let host = identity_name(&self.id, &self.uid);
        format!(
            "host={host} hostaddr={} user={user} dbname={database} sslmode=verify-full sslrootcert={tls}/ca.crt sslcert={tls}/tls.crt sslkey={tls}/tls.key",
            self.address
        )
    }

    pub(crate) async fn tenant(&self, user: &str, password: &str, sql: &str) -> Result<String, String> {
        self.tenant_in("app", user, password, sql).await
    }

    /// Runs a statement with a password and a proxy's certificate, as a proxy does for a tenant.
    pub(crate) async fn tenant_in(
        &self,
        database: &str,
        user: &str,
        password: &str,
        sql: &str,
    ) -> Result<String, String> {
        psql(&self.conninfo("proxy", user, database), Some(password), sql).await
    }

    /// A tenant's session that stays.
    pub(crate) fn tenant_session(&self, user: &str, password: &str) -> Session {
        let conninfo = self.conninfo("proxy", user, "app");
        Session(std::cell::RefCell::new(
            command(&conninfo, Some(password), "SELECT pg_sleep(1000)").spawn().unwrap(),
        ))
    }

    /// Runs a statement as the proxy's own role.
    pub(crate) async fn proxy(&self, sql: &str) -> Result<String, String> {
        psql(&self.conninfo("proxy", "berth_proxy", "postgres"), None, sql).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            eprintln!("log of {}:\n{}", self.id, tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A session that should end.
pub(crate) struct Session(std::cell::RefCell<Child>);

impl Session {
    pub(crate) fn has_ended(&self) {
        let start = Instant::now();
        while self.0.borrow_mut().try_wait().unwrap().is_none() {
            assert!(start.elapsed() < DEADLINE, "the session lives on");
            std::thread::yield_now();
        }
    }
}

/// A client that tries to write without end.
pub(crate) struct Hammer(Child);

impl Hammer {
    /// What was acknowledged until now.
    pub(crate) fn acknowledged(mut self) -> String {
        self.0.kill().unwrap();
        let output = self.0.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Sends a signal to processes.
pub(crate) fn signal(name: &str, pids: &[String]) {
    let sent = Command::new("bash").args(["-c", &format!("kill -{name} {}", pids.join(" "))]).status();
    assert!(sent.unwrap().success());
}

/// What a commit is expected to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    Waits,
    Goes,
}

/// A commit under way.
pub(crate) struct Write(std::cell::RefCell<Child>);

impl Write {
    /// Whether it waits, seen for a while, or goes on, awaited.
    pub(crate) async fn is_blocked(&self, expected: Blocked) {
        let limit = match expected {
            Blocked::Waits => WATCH,
            Blocked::Goes => DEADLINE,
        };
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.0.borrow_mut().try_wait().unwrap() {
                assert!(expected == Blocked::Goes && status.success(), "the commit went on: {status}");
                return;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(expected, Blocked::Waits, "the commit waits");
    }
}

fn command(conninfo: &str, password: Option<&str>, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-w", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c", sql]);
    command
        .env("PGPASSWORD", password.unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

async fn psql(conninfo: &str, password: Option<&str>, sql: &str) -> Result<String, String> {
    let mut command = command(conninfo, password, sql);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
