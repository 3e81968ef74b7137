//! What a corpus begins with.

/// One input that a corpus begins with: its name and its bytes.
pub type Seed = (String, Vec<u8>);
