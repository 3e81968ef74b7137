//! How long the client of a request waits: the reason for a delay must reach it in time.

use super::{bounds::WAIT_MILLIS_MAX, refuse::Answered, wire::Refusal};
use axum::http::HeaderMap;
use std::time::Duration;

/// Header of a request: for how many milliseconds a write may wait.
pub const TIMEOUT_HEADER: &str = "datafan-timeout-ms";

/// How long a write waits for the confirmation of the own shard, by default: longer than a proven store needs
/// (5 s).
const DEFAULT: Duration = Duration::from_secs(10);

tokio::task_local! {
    static PATIENCE: Option<Duration>;
}

/// The value of the header; `None` if it is absent.
///
/// # Errors
/// If it is not a number of milliseconds up to a day.
pub fn of_headers(headers: &HeaderMap) -> Answered<Option<Duration>> {
    let mut values = headers.get_all(TIMEOUT_HEADER).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else { return Ok(None) };
    let millis = first.to_str().ok().filter(|_| second.is_none()).and_then(|text| text.parse().ok());
    match millis {
        Some(millis @ 0..=WAIT_MILLIS_MAX) => Ok(Some(Duration::from_millis(millis))),
        _ => Err(Refusal::usage(format!(
            "{TIMEOUT_HEADER} must be one number of milliseconds from 0 to {WAIT_MILLIS_MAX} (a day)"
        ))),
    }
}

/// Runs the work of a request with its patience.
pub async fn within<T>(patience: Option<Duration>, work: impl Future<Output = T>) -> T {
    PATIENCE.scope(patience, work).await
}

/// The patience of the current request.
pub fn present() -> Duration {
    present_or(DEFAULT)
}

/// The same with another default.
pub fn present_or(default: Duration) -> Duration {
    PATIENCE.try_with(|patience| *patience).ok().flatten().unwrap_or(default)
}

/// The timeout to send to a member that is to answer within `timeout`: a little less, for the way back.
pub fn told(timeout: Duration) -> Duration {
    timeout.saturating_sub(MARGIN.min(timeout / 4)).min(Duration::from_millis(WAIT_MILLIS_MAX))
}

const MARGIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Option<Duration>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TIMEOUT_HEADER, value.parse().unwrap());
        }
        of_headers(&headers).ok()
    }

    #[test]
    fn the_header_is_one_number_of_milliseconds() {
        assert_eq!((of(&[]), of(&["1500"])), (Some(None), Some(Some(Duration::from_millis(1_500)))));
        assert_eq!(of(&["86400000"]), Some(Some(Duration::from_secs(86_400))));
        for bad in [&["86400001"][..], &["-1"], &["1s"], &[""], &["1", "2"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_answer_has_time_to_come_back() {
        let of = |millis| told(Duration::from_millis(millis)).as_millis();
        assert_eq!((of(5_000), of(1_000), of(60_000), of(0)), (4_500, 750, 59_500, 0));
        assert_eq!(told(Duration::MAX).as_millis(), u128::from(WAIT_MILLIS_MAX));
    }
}
