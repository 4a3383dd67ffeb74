//! How many cases the property tests run: for the tests of this crate alone.

use proptest::test_runner::Config;

/// `few` cases, so that the tests stay quick; `all` of them where `AXUM_AUTHGEAR_CASES=full`.
pub(crate) fn cases(few: u32, all: u32) -> Config {
    let full = std::env::var_os("AXUM_AUTHGEAR_CASES").is_some_and(|value| value == "full");
    Config {
        cases: if full { all } else { few },
        failure_persistence: None,
        ..Config::default()
    }
}
