//! The docker-archive: layers, a configuration and a manifest in one tar, which `ctr images import` reads.
//!
//! Compression is left out; the file never leaves the machine.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::layer::Layer;
use super::{Config, ImageError};
use crate::parts::cache::hex;

/// Changes when this module writes the same image otherwise, so that archives in the cache are made anew.
pub(super) const FORMAT: &str = "1";

/// Writes the archive.
pub(super) fn write(path: &Path, name: &str, config: &Config, layers: &[&Layer]) -> Result<(), ImageError> {
    let failed = || ImageError::io("write", path);
    let file = File::create(path).map_err(ImageError::io("create", path))?;
    let mut tar = Builder::new(BufWriter::with_capacity(1 << 20, file));
    let config = config_json(config, layers);
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let layer_names: Vec<_> = layers.iter().map(|layer| format!("{}/layer.tar", layer.digest)).collect();
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": layer_names }]).to_string();
    append(&mut tar, "manifest.json", manifest.len() as u64, manifest.as_bytes()).map_err(failed())?;
    append(&mut tar, &config_name, config.len() as u64, config.as_bytes()).map_err(failed())?;
    for (layer, name) in layers.iter().zip(&layer_names) {
        let content = File::open(&layer.tar).map_err(ImageError::io("open", &layer.tar))?;
        let size = content.metadata().map_err(ImageError::io("look at", &layer.tar))?.len();
        append(&mut tar, name, size, content).map_err(failed())?;
    }
    tar.into_inner().and_then(|mut file| file.flush()).map_err(failed())
}

fn append(
    tar: &mut Builder<BufWriter<File>>,
    name: &str,
    size: u64,
    content: impl io::Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    tar.append_data(&mut header, name, content)
}

/// The image's configuration as the OCI image specification defines it. No time of creation: equal inputs give equal
/// bytes.
pub(super) fn config_json(config: &Config, layers: &[&Layer]) -> String {
    let Config { user, env, entrypoint, command, working_dir, labels } = config;
    let env: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut run = json!({ "Env": env });
    let mut set = |name: &str, value: Value, empty: bool| {
        if !empty {
            run[name] = value;
        }
    };
    set("User", json!(user), user.is_empty());
    set("Entrypoint", json!(entrypoint), entrypoint.is_empty());
    set("Cmd", json!(command), command.is_empty());
    set("WorkingDir", json!(working_dir), working_dir.is_empty());
    set("Labels", json!(labels), labels.is_empty());
    let diff_ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", layer.digest)).collect();
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": run,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string()
}

/// This machine's architecture under the name that images use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
