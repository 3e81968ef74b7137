//! The rows that a demo reads: a file or the sample.

use crate::cli::failure::Failure;
use datafan_core::{engine::Write, item::Key};
use datafan_node::rows::{self, Rows};
use std::{collections::BTreeMap, io::BufRead, path::Path};

/// Rows, and their source.
pub struct Input {
    name: String,
    rows: Option<Rows<Box<dyn BufRead>>>,
}

/// Assigns owners of the input to members: the i-th distinct owner to member i modulo their number.
pub struct Owners {
    members: usize,
    known: BTreeMap<String, usize>,
}

impl Input {
    /// A named file, or else the built-in rows, or else none.
    pub fn open(file: Option<&Path>, sample: Option<&'static str>) -> Result<Self, Failure> {
        let Some(file) = file else {
            let rows = sample.map(|text| Rows::new(Box::new(text.as_bytes()) as Box<dyn BufRead>));
            return Ok(Self { name: "the sample".to_owned(), rows });
        };
        let name = file.display().to_string();
        let rows = rows::open(file).map_err(|error| Failure::new(format!("{name}: {error}")))?;
        Ok(Self { name, rows: Some(rows) })
    }

    /// The next write, and the member that makes it.
    pub fn next(&mut self, owners: &mut Owners) -> Result<Option<(usize, Write)>, Failure> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let Some(row) = rows.next() else { return Ok(None) };
        let row = row.map_err(|error| Failure::new(format!("{}: {error}", self.name)))?;
        let line = rows.line();
        let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: line {line}: {what}", self.name));
        let owner = row.owner.ok_or_else(|| said(&"missing field `owner`"))?;
        let key = Key::new(format!("{owner}/{}", row.key)).map_err(|error| said(&error))?;
        if key.is_system() {
            return Err(said(&format!("key {key:?} is a system key")));
        }
        let write = match row.value {
            Some(value) => Write::Put { key, value: value.into(), expiry: row.expiry },
            None => Write::Delete { key },
        };
        Ok(Some((owners.member_of(owner), write)))
    }
}

impl Owners {
    /// For this many members.
    pub fn new(members: usize) -> Self {
        Self { members, known: BTreeMap::new() }
    }

    fn member_of(&mut self, owner: String) -> usize {
        let next = self.known.len() % self.members;
        *self.known.entry(owner).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_dealt_out_in_turn() {
        let mut owners = Owners::new(2);
        let members: Vec<usize> =
            ["x", "y", "x", "z", "y"].map(|owner| owners.member_of(owner.into())).into();
        assert_eq!(members, [0, 1, 0, 0, 1]);
    }

    #[test]
    fn a_row_without_owner_is_named() {
        let mut input = Input::open(
            None,
            Some("{\"owner\":\"a\",\"key\":\"k\",\"delete\":true}\n{\"key\":\"k\",\"value\":1}\n"),
        )
        .unwrap();
        let mut owners = Owners::new(2);
        assert!(
            matches!(input.next(&mut owners), Ok(Some((0, Write::Delete { key }))) if key.as_str() == "a/k")
        );
        let Err(Failure::Said(_, text)) = input.next(&mut owners) else { panic!("no error") };
        assert_eq!(text, "the sample: line 2: missing field `owner`");
    }
}
