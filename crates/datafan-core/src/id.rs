//! Identifiers: members and meshes by their public keys, and names for people.

use crate::{base32, limits::NAME_BYTES_MAX};
use alloc::{string::String, sync::Arc};
use core::{fmt, str::FromStr};

/// A member (or any other owner of a shard): the 32 bytes of an Ed25519 public key.
///
/// The text form is 52 characters of lower-case base32; the short form is the first 8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub [u8; 32]);

/// A mesh: the public key of its authority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeshId(pub MemberId);

impl MemberId {
    /// The first 8 characters of the text form. For people; not unique.
    pub fn short(&self) -> String {
        let mut text = base32::encode(&self.0);
        text.truncate(8);
        text
    }
}

impl MeshId {
    /// The owner of the roster: the authority, whose key names the mesh.
    pub fn authority(&self) -> MemberId {
        self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::encode(&self.0))
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Display for MeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mesh {}", self.0.short())
    }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 52 characters of a-z and 2-7, all of them significant")]
pub struct IdError;

impl FromStr for MemberId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 52 {
            return Err(IdError);
        }
        let bytes = base32::decode(text).ok_or(IdError)?;
        Ok(Self(bytes.try_into().map_err(|_| IdError)?))
    }
}

impl FromStr for MeshId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

/// The human name of a member: 1 to 63 characters of `a-z`, `0-9` and `-`, unique in its mesh.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// The text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {NAME_BYTES_MAX} characters of a-z, 0-9 and -")]
pub struct NameError;

impl Name {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && clean { Ok(Self(text.into())) } else { Err(NameError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name reads as a full id. Such a name cannot be granted, because a full id always refers to
    /// the member with that id.
    pub fn is_id(&self) -> bool {
        self.0.parse::<MemberId>().is_ok()
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_has_one_text() {
        let id = MemberId([0xa5; 32]);
        let text = id.to_string();
        assert_eq!(text.len(), 52);
        assert_eq!(text.parse(), Ok(id));
        let stray = text[..51].to_string() + "b";
        assert_eq!(stray.parse::<MemberId>(), Err(IdError));
        assert_eq!(text.to_uppercase().parse::<MemberId>(), Err(IdError));
    }

    #[test]
    fn names_are_checked() {
        assert!(Name::new("edge-7").is_ok() && Name::new(&"a".repeat(63)).is_ok());
        for bad in ["", "A", "a b", "ü", &"a".repeat(64)] {
            assert_eq!(Name::new(bad), Err(NameError), "{bad}");
        }
        let id = MemberId([0xa5; 32]).to_string();
        assert!(Name::new(&id).unwrap().is_id() && !Name::new(&id[..8]).unwrap().is_id());
    }
}
