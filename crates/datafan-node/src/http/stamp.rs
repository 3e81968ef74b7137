//! A timestamp in an answer, together with its RFC 3339 form: `"timestamp"` and `"time"`. For 0, which means
//! none, the time is null. Use as `#[serde(flatten, with = "stamp")]`.

use crate::times::rfc3339;
use datafan_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct Told {
    timestamp: u64,
    time: Option<String>,
}

#[derive(Deserialize)]
struct Heard {
    timestamp: u64,
}

/// The time of a timestamp in microseconds; `None` for 0.
pub fn time(timestamp: u64) -> Option<String> {
    (timestamp > 0).then(|| rfc3339(Timestamp(timestamp)))
}

/// Writes both fields.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(timestamp: &u64, out: S) -> Result<S::Ok, S::Error> {
    Told { timestamp: *timestamp, time: time(*timestamp) }.serialize(out)
}

/// Reads the timestamp; the time is ignored.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    Heard::deserialize(input).map(|heard| heard.timestamp)
}

#[cfg(test)]
mod tests {
    use crate::http::wire::{CommitAnswer, Span, Written};

    #[test]
    fn the_time_stands_beside_the_timestamp() {
        let written = Written { timestamp: 1_000_001, written: 1, unchanged: 0 };
        let answer = CommitAnswer { written, missing: Vec::new() };
        let text = serde_json::to_string(&answer).unwrap();
        assert!(text.contains(r#""timestamp":1000001,"time":"1970-01-01T00:00:01.000001Z""#), "{text}");
        assert_eq!(serde_json::from_str::<CommitAnswer>(&text).unwrap(), answer);
        let text = serde_json::to_string(&Written::default()).unwrap();
        assert!(text.contains(r#""timestamp":0,"time":null"#), "{text}");
        let span = Span { after: 0, until: 1_000_001 };
        let text = serde_json::to_string(&span).unwrap();
        assert!(text.contains(r#""until_time":"1970-01-01T00:00:01.000001Z""#), "{text}");
        assert_eq!(serde_json::from_str::<Span>(&text).unwrap(), span);
    }
}
