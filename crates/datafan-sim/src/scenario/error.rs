//! Why a scenario cannot be simulated.

use super::shipped::names;

/// Why a scenario cannot be simulated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The text is not TOML, has an unknown field, or a value of the wrong type.
    #[error("{what}")]
    Format {
        /// The error of the parser.
        what: String,
    },
    /// No such scenario is shipped, and the name is not a file.
    #[error("unknown scenario {name:?}: use one of {}, or a file that ends in .toml", names())]
    Unknown {
        /// The name.
        name: String,
    },
    /// A file cannot be read.
    #[error("{name}: {what}")]
    File {
        /// The file.
        name: String,
        /// The error of the system.
        what: String,
    },
    /// A value below the minimum.
    #[error("{field} is {found}, minimum {least}: {remedy}")]
    Least {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The minimum.
        least: u64,
        /// The remedy.
        remedy: &'static str,
    },
    /// A value above the limit.
    #[error("{field} is {found}, limit {most}: {remedy}")]
    Most {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The limit.
        most: u64,
        /// The remedy.
        remedy: &'static str,
    },
    /// Two fields contradict each other.
    #[error("{field} {what}")]
    Contradiction {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and the remedy.
        what: String,
    },
}

/// Text of a file for a terminal: line breaks stay, other control characters are escaped.
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
