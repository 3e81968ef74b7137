//! Asks on a terminal before a change that cannot be undone; in a script, `--yes` confirms it.

use super::{
    failure::{Exit, Failure},
    notes::note,
};
use std::io::{self, BufRead, IsTerminal, Write};

/// A question.
pub struct Question {
    /// The question, with its question mark.
    pub ask: &'static str,
    /// The error if the answer is not yes.
    pub declined: &'static str,
}

/// For changes of the roster and of divergent copies.
pub const GO_ON: Question =
    Question { ask: "This cannot be undone. Continue?", declined: "nothing was changed" };

/// Returns if `yes` was given on the command line or is the answer. `explain` says what will happen; it is
/// called only if somebody is asked.
///
/// # Errors
/// If the answer is no, or there is no terminal to ask on.
pub fn confirm(
    yes: bool,
    question: &Question,
    explain: impl FnOnce() -> Result<String, Failure>,
) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Said(Exit::Usage, NOBODY.to_owned()));
    }
    note(&explain()?);
    answered(question, &mut stdin.lock(), &mut io::stderr())
}

const NOBODY: &str = "this cannot be undone, and standard input is not a terminal: confirm it with --yes";

fn answered(question: &Question, input: &mut impl BufRead, output: &mut impl Write) -> Result<(), Failure> {
    write!(output, "{} [y/N] ", question.ask).and_then(|()| output.flush()).map_err(Failure::new)?;
    let mut answer = String::new();
    // Longer than any answer; the rest of the line is not read.
    io::Read::take(input, 64).read_line(&mut answer).map_err(Failure::new)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(question.declined)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for (input, yes) in
            [("y\n", true), ("yes\n", true), (" Y ", true), ("\n", false), ("", false), ("n\n", false)]
        {
            let mut asked = Vec::new();
            let answer = answered(&GO_ON, &mut input.as_bytes(), &mut asked);
            assert_eq!(answer.is_ok(), yes, "{input:?}");
            assert_eq!(asked, b"This cannot be undone. Continue? [y/N] ");
        }
    }
}
