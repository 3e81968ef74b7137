//! The initial content of a corpus.

/// An initial input of a corpus: its name and its bytes.
pub type Seed = (String, Vec<u8>);
