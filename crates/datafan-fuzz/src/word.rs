//! Ids, names, keys and addresses as text, as the command line and the HTTP API receive them.

use crate::corpus::Seed;
use datafan_core::{
    base32,
    grant::Grant,
    id::{MemberId, MeshId, Name},
    identity::{self, Identity, Strict, Verifier},
    item::Key,
    limits::{ADDRESS_BYTES_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX},
};
use datafan_node::ticket::is_host_and_port;

/// Parses `bytes` as each kind of word; a parsed word has exactly this text.
pub fn attack(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<MemberId>() {
        assert_eq!(id.to_string(), text, "an id has one text");
        assert_eq!(text.parse(), Ok(MeshId(id)));
        assert_eq!(Grant::member_of(Grant::key(&id).as_str()), Some(id));
        // Any 32 bytes are inspected: a point, not a point, or one that nobody may use.
        let admissible = identity::is_admissible(&id);
        assert!(!(admissible && Strict.verify(&id, b"", &[0; 64])), "nobody signed this");
    }
    if let Ok(name) = Name::new(text) {
        assert!(name.as_str() == text && text.len() <= NAME_BYTES_MAX);
    }
    if let Ok(key) = Key::new(text) {
        assert!(key.as_str() == text && (1..=KEY_BYTES_MAX).contains(&text.len()));
    }
    if let Some(decoded) = base32::decode(text) {
        assert_eq!(base32::encode(&decoded), text, "bytes have one text");
    }
    if is_host_and_port(text) {
        assert!(text.len() <= ADDRESS_BYTES_MAX && text.contains(':'));
        assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control()), "{text:?}");
    }
}

/// Valid words and almost valid ones.
pub fn seeds() -> Vec<Seed> {
    let id = Identity::from_secret(&[1; 32]).id().to_string();
    let words = [
        ("id", id.clone()),
        ("id-stray", [&id[..51], "b"].concat()),
        ("id-zero", MemberId([0; 32]).to_string()),
        ("grant", format!("_sys/member/{id}")),
        ("name", "edge-7".to_owned()),
        ("name-longest", "n".repeat(NAME_BYTES_MAX)),
        ("key", "ключ/鍵\u{0}".to_owned()),
        ("key-longest", "k".repeat(KEY_BYTES_MAX)),
        ("address", "host.example:65535".to_owned()),
        ("address-6", "[2001:db8::1]:7400".to_owned()),
        ("base32", "mzxw6ytboi".to_owned()),
    ];
    words.map(|(name, text)| (name.to_owned(), text.into_bytes())).into()
}
