//! Log lines: one flat JSON object each, with the fields of the spans around it beside its own.
//!
//! Flat, because `namespace`, `cluster`, `member` and `term` are what people search by, and a nested `span` object hides them
//! from the usual tools. Secrets never reach a field; that is the callers' duty.

mod json;

use crate::arguments::LogFormat;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Sends the process's log to stdout. A second call in one process changes nothing, which tests rely on.
pub(crate) fn start(directives: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    let registry = tracing_subscriber::registry().with(filter);
    let _already_started = match format {
        LogFormat::Json => registry.with(json::Json::new(std::io::stdout)).try_init(),
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stdout)).try_init(),
    };
    Ok(())
}
