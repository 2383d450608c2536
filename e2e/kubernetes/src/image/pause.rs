//! The image of the pod sandbox: one static program that holds the pod's namespaces open.

use std::path::PathBuf;
use std::process::Command;

use super::{Config, ImageError, PAUSE, assemble, debian};
use crate::image::layer::Layer;
use crate::parts::cache::{Cache, KEEP_PROGRAMS, Key};
use crate::progress::Progress;

/// The program. It must end at SIGTERM though it is its namespace's PID 1, hence the handlers, and reap what a shared
/// PID namespace leaves to it.
const SOURCE: &str = include_str!("pause/pause.c");

/// The pause image, [`PAUSE`].
pub fn pause(progress: &Progress) -> Result<super::Image, ImageError> {
    let cache = Cache::open()?;
    let key = Key::new().with("source", SOURCE);
    let entry = cache.entry("pause", &key, KEEP_PROGRAMS, progress, |folder| {
        let source = folder.join("pause.c");
        std::fs::write(&source, SOURCE).map_err(ImageError::io("write", &source))?;
        let program = folder.join("pause");
        let mut compiler = Command::new("gcc");
        compiler.args(["-Os", "-static", "-s", "-Wall", "-Werror", "-o"]).arg(&program).arg(&source);
        debian::run("gcc", &mut compiler)
    })?;
    let scratch = cache.scratch()?;
    let files = [(PathBuf::from("pause"), entry.join("pause"))];
    let layer = Layer::from_files(&files, &scratch.path().join("layer.tar"))?;
    let config =
        Config { user: "65535:65535".to_owned(), entrypoint: vec!["/pause".to_owned()], ..Config::default() };
    assemble(&cache, PAUSE, &config, &[&layer])
}
