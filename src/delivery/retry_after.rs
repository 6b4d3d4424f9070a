use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Returns how long a response asks the sender to wait, by a `Retry-After` in seconds or as a date. A date is compared
/// with the `Date` of the response, because the receiver's clock is not ours. Without a `Date`, a date is ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large counts as the largest `u32`, about 136 years.
        return Some(Duration::from_secs(text.parse().unwrap_or(u32::MAX).into()));
    }
    let date = |text: &str| -> Option<Timestamp> { rfc2822::DateTimeParser::new().parse_timestamp(text).ok() };
    let ahead = date(text)?.duration_since(date(headers.get(header::DATE)?.to_str().ok()?)?);
    Some(ahead.try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(after: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::from_iter([(header::RETRY_AFTER, after.parse().unwrap())]);
        headers.extend(date.map(|date| (header::DATE, date.parse().unwrap())));
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        const NOON: &str = "Wed, 25 Nov 2026 12:00:00 GMT";
        assert_eq!(asked("120", None), Some(120));
        assert_eq!(asked(" 0 ", None), Some(0));
        assert_eq!(asked("99999999999999999999", None), Some(u64::from(u32::MAX)));
        assert_eq!(asked("Wed, 25 Nov 2026 12:02:00 GMT", Some(NOON)), Some(120));
        assert_eq!(asked("Wed, 25 Nov 2026 11:00:00 GMT", Some(NOON)), Some(0), "it is over");
        for nonsense in ["", "soon", "-1", "1.5", "Wed, 99 Nov 2026 12:00:00 GMT"] {
            assert_eq!(asked(nonsense, Some(NOON)), None, "{nonsense:?}");
        }
        assert_eq!(asked(NOON, None), None, "nobody says what time it is there");
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
