//! The first message of both sides of a connection, and the names of runs and links in it.

use datafan_core::id::MemberId;

/// The first message of both sides; the dialler sends it on a stream that it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    /// The sender's run.
    pub(crate) run: Run,
    /// The last link with the receiver that ended here. The member with the higher id sends it, so that the
    /// other does not keep a link that only it still believes in.
    pub(crate) ended: LinkId,
}

/// The name of a link: who decided for it, in which run, and a number that grows within the run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct LinkId {
    /// The run of the member with the lower id.
    pub(crate) run: Run,
    /// Counted from 1 by that run.
    pub(crate) number: u64,
}

/// A random number of each run of a member, so that others can tell a restart from a second dial.
pub(crate) type Run = [u8; 16];

/// The decision about a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Greeted {
    /// It becomes a link.
    Link,
    /// There already is a link with this peer, which is kept.
    Linked(MemberId),
}

impl Hello {
    pub(crate) const BYTES: usize = 1 + 16 + 16 + 8;
    const VERSION: u8 = 1;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [Self::VERSION; Self::BYTES];
        bytes[1..17].copy_from_slice(&self.run);
        bytes[17..33].copy_from_slice(&self.ended.run);
        bytes[33..].copy_from_slice(&self.ended.number.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, String> {
        if bytes[0] != Self::VERSION {
            return Err(format!("greeting of version {}, this is version {}", bytes[0], Self::VERSION));
        }
        let run = |from: usize| std::array::from_fn(|i| bytes[from + i]);
        let number = u64::from_be_bytes(std::array::from_fn(|i| bytes[33 + i]));
        Ok(Self { run: run(1), ended: LinkId { run: run(17), number } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_has_these_bytes() {
        let hello = Hello { run: [1; 16], ended: LinkId { run: [2; 16], number: 0x0304 } };
        let bytes = hello.to_bytes();
        assert_eq!(bytes[..], [&[1][..], &[1; 16], &[2; 16], &[0, 0, 0, 0, 0, 0, 3, 4]].concat());
        assert_eq!(Hello::from_bytes(&bytes), Ok(hello));
        let mut newer = bytes;
        newer[0] = 2;
        assert!(Hello::from_bytes(&newer).unwrap_err().contains("version 2"));
    }
}
