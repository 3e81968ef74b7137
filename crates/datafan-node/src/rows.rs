//! Rows of JSON lines, plain or gzip: what `import` and `demo` read, one line at a time.

use crate::times::from_rfc3339;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{item::Key, limits::VALUE_BYTES_MAX, time::Timestamp};
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

/// Longest line, in bytes: the longest value of control characters as JSON, and ample room for the rest.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its owner: an id, as `export` writes it, or a name.
    pub owner: Option<String>,
    /// The owner's name, as `export` writes it beside the id.
    pub owner_name: Option<String>,
    /// Its key, within the limit and not a system key.
    pub key: Key,
    /// Its value, within the limit; `None` deletes the key.
    pub value: Option<Vec<u8>>,
    /// When it expires, if ever.
    pub expiry: Option<Timestamp>,
}

/// A file of rows, read one line at a time.
pub struct Rows<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// A line that is not a row.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RowError {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Opens `path`, or standard input for `-`; gzip is detected by the first bytes or the file name.
///
/// # Errors
/// If the file cannot be opened or read.
pub fn open(path: &Path) -> io::Result<Rows<Box<dyn BufRead>>> {
    let (input, zipped): (Box<dyn Read>, bool) = if path == Path::new("-") {
        (Box::new(io::stdin()), false)
    } else {
        (Box::new(File::open(path)?), path.extension().is_some_and(|end| end == "gz"))
    };
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    if zipped { Ok(Rows::new(unzip(input))) } else { sniff(input) }
}

/// The rows of `input`; gzip is detected by the first bytes.
///
/// # Errors
/// If the first bytes cannot be read.
pub fn sniff<R: BufRead + 'static>(mut input: R) -> io::Result<Rows<Box<dyn BufRead>>> {
    // A pipe may deliver one byte at a time.
    let mut first = Vec::new();
    (&mut input).take(GZIP_MAGIC.len() as u64).read_to_end(&mut first)?;
    let zipped = first == GZIP_MAGIC;
    let input = Cursor::new(first).chain(input);
    Ok(Rows::new(if zipped { unzip(input) } else { Box::new(input) }))
}

fn unzip<R: BufRead + 'static>(input: R) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input)))
}

const BUFFER_BYTES: usize = 64 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl<R: BufRead> Rows<R> {
    /// The rows of `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The number of the last line read, from 1.
    pub fn line(&self) -> u64 {
        self.number
    }

    /// Reads the next line into `self.line`; false at the end.
    fn read_line(&mut self) -> Result<bool, String> {
        self.line.clear();
        self.number += 1;
        let mut bounded = (&mut self.input).take(LINE_BYTES_MAX as u64 + 1);
        let n =
            bounded.read_until(b'\n', &mut self.line).map_err(|error| format!("cannot be read: {error}"))?;
        if self.line.len() > LINE_BYTES_MAX {
            return Err(format!("is longer than {LINE_BYTES_MAX} bytes, the limit"));
        }
        Ok(n > 0)
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, RowError>;

    /// The next row; blank lines are skipped. Do not call this again after an error.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = match self.read_line() {
                Ok(false) => return None,
                Ok(true) if self.line.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(true) => parse(self.line.trim_ascii_end()),
                Err(what) => Err(what),
            };
            return Some(row.map_err(|what| RowError { line: self.number, what }));
        }
    }
}

/// The fields of a row. Fields that `export` writes and a write does not need are known too, so that a
/// misspelt field is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, default)]
    owner: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    owner_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
    #[serde(default)]
    delete: bool,
    #[serde(borrow, default)]
    expires: Option<Cow<'a, str>>,
    #[serde(default, rename = "timestamp")]
    _timestamp: IgnoredAny,
    #[serde(default, rename = "time")]
    _time: IgnoredAny,
    #[serde(default, rename = "revoked")]
    _revoked: IgnoredAny,
}

// Without this, serde treats `null` like a missing field.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Some)
}

