//! RFC 4648 base32 in lower case and without padding. Stray bits are refused, so each value has exactly one
//! text.

use alloc::{string::String, vec::Vec};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut buffer, mut n_bits) = (0u32, 0u32);
    for &byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        n_bits += 8;
        while n_bits >= 5 {
            n_bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> n_bits) as usize & 31]));
        }
        buffer &= (1 << n_bits) - 1;
    }
    if n_bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - n_bits)) as usize & 31]));
    }
    text
}

/// The bytes of `text`; `None` for a foreign character, an impossible length, or stray bits at the end.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut n_bits) = (0u32, 0u32);
    for character in text.bytes() {
        let digit = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5) | u32::from(digit);
        n_bits += 5;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((buffer >> n_bits) as u8);
            buffer &= (1 << n_bits) - 1;
        }
    }
    (n_bits < 5 && buffer == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn refuses_other_texts_of_the_same_value() {
        for text in ["mz", "MY", "my======", "m", "mzx", "m1", "my\n"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
