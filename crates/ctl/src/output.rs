//! Results as a table for people, or as JSON or YAML for programs.

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

/// How to print a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people. Its layout may change.
    Table,
    /// For programs.
    Json,
    /// For programs, and people who like it.
    Yaml,
}

/// Prints a value, in the words for people if a table was asked for.
pub(crate) fn print<T: Serialize>(format: Format, value: &T, table: impl FnOnce() -> String) -> Result<()> {
    let text = match format {
        Format::Table => table(),
        Format::Json => serde_json::to_string_pretty(value).context("cannot write JSON")?,
        Format::Yaml => serde_saphyr::to_string(value).context("cannot write YAML")?,
    };
    crate::say::result(&text);
    Ok(())
}
