//! `playground`: the page, its controls, and what the timelines show.

mod browser;
mod controls;
mod page;
mod sign_in;
mod timelines;

use crate::process::Example;

/// Starts it with these variables, and gives its address.
async fn start(environment: &[(&str, &str)]) -> (Example, String) {
    let mut example = Example::start("playground", environment);
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    (example, url)
}
