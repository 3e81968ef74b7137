//! Logs go to standard error, in colour only on a terminal.

use super::{failure::Failure, log_filter, notes::SINK, sink::Sink};
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal},
    panic,
};

/// Starts logging with the filter from `DATAFAN_LOG`, or else `default`.
///
/// # Errors
/// If `DATAFAN_LOG` is malformed.
pub fn install(default: &str) -> Result<(), Failure> {
    let filter = log_filter::from_environment(default)?;
    // Failing to write the log must not fail the command, nor be reported where that fails too.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour());
    log.log_internal_errors(false).with_writer(io::stderr).init();
    Ok(())
}

/// Like [`install`], for a long-running process: logging never waits for a reader; lines that cannot be
/// written are dropped and counted.
///
/// # Errors
/// If `DATAFAN_LOG` is malformed, or no thread can be started.
pub fn install_lossy(default: &str) -> Result<(), Failure> {
    let filter = log_filter::from_environment(default)?;
    let sink = Sink::start(io::stderr()).map_err(Failure::new)?;
    let ours = SINK.get_or_init(|| sink);
    panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::capture();
        let trace =
            if trace.status() == BacktraceStatus::Captured { format!("{trace}\n") } else { String::new() };
        ours.line(format!("{panic}\n{trace}").as_bytes());
    }));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour());
    log.log_internal_errors(false).with_writer(|| ours.clone()).init();
    Ok(())
}

fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
