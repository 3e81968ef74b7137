//! Why a scenario cannot be simulated.

use super::shipped::names;

/// Why a scenario cannot be simulated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The text is no TOML, has an unknown field, or a value of another type.
    #[error("{what}")]
    Format {
        /// What the parser said.
        what: String,
    },
    /// No scenario of that name is shipped, and it names no file.
    #[error("there is no scenario {name:?}: take one of {}, or a file that ends in .toml", names())]
    Unknown {
        /// The name.
        name: String,
    },
    /// A file cannot be read.
    #[error("{name}: {what}")]
    File {
        /// Which.
        name: String,
        /// What the system said.
        what: String,
    },
    /// Less than a limit.
    #[error("{field} is {found}, least {least}: {remedy}")]
    Least {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: u64,
        /// What it may say.
        least: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// More than a limit.
    #[error("{field} is {found}, limit {most}: {remedy}")]
    Most {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: u64,
        /// What it may say.
        most: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// Two fields contradict each other.
    #[error("{field} {what}")]
    Contradiction {
        /// Which field.
        field: &'static str,
        /// What is wrong with it, and what to do.
        what: String,
    },
}

/// Text of a file, as it may be shown on a terminal: lines stay, other control characters are escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push(character),
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}
