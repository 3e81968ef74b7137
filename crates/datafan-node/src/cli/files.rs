//! Texts that are carried from one machine to another, in files.

use super::Failure;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

/// Writes `text` to `file`, where none may be yet.
pub fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(format!("{} is there already", file.display())),
        _ => Failure::new(format!("{}: {error}", file.display())),
    })
}

/// Reads a text of at most `max` bytes, give or take white space; `-` for standard input.
pub fn read_text(file: &Path, max: usize) -> Result<String, Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", file.display()));
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| said(&error))?),
    };
    let mut text = String::new();
    // A little more, so that a longer text is seen to be too long.
    input.take(max as u64 + 4_096).read_to_string(&mut text).map_err(|error| said(&error))?;
    Ok(text)
}