fn parse(line: &[u8]) -> Result<Row, String> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("is not a JSON object".to_owned());
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| describe(&error))?;
    let value = match (line.value, line.value_base64, line.delete) {
        (Some(raw), None, false) => Some(bytes_of(raw)?),
        (None, Some(text), false) => {
            Some(BASE64_STANDARD.decode(&*text).map_err(|_| "value_base64 is not valid base64".to_owned())?)
        }
        (None, None, true) if line.expires.is_some() => {
            return Err("has both delete and expires".to_owned());
        }
        (None, None, true) => None,
        (None, None, false) => {
            return Err(NEITHER.to_owned());
        }
        _ => return Err("has more than one of value, value_base64 and delete".to_owned()),
    };
    let expires = |text: Cow<'_, str>| {
        let at = from_rfc3339(&text);
        at.ok_or_else(|| "expires is not a time like 2026-01-31T23:59:59Z, from 1970 to 9999".to_owned())
    };
    let expiry = line.expires.map(expires).transpose()?;
    let key = Key::new(&line.key).map_err(|error| error.to_string())?;
    if key.is_system() {
        return Err(format!("key {key:?} is a system key: keys under _sys/ cannot be written"));
    }
    match value.as_ref().map(Vec::len) {
        Some(len) if len > VALUE_BYTES_MAX => Err(format!("value is {len} bytes, limit {VALUE_BYTES_MAX}")),
        _ => {
            let (owner, owner_name) = (line.owner.map(Cow::into_owned), line.owner_name.map(Cow::into_owned));
            Ok(Row { owner, owner_name, key, value, expiry })
        }
    }
}

const NEITHER: &str =
    "has no value: use \"delete\": true to delete the key, or \"value\" or \"value_base64\" to set it";
const NULL: &str = "has the value null: use \"delete\": true to delete the key, or \"value\": \"null\" to \
    store the text null";

/// A string stands for its bytes, any other value for its literal text; `null` could mean two things.
fn bytes_of(raw: &RawValue) -> Result<Vec<u8>, String> {
    let text = raw.get();
    if text == "null" {
        return Err(NULL.to_owned());
    }
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(|error| describe(&error))?;
        return Ok(text.into_bytes());
    }
    Ok(text.as_bytes().to_vec())
}

