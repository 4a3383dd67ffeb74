//! Unix time as the dates that Authgear writes.

use std::time::Duration;

/// `2026-11-24T09:10:33.459332Z`, as Go writes it: without trailing zeros in the fraction.
pub(super) fn rfc3339(unix: Duration) -> String {
    let (year, month, day) = date(unix.as_secs());
    let seconds = unix.as_secs() % DAY;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let micros = unix.subsec_micros();
    if micros != 0 {
        let fraction = format!(".{micros:06}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Year, month and day of the Gregorian calendar, counted from 1 March of the year 0, so that the
/// leap day is the last one of its year.
fn date(unix_seconds: u64) -> (u64, u64, u64) {
    let days = unix_seconds / DAY + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_recorded() {
        assert_eq!(rfc3339(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(
            rfc3339(Duration::from_secs(951_782_400)),
            "2000-02-29T00:00:00Z"
        );
        assert_eq!(
            rfc3339(Duration::new(1_795_511_433, 459_332_000)),
            "2026-11-24T09:10:33.459332Z"
        );
        assert_eq!(
            rfc3339(Duration::from_millis(1_795_511_433_500)),
            "2026-11-24T09:10:33.5Z"
        );
        assert_eq!(
            rfc3339(Duration::from_secs(1_709_251_199)),
            "2024-02-29T23:59:59Z"
        );
    }
}
