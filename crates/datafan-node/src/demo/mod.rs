//! `demo`
use crate::cli::{DemoArgs, Failure, Output};

/// `datafan demo`
pub fn demo(_args: &DemoArgs, _out: &mut Output) -> Result<(), Failure> {
    Ok(())
}
