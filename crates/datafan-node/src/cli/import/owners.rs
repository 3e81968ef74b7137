//! Whose rows are imported: the export of a whole mesh must not be imported into one member by mistake.

use super::super::{
    args,
    client::Client,
    failure::{Exit, Failure},
};
use datafan_core::id::MemberId;
use datafan_node::{http::wire::StatusAnswer, rows::Row};

/// Which rows to import.
pub enum Owners {
    /// Rows of the importing member, and rows without an owner.
    Own {
        /// Its id and name, fetched when the first row names an owner.
        me: Option<(String, String)>,
    },
    /// Rows of one owner.
    One {
        /// The owner as named on the command line.
        wanted: String,
        /// Its id, from its first row.
        found: Option<String>,
        /// Number of rows of it.
        taken: u64,
        /// Number of rows of others.
        others: u64,
    },
    /// All rows.
    Merged,
}

/// Minimum length of a prefix of an id.
const PREFIX_CHARS_MIN: usize = 4;

impl Owners {
    /// The selection that the command line makes.
    pub fn of(args: &args::Import) -> Self {
        match (&args.owner, args.merge_owners) {
            (Some(owner), _) => Self::One { wanted: owner.clone(), found: None, taken: 0, others: 0 },
            (None, true) => Self::Merged,
            (None, false) => Self::Own { me: None },
        }
    }

    /// Whether to import a row; an error if that is unclear.
    pub fn takes(&mut self, row: &Row, client: &mut Client) -> Result<bool, Failure> {
        // A name alone identifies the owner of a row as well as an id.
        match (self, row.owner.as_ref().or(row.owner_name.as_ref())) {
            (Self::Merged, _) | (Self::Own { .. }, None) => Ok(true),
            (Self::Own { me }, Some(owner)) => {
                let (id, name) = match me {
                    Some(me) => me,
                    None => {
                        let status: StatusAnswer = client.get("/v1/status", &[])?;
                        me.insert((status.id, status.name))
                    }
                };
                if owner == id || owner == name && !is_id(name) {
                    return Ok(true);
                }
                let other = row.owner_name.as_ref().unwrap_or(owner);
                let text = format!(
                    "row of owner {other}, but this member is {name}: use `--owner {other}` to import only \
                     the rows of that owner, or `--merge-owners` to import all rows into this member's shard"
                );
                Err(Failure::new(text))
            }
            (Self::One { others, .. }, None) => {
                *others += 1;
                Ok(false)
            }
            (Self::One { wanted, found, taken, others }, Some(owner)) => {
                // A full id selects that owner, whoever else is named.
                let has_id = row.owner.is_some();
                let begins = has_id && wanted.len() >= PREFIX_CHARS_MIN && owner.starts_with(wanted.as_str());
                let is_named = row.owner_name.as_ref() == Some(wanted) && !is_id(wanted);
                if owner != wanted && !is_named && !begins {
                    *others += 1;
                    return Ok(false);
                }
                match found {
                    Some(first) if has_id && first != owner => {
                        let text = format!("{wanted:?} is ambiguous: the rows are of {first} and {owner}");
                        return Err(Failure::Said(Exit::Usage, text));
                    }
                    None if has_id => *found = Some(owner.clone()),
                    _ => {}
                }
                *taken += 1;
                Ok(true)
            }
        }
    }

    /// Number of rows skipped; an error if all of them were.
    pub fn finish(&self) -> Result<u64, Failure> {
        match self {
            Self::One { wanted, taken: 0, .. } => {
                Err(Failure::Said(Exit::NotFound, format!("no row belongs to owner {wanted:?}")))
            }
            Self::One { others, .. } => Ok(*others),
            Self::Own { .. } | Self::Merged => Ok(0),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.parse::<MemberId>().is_ok()
}
