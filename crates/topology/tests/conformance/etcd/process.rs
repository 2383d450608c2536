//! The process: started, killed, frozen, restored, replaced. It dies with the test.

use super::binary;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

pub(crate) struct Process {
    directory: PathBuf,
    identity: PathBuf,
    client_port: u16,
    peer_port: u16,
    state: Mutex<State>,
}

struct State {
    child: Option<Child>,
    /// Tells one etcd from the next that takes its place.
    incarnation: u32,
}

impl Process {
    pub(crate) fn new(directory: &Path, identity: &Path) -> Self {
        let (client_port, peer_port) = free_ports();
        Self {
            directory: directory.to_owned(),
            identity: identity.to_owned(),
            client_port,
            peer_port,
            state: Mutex::new(State { child: None, incarnation: 1 }),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.client_port)
    }

    pub(crate) fn start(&self) {
        let mut state = self.state.lock().unwrap();
        assert!(state.child.is_none(), "etcd runs already");
        let log = File::options().create(true).append(true).open(self.directory.join("etcd.log")).unwrap();
        let file = |name: &str| self.identity.join(name);
        // Even a test that is killed leaves no etcd behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binary::directory().join("etcd"))
            .arg("--data-dir")
            .arg(self.data())
            .args(self.membership(state.incarnation))
            .args(["--listen-client-urls", &self.endpoint()])
            .args(["--advertise-client-urls", &self.endpoint()])
            .args(["--listen-peer-urls", &self.peer()])
            .arg("--client-cert-auth")
            .arg("--trusted-ca-file")
            .arg(file("ca.crt"))
            .arg("--cert-file")
            .arg(file("tls.crt"))
            .arg("--key-file")
            .arg(file("tls.key"))
            // A killed process loses nothing that it wrote; only a lost machine would.
            .arg("--unsafe-no-fsync")
            .args(["--log-level", "warn"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv (of util-linux) starts etcd");
        state.child = Some(child);
    }

    /// Kills it, as a lost machine would.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.state.lock().unwrap().child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Freezes it: connections stay open and nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Puts a backup in the place of its data.
    pub(crate) fn restore(&self, backup: &Path) {
        fs::remove_dir_all(self.data()).unwrap();
        let incarnation = self.state.lock().unwrap().incarnation;
        let mut command = Command::new(binary::directory().join("etcdutl"));
        command.args(["snapshot", "restore"]).arg(backup).arg("--data-dir").arg(self.data());
        output(command.args(self.membership(incarnation)));
    }

    /// Puts an empty etcd of another identity in its place.
    pub(crate) fn forget(&self) {
        fs::remove_dir_all(self.data()).unwrap();
        self.state.lock().unwrap().incarnation += 1;
    }

    /// Runs etcdctl as an identity.
    pub(crate) fn control(&self, identity: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(binary::directory().join("etcdctl"));
        command.arg("--endpoints").arg(self.endpoint());
        command.arg("--cacert").arg(identity.join("ca.crt"));
        command.arg("--cert").arg(identity.join("tls.crt"));
        command.arg("--key").arg(identity.join("tls.key"));
        output(command.args(arguments))
    }

    fn signal(&self, signal: Signal) {
        let state = self.state.lock().unwrap();
        let id = state.child.as_ref().expect("etcd runs").id();
        kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn peer(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer_port)
    }

    fn membership(&self, incarnation: u32) -> Vec<String> {
        [
            "--name".to_owned(),
            "one".to_owned(),
            "--initial-cluster".to_owned(),
            format!("one={}", self.peer()),
            "--initial-advertise-peer-urls".to_owned(),
            self.peer(),
            "--initial-cluster-token".to_owned(),
            format!("token-{incarnation}"),
        ]
        .into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.join("etcd.log")).unwrap_or_default();
            let from = log.len().saturating_sub(4000);
            let tail = log.get(from..).unwrap_or_default();
            // Through the test's own capture, so that it shows with the failure and only then.
            println!("the end of etcd's log:\n{tail}");
        }
        self.kill();
    }
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Two ports that nobody used a moment ago. Asked for together, so that they differ.
fn free_ports() -> (u16, u16) {
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    (first.local_addr().unwrap().port(), second.local_addr().unwrap().port())
}
