//! Typed values through serde.

use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// How typed values become bytes and come back. [`Json`] is ours; others are an `impl` of two functions.
pub trait Codec {
    /// The bytes of `value`.
    ///
    /// # Errors
    /// If the format cannot express it.
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError>;

    /// The value of `bytes`.
    ///
    /// # Errors
    /// If they are no `T`. The bytes may come from any member, so anything is possible.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;
}

/// A value and its bytes do not go together. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct CodecError {
    what: Arc<str>,
}

impl CodecError {
    /// With what the format's library said.
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
