//! Builds one component with the Go compiler, into the cache.
//!
//! Modules come through the ordinary Go client, checked against the committed go.sum; go.mod is never changed by a
//! build. Go's own caches of modules and objects stay where the user has them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache::{Cache, CacheError, KEEP_PROGRAMS, Key};
use super::component::{Component, Recipe};
use crate::progress::Progress;

/// How much of a failed compiler's output is worth showing.
const SHOWN_LINES: usize = 25;

/// Why a component could not be built.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// The cache folder cannot be used.
    #[error("cannot use the cache of built parts")]
    Cache(#[from] CacheError),
    /// No Go compiler.
    #[error(
        "the Go compiler is missing: install Go 1.26 or newer, so that `go` is on the PATH or in /usr/local/go"
    )]
    NoGo,
    /// The Go compiler could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// The compiler.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The Go compiler ended with an error.
    #[error("`{command}` failed in {} ({status}):\n{output}", folder.display())]
    Go {
        /// The command line.
        command: String,
        /// The module's folder.
        folder: PathBuf,
        /// How the compiler ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote to stderr.
        output: String,
    },
}

/// A Go compiler.
#[derive(Debug)]
pub(super) struct Go {
    program: PathBuf,
    /// Version and platform, for the key: another compiler makes another binary.
    identity: String,
}

impl Go {
    /// The compiler on the `PATH`, else the one in the place where Go's own installation puts it.
    pub(super) fn find() -> Result<Self, PartsError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path)
            .chain([PathBuf::from("/usr/local/go/bin")])
            .map(|folder| folder.join("go"))
            .find(|file| file.is_file())
            .ok_or(PartsError::NoGo)?;
        let mut go = Self { program, identity: String::new() };
        go.identity = go.run(&super::sources(), ["env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64"])?;
        Ok(go)
    }

    /// Runs the compiler in a module's folder and returns what it printed.
    fn run<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, PartsError> {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            // The user's flags and workspace are for the user's modules; ours must come out the same everywhere.
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0");
        let output =
            command.output().map_err(|source| PartsError::Start { program: self.program.clone(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let line: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        Err(PartsError::Go {
            command: format!("go {}", line.join(" ")),
            folder: folder.to_owned(),
            status: output.status,
            output: last_lines(&String::from_utf8_lossy(&output.stderr)),
        })
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// The folder of the built component.
pub(super) fn component(
    cache: &Cache,
    go: &Go,
    component: Component,
    progress: &Progress,
) -> Result<PathBuf, PartsError> {
    let recipe = component.recipe();
    let folder = super::sources().join(recipe.name);
    let arguments = arguments(&recipe);
    let key = key(&folder, &arguments, &recipe, &go.identity)?;
    cache.entry(recipe.name, &key, KEEP_PROGRAMS, progress, |target| {
        let what = format!("building {} from its Go modules", recipe.name);
        progress.during(&what, recipe.usually, || {
            let output = [OsStr::new("-o"), target.as_os_str()];
            let arguments = arguments.iter().map(OsStr::new);
            let packages = recipe.packages.iter().map(OsStr::new);
            go.run(&folder, arguments.chain(output).chain(packages))?;
            for (name, binary) in recipe.links {
                let link = target.join(name);
                symlink(binary, &link).map_err(CacheError::io("link", &link))?;
            }
            copy_manifests(go, &folder, &recipe, target)
        })
    })
}

/// The compiler's arguments up to the output.
fn arguments(recipe: &Recipe) -> Vec<String> {
    let mut arguments: Vec<String> = ["build", "-trimpath", "-buildvcs=false"].map(str::to_owned).into();
    if !recipe.tags.is_empty() {
        arguments.push(format!("-tags={}", recipe.tags.replace(' ', ",")));
    }
    arguments.push(format!("-ldflags={}", format!("-s -w {}", recipe.ldflags).trim_end()));
    arguments
}

/// All inputs of the build of a module.
fn key(folder: &Path, arguments: &[String], recipe: &Recipe, compiler: &str) -> Result<Key, CacheError> {
    let key = Key::new()
        .with("compiler", compiler)
        .with("arguments", arguments.join("\n"))
        .with("recipe", format!("{:?} {:?} {:?}", recipe.packages, recipe.links, recipe.manifests));
    sources_of(folder)?.iter().try_fold(key, |key, file| {
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
        key.with_file(&name, file)
    })
}

/// The files that make the module: go.mod, go.sum and the Go files but for tests, in a fixed order.
fn sources_of(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(CacheError::io("list", &folder))?;
        for entry in entries {
            let path = entry.map_err(CacheError::io("list", &folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if name == "go.mod"
                || name == "go.sum"
                || name.ends_with(".go") && !name.ends_with("_test.go")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies the YAML files that a module ships, from the version that go.mod selects.
fn copy_manifests(go: &Go, folder: &Path, recipe: &Recipe, target: &Path) -> Result<(), PartsError> {
    let Some((module, from, to)) = recipe.manifests else { return Ok(()) };
    let source = PathBuf::from(go.run(folder, ["list", "-m", "-f", "{{.Dir}}", module])?).join(from);
    let target = target.join(to);
    fs::create_dir(&target).map_err(CacheError::io("create", &target))?;
    for entry in fs::read_dir(&source).map_err(CacheError::io("list", &source))? {
        let file = entry.map_err(CacheError::io("list", &source))?;
        let name = file.file_name();
        // A kustomization is no object of Kubernetes; `kubectl apply -f FOLDER` would refuse it.
        if Path::new(&name).extension() != Some(OsStr::new("yaml")) || name == "kustomization.yaml" {
            continue;
        }
        let path = target.join(&name);
        // Written instead of copied: files of the module cache are read-only, and the entry must be removable.
        let content = fs::read(file.path()).map_err(CacheError::io("read", &file.path()))?;
        fs::write(&path, content).map_err(CacheError::io("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
