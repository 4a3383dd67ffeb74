//! What is a violation: rules without a server or a clock, so that they are tested by themselves
//! (`judge_tests.rs`).

use std::time::Duration;

/// Who sends a request, or what is wrong with its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Good,
    /// Signed by another key, under the name of a listed one.
    Forged,
    Garbage,
    /// Signed by a key that is not listed.
    UnknownKey,
    Expired,
    /// Issued in the future.
    Future,
    /// Of a user who was disabled longer ago than the bound of the mode.
    Disabled,
    /// Names a user without the gateway's proof.
    Unproven,
}

/// What is wrong with the status of an answer. A request is excused while the part that its mode needs
/// is away.
pub fn answer(sender: Sender, status: Option<u16>, is_excused: bool) -> Option<&'static str> {
    match (sender, status) {
        (_, None) => Some("no answer"),
        // An unknown key may be a new one, and keys cannot be fetched more often.
        (Sender::Good, Some(200)) | (Sender::UnknownKey, Some(503)) => None,
        (_, Some(503)) if is_excused => None,
        (Sender::Good, Some(_)) => Some("somebody good was refused"),
        (_, Some(401)) => None,
        (_, Some(200..=299)) => Some("somebody bad was let in"),
        (_, Some(_)) => Some("somebody bad was refused by another status than 401"),
    }
}

/// What is wrong with a stream, which is open or has just ended, of a user who was disabled some time ago
/// or never.
pub fn stream(
    is_open: bool,
    disabled: Option<Duration>,
    bound: Duration,
    is_excused: bool,
) -> Option<&'static str> {
    match (is_open, disabled) {
        (true, Some(time)) if time > bound => Some("the stream of a disabled user goes on"),
        (false, None) if !is_excused => Some("the stream of a good user ended"),
        _ => None,
    }
}

/// Whether something goes on to grow: the median of the last third of its values is above that of the
/// third before it, by more than a share and something besides.
pub fn grows(values: &[f64], share: f64, besides: f64) -> bool {
    let third = values.len() / 3;
    let (before, last) = values[values.len() - 2 * third..].split_at(third);
    third > 0 && median(last) > median(before) * (1.0 + share) + besides
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
