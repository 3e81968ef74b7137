//! What `DATAFAN_LOG` selects. A misspelt level is an error; it does not silence the log.

use super::failure::{Exit, Failure};
use std::env::{self, VarError};
use tracing_subscriber::EnvFilter;

/// The words of `DATAFAN_LOG` that may stand without a target.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter from `DATAFAN_LOG`, or else from `default`.
pub fn from_environment(default: &str) -> Result<EnvFilter, Failure> {
    let said = |what: String| Failure::Said(Exit::Usage, format!("DATAFAN_LOG: {what}"));
    match env::var("DATAFAN_LOG") {
        Ok(text) if !text.trim().is_empty() => parse(&text).map_err(said),
        Err(VarError::NotUnicode(_)) => Err(said("not UTF-8".to_owned())),
        Ok(_) | Err(VarError::NotPresent) => Ok(EnvFilter::new(default)),
    }
}

fn parse(text: &str) -> Result<EnvFilter, String> {
    for word in text.split(',').map(str::trim) {
        // tracing accepts any word as the name of a target.
        let is_target = word.starts_with("datafan") || word.contains(['=', '[', ':']);
        if !is_target && !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "{word:?} is not a level: expected {}, or TARGET=LEVEL such as datafan_node=debug",
                LEVELS.join(", ")
            ));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_an_error() {
        for good in ["info", "WARN", "off", "warn,datafan=info", "datafan_node", "quinn=trace, debug"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["inof", "info,", "datafan=inof", "warn,verbose", "2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
