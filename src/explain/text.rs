//! Values of a token, made safe to show.

use std::time::Duration;

use serde_json::Value;

/// A text in quotes: bounded, with control characters, text direction characters and similar ones escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for char in text.chars() {
        if shown.len() > MAX_LENGTH {
            shown.push('…');
            break;
        }
        match char {
            '\'' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    shown.push('"');
    shown
}

/// A JSON value. Strings are shown by their content.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(values) => {
            let shown: Vec<_> = values
                .iter()
                .take(MAX_MEMBERS)
                .map(self::value_of)
                .collect();
            let more = if values.len() > MAX_MEMBERS {
                ", …"
            } else {
                ""
            };
            format!("[{}{more}]", shown.join(", "))
        }
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A member of an array. Nested arrays are not shown.
fn value_of(member: &Value) -> String {
    match member {
        Value::Array(_) => "an array".to_owned(),
        other => value(other),
    }
}

/// A number of seconds, in readable units.
pub(super) fn time(seconds: f64) -> String {
    let (amount, unit) = match seconds.abs() {
        seconds if seconds < 120.0 => (seconds, "s"),
        seconds if seconds < 120.0 * 60.0 => (seconds / 60.0, "min"),
        seconds if seconds < 48.0 * 3600.0 => (seconds / 3600.0, "h"),
        seconds if seconds < 36_525.0 * 86_400.0 => (seconds / 86_400.0, "days"),
        _ => return "more than 100 years".to_owned(),
    };
    format!("{amount:.0} {unit}")
}

/// A time in Unix seconds, relative to now.
pub(super) fn moment(at: f64, now: Duration) -> String {
    let ahead = at - now.as_secs_f64();
    if ahead >= 0.0 {
        format!("in {}", time(ahead))
    } else {
        format!("{} ago", time(ahead))
    }
}

const MAX_LENGTH: usize = 100;
const MAX_MEMBERS: usize = 4;
