//! The binary `datafan`.

fn main() {}
