//! Files of JSON lines, plain or gzip, as `import` reads them.

use crate::corpus::Seed;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::limits::VALUE_BYTES_MAX;
use datafan_node::{
    rows::{self, Row, Rows},
    times::rfc3339,
};
use serde_json::json;
use std::io::Cursor;

/// Reads `bytes` to the end or to the first line that is not a row. Errors are one line and name the right
/// one.
pub fn attack(bytes: &[u8]) {
    let rows = rows::sniff(Cursor::new(bytes.to_vec()));
    let mut rows = rows.expect("bytes in memory can be read");
    let mut line = 0;
    while let Some(row) = rows.next() {
        assert!(rows.line() > line, "lines are counted");
        line = rows.line();
        match row {
            Ok(row) => read_again(&row),
            Err(error) => {
                assert_eq!(error.line, line);
                let error = error.to_string();
                assert!(!error.contains(char::is_control), "one line: {error:?}");
                break;
            }
        }
    }
}

/// Checks that a row is within the limits and survives being written.
fn read_again(row: &Row) {
    assert!(!row.key.is_system(), "{row:?}");
    assert!(row.value.as_ref().is_none_or(|value| value.len() <= VALUE_BYTES_MAX));
    let mut line = json!({"key": row.key.as_str()});
    if let Some(owner) = &row.owner {
        line["owner"] = owner.as_str().into();
    }
    if let Some(name) = &row.owner_name {
        line["owner_name"] = name.as_str().into();
    }
    match &row.value {
        Some(value) => line["value_base64"] = BASE64_STANDARD.encode(value).into(),
        None => line["delete"] = true.into(),
    }
    if let Some(expiry) = row.expiry {
        line["expires"] = rfc3339(expiry).into();
    }
    let line = line.to_string();
    let again = Rows::new(line.as_bytes()).next();
    assert_eq!(again.and_then(Result::ok).as_ref(), Some(row), "{line}");
}

/// Lines of every form, valid and invalid.
pub fn seeds() -> Vec<Seed> {
    let plain = concat!(
        "{\"key\":\"text\",\"value\":\"gr\\u00fcn \\\"x\\\"\",\"owner\":\"whoever\"}\n",
        "{\"key\":\"json\",\"value\":{ \"b\" : 1.50, \"c\": [null, true, 1e-7] }}\r\n",
        "\n \t\n",
        "{\"key\":\"null\",\"value\":\"null\",\"expires\":\"2026-01-31T23:59:59.000001Z\"}\n",
        "{\"key\":\"bytes\",\"value_base64\":\"AP8=\"}\n",
        "{\"key\":\"gone\",\"delete\":true}",
    );
    // `{"key":"a","value":1}` and a line feed, compressed with gzip.
    let zipped = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 78, 173, 84, 178, 82, 74, 84, 210, 81, 42, 75, 204,
        41, 77, 85, 178, 50, 172, 229, 2, 0, 127, 70, 119, 189, 22, 0, 0, 0,
    ];
    let texts = [
        ("plain", plain),
        ("both", "{\"key\":\"c\",\"value\":1,\"value_base64\":\"AA==\"}"),
        ("system", "{\"key\":\"_sys/x\",\"value\":\"\\ud83d\\ude00\"}"),
        ("cut", "{\"key\":\"c\",\"val"),
        ("deep", "{\"key\":\"d\",\"value\":[[[[[[[[{\"a\":[[[[]]]]}]]]]]]]]}"),
    ];
    let mut seeds: Vec<Seed> =
        texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    seeds.push(("zipped".to_owned(), zipped.to_vec()));
    seeds
}
