//! Tickets: a complete invitation on one line, for one machine.
//!
//! The text is `datafan1` and the base32 of: mesh (32 bytes), secret key (32), roster timestamp (8,
//! big-endian), expiry (8, 0 for none), name (length and bytes), addresses (count, then length and bytes
//! each), and the first [`CHECKSUM_BYTES`] bytes of the hash of all that. Each ticket has exactly one text.
//! Whoever has the text can act as the member, so keep it like a key.

use datafan_core::{
    base32,
    codec::{DecodeError, Reader, Writer},
    connector::Address,
    hash::Hasher,
    id::{MeshId, Name},
    identity::Identity,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, NAME_BYTES_MAX},
    roster::{IdRole, role_of},
    time::Timestamp,
};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// The prefix of every ticket; the digit is the version of the format.
pub const TICKET_PREFIX: &str = "datafan1";
/// Bytes of the checksum at the end: an incomplete copy passes with probability 2^-40.
pub const CHECKSUM_BYTES: usize = 5;
/// Longest text of a ticket.
pub const TICKET_TEXT_MAX: usize = TICKET_PREFIX.len() + TICKET_BYTES_MAX.div_ceil(5) * 8;

const TICKET_BYTES_MAX: usize =
    32 + 32 + 8 + 8 + 2 + NAME_BYTES_MAX + 2 + ADDRESSES_MAX * (2 + ADDRESS_BYTES_MAX) + CHECKSUM_BYTES;

/// An invitation: everything that a new member needs. `Debug` does not show the secret.
#[derive(Clone)]
pub struct Ticket {
    /// The mesh to join.
    pub mesh: MeshId,
    /// The member's key, already admitted.
    pub member: Identity,
    /// The oldest roster to accept: the one in which the member was admitted.
    pub roster: Timestamp,
    /// Until when the ticket can be used; `None` means forever.
    pub expiry: Option<Timestamp>,
    /// The member's name.
    pub name: Name,
    /// The first addresses to dial, at most [`ADDRESSES_MAX`].
    pub addresses: Vec<Address>,
}

/// Why a text is not a ticket.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// It does not start with the prefix.
    #[error("not a ticket: a ticket starts with {TICKET_PREFIX}")]
    Prefix,
    /// It is longer than any ticket.
    #[error("the ticket is {len} characters, limit {TICKET_TEXT_MAX}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has a character that is not base32, or its last one has stray bits.
    #[error("the ticket has invalid characters: copy it again")]
    Characters,
    /// The checksum does not match.
    #[error("the ticket's checksum does not match: copy it again")]
    Checksum,
    /// The checksum matches, but the content is malformed.
    #[error("the ticket is malformed: {0}")]
    Content(#[from] DecodeError),
    /// Its member has the mesh's own key.
    #[error("the ticket has the key of the mesh itself, but a member needs its own key")]
    AuthorityKey,
    /// An address is not of the form `HOST:PORT`.
    #[error("the ticket's address {0:?} is not HOST:PORT")]
    Address(String),
}

impl Ticket {
    /// The text of the ticket. Wiped from memory when dropped.
    ///
    /// # Panics
    /// If there are more than [`ADDRESSES_MAX`] addresses, or one is longer than [`ADDRESS_BYTES_MAX`].
    pub fn to_text(&self) -> Zeroizing<String> {
        assert!(self.addresses.len() <= ADDRESSES_MAX, "a ticket has at most {ADDRESSES_MAX} addresses");
        assert!(self.addresses.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX), "address too long");
        let mut out = Writer::new();
        out.id(&self.mesh.0).raw(&*self.member.secret());
        out.fixed(self.roster.0).fixed(self.expiry.unwrap_or_default().0);
        out.prefixed(self.name.as_str().as_bytes());
        out.list(&self.addresses, |out, address| {
            out.prefixed(address.as_bytes());
        });
        let mut bytes = Zeroizing::new(out.finish());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let body = Zeroizing::new(base32::encode(&bytes));
        Zeroizing::new([TICKET_PREFIX, &body].concat())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Parses a ticket; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        let body = text.strip_prefix(TICKET_PREFIX).ok_or(TicketError::Prefix)?;
        if text.len() > TICKET_TEXT_MAX {
            return Err(TicketError::TooLong { len: text.len() });
        }
        let bytes = Zeroizing::new(base32::decode(body).ok_or(TicketError::Characters)?);
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TicketError::Checksum)?;
        let (content, sum) = bytes.split_at(split);
        if checksum(content) != sum {
            return Err(TicketError::Checksum);
        }
        read(content)
    }
}

