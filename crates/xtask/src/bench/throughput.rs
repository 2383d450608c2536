//! Transactions per second through the proxy, beside a direct connection to the primary and PgBouncer in front of it.
//!
//! All three run where the proxy's Service is reachable, use TLS on both legs and the same client; what differs is what stands between.

use super::figures::{Figure, Report};
use anyhow::{Context, Result, bail, ensure};
use berth_e2e::database::{Database, text};
use berth_e2e::{Place, kubectl, tenant};
use berth_e2e_kubernetes::{Cluster, PROXY_SERVICE};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Rounds in which the three take turns.
const ROUNDS: usize = 3;
/// Long enough for a steady rate, short enough for three rounds of three.
const SECONDS: &str = "8";
/// PgBouncer refuses to be root.
const NOBODY: u32 = 65534;
/// A port of its own in the namespace where it runs.
const PGBOUNCER_PORT: &str = "6432";

pub(super) fn measure(report: &mut Report) -> Result<()> {
    let place = Place::new("bench-throughput")?;
    let database = Database::named(&place, "orders");
    // Room for the log of minutes of writing, which the stories' small volumes do not have.
    kubectl::apply(&database.manifest(3, "").replace("size: 512Mi", "size: 4Gi"))?;
    database.wait_ready()?;
    let cluster = Cluster::attach()?;
    let keys = Keys::fetch()?;
    let owner = database.owner()?;
    let primary = database.primary()?;
    let address = text(&database.pods()?[&primary]["status"]["podIP"])?.to_owned();
    let tls = format!("sslmode=require sslcert={0}/tls.crt sslkey={0}/tls.key", keys.path().display());
    let direct = format!("host={address} port=5432 user=app dbname=app {tls}");
    let (host, port) = PROXY_SERVICE.split_once(':').context("the proxy's Service has a port")?;
    let through = format!("host={host} port={port} user={} dbname=app sslmode=require", owner.user());
    let bouncer = Bouncer::start(&cluster, &keys, &address, owner.password())?;
    let pooled = format!("host=127.0.0.1 port={PGBOUNCER_PORT} user=app dbname=app sslmode=require");

    let run = |connection: &str, extra: &[&str]| pgbench(&cluster, connection, owner.password(), extra);
    run(&direct, &["-i", "-q", "-s", "10"])?;
    for (what, arguments) in [
        ("SELECT of one row, prepared, 8 clients", ["select-only", "8"]),
        ("SELECT of one row, prepared, 1 client", ["select-only", "1"]),
        ("TPC-B transactions, prepared, 8 clients", ["tpcb-like", "8"]),
    ] {
        let [script, clients] = arguments;
        let arguments = ["-b", script, "-M", "prepared", "-c", clients, "-n", "-T", SECONDS];
        let (mut ours, mut without, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate(&run(&through, &arguments)?)?);
            without.push(rate(&run(&direct, &arguments)?)?);
            peer.push(rate(&run(&pooled, &arguments)?)?);
        }
        let unit = "transactions/s";
        let peers = vec![
            ("direct connection", Figure::new(without, unit)),
            ("PgBouncer, session mode", Figure::new(peer, unit)),
        ];
        report.add(what, Figure::new(ours, unit), peers);
    }
    bouncer.stop()
}

fn pgbench(cluster: &Cluster, connection: &str, password: &str, arguments: &[&str]) -> Result<String> {
    let password = format!("PGPASSWORD={password}");
    let mut words = vec!["env", &password, "pgbench"];
    words.extend(arguments);
    words.push(connection);
    let ran = cluster.run_inside(&words)?;
    if ran.code != Some(0) {
        bail!("pgbench {connection}: {}", ran.stderr);
    }
    Ok(ran.stdout)
}

fn rate(said: &str) -> Result<f64> {
    let rate = said.lines().find_map(|l| l.strip_prefix("tps = ")).and_then(|l| l.split(' ').next());
    rate.with_context(|| format!("pgbench told no rate:\n{said}"))?
        .parse()
        .context("pgbench's rate is no number")
}

/// The proxy's own certificate and key: databases let nobody in without one.
struct Keys(TempDir);

impl Keys {
    fn fetch() -> Result<Self> {
        let folder = TempDir::new().context("a temporary folder")?;
        let secret = kubectl::json(&["get", "secret", "berth-proxy-tls", "-n", "berth-system"])?;
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            let file = folder.path().join(name);
            fs::write(&file, tenant::decode(text(&secret["data"][name])?)?)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A PgBouncer in front of the primary, in the network namespace of the control plane.
struct Bouncer<'a> {
    cluster: &'a Cluster,
    folder: TempDir,
}

impl<'a> Bouncer<'a> {
    fn start(cluster: &'a Cluster, keys: &Keys, primary: &str, password: &str) -> Result<Self> {
        let folder = TempDir::new().context("a temporary folder")?;
        let here = folder.path().display();
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            fs::copy(keys.path().join(name), folder.path().join(name))?;
        }
        fs::write(folder.path().join("users"), format!("\"app\" \"{password}\"\n"))?;
        fs::write(
            folder.path().join("pgbouncer.ini"),
            format!(
                "[databases]\napp = host={primary} port=5432 dbname=app\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {PGBOUNCER_PORT}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {here}/users\npool_mode = session\ndefault_pool_size = 20\n\
                 client_tls_sslmode = require\nclient_tls_cert_file = {here}/tls.crt\nclient_tls_key_file = {here}/tls.key\n\
                 server_tls_sslmode = require\nserver_tls_cert_file = {here}/tls.crt\nserver_tls_key_file = {here}/tls.key\n\
                 pidfile = {here}/pid\nlogfile = {here}/log\n"
            ),
        )?;
        for name in ["", "ca.crt", "tls.crt", "tls.key", "users", "pgbouncer.ini"] {
            chown(folder.path().join(name), Some(NOBODY), Some(NOBODY))?;
        }
        let bouncer = Self { cluster, folder };
        let configuration = bouncer.file("pgbouncer.ini");
        let uid = format!("--reuid={NOBODY}");
        let ran = cluster.run_inside(&[
            "setpriv",
            &uid,
            "--regid=65534",
            "--clear-groups",
            "pgbouncer",
            "-d",
            &configuration,
        ])?;
        ensure!(ran.code == Some(0), "PgBouncer did not start: {}", ran.stderr);
        berth_e2e::eventually(Duration::from_secs(10), "PgBouncer writes its pid", || {
            Ok(fs::read_to_string(bouncer.file("pid")).ok())
        })?;
        Ok(bouncer)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn stop(self) -> Result<()> {
        let pid = fs::read_to_string(self.file("pid")).context("PgBouncer's pid")?;
        let ran = self.cluster.run_inside(&["kill", "-KILL", pid.trim()])?;
        ensure!(ran.code == Some(0), "PgBouncer did not stop: {}", ran.stderr);
        Ok(())
    }
}
