//! The dates in Authgear's events (RFC 3339).

/// The last second of the year 9999, the largest RFC 3339 date.
pub(super) const LAST_SECOND: u64 = 253_402_300_799;

/// Seconds since the Unix epoch, rounded up; 0 for earlier dates.
pub(super) fn parse(text: &str) -> Option<u64> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    skip(&mut rest, b"-")?;
    let month = number(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
    skip(&mut rest, b"-")?;
    let day = number(&mut rest, 2).filter(|day| (1..=days_of(year, month)).contains(day))?;
    skip(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2).filter(|hour| *hour < 24)?;
    skip(&mut rest, b":")?;
    let minute = number(&mut rest, 2).filter(|minute| *minute < 60)?;
    skip(&mut rest, b":")?;
    // 60: a leap second.
    let second = number(&mut rest, 2).filter(|second| *second <= 60)?;
    let has_fraction = fraction(&mut rest)?;
    let offset = offset(&mut rest)?;
    if !rest.is_empty() {
        return None;
    }
    let local = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    let seconds = local - offset + i64::from(has_fraction);
    let seconds = u64::try_from(seconds).unwrap_or(0);
    (seconds <= LAST_SECOND).then_some(seconds)
}

/// Days from the epoch to this day of the Gregorian calendar. The year begins in March here, so that a leap
/// day is its last day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A number with exactly this many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

fn skip(rest: &mut &[u8], any_of: &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    any_of.contains(first).then(|| {
        *rest = after;
        *first
    })
}

/// Whether there is a fraction other than 0; it must have a digit.
fn fraction(rest: &mut &[u8]) -> Option<bool> {
    if skip(rest, b".").is_none() {
        return Some(false);
    }
    let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(length)?;
    *rest = after;
    (length > 0).then(|| digits.iter().any(|digit| *digit != b'0'))
}

/// Seconds east of Greenwich.
fn offset(rest: &mut &[u8]) -> Option<i64> {
    let sign = match skip(rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = number(rest, 2).filter(|hours| *hours < 24)?;
    skip(rest, b":")?;
    let minutes = number(rest, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 60 + minutes) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (text, seconds) in [
            ("2026-11-24T09:10:49Z", Some(1_795_511_449)),
            ("2026-11-24T10:10:49+01:00", Some(1_795_511_449)),
            ("2026-11-24t00:40:49.000-08:30", Some(1_795_511_449)),
            ("2026-11-24T09:10:49.000001Z", Some(1_795_511_450)),
            ("2024-02-29T23:59:59Z", Some(1_709_251_199)),
            ("2000-02-29T00:00:00z", Some(951_782_400)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59Z", Some(0)),
            ("0000-01-01T00:00:00Z", Some(0)),
            ("9999-12-31T23:59:59Z", Some(LAST_SECOND)),
            ("9999-12-31T23:59:59.5Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:60:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00Zx", None),
            ("2026-01-01T00:00:00+1:00", None),
            ("2026-01-01", None),
            ("+026-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(parse(text), seconds, "{text}");
        }
    }
}
