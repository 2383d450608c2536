//! `kubectl`, as a person types it, on the Kubernetes that `KUBECONFIG` names.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs `kubectl` and returns its standard output; a failure carries what it printed.
pub fn kubectl(arguments: &[&str]) -> Result<String> {
    let output = attempt(arguments, None)?;
    if !output.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("kubectl printed something that is not UTF-8")
}

/// Runs `kubectl` and returns its standard output as JSON.
pub fn json(arguments: &[&str]) -> Result<Value> {
    let mut all = arguments.to_vec();
    all.extend(["-o", "json"]);
    serde_json::from_str(&kubectl(&all)?).with_context(|| format!("kubectl {}", all.join(" ")))
}

/// Applies manifests; a refusal is an error with the API server's words.
pub fn apply(manifest: &str) -> Result<()> {
    let output = attempt(&["apply", "-f", "-"], Some(manifest))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Applies manifests that must be refused, and returns the API server's words.
pub fn refused(manifest: &str) -> Result<String> {
    let output = attempt(&["apply", "--dry-run=server", "-f", "-"], Some(manifest))?;
    if output.status.success() {
        bail!("accepted although it must be refused:\n{manifest}");
    }
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The items of a list.
pub fn items(arguments: &[&str]) -> Result<Vec<Value>> {
    let mut list = json(arguments)?;
    let Value::Array(items) = list["items"].take() else {
        bail!("kubectl {} printed no list", arguments.join(" "));
    };
    Ok(items)
}

fn attempt(arguments: &[&str], input: Option<&str>) -> Result<Output> {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(
            "cannot start kubectl; run the stories by `make test`, or after `eval \"$(cargo xtask env)\"`",
        )?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).context("kubectl did not read its input")?;
    }
    child.wait_with_output().context("kubectl")
}
