//! Grants: what the roster says of each member.
//!
//! The roster is the authority's own shard, one item `_sys/member/<id>` per member. Its value is a [`Grant`].

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::Hash,
    id::{MemberId, Name},
    item::Key,
    limits::{QUOTA_BYTES_DEFAULT, QUOTA_ITEMS_DEFAULT},
    time::Timestamp,
};
use alloc::{format, vec::Vec};

/// What keys of grants begin with; of meaning in the authority's shard only.
pub const GRANT_PREFIX: &str = "_sys/member/";

const GRANT_VERSION: u8 = 1;

/// What a member is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Owns a shard and holds those of the others.
    Member,
}

/// How much a member may hold, without the system's items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Live items.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { items: QUOTA_ITEMS_DEFAULT, bytes: QUOTA_BYTES_DEFAULT }
    }
}

/// Whether a member belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// It belongs.
    Active,
    /// It no longer belongs, and its shard stays for ever at exactly this head.
    Keep {
        /// The head's timestamp.
        timestamp: Timestamp,
        /// The head's root.
        root: Hash,
    },
    /// It no longer belongs, and everybody deletes its shard.
    Drop,
}

/// The roster's entry of one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Unique in the roster.
    pub name: Name,
    /// What it is there for.
    pub role: Role,
    /// How much it may hold; binds heads later than `granted`.
    pub quota: Quota,
    /// Whether it belongs.
    pub state: GrantState,
    /// When it was first granted: microseconds since 1970 on the authority's clock.
    pub granted: Timestamp,
}

impl Grant {
    /// The key of `member`'s entry.
    pub fn key(member: &MemberId) -> Key {
        Key::new(format!("{GRANT_PREFIX}{member}")).expect("64 bytes are a key")
    }

    /// Whose entry `key` is; `None` for another key.
    pub fn member_of(key: &str) -> Option<MemberId> {
        key.strip_prefix(GRANT_PREFIX)?.parse().ok()
    }

    /// Whether the member belongs.
    pub fn is_active(&self) -> bool {
        self.state == GrantState::Active
    }

    /// The value of the entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(GRANT_VERSION).prefixed(self.name.as_str().as_bytes());
        match self.role {
            Role::Member => out.byte(0),
        };
        out.varint(self.quota.items).varint(self.quota.bytes);
        match self.state {
            GrantState::Active => out.byte(0),
            GrantState::Keep { timestamp, root } => out.byte(1).fixed(timestamp.0).hash(&root),
            GrantState::Drop => out.byte(2),
        };
        out.fixed(self.granted.0);
        out.finish()
    }

    /// Reads what [`Grant::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let found = input.byte()?;
        if found != GRANT_VERSION {
            return Err(DecodeError::Version { found, known: GRANT_VERSION });
        }
        let name = input.name()?;
        let role = match input.byte()? {
            0 => Role::Member,
            _ => return Err(malformed("role")),
        };
        let quota = Quota { items: input.varint()?, bytes: input.varint()? };
        let state = match input.byte()? {
            0 => GrantState::Active,
            1 => GrantState::Keep { timestamp: Timestamp(input.fixed()?), root: input.hash()? },
            2 => GrantState::Drop,
            _ => return Err(malformed("grant state")),
        };
        let granted = Timestamp(input.fixed()?);
        input.end()?;
        Ok(Self { name, role, quota, state, granted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_survives_its_bytes() {
        for state in [
            GrantState::Active,
            GrantState::Drop,
            GrantState::Keep { timestamp: Timestamp(9), root: Hash([3; 32]) },
        ] {
            let name = Name::new("edge-1").unwrap();
            let grant =
                Grant { name, role: Role::Member, quota: Quota::default(), state, granted: Timestamp(5) };
            let bytes = grant.encode();
            assert_eq!(Grant::decode(&bytes), Ok(grant));
            assert!(Grant::decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
