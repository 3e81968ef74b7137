//! What people and scripts see: JSON as it is, tables and escaped text on a terminal.

use super::{
    failure::Failure,
    text::{escape, takes_effect, utf16_escape},
};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where a command's data goes.
pub struct Output {
    to: io::BufWriter<io::StdoutLock<'static>>,
    /// Whether scripts read it.
    pub json: bool,
    /// Whether it is a terminal, on which foreign control characters must not take effect.
    pub terminal: bool,
    /// What the command has changed, in words.
    done: Option<String>,
}

/// Whether a command has changed anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It has, whether or not that can be printed.
    Changed,
    /// Everything is as it was.
    None,
}

impl Effect {
    /// Of a number of things that were changed.
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

    /// What the command has changed, whatever becomes of what it prints: said where that cannot be written.
    pub fn has_done(&mut self, what: impl Into<String>) {
        self.done = Some(what.into());
    }

    /// What the command came to, as an object or a line.
    pub fn answer(&mut self, effect: Effect, value: &impl Serialize, text: &str) -> io::Result<()> {
        if effect == Effect::Changed {
            self.has_done(text);
        }
        if self.json { self.object(value) } else { self.line(text) }
    }

    /// What the command has changed, as an object or a line.
    pub fn change(&mut self, value: &impl Serialize, text: &str) -> io::Result<()> {
        self.answer(Effect::Changed, value, text)
    }

    /// Hands over what was written, and tells how a command ended that came to `outcome`.
    pub fn finish(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let flushed = self.flush().map_err(Failure::from);
        let done = self.done.take().map_or(String::new(), |what| format!("; done all the same: {what}"));
        match (outcome, flushed) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(Failure::Output(why)), _) | (Ok(()), Err(Failure::Output(why))) => {
                Err(Failure::Output(format!("{why}{done}")))
            }
            (Err(failure), Err(Failure::Output(why))) => Err(failure.and(format!("{why}{done}"))),
            (Err(failure), _) | (Ok(()), Err(failure)) => Err(failure),
        }
    }

    /// One JSON object on one line.
    pub fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.json_line(&text)
    }

    /// A line of JSON that somebody else made.
    pub fn json_line(&mut self, line: &str) -> io::Result<()> {
        if self.terminal && line.chars().any(takes_effect) {
            // Within JSON such characters stand in strings only, where an escape means the same.
            let safe: String =
                line.chars().map(|c| if takes_effect(c) { utf16_escape(c) } else { c.into() }).collect();
            return writeln!(self.to, "{safe}");
        }
        writeln!(self.to, "{line}")
    }

    /// A line for people; `text` is safe already.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// A foreign key, name or text as people should see it: escaped on a terminal, as it is in a pipe.
    pub fn shown(&self, text: &str) -> String {
        if self.terminal { escape(text) } else { text.to_owned() }
    }

    /// Hands over what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A table with a header, its columns as wide as their content.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Without trailing spaces, so that a copied line is what it seems.
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
