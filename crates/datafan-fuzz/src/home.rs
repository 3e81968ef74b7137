//! The files of a member's directory: the first byte selects the file whose content is the rest.

use crate::corpus::Seed;
use datafan_core::{base32, identity::Identity};
use datafan_node::{Home, KeyKind};
use std::{fs, path::Path};
use tempfile::TempDir;

thread_local! {
    static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory for temporary files");
}

/// Reads the file; an error is one line that names it.
pub fn attack(bytes: &[u8]) {
    let Some((file, content)) = bytes.split_first() else { return };
    DIRECTORY.with(|directory| {
        let home = Home::new(directory.path());
        match file % 3 {
            0 => {
                write(&home.membership_path(), content);
                let name = home.membership().map(|read| read.map(|read| read.name.as_str().len()));
                judge(name, "member.json");
            }
            1 => {
                write(&home.member_key_path(), content);
                judge(home.member_key().map(|key| key.map(|key| key_text(&key, content))), "member.key");
            }
            _ => {
                write(&home.authority_key_path(), content);
                let read = home.authority_key().map(|key| key.map(|key| key_text(&key, content)));
                judge(read, "authority.key");
            }
        }
    });
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("the directory can be written");
}

fn judge<E: std::error::Error>(read: Result<Option<usize>, E>, file: &str) {
    match read {
        Ok(read) => assert!(read.is_some_and(|len| len > 0), "{file} is there"),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains(file) && !error.contains(char::is_control), "{error:?}");
        }
    }
}

/// A key that was read is in its file.
fn key_text(key: &Identity, content: &[u8]) -> usize {
    let text = String::from_utf8_lossy(content);
    let secret = base32::encode(&*key.secret());
    assert!(text.contains(&secret) && text.contains(&key.id().to_string()));
    secret.len()
}

/// Each file in its valid form, and one of a newer version.
pub fn seeds() -> Vec<Seed> {
    let identity = Identity::from_secret(&[5; 32]);
    let key = |kind| format!("datafan-secret-1 {kind} {} {}\n", base32::encode(&[5; 32]), identity.id());
    let membership = format!(
        "{{\"format\": 1, \"mesh\": \"{}\", \"name\": \"alpha\", \
         \"roster_min\": 7, \"connect\": [\"host:1\"]}}",
        identity.id()
    );
    let texts = [
        ("membership", 0, membership),
        ("membership-newer", 0, "{\"format\": 2, \"new\": true}".to_owned()),
        ("member-key", 1, key(KeyKind::Member)),
        ("authority-key", 2, key(KeyKind::Authority)),
        ("wrong-key", 1, key(KeyKind::Authority)),
    ];
    texts.map(|(name, file, text)| (name.to_owned(), [&[file], text.as_bytes()].concat())).into()
}
