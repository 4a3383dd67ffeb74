//! Why is this token refused? `cargo run --example explain`, with the token on standard input:
//! `pbpaste | AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example explain`.
//!
//! The token is no argument, for others see those in the list of processes. Blanks around it and a
//! `Bearer ` before it are left out. Without `AUTHGEAR_ENDPOINT` a fake Authgear stands in, which knows
//! no token; the environment else is that of `resource_server`, so that the answer is that server's.
//! The exit code is 0 for a good token, 1 for a refused one, 2 where there is no token or a variable is
//! bad, and 3 where it cannot be said because Authgear is out of reach.

use std::error::Error;
use std::io::{Read, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use axum_authgear::Authgear;
use axum_authgear::explain::Verdict;
use axum_authgear::testkit::{FakeAuthgear, User};
use support::config::{self, Settings};
use support::project;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut fake = None;
    let endpoint = match config::endpoint()? {
        Some(endpoint) => endpoint,
        None => fake
            .insert(FakeAuthgear::start().await)
            .endpoint()
            .to_owned(),
    };
    let settings = Settings::at(endpoint)?;
    let authgear = project::build_for(&settings, project::builder(&settings))?;

    let mut text = Vec::new();
    stdin().take(MAX_INPUT).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (token, notes) = token(&text);
    if token.is_empty() {
        let _ = writeln!(stderr(), "there is no token on standard input");
        if let Some(fake) = &fake {
            show(&authgear, fake).await;
        }
        return Ok(ExitCode::from(2));
    }

    let explanation = authgear.explain(token).await;
    let mut report = String::new();
    if fake.is_some() {
        report.push_str(
            "note: AUTHGEAR_ENDPOINT is not set: a fake project judges, which knows no token\n",
        );
    }
    for note in notes {
        report.push_str("note: ");
        report.push_str(note);
        report.push('\n');
    }
    // That nobody reads it changes nothing of the verdict.
    let _ = writeln!(stdout(), "{report}{explanation}");
    Ok(ExitCode::from(match explanation.verdict() {
        Verdict::Good => 0,
        Verdict::Unknown(_) => 3,
        _ => 1,
    }))
}

/// The token in a text, and what was left out around it.
fn token(text: &str) -> (&str, Vec<&'static str>) {
    let mut notes = Vec::new();
    let trimmed = text.trim();
    // The end of the line that `echo` makes is none of it.
    if trimmed != text.trim_end_matches(['\r', '\n']) {
        notes.push("blanks around the token were left out");
    }
    let scheme = trimmed.get(..BEARER.len());
    let token = match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case(BEARER) => {
            notes.push("`Bearer ` before the token was left out");
            trimmed.get(BEARER.len()..).unwrap_or_default().trim_start()
        }
        _ if trimmed.eq_ignore_ascii_case(BEARER.trim_end()) => "",
        _ => trimmed,
    };
    (token, notes)
}

/// How it looks, for who has no token yet.
async fn show(authgear: &Authgear, fake: &FakeAuthgear) {
    let alice = fake.add_user(User::new("alice"));
    for (what, token) in [
        ("a good token", fake.token(&alice).sign()),
        ("the ID token instead", fake.id_token(&alice).sign()),
    ] {
        let explanation = authgear.explain(&token).await;
        let _ = writeln!(stderr(), "\nThis is how {what} looks:\n\n{explanation}");
    }
    let _ = writeln!(
        stderr(),
        "\nFor a token of your own: pbpaste | AUTHGEAR_ENDPOINT=https://PROJECT.authgear.cloud \
         cargo run --example explain"
    );
}

const BEARER: &str = "Bearer ";
const MAX_INPUT: u64 = 1024 * 1024;
