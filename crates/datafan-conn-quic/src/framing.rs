//! Frames on a stream: a big-endian u32 length and that many bytes.

use datafan_core::connector::Lane;
use quinn::{ReadError, ReadExactError, RecvStream};

/// Why a stream yields no frame.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// The connection is gone.
    Lost,
    /// The peer violated the format.
    Broken(String),
}

/// The length of the next frame; `None` if the stream ended before it.
pub(crate) async fn read_length(
    stream: &mut RecvStream,
    bytes_max: usize,
) -> Result<Option<usize>, FrameError> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(ReadExactError::FinishedEarly(_)) => return Err(FrameError::Broken("incomplete length".into())),
        Err(ReadExactError::ReadError(error)) => return Err(error.into()),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > bytes_max {
        return Err(FrameError::Broken(format!("frame of {length} bytes, limit {bytes_max}")));
    }
    Ok(Some(length))
}

/// The lane in a stream's first byte.
pub(crate) async fn read_lane(stream: &mut RecvStream) -> Result<Lane, FrameError> {
    let mut tag = [0];
    match stream.read_exact(&mut tag).await {
        Ok(()) => lane(tag[0]).ok_or_else(|| FrameError::Broken(format!("unknown lane {}", tag[0]))),
        Err(ReadExactError::FinishedEarly(_)) => Err(FrameError::Broken("stream without a lane".into())),
        Err(ReadExactError::ReadError(error)) => Err(error.into()),
    }
}

/// The first byte of a stream of `lane`.
pub(crate) fn tag(lane: Lane) -> u8 {
    match lane {
        Lane::Small => 0,
        Lane::Bulk => 1,
    }
}

fn lane(tag: u8) -> Option<Lane> {
    match tag {
        0 => Some(Lane::Small),
        1 => Some(Lane::Bulk),
        _ => None,
    }
}

impl From<ReadError> for FrameError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(_) => Self::Lost,
            error => Self::Broken(error.to_string()),
        }
    }
}
