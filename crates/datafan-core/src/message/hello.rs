//! The first message on a link.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    connector::Address,
    head::Head,
    id::{MeshId, Name},
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, HELLO_HEADS_MAX},
    runs::RunId,
    time::Timestamp,
};
use alloc::vec::Vec;

/// Identifies the sender and carries what both sides need to know first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The sender's mesh. A Hello of another mesh is refused.
    pub mesh: MeshId,
    /// The name that the sender asks for, shown in the list of pending members.
    pub name: Name,
    /// The head of the sender's roster.
    pub roster: Option<Head>,
    /// The heads that the sender holds of the receiver's own shards.
    pub yours: Vec<Head>,
    /// The sender's wall clock.
    pub wall: Timestamp,
    /// The sender's run, drawn when its engine was opened. Two processes with the same key have different
    /// runs.
    pub run: RunId,
    /// How long that process has run, in microseconds.
    pub age_micros: u64,
    /// Addresses at which the sender can be dialled.
    pub addresses: Vec<Address>,
    /// The sender has fewer links than its minimum. Some links are reserved for such peers.
    pub below_minimum: bool,
}

impl Hello {
    pub(super) fn encode(&self, out: &mut Writer) {
        out.id(&self.mesh.0).prefixed(self.name.as_str().as_bytes());
        out.option(self.roster.as_ref(), |out, head| head.encode(out));
        out.list(&self.yours, |out, head| head.encode(out));
        out.fixed(self.wall.0).raw(&self.run.0).fixed(self.age_micros);
        out.list(&self.addresses, |out, address| {
            out.prefixed(address.as_bytes());
        });
        out.byte(self.below_minimum.into());
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            mesh: MeshId(input.id()?),
            name: input.name()?,
            roster: input.option(Head::decode)?,
            yours: input.list("heads", HELLO_HEADS_MAX, Head::decode)?,
            wall: Timestamp(input.fixed()?),
            run: RunId(input.array()?),
            age_micros: input.fixed()?,
            addresses: decode_addresses(input)?,
            below_minimum: input.flag()?,
        })
    }
}

/// Decodes a list of addresses: a count, then a length and the text of each.
pub(crate) fn decode_addresses(input: &mut Reader<'_>) -> Result<Vec<Address>, DecodeError> {
    input
        .list("addresses", ADDRESSES_MAX, |input| input.text("address", ADDRESS_BYTES_MAX).map(Address::from))
}

/// Why a link is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Refusal {
    /// The peer belongs to another mesh.
    OtherMesh = 1,
    /// The peer is not in the roster.
    NotAdmitted = 2,
    /// The peer was revoked.
    Revoked = 3,
    /// The sender has the maximum number of links.
    Busy = 4,
    /// A message broke the format.
    Malformed = 5,
    /// The peer's invitation expired before it joined.
    InvitationExpired = 6,
    /// Both sides have enough links and are connected without this one.
    Surplus = 7,
}

impl Refusal {
    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            1 => Self::OtherMesh,
            2 => Self::NotAdmitted,
            3 => Self::Revoked,
            4 => Self::Busy,
            5 => Self::Malformed,
            6 => Self::InvitationExpired,
            7 => Self::Surplus,
            _ => return Err(malformed("refusal")),
        })
    }

    /// The name of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherMesh => "other_mesh",
            Self::NotAdmitted => "not_admitted",
            Self::Revoked => "revoked",
            Self::Busy => "busy",
            Self::Malformed => "malformed",
            Self::InvitationExpired => "invitation_expired",
            Self::Surplus => "surplus",
        }
    }

    /// The cause and the remedy, for the refused member.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OtherMesh => "the peer belongs to another mesh: check the mesh id or the ticket",
            Self::NotAdmitted => {
                "not in the roster: run `datafan admit ID --name NAME` where authority.key is"
            }
            Self::Revoked => "this member was revoked: ask for an invitation with a new key",
            Self::Busy => "the peer has as many links as it takes: it will be dialled again later",
            Self::InvitationExpired => {
                "the invitation has ended: ask for a new one, or for `datafan grant NAME --expires 7d` where \
                 authority.key is"
            }
            Self::Surplus => "both sides have links enough without this one",
            Self::Malformed => "the peer could not read our message: do both run the same version?",
        }
    }
}
