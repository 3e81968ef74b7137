//! Invitations as text. The first byte selects whether the rest is the text, or the content that a ticket's
//! checksum covers: no fuzzer guesses a checksum.

use crate::corpus::Seed;
use datafan_core::{
    base32,
    hash::Hasher,
    id::{MeshId, Name},
    identity::Identity,
    time::Timestamp,
};
use datafan_node::ticket::{CHECKSUM_BYTES, TICKET_PREFIX, TICKET_TEXT_MAX, Ticket};

/// Parses a ticket; a parsed one has exactly this text, and shows its secret nowhere else.
pub fn attack(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 2 {
        0 => read(&String::from_utf8_lossy(bytes)),
        _ => read(&sealed(bytes)),
    }
}

fn read(text: &str) {
    match text.parse::<Ticket>() {
        Ok(ticket) => {
            assert_eq!(ticket.to_text().as_str(), text.trim(), "a ticket has one text");
            assert!(text.trim().len() <= TICKET_TEXT_MAX);
            let secret = base32::encode(&*ticket.member.secret());
            assert!(!format!("{ticket:?}").contains(&secret), "the secret stays hidden");
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains('\n') && error.len() < 500, "one line: {error:?}");
        }
    }
}

/// The text of the ticket with this content.
fn sealed(content: &[u8]) -> String {
    let hash = Hasher::new(Hasher::TICKET).bytes(content).finish();
    let bytes = [content, &hash.0[..CHECKSUM_BYTES]].concat();
    [TICKET_PREFIX, &base32::encode(&bytes)].concat()
}

/// Tickets in both forms, and texts that are not tickets.
pub fn seeds() -> Vec<Seed> {
    let ticket = |name: &str, addresses: &[&str]| Ticket {
        mesh: MeshId(Identity::from_secret(&[1; 32]).id()),
        member: Identity::from_secret(&[2; 32]),
        roster: Timestamp(1_700_000_000_000_000),
        expiry: (name.len() > 1).then_some(Timestamp(1_700_600_000_000_000)),
        name: Name::new(name).expect("a name"),
        addresses: addresses.iter().map(|address| (*address).into()).collect(),
    };
    let mut seeds = Vec::new();
    for ticket in [ticket("a", &[]), ticket("edge-1", &["10.0.0.1:7400", "[::1]:7400", "host.example:1"])] {
        let text = ticket.to_text();
        let name = ticket.name.as_str();
        let content = base32::decode(&text[TICKET_PREFIX.len()..]).expect("base32");
        let content = &content[..content.len() - CHECKSUM_BYTES];
        seeds.push((format!("text-{name}"), [&[0], text.as_bytes()].concat()));
        seeds.push((format!("content-{name}"), [&[1], content].concat()));
    }
    seeds.push(("no-ticket".to_owned(), b"\0datafan1 ".to_vec()));
    seeds
}
