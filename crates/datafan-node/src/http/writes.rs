//! The JSON of a commit. A write must say exactly what it does.

use super::{bounds::TTL_MILLIS_MAX, changes::up_to};
use crate::times::{from_rfc3339, rfc3339};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{limits::COMMIT_WRITES_MAX, time::Timestamp};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, IgnoredAny},
};
use serde_json::value::RawValue;

/// The error if a write has neither value nor deletion; the same in `import` and in a commit.
pub const NEITHER: &str =
    "it has no value: use \"delete\": true to delete the key, or \"value\" or \"value_base64\" to set it";
/// The error for a `null`, which could mean either.
pub const NULL: &str =
    "value is null: use \"delete\": true to delete the key, or \"value\": \"null\" to store the text null";

/// A commit, applied as a whole or not at all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitRequest {
    /// The writes in order; the last one of a key wins.
    #[serde(deserialize_with = "up_to::<_, _, COMMIT_WRITES_MAX>")]
    pub writes: Vec<WriteRequest>,
}

/// One write: a value in one of its two forms, or `delete`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteRequest {
    /// The key.
    pub key: String,
    /// The value's bytes as UTF-8. A JSON string stands for its text, any other JSON value for its literal
    /// text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub value: Option<String>,
    /// The value's bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Removes the key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delete: bool,
    /// Milliseconds after which the item expires, 1 to [`TTL_MILLIS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// When the item expires, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The owner, by id or name, as in a line of an export. Any owner but this member is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The owner's name, as in a line of an export; used only without an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_name: Option<String>,
    #[serde(default, skip_serializing, rename = "timestamp")]
    _timestamp: Unused,
    #[serde(default, skip_serializing, rename = "time")]
    _time: Unused,
    #[serde(default, skip_serializing, rename = "revoked")]
    _revoked: Unused,
}

/// Any value, ignored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(from = "IgnoredAny")]
struct Unused;

impl From<IgnoredAny> for Unused {
    fn from(_: IgnoredAny) -> Self {
        Self
    }
}

impl WriteRequest {
    /// Sets `key` to `value`, sent as text if possible.
    pub fn put(key: &str, value: &[u8]) -> Self {
        // A control character takes six bytes in JSON; base64 adds a third to every byte.
        let text = str::from_utf8(value).ok().filter(|text| !text.bytes().any(|b| b < 0x20));
        let value_base64 = text.is_none().then(|| BASE64_STANDARD.encode(value));
        Self { key: key.to_owned(), value: text.map(str::to_owned), value_base64, ..Self::default() }
    }

    /// Removes `key`.
    pub fn delete(key: &str) -> Self {
        Self { key: key.to_owned(), delete: true, ..Self::default() }
    }

    /// The same, with an expiry.
    #[must_use]
    pub fn until(self, expiry: Option<Timestamp>) -> Self {
        Self { expires: expiry.map(rfc3339), ..self }
    }

    /// The owner it names, if that is not the member with this id and name.
    pub fn other_owner(&self, id: &str, name: &str) -> Option<&str> {
        let named = self.owner.as_deref().or(self.owner_name.as_deref())?;
        (named != id && named != name).then_some(named)
    }

