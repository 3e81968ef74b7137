//! Grants: what the roster says of each member.
//!
//! The roster is the authority's own shard. It has one item `_sys/member/<id>` per member, whose value is a
//! [`Grant`].

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::Hash,
    id::{MemberId, Name},
    item::Key,
    limits::{QUOTA_BYTES_DEFAULT, QUOTA_ITEMS_DEFAULT},
    time::Timestamp,
};
use alloc::{format, vec::Vec};
use core::{fmt, str::FromStr};

/// The prefix of keys of grants. Such keys have a meaning only in the authority's shard.
pub const GRANT_PREFIX: &str = "_sys/member/";

/// This version cannot express readers and invitations. It is written wherever it suffices, so that older
/// builds can read the entry.
const GRANT_VERSION_FIRST: u8 = 1;
const GRANT_VERSION: u8 = 2;

/// The role of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The member owns a shard and holds those of all others.
    Member,
    /// The member holds and relays all shards but has none of its own: every member refuses its heads.
    Reader,
    /// A role of a newer build, by its byte (2 or more). This build treats it as [`Role::Member`]: it cannot
    /// enforce what the role forbids, but it still relays the member's data.
    Other(u8),
}

impl Role {
    /// Whether a member with this role may own a shard.
    pub fn owns(self) -> bool {
        self != Self::Reader
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member => f.write_str("member"),
            Self::Reader => f.write_str("reader"),
            Self::Other(byte) => write!(f, "role-{byte}"),
        }
    }
}

/// The text does not name a role that can be granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a role is member or reader")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "member" => Ok(Self::Member),
            "reader" => Ok(Self::Reader),
            _ => Err(RoleError),
        }
    }
}

/// How much a member may store in its shard. System items do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Maximum number of live items.
    pub items: u64,
    /// Maximum bytes of their keys and values.
    pub bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { items: QUOTA_ITEMS_DEFAULT, bytes: QUOTA_BYTES_DEFAULT }
    }
}

/// The state of a membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// The member is active.
    Active,
    /// The member was invited. It becomes active when it joins, which it can do until `until`.
    Invited {
        /// When the invitation expires: microseconds since 1970 on the clock of the member that accepts it.
        until: Timestamp,
    },
    /// The member was revoked. Its shard is kept forever at exactly this head.
    Keep {
        /// The head's timestamp.
        timestamp: Timestamp,
        /// The head's root.
        root: Hash,
    },
    /// The member was revoked. Every member deletes its shard.
    Drop,
}

impl GrantState {
    /// Whether the member is active or invited.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active | Self::Invited { .. })
    }
}

/// The roster's entry for one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The member's name, unique in the roster.
    pub name: Name,
    /// The member's role.
    pub role: Role,
    /// How much it may store. The quota applies to heads later than `granted`.
    pub quota: Quota,
    /// The state of the membership.
    pub state: GrantState,
    /// When the grant was made or its quota last changed: microseconds since 1970 on the authority's clock.
    pub granted: Timestamp,
}

impl Grant {
    /// The key of `member`'s entry.
    pub fn key(member: &MemberId) -> Key {
        Key::new(format!("{GRANT_PREFIX}{member}")).expect("64 bytes are a key")
    }

    /// The member whose entry has this key; `None` if the key is not an entry's.
    pub fn member_of(key: &str) -> Option<MemberId> {
        key.strip_prefix(GRANT_PREFIX)?.parse().ok()
    }

