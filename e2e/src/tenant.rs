//! A tenant: knows an endpoint, a user and a password, and nothing of pods.

use crate::database::{Database, text};
use crate::kubectl;
use anyhow::{Context, Result, anyhow, bail};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

/// A role of a cluster, connecting through the proxy with the programs of PostgreSQL.
#[derive(Debug)]
pub struct Tenant {
    user: String,
    password: String,
    database: String,
    authority: NamedTempFile,
}

/// How a psql call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether psql exited with 0.
    pub ok: bool,
    /// What it printed, trimmed.
    pub output: String,
    /// What it said on standard error, trimmed.
    pub error: String,
}

impl Tenant {
    /// Reads the owner's Secret, as an application that is bound to it would.
    pub fn owner_of(database: &Database) -> Result<Self> {
        let name = format!("{}-owner", database.name());
        let secret = kubectl::json(&["get", "secret", &name, "-n", database.namespace()])?;
        let part = |key: &str| -> Result<String> { decode(text(&secret["data"][key])?) };
        let mut authority = NamedTempFile::new().context("a temporary file")?;
        authority.write_all(part("ca.crt")?.as_bytes()).context("a temporary file")?;
        Ok(Self {
            user: part("username")?,
            password: part("password")?,
            database: part("database")?,
            authority,
        })
    }

    /// The same tenant with another password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// The same tenant under another user name.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Its user name, with the cluster in it.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Its password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A client program that is set up to connect as this tenant; the password is in its environment, not in its arguments.
    pub fn client(&self, program: &str) -> Result<Command> {
        let (host, port) = proxy()?;
        let mut command = Command::new(program);
        command
            .env("PGHOST", host)
            .env("PGPORT", port)
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", &self.database)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", self.authority.path())
            .env("PGCONNECT_TIMEOUT", "60")
            .env_remove("PGSERVICE");
        Ok(command)
    }

    /// Runs SQL in a session of its own, with further connection settings (`PGSSLMODE=require`).
    pub fn ask(&self, sql: &str, settings: &[(&str, &str)]) -> Result<Answer> {
        let mut command = self.client("psql")?;
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-c", sql]);
        command.envs(settings.iter().copied()).stdin(Stdio::null());
        let output = command.output().context("cannot start psql (Debian: postgresql-client)")?;
        Ok(Answer {
            ok: output.status.success(),
            output: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            error: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Runs SQL that must succeed, and returns what it printed.
    pub fn query(&self, sql: &str) -> Result<String> {
        let answer = self.ask(sql, &[])?;
        if !answer.ok {
            bail!("{} as {}: {}", sql, self.user, answer.error);
        }
        Ok(answer.output)
    }
}

/// Where the proxy listens for clients on this machine.
pub fn proxy() -> Result<(String, String)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a story takes the same environment as a person's shell; there is no clap here"
    )]
    let address = std::env::var("BERTH_PROXY").map_err(|_| {
        anyhow!(
            "BERTH_PROXY is not set; run the stories by `make test`, or after `eval \"$(cargo xtask env)\"`"
        )
    })?;
    let (host, port) = address.rsplit_once(':').context("BERTH_PROXY is no host:port")?;
    Ok((host.to_owned(), port.to_owned()))
}

/// Base64 as Kubernetes writes it in Secrets.
pub fn decode(encoded: &str) -> Result<String> {
    let mut child = Command::new("base64")
        .arg("-d")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start base64")?;
    child.stdin.take().context("base64")?.write_all(encoded.as_bytes()).context("base64")?;
    let output = child.wait_with_output().context("base64")?;
    String::from_utf8(output.stdout).context("not UTF-8")
}
