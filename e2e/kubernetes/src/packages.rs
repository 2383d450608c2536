//! The Debian packages that the local Kubernetes, its images and the build of this repository need.
//!
//! They are installed when they are missing, and only then: a machine that has them is asked once, in
//! milliseconds, and not changed. No service of theirs is started and no database cluster is made.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::progress::Progress;

/// What the harness runs on the machine, what packs its images, and what the build calls.
const HARNESS: [&str; 19] = [
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    // Its keys prove the packages of the images.
    "debian-archive-keyring",
    "gcc",
    "iproute2",
    "iptables",
    "libc6-dev",
    "libprotobuf-dev",
    "mmdebstrap",
    "mount",
    "nftables",
    "openssl",
    // psql and, in the server's package, pgbench.
    "postgresql",
    "procps",
    "protobuf-compiler",
    "runc",
    "util-linux",
    "xfsprogs",
];

/// What the benchmarks compare with: the one, and what the other is installed with.
const BENCHMARK: [&str; 2] = ["pgbouncer", "python3-venv"];

/// Those of them that have a service.
const SERVICES: [&str; 1] = ["pgbouncer"];

/// Tells PostgreSQL's packages to make no database cluster when they are installed. It is read from this folder.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/berth.conf";

/// Asked by Debian's packages whether they may start their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Why the packages are not there.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The machine has another package manager.
    #[error("cannot start {program}; the local Kubernetes needs Debian 12 or newer")]
    Start {
        /// Which program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Only root installs packages.
    #[error("packages are missing; run as root: apt-get install --no-install-recommends {}", missing.join(" "))]
    NotRoot {
        /// What is missing.
        missing: Vec<String>,
    },
    /// apt-get failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Apt {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// A configuration file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Installs what the harness and the build need, if anything is missing.
pub fn ensure(progress: &Progress) -> Result<(), PackagesError> {
    install(&HARNESS, progress)
}

/// Installs what only the benchmark needs, if it is missing. Its service neither starts now nor at boot.
pub fn ensure_benchmark(progress: &Progress) -> Result<(), PackagesError> {
    install(&BENCHMARK, progress)
}

fn install(wanted: &[&str], progress: &Progress) -> Result<(), PackagesError> {
    let missing = missing(wanted, &installed(wanted)?);
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(PackagesError::NotRoot { missing: missing.iter().map(ToString::to_string).collect() });
    }
    let what = format!("installing Debian packages: {}", missing.join(" "));
    progress.during(&what, Duration::from_secs(30), || {
        if missing.contains(&"postgresql") {
            write(Path::new(NO_CLUSTER), "create_main_cluster = false\n", 0o644)?;
        }
        let _no_services = NoServices::begin(Path::new(POLICY))?;
        apt(&["update"])?;
        apt(&[&["install", "--yes", "--no-install-recommends", "--"], missing.as_slice()].concat())?;
        stay_off(&missing, progress);
        Ok(())
    })
}

/// Those of `wanted` that are installed.
fn installed(wanted: &[&str]) -> Result<HashSet<String>, PackagesError> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]).args(wanted);
    // It also ends with an error when a package is unknown, which only means that it is not installed.
    let output = query
        .stdin(Stdio::null())
        .output()
        .map_err(|source| PackagesError::Start { program: "dpkg-query", source })?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads the lines `package status`.
fn parse(listing: &str) -> HashSet<String> {
    listing.lines().filter_map(|line| line.strip_suffix(" installed")).map(str::to_owned).collect()
}

fn missing<'a>(wanted: &[&'a str], installed: &HashSet<String>) -> Vec<&'a str> {
    wanted.iter().copied().filter(|package| !installed.contains(*package)).collect()
}

fn apt(arguments: &[&str]) -> Result<(), PackagesError> {
    let mut command = Command::new("apt-get");
    command
        .args(["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| PackagesError::Start { program: "apt-get", source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    Err(PackagesError::Apt {
        command: format!("apt-get {}", arguments.join(" ")),
        status: output.status,
        output: lines[lines.len().saturating_sub(15)..].join("\n"),
    })
}

/// Keeps the services of what was just installed from starting at the next boot.
fn stay_off(installed: &[&str], progress: &Progress) {
    for service in SERVICES.iter().filter(|package| installed.contains(package)) {
        let disabled = Command::new("systemctl")
            .args(["--quiet", "disable", service])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // A machine without systemd starts nothing at boot by it either.
        if !disabled.is_ok_and(|status| status.success()) {
            progress.say(&format!("could not disable the service {service}; it may start at the next boot"));
        }
    }
}

/// While it lives, packages do not start their services. A policy that the machine has already stays in force.
struct NoServices {
    policy: Option<PathBuf>,
}

impl NoServices {
    fn begin(policy: &Path) -> Result<Self, PackagesError> {
        if policy.exists() {
            return Ok(Self { policy: None });
        }
        // 101 means: the action is forbidden by policy.
        write(policy, "#!/bin/sh\nexit 101\n", 0o755)?;
        Ok(Self { policy: Some(policy.to_owned()) })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.policy {
            let _ = fs::remove_file(policy);
        }
    }
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), PackagesError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, content))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|source| PackagesError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completely_installed_packages_count() {
        let listing =
            "runc installed\njq config-files\ngcc installed\npgbouncer not-installed\nbc half-configured\n";
        let found = parse(listing);
        assert_eq!(
            missing(&["bc", "gcc", "jq", "pgbouncer", "runc", "unheard-of"], &found),
            ["bc", "jq", "pgbouncer", "unheard-of"]
        );
    }

    #[test]
    fn the_package_database_is_asked_and_unknown_names_are_missing() {
        let found = installed(&["dpkg", "no-such-package-of-berth"]).unwrap();
        assert_eq!(found, HashSet::from(["dpkg".to_owned()]));
    }

    #[test]
    fn nothing_is_done_when_nothing_is_missing() {
        install(&["dpkg", "bash"], &Progress::to(|line| panic!("should be silent, said: {line}"))).unwrap();
    }

    #[test]
    fn the_policy_against_services_goes_when_the_installation_ends() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        let guard = NoServices::begin(&policy).unwrap();
        assert_eq!(Command::new(&policy).status().unwrap().code(), Some(101));
        drop(guard);
        assert!(!policy.exists());
    }

    #[test]
    fn a_policy_of_the_machine_s_own_stays() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        fs::write(&policy, "theirs").unwrap();
        drop(NoServices::begin(&policy).unwrap());
        assert_eq!(fs::read_to_string(&policy).unwrap(), "theirs");
    }
}
