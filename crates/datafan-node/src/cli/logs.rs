//! Logs go to standard error, in colour on a terminal only.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Begins to log what `DATAFAN_LOG` says, else what `default` says.
pub fn install(default: &str) {
    let filter = std::env::var("DATAFAN_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(default)))
        .with_ansi(colour)
        .with_writer(io::stderr)
        .init();
}
