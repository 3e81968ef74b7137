//! Requests to an offline authority, and the rosters that it signs, as text. The first byte selects whether
//! the rest is the text, or the content that the checksum of a request or a signed roster covers: no fuzzer
//! guesses a checksum.

use crate::corpus::Seed;
use datafan_core::{
    base32,
    engine::Disposition,
    grant::Role,
    hash::{Hash, Hasher},
    id::{MeshId, Name},
    identity::Identity,
    message::Message,
    roster::{GrantChange, RosterChange},
    time::Timestamp,
};
use datafan_node::authority::{
    Force, REQUEST_PREFIX, REQUEST_TEXT_MAX, Request, SIGNED_PREFIX, Signing, TextError, signed_from_text,
    signed_to_text,
};

/// Parses a request and signs it if possible: a parsed request has exactly this text, and the result is a
/// message.
pub fn attack(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 3 {
        0 => read(&String::from_utf8_lossy(bytes)),
        1 => read(&sealed(REQUEST_PREFIX, bytes)),
        _ => read(&sealed(SIGNED_PREFIX, bytes)),
    }
}

fn read(text: &str) {
    match signed_from_text(text) {
        Ok(bytes) => assert_eq!(signed_to_text(&bytes), text.trim(), "a signed roster has one text"),
        Err(error) => one_line(&error),
    }
    match Request::from_text(text) {
        Ok(request) => {
            assert_eq!(request.to_text(), text.trim(), "a request has one text");
            assert!(text.trim().len() <= REQUEST_TEXT_MAX);
            sign(request);
        }
        Err(error) => one_line(&error),
    }
}

fn one_line(error: &TextError) {
    let error = error.to_string();
    assert!(!error.contains('\n') && error.len() < 500, "one line: {error:?}");
}

fn sign(request: Request) {
    let (key, now) = (authority(), Timestamp(1_700_000_000_000_000));
    let Ok(signing) = Signing::new(request, &key, None, Force::Yes, now) else { return };
    let (record, signed) = signing.sign(&key);
    assert_eq!(record.signed, Some(signed.head.order()));
    let Ok(Message::Push(delta)) = Message::decode(&signed.message) else { panic!("a roster is a push") };
    let (items, _) = delta.contents().expect("a sound delta");
    assert_eq!(items.len(), signing.changes().count(), "what was shown is what is signed");
}

fn authority() -> Identity {
    Identity::from_secret(&[1; 32])
}

/// The text with this content.
fn sealed(prefix: &str, content: &[u8]) -> String {
    let hash = Hasher::new(Hasher::TICKET).bytes(prefix.as_bytes()).bytes(content).finish();
    let bytes = [content, &hash.0[..CHECKSUM_BYTES]].concat();
    [prefix, &base32::encode(&bytes)].concat()
}

const CHECKSUM_BYTES: usize = 5;

/// A request that creates a mesh, one that is based on the signed result, and that result; as text and as
/// content.
pub fn seeds() -> Vec<Seed> {
    let (key, made) = (authority(), Timestamp(1_600_000_000_000_000));
    let id = |n: u8| Identity::from_secret(&[n; 32]).id();
    let name = |text: &str| Name::new(text).expect("a name");
    let terms = GrantChange { role: Some(Role::Reader), items: Some(5), bytes: None, until: Some(made) };
    let changes = vec![
        RosterChange::Admit { id: id(2), name: name("a"), terms: GrantChange::default() },
        RosterChange::Admit { id: id(3), name: name("edge-1"), terms },
    ];
    let first = Request { mesh: MeshId(key.id()), roster: None, changes, made };
    let signing = Signing::new(first.clone(), &key, None, Force::Yes, made).expect("a sound request");
    let (_, signed) = signing.sign(&key);
    let Ok(Message::Push(delta)) = Message::decode(&signed.message) else { unreachable!("a push") };
    let items = delta.contents().expect("a sound delta").0;
    let changes = vec![
        RosterChange::Change { id: id(3), name: Some(name("b")), terms },
        RosterChange::Revoke { id: id(2), disposition: Disposition::Keep, at: Some((made, Hash([7; 32]))) },
        RosterChange::Revoke { id: id(2), disposition: Disposition::Drop, at: None },
    ];
    let second = Request { roster: Some((signed.head, items)), changes, ..first.clone() };
    let texts = [
        ("first", 1, REQUEST_PREFIX, first.to_text()),
        ("second", 1, REQUEST_PREFIX, second.to_text()),
        ("signed", 2, SIGNED_PREFIX, signed_to_text(&signed.message)),
    ];
    let mut seeds = Vec::new();
    for (name, form, prefix, text) in texts {
        let content = base32::decode(&text[prefix.len()..]).expect("base32");
        let content = &content[..content.len() - CHECKSUM_BYTES];
        seeds.push((format!("text-{name}"), [&[0], text.as_bytes()].concat()));
        seeds.push((format!("content-{name}"), [&[form], content].concat()));
    }
    seeds
}
