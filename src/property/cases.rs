//! How many cases the property tests run: for the tests of this crate alone.

use proptest::test_runner::Config;

/// `few` cases, so that the tests stay quick; `all` of them where `AXUM_AUTHGEAR_CASES=full`, or as many as
/// that variable says.
pub(crate) fn cases(few: u32, all: u32) -> Config {
    let wanted = std::env::var("AXUM_AUTHGEAR_CASES").ok();
    Config {
        cases: match wanted.as_deref() {
            None => few,
            Some("full") => all,
            Some(number) => number.parse().expect("`full`, or a number of cases"),
        },
        failure_persistence: None,
        ..Config::default()
    }
}