    /// Whether the member is active or invited.
    pub fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// The encoded value of the entry.
    pub fn encode(&self) -> Vec<u8> {
        let invited = matches!(self.state, GrantState::Invited { .. });
        let first = self.role == Role::Member && !invited;
        let mut out = Writer::new();
        out.byte(if first { GRANT_VERSION_FIRST } else { GRANT_VERSION });
        out.prefixed(self.name.as_str().as_bytes());
        out.byte(match self.role {
            Role::Member => 0,
            Role::Reader => 1,
            Role::Other(byte) => byte,
        });
        out.varint(self.quota.items).varint(self.quota.bytes);
        match self.state {
            GrantState::Active => out.byte(0),
            GrantState::Keep { timestamp, root } => out.byte(1).fixed(timestamp.0).hash(&root),
            GrantState::Drop => out.byte(2),
            GrantState::Invited { until } => out.byte(3).fixed(until.0),
        };
        out.fixed(self.granted.0);
        out.finish()
    }

    /// Decodes what [`Grant::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let found = input.byte()?;
        if found != GRANT_VERSION_FIRST && found != GRANT_VERSION {
            return Err(DecodeError::Version { found, known: GRANT_VERSION });
        }
        let name = input.name()?;
        let role = match input.byte()? {
            0 => Role::Member,
            1 => Role::Reader,
            byte => Role::Other(byte),
        };
        let quota = Quota { items: input.varint()?, bytes: input.varint()? };
        let state = match input.byte()? {
            0 => GrantState::Active,
            1 => GrantState::Keep { timestamp: Timestamp(input.fixed()?), root: input.hash()? },
            2 => GrantState::Drop,
            3 => GrantState::Invited { until: Timestamp(input.fixed()?) },
            _ => return Err(malformed("grant state")),
        };
        let granted = Timestamp(input.fixed()?);
        input.end()?;
        let first = role == Role::Member && !matches!(state, GrantState::Invited { .. });
        if first != (found == GRANT_VERSION_FIRST) {
            return Err(malformed("grant version"));
        }
        Ok(Self { name, role, quota, state, granted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role, state: GrantState) -> Grant {
        let name = Name::new("edge-1").unwrap();
        Grant { name, role, quota: Quota { items: 300, bytes: 5 }, state, granted: Timestamp(5) }
    }

    const STATES: [GrantState; 4] = [
        GrantState::Active,
        GrantState::Drop,
        GrantState::Keep { timestamp: Timestamp(9), root: Hash([3; 32]) },
        GrantState::Invited { until: Timestamp(7) },
    ];

    #[test]
    fn a_grant_decodes_to_itself() {
        for role in [Role::Member, Role::Reader, Role::Other(9)] {
            for grant in STATES.map(|state| grant(role, state)) {
                let bytes = grant.encode();
                assert_eq!(Grant::decode(&bytes).as_ref(), Ok(&grant));
                assert!(Grant::decode(&bytes[..bytes.len() - 1]).is_err());
                let other = [&[3 - bytes[0]], &bytes[1..]].concat();
                assert!(Grant::decode(&other).is_err(), "{grant:?} has only one encoding");
            }
        }
        let newer = [&[3], &grant(Role::Reader, GrantState::Active).encode()[1..]].concat();
        assert_eq!(Grant::decode(&newer), Err(DecodeError::Version { found: 3, known: 2 }));
    }

    #[test]
    fn first_version_grants_keep_their_encoding() {
        let hex = |grant: Grant| {
            grant.encode().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
        };
        let golden = [
            (grant(Role::Member, GrantState::Active), "0106656467652d3100ac0205000000000000000005"),
            (grant(Role::Member, GrantState::Drop), "0106656467652d3100ac0205020000000000000005"),
            (grant(Role::Reader, GrantState::Active), "0206656467652d3101ac0205000000000000000005"),
            (grant(Role::Member, STATES[3]), "0206656467652d3100ac02050300000000000000070000000000000005"),
        ];
        for (grant, bytes) in golden {
            assert_eq!(hex(grant), bytes);
        }
    }

    #[test]
    fn roles_have_names() {
        for role in [Role::Member, Role::Reader] {
            assert_eq!(format!("{role}").parse(), Ok(role));
        }
        assert_eq!("king".parse::<Role>(), Err(RoleError));
    }
}
