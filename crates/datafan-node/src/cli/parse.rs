//! Parses texts of the command line. Every error is one clear line.

use datafan_core::{
    connector::Address,
    grant::{Role, RoleError},
    id::MemberId,
};
use datafan_node::{
    http::{TTL_MILLIS_MAX, WAIT_MILLIS_MAX},
    ticket::is_host_and_port,
};
use std::{net::SocketAddr, time::Duration};

/// An address to dial, and the member expected there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The address.
    pub address: Address,
    /// The expected member, if named.
    pub expected: Option<MemberId>,
}

/// How long an invitation is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// For this time.
    After(Duration),
    /// Without end.
    Never,
}

/// A timeout: at most a day, as over HTTP.
pub fn timeout(text: &str) -> Result<Duration, String> {
    duration(text, Most { millis: WAIT_MILLIS_MAX, shown: "1d" })
}

/// A lifetime: at most a thousand years, as over HTTP.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text, Most { millis: TTL_MILLIS_MAX, shown: "365250d (a thousand years)" })
}

/// The upper limit of an option.
struct Most {
    millis: u64,
    shown: &'static str,
}

/// `500ms`, `10s`, `10m`, `1d`, `1h30m`: whole numbers with units, largest unit first, more than 0 in total.
fn duration(text: &str, most: Most) -> Result<Duration, String> {
    let wrong = || {
        "a time consists of whole numbers with d, h, m, s or ms and is more than 0, such as 10m or 1h30m"
            .to_owned()
    };
    let (mut rest, mut total, mut last) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, more) = rest.split_at(split);
        let end = more.find(|c: char| c.is_ascii_digit()).unwrap_or(more.len());
        let (unit, more) = more.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        if number.is_empty() || millis >= last {
            return Err(wrong());
        }
        // All digits: a number that does not fit exceeds every limit.
        let number: u64 = number.parse().unwrap_or(u64::MAX);
        (total, last, rest) = (total.saturating_add(number.saturating_mul(millis)), millis, more);
    }
    match total {
        0 => Err(wrong()),
        total if total > most.millis => Err(format!("too long, limit {}", most.shown)),
        total => Ok(Duration::from_millis(total)),
    }
}

/// A time, or `never`.
pub fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    lifetime(text).map(Expiry::After).map_err(|error| format!("{error}; or use never"))
}

/// `1048576`, `512KiB`, `10MiB`, `2GiB`, `1TiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        "TiB" => Some(40),
        _ => None,
    };
    let bytes = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes.ok_or_else(|| {
        "a number of bytes is a whole number, alone or with KiB, MiB, GiB or TiB, such as 10GiB".into()
    })
}

/// `member` or `reader`.
pub fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: RoleError| error.to_string())
}

/// `HOST:PORT`.
pub fn address(text: &str) -> Result<Address, String> {
    if is_host_and_port(text) { Ok(text.into()) } else { Err("an address is HOST:PORT".to_owned()) }
}

/// `[ID@]HOST:PORT`.
pub fn peer(text: &str) -> Result<Peer, String> {
    match text.split_once('@') {
        None => Ok(Peer { address: address(text)?, expected: None }),
        Some((id, rest)) => {
            let id = id.parse().map_err(|error: datafan_core::id::IdError| error.to_string())?;
            Ok(Peer { address: address(rest)?, expected: Some(id) })
        }
    }
}

/// `IP:PORT` of this machine alone.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected IP:PORT".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the HTTP API is served on loopback only, such as 127.0.0.1:7480; use a proxy to serve it to \
            others"
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(timeout("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(timeout("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(timeout("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(lifetime("1d2h3m4s5ms"), Ok(Duration::from_millis(93_784_005)));
        for bad in ["30m1h", "1h1h", "1h30", "0h0m", "", "10", "s", "0s", "-1s", "1.5h", "1 h", "1w"] {
            let error = lifetime(bad).unwrap_err();
            assert!(error.contains("more than 0") && !error.contains("limit"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_time_has_a_limit() {
        assert_eq!(lifetime("365250d"), Ok(Duration::from_millis(TTL_MILLIS_MAX)));
        for long in ["365250d1ms", "1000000000d", "99999999999999999999s", "18446744073709551615d1h"] {
            let said = "too long, limit 365250d (a thousand years)";
            assert_eq!(lifetime(long).unwrap_err(), said, "{long}");
            assert_eq!(expiry(long), Err(format!("{said}; or use never")), "{long}");
            assert_eq!(timeout(long).unwrap_err(), "too long, limit 1d", "{long}");
        }
        assert_eq!(timeout("1d1ms").unwrap_err(), "too long, limit 1d");
    }

    #[test]
    fn bytes_have_a_unit_or_none() {
        assert_eq!((bytes("0"), bytes("17"), bytes("17B")), (Ok(0), Ok(17), Ok(17)));
        assert_eq!((bytes("2KiB"), bytes("1TiB")), (Ok(2_048), Ok(1 << 40)));
        for bad in ["", "KiB", "1.5GiB", "1KB", "-1", "99999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (expiry("never"), expiry("1h")),
            (Ok(Expiry::Never), Ok(Expiry::After(Duration::from_secs(3_600))))
        );
    }

    #[test]
    fn a_peer_may_name_who_is_expected() {
        let id = datafan_core::identity::Identity::from_secret(&[1; 32]).id();
        assert_eq!(peer(&format!("{id}@a:1")).unwrap().expected, Some(id));
        assert_eq!(peer("a:1").unwrap().expected, None);
        assert!(peer("me@a:1").is_err() && peer("a").is_err());
    }

    #[test]
    fn http_stays_on_this_machine() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok());
        assert!(loopback("0.0.0.0:80").is_err() && loopback("10.0.0.1:80").is_err());
    }
}
