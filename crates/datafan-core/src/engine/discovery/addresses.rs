//! `_sys/addresses`: the addresses at which a member can be dialled.

use crate::{
    codec::{DecodeError, Reader, Writer},
    connector::Address,
    engine::command_error::AddressError,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX},
    message,
};
use alloc::vec::Vec;

/// The key of a member's own addresses.
pub const ADDRESSES_KEY: &str = "_sys/addresses";

const ADDRESSES_VERSION: u8 = 1;

/// Encodes the value of [`ADDRESSES_KEY`].
pub(in crate::engine) fn encode_addresses(addresses: &[Address]) -> Vec<u8> {
    let mut out = Writer::new();
    out.byte(ADDRESSES_VERSION).list(addresses, |out, address| {
        out.prefixed(address.as_bytes());
    });
    out.finish()
}

/// Decodes the value of [`ADDRESSES_KEY`].
///
/// # Errors
/// If the bytes are malformed or exceed a limit.
pub fn decode_addresses(bytes: &[u8]) -> Result<Vec<Address>, DecodeError> {
    let mut input = Reader::new(bytes);
    let found = input.byte()?;
    if found != ADDRESSES_VERSION {
        return Err(DecodeError::Version { found, known: ADDRESSES_VERSION });
    }
    let addresses = message::decode_addresses(&mut input)?;
    input.end()?;
    Ok(addresses)
}

/// Checks addresses against the limits.
pub(in crate::engine) fn check_addresses(addresses: &[Address]) -> Result<(), AddressError> {
    if addresses.len() > ADDRESSES_MAX {
        return Err(AddressError::TooMany);
    }
    if addresses.iter().any(|address| address.is_empty() || address.len() > ADDRESS_BYTES_MAX) {
        return Err(AddressError::Length);
    }
    Ok(())
}
