//! By which rules a soak is judged.
#![allow(
    clippy::must_use_candidate,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod judge;

use std::time::Duration;

use judge::{Sender, answer, grows, stream};

const BAD: [Sender; 7] = [
    Sender::Forged,
    Sender::Garbage,
    Sender::UnknownKey,
    Sender::Expired,
    Sender::Future,
    Sender::Disabled,
    Sender::Unproven,
];

#[test]
fn somebody_good_must_be_let_in() {
    assert_eq!(answer(Sender::Good, Some(200), false), None);
    for status in [204, 400, 401, 403, 500, 503] {
        let found = answer(Sender::Good, Some(status), false);
        assert_eq!(found, Some("somebody good was refused"), "{status}");
    }
}

#[test]
fn an_outage_excuses_a_503_and_nothing_else() {
    for sender in BAD.into_iter().chain([Sender::Good]) {
        assert_eq!(answer(sender, Some(503), true), None, "{sender:?}");
        assert_eq!(answer(sender, None, true), Some("no answer"), "{sender:?}");
        assert!(answer(sender, Some(500), true).is_some(), "{sender:?}");
    }
    assert!(answer(Sender::Good, Some(401), true).is_some());
}

#[test]
fn somebody_bad_must_be_refused() {
    for sender in BAD {
        for is_excused in [false, true] {
            assert_eq!(answer(sender, Some(401), is_excused), None, "{sender:?}");
            let found = answer(sender, Some(200), is_excused);
            assert_eq!(found, Some("somebody bad was let in"), "{sender:?}");
        }
        let is_new_perhaps = sender == Sender::UnknownKey;
        let found = answer(sender, Some(503), false);
        assert_eq!(found.is_none(), is_new_perhaps, "{sender:?}");
        assert!(answer(sender, Some(500), false).is_some(), "{sender:?}");
    }
}

#[test]
fn a_stream_ends_with_its_user_and_not_before() {
    let second = Duration::from_secs;
    assert_eq!(stream(true, None, second(5), false), None);
    assert_eq!(stream(true, Some(second(5)), second(5), false), None);
    assert!(stream(true, Some(second(6)), second(5), false).is_some());
    assert!(stream(true, Some(second(6)), second(5), true).is_some());
    assert_eq!(stream(false, Some(second(3)), second(5), false), None);
    assert!(stream(false, None, second(5), false).is_some());
    assert_eq!(stream(false, None, second(5), true), None);
}

#[test]
fn what_levels_off_does_not_grow() {
    let levelling = [1.0, 5.0, 9.0, 10.0, 10.0, 10.0, 10.0, 11.0, 10.0];
    assert!(!grows(&levelling, 0.1, 0.0));
    let growing = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    assert!(grows(&growing, 0.1, 0.0));
    assert!(!grows(&growing, 0.1, 3.0));
    assert!(!grows(&[1.0, 9.0], 0.1, 0.0));
    assert!(!grows(&[], 0.1, 0.0));
}
