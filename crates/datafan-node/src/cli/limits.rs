//! Limits on what peers can use up, as options of `run`.

use super::parse;
use clap::Args;
use datafan_core::limits::{LINKS_MAX, MESSAGE_BYTES_MAX};
use datafan_node::Builder;

/// Limits on what peers can use up. What exceeds them is delayed or refused, and counted in `status`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Maximum number of links; further peers are refused as busy
    #[arg(long, value_name = "N", value_parser = links, default_value_t = LINKS_MAX)]
    pub links_max: usize,
    /// Commits per second taken from one owner; beyond that, its commits are taken together every 100 ms
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub owner_commits: u64,
    /// Bytes per second taken from one owner; the rest is delayed
    #[arg(long, value_name = "SIZE", value_parser = parse::bytes, default_value = "256MiB")]
    pub owner_bytes: u64,
    /// Bytes of messages sent per second to all peers together; beyond that, pushes are combined and copies
    /// wait [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = sent)]
    pub send_bytes: Option<u64>,
    /// Bytes not yet verified, of all links together
    #[arg(long, value_name = "SIZE", value_parser = waiting, default_value = "64MiB")]
    pub unverified_bytes: u64,
    /// Incoming handshakes in progress from one address (IPv6: a /64); beyond that, the oldest is dropped
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64), default_value_t = 16)]
    pub half_open_per_address: u8,
    /// Bytes to keep free in the file system; below that, nothing is written [default: 5 % of it, at most
    /// 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = reserve)]
    pub disk_reserve: Option<u64>,
}

impl Limits {
    /// The limits, as the configuration has them.
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

/// Anything lower would leave room only for rounds, requests and keep-alives.
const SEND_BYTES_MIN: u64 = 4_096;

/// 0 is valid too: then only a failing write reveals that the disk is full.
fn reserve(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { parse::bytes(text) }
}

fn links(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|links| (1..=LINKS_MAX).contains(links));
    known.ok_or_else(|| format!("the number of links must be from 1 to {LINKS_MAX}"))
}

fn sent(text: &str) -> Result<u64, String> {
    let bytes = parse::bytes(text)?;
    if bytes < SEND_BYTES_MIN {
        return Err(format!(
            "the minimum is {SEND_BYTES_MIN} bytes per second, which rounds and requests alone may need"
        ));
    }
    Ok(bytes)
}

fn waiting(text: &str) -> Result<u64, String> {
    let bytes = parse::bytes(text)?;
    if bytes < MESSAGE_BYTES_MAX as u64 {
        return Err(format!("the minimum is {MESSAGE_BYTES_MAX} bytes, the size of the largest message"));
    }
    Ok(bytes)
}
