//! Patroni on this machine: three members, each with its server in a process namespace of its own, and one etcd.
//!
//! Its clients know all three addresses and look for the one that takes writes, as its documentation describes for libpq: with a load
//! balancer's health checks in between it could only be slower.

mod settings;

use super::subject::{Blow, Subject};
use crate::run::{output, shown};
use anyhow::{Context, Result, bail, ensure};
use berth_e2e::eventually;
use berth_e2e_kubernetes::{Progress, parts};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

pub(super) use settings::Tuning;
use settings::{Ports, SCOPE};

/// What is installed, from Python's package index.
const PATRONI: &str = "patroni[etcd3]==4.1.5";
const DRIVER: &str = "psycopg[binary]==3.2.13";
/// How long its slowest way to a whole cluster may take: a time to live, and a copy of the data.
const DEADLINE: Duration = Duration::from_mins(4);

/// Three members and their etcd. All of them end with it.
pub(super) struct Patroni {
    tuning: Tuning,
    programs: PathBuf,
    folder: TempDir,
    ports: Vec<Ports>,
    members: Vec<Child>,
    etcd: Child,
    /// Whose container was killed, and is to be started again.
    down: Option<usize>,
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for child in self.members.iter_mut().chain([&mut self.etcd]) {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

impl Patroni {
    /// Installs what is missing and starts three members.
    pub(super) fn start(tuning: Tuning) -> Result<Self> {
        let programs = installed()?;
        let folder = tempfile::Builder::new().prefix("berth-bench-").tempdir().context("a folder")?;
        let user = user()?;
        chown(folder.path(), Some(user), Some(user)).context("the folder's owner")?;
        let ports: Vec<Ports> =
            (0..3).map(|_| Ok(Ports { database: free()?, api: free()? })).collect::<Result<_>>()?;
        let (clients, peers) = (free()?, free()?);
        let etcd = etcd(folder.path(), clients, peers)?;
        let mut patroni = Self { tuning, programs, folder, ports, members: Vec::new(), etcd, down: None };
        for member in 0..3 {
            let text =
                settings::file(tuning, member, &patroni.ports[member], patroni.folder.path(), clients)?;
            std::fs::write(patroni.file(member), text).context("Patroni's settings")?;
            let child = patroni.launch(member)?;
            patroni.members.push(child);
        }
        eventually(DEADLINE, "Patroni's cluster is whole", || Ok(patroni.whole()?.then_some(())))?;
        Ok(patroni)
    }

    fn file(&self, member: usize) -> PathBuf {
        self.folder.path().join(format!("{}.yml", settings::name(member)))
    }

    /// The member as the first process of a namespace, so that killing it ends all that it started, as with a container.
    fn launch(&self, member: usize) -> Result<Child> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{}.log", settings::name(member))))
            .context("Patroni's log")?;
        Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--", "setpriv"])
            .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", "--"])
            .arg(self.programs.join("patroni"))
            .arg(self.file(member))
            // Its user may not enter whatever folder this was called from.
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("Patroni's log")?)
            .stderr(log)
            .spawn()
            .context("cannot start unshare (Debian: util-linux)")
    }

    /// What the members say of themselves; nothing while none of them answers.
    fn members(&self) -> Vec<Value> {
        let said = self.ports.iter().find_map(|ports| get(ports.api, "/cluster").ok());
        said.and_then(|said| said["members"].as_array().cloned()).unwrap_or_default()
    }

    fn leader(&self) -> Result<usize> {
        let all = self.members();
        let leader = all.iter().find(|member| member["role"] == "leader").context("Patroni has no leader")?;
        let name = leader["name"].as_str().unwrap_or_default();
        (0..3).find(|member| settings::name(*member) == name).with_context(|| format!("who is {name}?"))
    }

    fn kill_server(&self, member: usize) -> Result<()> {
        let file = settings::data(self.folder.path(), member).join("postmaster.pid");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let inside = text.lines().next().context("a pid")?;
        let holder = self.members[member].id();
        let children = std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"))?;
        let first = children.split_whitespace().next().context("the namespace's first process")?;
        let mut command = Command::new("nsenter");
        command.args(["--target", first, "--pid", "--", "kill", "-KILL", inside]);
        output(command).map(drop)
    }

