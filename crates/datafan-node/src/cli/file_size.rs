//! Limits of the file size (`ulimit -f`): the system kills a process that exceeds one, unless it handles the
//! signal.

use std::io;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// Makes such writes fail like writes to a full disk. The handler stays until the process ends.
pub fn fail_beyond() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// The same number on every system except Linux on MIPS.
const SIGXFSZ: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 31 } else { 25 };
