//! Typed values through serde.

use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Converts typed values to bytes and back. [`Json`] is built in; another format is an `impl` of two
/// functions.
pub trait Codec {
    /// Encodes `value`.
    ///
    /// # Errors
    /// If the format cannot express it.
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError>;

    /// Decodes `bytes`.
    ///
    /// # Errors
    /// If they are not a `T`. The bytes may come from any member, so they may be anything.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;
}

/// A value could not be encoded, or bytes could not be decoded. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct CodecError {
    what: Arc<str>,
}

impl CodecError {
    /// An error with the message of the format's library.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self { what: error.to_string().into() }
    }
}

/// Compact JSON, RFC 8259.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Codec for Json {
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value).map_err(CodecError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_an_error() {
        let bytes = Json::encode(&(1, "a")).unwrap();
        assert_eq!(Json::decode::<(u8, String)>(&bytes).unwrap(), (1, "a".into()));
        assert!(Json::decode::<bool>(&bytes).is_err());
    }
}