    fn switch_over(&self, leader: usize) -> Result<()> {
        let mut command = Command::new(self.programs.join("patronictl"));
        command.arg("-c").arg(self.file(leader)).args(["switchover", SCOPE, "--force", "--leader"]);
        command.arg(settings::name(leader)).stdin(Stdio::null());
        output(command).map(drop)
    }
}

impl Subject for Patroni {
    fn name(&self) -> String {
        format!("{}, {}", PATRONI.replace("[etcd3]==", " "), self.tuning)
    }

    fn config(&self) -> Result<Config> {
        let mut config = Config::new();
        for ports in &self.ports {
            config.host("127.0.0.1").port(ports.database);
        }
        config
            .user("postgres")
            .dbname("postgres")
            .connect_timeout(Duration::from_secs(1))
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    fn blows(&self) -> &[Blow] {
        &[Blow::Process, Blow::Container, Blow::Switchover]
    }

    fn prepare(&mut self, _blow: Blow) -> Result<()> {
        Ok(())
    }

    fn strike(&mut self, blow: Blow) -> Result<()> {
        let leader = self.leader()?;
        match blow {
            Blow::Process => self.kill_server(leader),
            Blow::Container => {
                self.members[leader].kill().context("killing a member")?;
                self.members[leader].wait().context("killing a member")?;
                self.down = Some(leader);
                Ok(())
            }
            Blow::Switchover => {
                self.switch_over(leader)?;
                eventually(DEADLINE, "Patroni has another leader", || {
                    Ok(self.leader().ok().filter(|now| *now != leader))
                })
                .map(drop)
            }
            Blow::Node => bail!("Patroni's members share a node here"),
        }
    }

    fn mend(&mut self, _blow: Blow) -> Result<()> {
        if let Some(member) = self.down.take() {
            self.members[member] = self.launch(member)?;
        }
        Ok(())
    }

    fn whole(&mut self) -> Result<bool> {
        let all = self.members();
        let with = |key: &str, values: &[&str]| {
            all.iter().filter(|member| values.iter().any(|value| member[key] == *value)).count()
        };
        let synchronous = with("role", &["sync_standby", "quorum_standby"]) > 0;
        Ok(with("role", &["leader"]) == 1 && with("state", &["streaming"]) == 2 && synchronous)
    }
}

/// The folder of Patroni's programs: made once, under its version, where PostgreSQL's user can reach it. Root's own cache is closed to it.
fn installed() -> Result<PathBuf> {
    let folder = Path::new("/var/cache/berth").join(PATRONI.replace(['[', ']', '='], "-"));
    let programs = folder.join("bin");
    if !programs.join("patroni").exists() {
        // Debian's own: the first of the PATH may be in a home that is closed to others.
        let mut venv = Command::new("/usr/bin/python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        shown(venv)?;
        let mut pip = Command::new(programs.join("pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", PATRONI, DRIVER]);
        shown(pip)?;
    }
    ensure!(programs.join("patronictl").exists(), "{} holds no Patroni; remove it", folder.display());
    Ok(programs)
}

/// The user id of PostgreSQL's user, who comes with Debian's package: a server refuses to be root.
fn user() -> Result<u32> {
    let mut id = Command::new("id");
    id.args(["-u", "postgres"]);
    output(id)?.trim().parse().context("the id of the user postgres")
}

fn free() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a free port")?;
    Ok(listener.local_addr().context("a free port")?.port())
}

fn etcd(folder: &Path, clients: u16, peers: u16) -> Result<Child> {
    let etcd = parts::ensure(&Progress::stderr())?.etcd;
    let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let log = std::fs::File::create(folder.join("etcd.log")).context("etcd's log")?;
    Command::new(etcd)
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start etcd")
}

/// A document of Patroni's own API.
fn get(port: u16, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").context("no answer")?;
    Ok(serde_json::from_str(body)?)
}