/// serde_json counts lines within its input, which is always one line.
fn describe(error: &serde_json::Error) -> String {
    // The text may quote the line, and an error must be one line without control characters.
    let text = error.to_string().replace(char::is_control, "\u{fffd}");
    match text.rfind(" at line ") {
        Some(end) => format!("{} at column {}", &text[..end], error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn values(text: &str) -> Vec<Option<String>> {
        let rows = Rows::new(text.as_bytes()).map(Result::unwrap);
        rows.map(|row| row.value.map(|value| String::from_utf8(value).unwrap())).collect()
    }

    fn error(text: &[u8]) -> String {
        Rows::new(text).find_map(Result::err).expect("an error").to_string()
    }

    #[test]
    fn a_string_is_its_bytes_and_any_other_value_its_text() {
        let text = r#"{"key":"a","value":"gr\u00fcn \"x\""}
            {"key":"a","value": { "b" : 1.50,"c":[ null ] } ,"timestamp":1}
            {"key":"a","value":"null"}
            {"key":"a","value":1e2}
            {"key":"a","delete":true}
            {"value_base64":"aGk=","key":"a"}"#;
        let expected = [
            Some("grün \"x\""),
            Some(r#"{ "b" : 1.50,"c":[ null ] }"#),
            Some("null"),
            Some("1e2"),
            None,
            Some("hi"),
        ];
        assert_eq!(values(text), expected.map(|value| value.map(str::to_owned)));
    }

    #[test]
    fn a_malformed_line_is_named() {
        assert_eq!(
            error(b"{\"key\":\"a\",\"value\":1}\n\n{\"key\":}\n"),
            "line 3: expected value at column 8"
        );
        assert!(error(br#"{"value":1}"#).starts_with("line 1: missing field `key`"));
        assert!(error(br#"{"key":"a","value":1,"value_base64":"aGk="}"#).contains("more than one"));
        assert!(error(br#"{"key":"a","value":1,"delete":true}"#).contains("more than one"));
        assert!(error(br#"{"key":"a","value_base64":"?"}"#).contains("not valid base64"));
        assert!(error(br#"{"key":"a","value":"\ud800"}"#).contains("line 1: "));
        assert!(error(b"{\"key\":\"\xff\"}").contains("line 1: "));
        assert!(error(b"{\"key\":\"a\"} x").contains("trailing"));
        assert_eq!(error(br#"["owner","key"]"#), "line 1: is not a JSON object");
        assert!(error(br#"{"key":"","delete":true}"#).contains("key is empty"));
        assert!(error(br#"{"key":"_sys/addresses","delete":true}"#).contains("system"));
    }

    #[test]
    fn what_could_mean_two_things_is_refused_with_both_ways_to_say_it() {
        for row in
            [&br#"{"key":"a"}"#[..], br#"{"key":"a","delete":false}"#, br#"{"key":"a","value_base64":null}"#]
        {
            let error = error(row);
            assert!(error.contains("line 1: ") && error.contains("\"delete\": true"), "{error}");
            assert!(error.contains("\"value\""), "{error}");
        }
        let error = error(b"\n{\"key\":\"a\",\"value\":null}");
        assert!(error.starts_with("line 2: ") && error.contains("\"delete\": true"), "{error}");
        assert!(error.contains("\"value\": \"null\""), "{error}");
    }

    #[test]
    fn fields_are_those_of_an_export_and_no_others() {
        let error = error(br#"{"key":"color","vaule":"green"}"#);
        assert!(error.starts_with("line 1: unknown field `vaule`"), "{error}");
        let text = r#"{"owner":"id","owner_name":"b","key":"a","timestamp":1,"time":"t","value":"v",
            "expires":"1970-01-01T00:00:02Z","revoked":true}"#;
        let row = Rows::new(text.replace('\n', " ").as_bytes()).next().unwrap().unwrap();
        assert_eq!((row.owner.as_deref(), row.owner_name.as_deref()), (Some("id"), Some("b")));
        assert_eq!(row.expiry, Some(Timestamp(2_000_000)));
        let bad = br#"{"key":"a","value":1,"expires":"soon"}"#;
        assert!(self::error(bad).contains("expires is not a time"));
    }

    #[test]
    fn limits_are_named() {
        let key = format!(r#"{{"key":"{}","value":1}}"#, "k".repeat(1_025));
        assert_eq!(error(key.as_bytes()), "line 1: key is 1025 bytes, limit 1024");
        let value = format!(r#"{{"key":"k","value":"{}"}}"#, "v".repeat(VALUE_BYTES_MAX + 1));
        assert_eq!(error(value.as_bytes()), "line 1: value is 1048577 bytes, limit 1048576");
        assert!(error(&vec![b' '; LINE_BYTES_MAX + 1]).contains("is longer than"));
    }

    #[test]
    fn gzip_is_known_by_its_bytes_and_a_cut_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let line = format!("{{\"key\":\"a\",\"value\":\"{}\"}}\n", "x1y2".repeat(99));
        zip.write_all(line.repeat(50).as_bytes()).unwrap();
        let bytes = zip.finish().unwrap();
        let path = dir.path().join("rows");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(open(&path).unwrap().filter(Result::is_ok).count(), 50);
        // However they are delivered.
        let slow = BufReader::with_capacity(1, Cursor::new(bytes.clone()));
        assert_eq!(sniff(slow).unwrap().filter(Result::is_ok).count(), 50);
        assert_eq!(sniff(&b"{"[..]).unwrap().filter(Result::is_err).count(), 1);
        assert_eq!(sniff(&b""[..]).unwrap().count(), 0);
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(
            open(&path).unwrap().any(|row| row.is_err_and(|error| error.what.contains("cannot be read")))
        );
    }
}
