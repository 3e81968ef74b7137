//! Output for people and scripts: unmodified JSON; tables and escaped text on a terminal.

use super::{
    failure::Failure,
    text::{escape, takes_effect, utf16_escape},
};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where the data of a command goes.
pub struct Output {
    to: io::BufWriter<io::StdoutLock<'static>>,
    /// Whether to print JSON.
    pub json: bool,
    /// Whether it is a terminal, where control characters in foreign text must not take effect.
    pub terminal: bool,
    /// What the command changed, in words.
    done: Option<String>,
}

/// Whether a command changed anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It did, whether or not that can be printed.
    Changed,
    /// Nothing changed.
    None,
}

impl Effect {
    /// The effect of changing `n` things.
    pub fn of(changed: u64) -> Self {
        if changed == 0 { Self::None } else { Self::Changed }
    }
}

impl Output {
    /// Standard output.
    pub fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { to: io::BufWriter::new(io::stdout().lock()), json, terminal, done: None }
    }

    /// Records what the command changed, to be reported if the output cannot be written.
    pub fn has_done(&mut self, what: impl Into<String>) {
        self.done = Some(what.into());
    }

    /// Prints the result, as an object or a line.
    pub fn answer(&mut self, effect: Effect, value: &impl Serialize, text: &str) -> io::Result<()> {
        if effect == Effect::Changed {
            self.has_done(text);
        }
        if self.json { self.object(value) } else { self.line(text) }
    }

    /// Prints what the command changed, as an object or a line.
    pub fn change(&mut self, value: &impl Serialize, text: &str) -> io::Result<()> {
        self.answer(Effect::Changed, value, text)
    }

    /// Flushes the output, and combines its error with `outcome`, the result of the command.
    pub fn finish(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let flushed = self.flush().map_err(Failure::from);
        let done = self.done.take().map_or(String::new(), |what| format!("; the change was made: {what}"));
        match (outcome, flushed) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(Failure::Output(why)), _) | (Ok(()), Err(Failure::Output(why))) => {
                Err(Failure::Output(format!("{why}{done}")))
            }
            (Err(failure), Err(Failure::Output(why))) => Err(failure.and(format!("{why}{done}"))),
            (Err(failure), _) | (Ok(()), Err(failure)) => Err(failure),
        }
    }

    /// Prints one JSON object on one line.
    pub fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.json_line(&text)
    }

    /// Prints a line of JSON that came from elsewhere.
    pub fn json_line(&mut self, line: &str) -> io::Result<()> {
        if self.terminal && line.chars().any(takes_effect) {
            // In JSON such characters occur in strings only, where an escape has the same meaning.
            let safe: String =
                line.chars().map(|c| if takes_effect(c) { utf16_escape(c) } else { c.into() }).collect();
            return writeln!(self.to, "{safe}");
        }
        writeln!(self.to, "{line}")
    }

    /// Prints a line for people; `text` is already safe.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Prints raw bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// A foreign key, name or text for people: escaped on a terminal, unchanged in a pipe.
    pub fn shown(&self, text: &str) -> String {
        if self.terminal { escape(text) } else { text.to_owned() }
    }

    /// Flushes the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A table with a header, each column as wide as its content.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Trims trailing spaces, so that a copied line contains only what is visible.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
