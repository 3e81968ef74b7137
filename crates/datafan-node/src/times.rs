//! Timestamps in RFC 3339, both ways.

use datafan_core::time::Timestamp;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// RFC 3339 in UTC with microseconds, such as `2026-01-31T23:59:59.000001Z`. Times after the year 9999 become
/// that year's last microsecond.
pub fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.0.min(YEAR_9999_END)) * 1_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).expect("a year from 1970 to 9999");
    let (date, clock) = (time.date(), time.time());
    let (hour, minute, second, micro) = clock.as_hms_micro();
    format!(
        "{}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

/// Parses RFC 3339 with any offset, rounded down to microseconds; `None` for any other text, and for times
/// before 1970 or after 9999 in UTC.
pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000).ok().map(Timestamp)
}

const YEAR_9999_END: u64 = 253_402_300_799_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_read_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (YEAR_9999_END, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(micros)), text);
            assert_eq!(from_rfc3339(text), Some(Timestamp(micros)));
        }
        assert_eq!(rfc3339(Timestamp::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(from_rfc3339("1970-01-01T01:00:01+01:00"), Some(Timestamp(1_000_000)));
        for bad in [
            "9999-12-31T23:59:59-01:00",
            "",
            "1970-01-01",
            "1969-12-31T23:59:59Z",
            "tomorrow",
            "1970-01-01T00:00:00Z ",
        ] {
            assert_eq!(from_rfc3339(bad), None, "{bad:?}");
        }
    }
}
