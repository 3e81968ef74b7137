//! Logs go to standard error, in colour on a terminal only.

use super::{failure::Failure, log_filter, notes::SINK, sink::Sink};
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal},
    panic,
};

/// Begins to log what `DATAFAN_LOG` says, else what `default` says.
///
/// # Errors
/// If `DATAFAN_LOG` is malformed.
pub fn install(default: &str) -> Result<(), Failure> {
    let filter = log_filter::from_environment(default)?;
    // A log that cannot be written is no reason to fail: nor must it be said where that fails as well.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour());
    log.log_internal_errors(false).with_writer(io::stderr).init();
    Ok(())
}

/// As [`install`], for a process that runs for long: nobody ever waits for whoever reads the log, and what
/// cannot be written is dropped and counted.
///
/// # Errors
/// If `DATAFAN_LOG` is malformed, or the system gives no thread.
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
