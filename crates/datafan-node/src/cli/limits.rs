//! What peers may use up, as `run` is told.

use super::parse;
use clap::Args;
use datafan_core::limits::{LINKS_MAX, MESSAGE_BYTES_MAX};
use datafan_node::Builder;

/// Limits on what peers can use up; what is beyond them comes later or is refused, and shows up in `status`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Links at most; peers beyond are refused as busy
    #[arg(long, value_name = "N", value_parser = links, default_value_t = LINKS_MAX)]
    pub links_max: usize,
    /// Commits per second taken of one owner; beyond, all that it wrote comes every tenth of a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 1_000)]
    pub owner_commits: u64,
    /// Bytes per second taken of one owner; the rest comes later
    #[arg(long, value_name = "SIZE", value_parser = parse::bytes, default_value = "256MiB")]
    pub owner_bytes: u64,
    /// Bytes of messages per second sent to all peers together; beyond, pushes are combined and copies wait
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = sent)]
    pub send_bytes: Option<u64>,
    /// Bytes of all links together that wait to be verified
    #[arg(long, value_name = "SIZE", value_parser = waiting, default_value = "64MiB")]
    pub unverified_bytes: u64,
    /// Incoming handshakes under way from one address (IPv6: a /64); beyond, the oldest gives way
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64), default_value_t = 16)]
    pub half_open_per_address: u8,
    /// Bytes of the file system that stay free; with less, nothing is written until there is room [default: a
    /// twentieth, at most 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = reserve)]
    pub disk_reserve: Option<u64>,
}

impl Limits {
    /// The member keeps to them.
    pub fn apply(&self, builder: Builder) -> Builder {
        let (links_max, heads, bytes) = (self.links_max, self.owner_commits, self.owner_bytes);
        let send_bytes = self.send_bytes;
        let builder = match self.disk_reserve {
            Some(bytes) => builder.disk_reserve_bytes(bytes),
            None => builder,
        };
        builder
            .configure(move |config| {
                config.links_max = links_max;
                (config.owner_heads_max, config.owner_bytes_max) = (heads, bytes);
                config.send_bytes_max = send_bytes.unwrap_or(config.send_bytes_max);
            })
            .unverified_bytes_max(usize::try_from(self.unverified_bytes).unwrap_or(usize::MAX))
            .half_open_source_max(self.half_open_per_address.into())
    }
}

/// With less nothing but rounds, requests and what holds the links would go.
const SEND_BYTES_MIN: u64 = 4_096;

/// None at all is fine as well: then only a write finds out that the disk is full.
fn reserve(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { parse::bytes(text) }
}

fn links(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|links| (1..=LINKS_MAX).contains(links));
    known.ok_or_else(|| format!("a number of links is from 1 to {LINKS_MAX}"))
}

fn sent(text: &str) -> Result<u64, String> {
    let bytes = parse::bytes(text)?;
    if bytes < SEND_BYTES_MIN {
        return Err(format!("rounds and requests alone may take {SEND_BYTES_MIN} bytes per second"));
    }
    Ok(bytes)
}

fn waiting(text: &str) -> Result<u64, String> {
    let bytes = parse::bytes(text)?;
    if bytes < MESSAGE_BYTES_MAX as u64 {
        return Err(format!(
            "one message has up to {MESSAGE_BYTES_MAX} bytes, and there must be room for it"
        ));
    }
    Ok(bytes)
}
