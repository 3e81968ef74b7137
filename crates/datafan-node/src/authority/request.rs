//! Requests to an offline authority.

use super::text::{GRANT_ITEM_BYTES_MAX, TextError, from_text, text_max, to_text};
use datafan_core::{
    codec::{DecodeError, Reader, Writer},
    engine::Disposition,
    grant::Role,
    head::Head,
    id::MeshId,
    item::Item,
    limits::{ROSTER_CHANGES_MAX, ROSTER_ITEMS_MAX},
    message::{Delta, encode_delta},
    roster::{GrantChange, RosterChange},
    time::Timestamp,
};

/// The prefix of every request.
pub const REQUEST_PREFIX: &str = "datafan-request1";
/// Longest text of a request, for the largest mesh.
pub const REQUEST_TEXT_MAX: usize = text_max(REQUEST_PREFIX, REQUEST_BYTES_MAX);

/// A roster, and changes that take no more room than their entries.
const ROSTER_BYTES_MAX: usize = 16 + ROSTER_ITEMS_MAX * GRANT_ITEM_BYTES_MAX;
const REQUEST_BYTES_MAX: usize = 256 + ROSTER_BYTES_MAX + ROSTER_CHANGES_MAX * GRANT_ITEM_BYTES_MAX;

/// Roster changes to be signed, and the roster that they apply to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The mesh.
    pub mesh: MeshId,
    /// The roster that the requesting member holds, entries ascending by timestamp; `None` for a new mesh.
    pub roster: Option<(Head, Vec<Item>)>,
    /// The requested changes, in order.
    pub changes: Vec<RosterChange>,
    /// When it was made, by the clock of the requesting member.
    pub made: Timestamp,
}

impl Request {
    /// The text of the request.
    ///
    /// # Panics
    /// If there are more changes than [`ROSTER_CHANGES_MAX`].
    pub fn to_text(&self) -> String {
        assert!(self.changes.len() <= ROSTER_CHANGES_MAX, "the engine refuses more");
        let mut out = Writer::new();
        out.id(&self.mesh.0).fixed(self.made.0);
        out.option(self.roster.as_ref(), |out, (head, items)| {
            head.encode(out);
            out.prefixed(&encode_delta(Timestamp::ZERO, items, &[]));
        });
        out.list(&self.changes, write_change);
        to_text(REQUEST_PREFIX, &out.finish())
    }

    /// Parses a request; white space around it is ignored. Nothing in it is trusted yet.
    ///
    /// # Errors
    /// If the text is malformed.
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let bytes = from_text(REQUEST_PREFIX, REQUEST_TEXT_MAX, text)?;
        let mut input = Reader::new(&bytes);
        let mesh = MeshId(input.id()?);
        let made = Timestamp(input.fixed()?);
        let roster = input.option(|input| {
            let head = Head::decode(input)?;
            let body = input.prefixed("roster", ROSTER_BYTES_MAX)?;
            let (items, tombstones) = Delta::new(head, Timestamp::ZERO, body).contents()?;
            if tombstones.is_empty() { Ok((head, items)) } else { Err(malformed("roster")) }
        })?;
        let changes = input.list("changes", ROSTER_CHANGES_MAX, read_change)?;
        input.end()?;
        Ok(Self { mesh, roster, changes, made })
    }
}

fn write_change(out: &mut Writer, change: &RosterChange) {
    match change {
        RosterChange::Admit { id, name, terms } => {
            out.byte(0).id(id).prefixed(name.as_str().as_bytes());
            write_grant_change(out, terms);
        }
        RosterChange::Change { id, name, terms } => {
            out.byte(1).id(id).option(name.as_ref(), |out, name| {
                out.prefixed(name.as_str().as_bytes());
            });
            write_grant_change(out, terms);
        }
        RosterChange::Revoke { id, disposition, at } => {
            let kept = at.filter(|_| *disposition == Disposition::Keep);
            out.byte(2).id(id).option(kept.as_ref(), |out, (timestamp, root)| {
                out.fixed(timestamp.0).hash(root);
            });
        }
    }
}

fn read_change(input: &mut Reader<'_>) -> Result<RosterChange, DecodeError> {
    let tag = input.byte()?;
    let id = input.id()?;
    Ok(match tag {
        0 => RosterChange::Admit { id, name: input.name()?, terms: read_grant_change(input)? },
        1 => RosterChange::Change { id, name: input.option(Reader::name)?, terms: read_grant_change(input)? },
        2 => {
            let at = input.option(|input| Ok((Timestamp(input.fixed()?), input.hash()?)))?;
            let disposition = if at.is_some() { Disposition::Keep } else { Disposition::Drop };
            RosterChange::Revoke { id, disposition, at }
        }
        _ => return Err(malformed("change")),
    })
}

fn write_grant_change(out: &mut Writer, terms: &GrantChange) {
    out.option(terms.role.as_ref(), |out, role| {
        out.byte(u8::from(*role == Role::Reader));
    });
    for number in [terms.items, terms.bytes, terms.until.map(|until| until.0)] {
        out.option(number.as_ref(), |out, number| {
            out.varint(*number);
        });
    }
}

fn read_grant_change(input: &mut Reader<'_>) -> Result<GrantChange, DecodeError> {
    let role = input.option(Reader::flag)?;
    let role = role.map(|reader| if reader { Role::Reader } else { Role::Member });
    Ok(GrantChange {
        role,
        items: input.option(Reader::varint)?,
        bytes: input.option(Reader::varint)?,
        until: input.option(Reader::varint)?.map(Timestamp),
    })
}

fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::{hash::Hash, id::Name, identity::Identity};

    #[test]
    fn a_request_survives_its_text() {
        let id = Identity::from_secret(&[2; 32]).id();
        let name = Name::new("edge-1").unwrap();
        let all = GrantChange {
            role: Some(Role::Reader),
            items: Some(7),
            bytes: Some(300),
            until: Some(Timestamp::MAX),
        };
        let request = Request {
            mesh: MeshId(Identity::from_secret(&[1; 32]).id()),
            roster: None,
            changes: vec![
                RosterChange::Admit { id, name: name.clone(), terms: GrantChange::default() },
                RosterChange::Change { id, name: Some(name), terms: all },
                RosterChange::Change {
                    id,
                    name: None,
                    terms: GrantChange { role: Some(Role::Member), ..all },
                },
                RosterChange::Revoke { id, disposition: Disposition::Drop, at: None },
                RosterChange::Revoke {
                    id,
                    disposition: Disposition::Keep,
                    at: Some((Timestamp(9), Hash([3; 32]))),
                },
            ],
            made: Timestamp(5),
        };
        assert_eq!(Request::from_text(&request.to_text()), Ok(request));
    }
}
