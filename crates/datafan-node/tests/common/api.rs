//! The HTTP API as programs use it: one connection, no process per request.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A connection to the running member of a directory.
pub struct Api(BufReader<UnixStream>);

/// An answer; an error instead means that the member is gone.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Api {
    /// Connects, if a member answers.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(dir.join("api.sock"))?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Puts all these keys in one commit.
    pub fn put(&mut self, writes: &[(String, String)]) -> io::Result<Answer> {
        let write = |(key, value): &(String, String)| json!({ "key": key, "value": value });
        let writes: Vec<Value> = writes.iter().map(write).collect();
        self.post("/v1/commit", &json!({ "writes": writes }).to_string())
    }

    /// Sends a body.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.ask(&format!("POST {path} HTTP/1.1\r\nContent-Length: {}", body.len()), body)
    }

    /// Requests a path with its query.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask(&format!("GET {path} HTTP/1.1"), "")
    }

    /// Waits until the member shows what `owner` wrote at `timestamp`.
    pub fn waits_for(&mut self, owner: &str, timestamp: u64, within: Duration) {
        let millis = within.as_millis();
        self.0.get_ref().set_read_timeout(Some(within + super::PATIENCE)).unwrap();
        let path = format!("/v1/wait?owner={owner}&timestamp={timestamp}&timeout_ms={millis}");
        let answer = self.get(&path).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn ask(&mut self, request: &str, body: &str) -> io::Result<Answer> {
        let text = format!("{request}\r\nHost: datafan\r\n\r\n{body}");
        self.0.get_mut().write_all(text.as_bytes())?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut_off)?;
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().ok();
            }
        }
        let bytes = match length {
            Some(length) => self.bytes(length)?,
            None => self.chunks()?,
        };
        Ok(Answer { status, body: String::from_utf8(bytes).unwrap() })
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).map_err(|_| cut_off())?;
            all.extend(self.bytes(length)?);
            if !self.line()?.is_empty() {
                return Err(cut_off());
            }
            if length == 0 {
                return Ok(all);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(cut_off)
    }
}

impl Answer {
    /// Parses it as an object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn cut_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
