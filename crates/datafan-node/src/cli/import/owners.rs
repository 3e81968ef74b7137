//! Whose rows are imported: an export of a whole mesh must not become one member's by an oversight.

use super::super::{
    args,
    client::Client,
    failure::{Exit, Failure},
};
use datafan_core::id::MemberId;
use datafan_node::{http::wire::StatusAnswer, rows::Row};

/// Which rows are taken.
pub enum Owners {
    /// Those of the importing member, and those that name nobody.
    Own {
        /// Its id and name, once a row named an owner.
        me: Option<(String, String)>,
    },
    /// Those of one owner.
    One {
        /// As the command line names it.
        wanted: String,
        /// The id, as the first row of it has it.
        found: Option<String>,
        /// How many rows were of it.
        taken: u64,
        /// How many rows were not of it.
        others: u64,
    },
    /// All.
    Merged,
}

/// Fewest characters of an id that stand for it.
const PREFIX_CHARS_MIN: usize = 4;

impl Owners {
    /// As the command line says.
    pub fn of(args: &args::Import) -> Self {
        match (&args.owner, args.merge_owners) {
            (Some(owner), _) => Self::One { wanted: owner.clone(), found: None, taken: 0, others: 0 },
            (None, true) => Self::Merged,
            (None, false) => Self::Own { me: None },
        }
    }

    /// Whether a row is taken; an error if it is unclear whether it should be.
    pub fn takes(&mut self, row: &Row, client: &mut Client) -> Result<bool, Failure> {
        // A name alone says whose a row is as well as an id does.
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
                    "row of owner {other}, but this member is {name}: `--owner {other}` takes the rows of \
                     that owner only, `--merge-owners` takes all rows as this member's own"
                );
                Err(Failure::new(text))
            }
            (Self::One { others, .. }, None) => {
                *others += 1;
                Ok(false)
            }
            (Self::One { wanted, found, taken, others }, Some(owner)) => {
                // A full id means that owner, whatever others are named.
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

    /// How many rows were left out, once all were read; an error if that was all of them.
    pub fn finish(&self) -> Result<u64, Failure> {
        match self {
            Self::One { wanted, taken: 0, .. } => {
                Err(Failure::Said(Exit::NotFound, format!("no row is of owner {wanted:?}")))
            }
            Self::One { others, .. } => Ok(*others),
            Self::Own { .. } | Self::Merged => Ok(0),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.parse::<MemberId>().is_ok()
}