fn read(content: &[u8]) -> Result<Ticket, TicketError> {
    let mut input = Reader::new(content);
    let mesh = MeshId(input.id()?);
    let member = Identity::from_secret(&Zeroizing::new(input.array::<32>()?));
    let roster = Timestamp(input.fixed()?);
    let expiry = Some(Timestamp(input.fixed()?)).filter(|expiry| *expiry != Timestamp::ZERO);
    let name = input.name()?;
    let addresses = input.list("addresses", ADDRESSES_MAX, |input| {
        input.text("address", ADDRESS_BYTES_MAX).map(Address::from)
    })?;
    input.end()?;
    if let Some(bad) = addresses.iter().find(|address| !is_host_and_port(address)) {
        return Err(TicketError::Address(bad.to_string()));
    }
    if role_of(&mesh, &member.id()) == IdRole::Authority {
        return Err(TicketError::AuthorityKey);
    }
    Ok(Ticket { mesh, member, roster, expiry, name, addresses })
}

/// Whether `text` has the form `HOST:PORT` (`[IPV6]:PORT`), with a port other than 0.
pub fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port_fits =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let host_fits = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)),
    };
    port_fits && host_fits && text.len() <= ADDRESS_BYTES_MAX
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({} {:?} of {:?} at {:?})", self.name, self.member.id(), self.mesh, self.addresses)
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hasher::new(Hasher::TICKET).bytes(content).finish();
    std::array::from_fn(|at| hash.0[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            mesh: MeshId(Identity::from_secret(&[1; 32]).id()),
            member: Identity::from_secret(&[2; 32]),
            roster: Timestamp(1_700_000_000_000_000),
            expiry: Some(Timestamp(1_700_600_000_000_000)),
            name: Name::new("edge-1").unwrap(),
            addresses: vec!["10.0.0.1:7400".into(), "[::1]:7400".into()],
        }
    }

    const GOLDEN: &str = "datafan1rkeohxlubhyzl7ks3mwtzos5olfgocn7dwkbeg7toseadnapn5oaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqaayfciga6iaaaabqkv7fopmaaazswiz3ffuyqedjrgaxdalrqfyytunzugayauwz2hiyv2orxgqydatnki4rzo";

    #[test]
    fn a_ticket_has_one_text() {
        let text = ticket().to_text();
        assert_eq!(*text, GOLDEN);
        let read: Ticket = format!(" {GOLDEN}\n").parse().unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.member.id(), ticket().member.id());
    }

    #[test]
    fn any_changed_character_is_noticed() {
        for at in 0..GOLDEN.len() {
            let other = if GOLDEN.as_bytes()[at] == b'q' { "r" } else { "q" };
            let changed = [&GOLDEN[..at], other, &GOLDEN[at + 1..]].concat();
            assert!(changed.parse::<Ticket>().is_err(), "{changed}");
            assert!(GOLDEN[..at].parse::<Ticket>().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text: &str| text.parse::<Ticket>().unwrap_err();
        assert_eq!(error("hello"), TicketError::Prefix);
        assert_eq!(error("datafan1HELLO"), TicketError::Characters);
        assert_eq!(error(&GOLDEN[..GOLDEN.len() - 8]), TicketError::Checksum);
        assert_eq!(error(&format!("datafan1{}", "a".repeat(9_999))), TicketError::TooLong { len: 10_007 });
    }

    #[test]
    fn the_longest_ticket_fits_its_limit() {
        let address = Address::from(format!("{}:65535", "a".repeat(ADDRESS_BYTES_MAX - 6)));
        let name = Name::new(&"n".repeat(NAME_BYTES_MAX)).unwrap();
        let longest = Ticket { name, addresses: vec![address; ADDRESSES_MAX], ..ticket() };
        let text = longest.to_text();
        assert!(text.len() <= TICKET_TEXT_MAX);
        assert!(text.parse::<Ticket>().is_ok());
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["a:1", "host.example:65535", "[::1]:7400", "1.2.3.4:5"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in ["", "a", "a:", ":1", "a:0", "a:65536", "a:+1", "::1:7400", "[::1]", "a b:1", "a\n:1"] {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }

    #[test]
    fn a55_a_ticket_whose_key_is_the_meshs_own_is_refused() {
        let member = Identity::from_secret(&[1; 32]);
        let text = Ticket { member, ..ticket() }.to_text();
        assert_eq!(text.parse::<Ticket>().unwrap_err(), TicketError::AuthorityKey);
    }

    #[test]
    fn debug_keeps_the_secret() {
        let shown = format!("{:?}", ticket());
        let secret = base32::encode(&*ticket().member.secret());
        assert!(!shown.contains(&secret) && !shown.contains("[2, 2"), "{shown}");
    }
}
