//! How connections end, and how this is reported.

use crate::config::REASON_BYTES_MAX;
use quinn::{ConnectionError, TransportErrorCode, VarInt};

/// The application error code of a close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// The engine closed the link; the reason is in the text.
    Closed = 0,
    /// The member stopped.
    Stopped = 1,
    /// Another connection of the same two members was kept.
    Duplicate = 2,
    /// A newer connection of the same two members replaced it.
    Replaced = 3,
    /// The peer broke the format.
    Protocol = 4,
    /// There are too many links.
    Full = 5,
    /// The greeting timed out.
    Timeout = 6,
}

impl From<Code> for VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code as u32)
    }
}

/// Whether `error` says that the peer kept another connection.
pub(crate) fn is_duplicate(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == Code::Duplicate.into())
}

/// Whether the peer replaced this connection by a newer one, of ours or of another process with our key.
pub(crate) fn is_replaced(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == Code::Replaced.into())
}

/// The text of `error`; `own` is the reason if we closed the connection.
pub(crate) fn describe(error: &ConnectionError, own: Option<&str>) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the peer: {}", printable(&close.reason))
        }
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            "refused: the peer has too many links or handshakes".into()
        }
        ConnectionError::ConnectionClosed(close) => {
            format!("closed by the peer: {}: {}", close.error_code, printable(&close.reason))
        }
        ConnectionError::LocallyClosed => own.unwrap_or("closed").into(),
        ConnectionError::TimedOut => "the peer no longer answers".into(),
        ConnectionError::Reset => "the peer restarted".into(),
        ConnectionError::TransportError(error) => {
            let reason = printable(error.reason.as_bytes());
            // rustls wraps what our verifier says.
            reason.strip_prefix("other error: ").unwrap_or(&reason).into()
        }
        ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => error.to_string(),
    }
}

/// The reason as sent in a close: whole characters, at most [`REASON_BYTES_MAX`].
pub(crate) fn truncate(reason: &str) -> &str {
    let end =
        reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= REASON_BYTES_MAX);
    &reason[..end.last().unwrap_or(0)]
}

/// A peer's text, safe to print: bounded, control characters replaced.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(REASON_BYTES_MAX)]);
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_bounded_and_printable() {
        assert_eq!(printable(b"bye\x1b[2J\n"), "bye\u{fffd}[2J\u{fffd}");
        assert_eq!(printable(&[0xff; 9]), "\u{fffd}".repeat(9));
        let long = "ä".repeat(150);
        assert_eq!(truncate(&long), "ä".repeat(100));
        assert_eq!(truncate(&format!("x{long}")).len(), 199);
    }
}
