//! The mistakes of the first day, and what a developer sees of each: the body of the answer, the log at
//! the level that programs have by default, and the log at DEBUG. One line of it names the cure.
//!
//! `src/docs/troubleshooting.md` has a row for each.

mod network;
mod no_effect;
mod page;
mod process;
mod responders;
mod tokens;
mod wiring;

use axum::Router;
use axum::body::Body;
use http::Request;
use tracing::Level;

use crate::support::{Answer, Log, send};

/// What is on the screen.
struct Seen {
    answer: Answer,
    /// The lines of this crate at INFO and above.
    default_log: Vec<String>,
    /// The lines of this crate at DEBUG.
    debug_log: Vec<String>,
}

/// Sends a request, and gives what there is to see of it. What was logged before, while the program was
/// set up, belongs to it where `log` was begun before.
async fn look(log: &Log, app: &Router, request: Request<Body>) -> Seen {
    let answer = send(app, request).await;
    let (default_log, debug_log) = lines(log);
    Seen {
        answer,
        default_log,
        debug_log,
    }
}

fn lines(log: &Log) -> (Vec<String>, Vec<String>) {
    let text = log.text();
    let of = |levels: &[&str]| {
        let is_ours = |line: &&str| {
            line.contains("axum_authgear: ")
                && levels
                    .iter()
                    .any(|level| line.contains(&format!(" {level} ")))
        };
        text.lines().filter(is_ours).map(str::to_owned).collect()
    };
    (of(&["INFO", "WARN", "ERROR"]), of(&["DEBUG"]))
}

/// A log of everything that this thread says from now on.
fn listen() -> (Log, impl Sized) {
    Log::of_this_thread(Level::DEBUG)
}

/// Asserts that one of the lines has all of these words.
#[track_caller]
fn assert_names<T: AsRef<str>>(lines: &[T], words: &[&str]) {
    let has_all = |line: &T| words.iter().all(|word| line.as_ref().contains(word));
    let shown: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    assert!(
        lines.iter().any(has_all),
        "{words:?} is not in one line of\n{}",
        shown.join("\n")
    );
}

/// Asserts that nothing at WARN or above was said.
#[track_caller]
fn assert_calm(lines: &[String]) {
    let loud = |line: &&String| line.contains(" WARN ") || line.contains(" ERROR ");
    assert_eq!(lines.iter().find(loud), None);
}

/// Asserts that nothing was said twice at WARN or above, and at most two lines in all.
#[track_caller]
fn assert_brief(lines: &[String]) {
    let loud = lines
        .iter()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    assert!(loud.count() <= 2, "{lines:?}");
}

fn plain(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}
