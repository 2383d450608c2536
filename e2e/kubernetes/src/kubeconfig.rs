//! Kubeconfig files. JSON is YAML too, so they are written as JSON.

use std::path::Path;

use serde_json::json;

use crate::certificates::write_private;
use crate::error::Error;
use crate::layout::Layout;

/// Writes a kubeconfig for the client certificate `identity`, talking to `server` (`host:port`).
///
/// The certificates are named by path, so the file is of use on this machine only.
pub(crate) fn write(path: &Path, layout: &Layout, identity: &str, server: &str) -> Result<(), Error> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "berth", "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority": layout.certificate("ca"),
        }}],
        "users": [{"name": identity, "user": {
            "client-certificate": layout.certificate(identity),
            "client-key": layout.key(identity),
        }}],
        "contexts": [{"name": "berth", "context": {"cluster": "berth", "user": identity}}],
        "current-context": "berth",
    });
    write_private(path, &format!("{config:#}\n"))
}