    /// The value's bytes; `None` for a removal.
    ///
    /// # Errors
    /// If it has none or several of these, or the base64 is malformed. The error names the key.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, String> {
        let said = |what: &str| format!("write of key {:?}: {what}", self.key);
        match (&self.value, &self.value_base64, self.delete) {
            (Some(text), None, false) => Ok(Some(text.as_bytes().to_vec())),
            (None, Some(text), false) => {
                BASE64_STANDARD.decode(text).map(Some).map_err(|_| said("value_base64 is not valid base64"))
            }
            (None, None, true) if self.ttl_ms.is_some() || self.expires.is_some() => {
                Err(said("a deletion cannot expire: leave out ttl_ms and expires"))
            }
            (None, None, true) => Ok(None),
            (None, None, false) => Err(said(NEITHER)),
            _ => Err(said("it has more than one of value, value_base64 and delete")),
        }
    }

    /// When the item expires, if ever; `wall` is the current time.
    ///
    /// # Errors
    /// If both forms are given, or the time is malformed or out of range.
    pub fn expiry(&self, wall: Timestamp) -> Result<Option<Timestamp>, String> {
        let said = |what: &str| format!("write of key {:?}: {what}", self.key);
        match (self.ttl_ms, &self.expires) {
            (Some(_), Some(_)) => Err(said("it has both ttl_ms and expires")),
            (Some(ttl @ 1..=TTL_MILLIS_MAX), None) => Ok(Some(Timestamp(wall.0.saturating_add(ttl * 1_000)))),
            (Some(ttl), None) => Err(said(&format!(
                "ttl_ms is {ttl}, but must be from 1 to {TTL_MILLIS_MAX} (a thousand years)"
            ))),
            (None, Some(text)) => {
                let at = from_rfc3339(text);
                at.map(Some)
                    .ok_or_else(|| said("expires is not a time like 2026-01-31T23:59:59Z, from 1970 to 9999"))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The text of a string, or the literal text of any other JSON value.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let raw = Box::<RawValue>::deserialize(input)?;
    let raw = raw.get();
    if raw == "null" {
        return Err(D::Error::custom(NULL));
    }
    if raw.starts_with('"') {
        return serde_json::from_str(raw).map(Some).map_err(D::Error::custom);
    }
    Ok(Some(raw.to_owned()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WriteRequest, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_travels_as_text_or_base64() {
        let text = WriteRequest::put("k", "grün".as_bytes());
        assert_eq!(serde_json::to_string(&text).unwrap(), r#"{"key":"k","value":"grün"}"#);
        let binary = WriteRequest::put("k", &[0xff, 0]);
        assert_eq!(serde_json::to_string(&binary).unwrap(), r#"{"key":"k","value_base64":"/wA="}"#);
        assert_eq!(binary.bytes(), Ok(Some(vec![0xff, 0])));
        let delete = WriteRequest::delete("k");
        assert_eq!(serde_json::to_string(&delete).unwrap(), r#"{"key":"k","delete":true}"#);
        assert_eq!((read(r#"{"key":"k","delete":true}"#).unwrap(), delete.bytes()), (delete, Ok(None)));
    }

    #[test]
    fn any_json_value_is_its_text_and_null_is_refused() {
        let value =
            |text: &str| read(&format!(r#"{{"key":"k","value":{text}}}"#)).map(|write| write.value.unwrap());
        assert_eq!(value(r#""gr\u00fcn""#).unwrap(), "grün");
        for text in [r#"{ "b" : 1.50 }"#, "1e2", "true", "[null]"] {
            assert_eq!(value(text).unwrap(), text);
        }
        let error = value("null").unwrap_err();
        assert!(error.contains("\"delete\": true") && error.contains("\"value\": \"null\""), "{error}");
        assert!(read(r#"{"key":"k","vaule":1}"#).unwrap_err().contains("unknown field `vaule`"));
    }

    #[test]
    fn a_write_says_one_thing() {
        let error = |text: &str| read(text).unwrap().bytes().unwrap_err();
        assert!(error(r#"{"key":"k"}"#).contains("\"delete\": true"));
        for text in [
            r#"{"key":"k","value":"v","value_base64":"AA=="}"#,
            r#"{"key":"k","value":"v","delete":true}"#,
            r#"{"key":"k","value_base64":"AA==","delete":true}"#,
        ] {
            assert!(error(text).contains("more than one"), "{text}");
        }
        assert!(error(r#"{"key":"k","value_base64":"?"}"#).contains("not valid base64"));
        assert!(error(r#"{"key":"k","delete":true,"ttl_ms":1}"#).contains("cannot expire"));
    }

    #[test]
    fn a_line_of_an_export_is_a_write_of_its_owner() {
        let write = read(
            r#"{"owner":"id","owner_name":"a","key":"k","timestamp":1,"time":"t",
                "value":"v","revoked":true}"#,
        );
        let write = write.unwrap();
        assert_eq!(write.bytes(), Ok(Some(b"v".to_vec())));
        assert_eq!((write.other_owner("id", "b"), write.other_owner("other", "b")), (None, Some("id")));
        let named = read(r#"{"owner_name":"a","key":"k","value":"v"}"#).unwrap();
        assert_eq!((named.other_owner("id", "a"), named.other_owner("id", "b")), (None, Some("a")));
        assert_eq!(WriteRequest::delete("k").other_owner("id", "a"), None);
    }

    #[test]
    fn an_expiry_is_a_span_or_a_time() {
        let expiry =
            |more: &str| read(&format!(r#"{{"key":"k","value":"","{more}}}"#)).unwrap().expiry(Timestamp(7));
        assert_eq!(expiry(r#"ttl_ms":2"#), Ok(Some(Timestamp(2_007))));
        let most = Timestamp(TTL_MILLIS_MAX * 1_000 + 7);
        assert_eq!(expiry(&format!(r#"ttl_ms":{TTL_MILLIS_MAX}"#)), Ok(Some(most)));
        for beyond in [0, TTL_MILLIS_MAX + 1, u64::MAX] {
            assert!(expiry(&format!(r#"ttl_ms":{beyond}"#)).unwrap_err().contains("must be from 1 to "));
        }
        assert_eq!(expiry(r#"expires":"1970-01-01T00:00:01.000002Z""#), Ok(Some(Timestamp(1_000_002))));
        for bad in ["soon", "9999-12-31T23:59:59-00:01"] {
            assert!(expiry(&format!(r#"expires":"{bad}""#)).unwrap_err().contains("is not a time"), "{bad}");
        }
        assert!(expiry(r#"expires":"1970-01-01T00:00:01Z","ttl_ms":1"#).unwrap_err().contains("both"));
        let write = WriteRequest::put("k", b"").until(Some(Timestamp(1_000_002)));
        assert_eq!(write.expiry(Timestamp(0)), Ok(Some(Timestamp(1_000_002))));
    }
}
