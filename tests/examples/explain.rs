//! `explain`: its lines and its exit code.

use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};

use crate::process::run_with_input;

/// What it prints and how it ends.
struct Report {
    code: i32,
    out: String,
    err: String,
}

async fn explain(environment: &[(&str, &str)], input: &str) -> Report {
    let output = run_with_input("explain", environment, input.as_bytes()).await;
    Report {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Report {
    /// Whether it ends so, with one mark to a line before that.
    #[track_caller]
    fn assert(&self, code: i32, verdict: &str, failed: Option<&str>) {
        let out = &self.out;
        assert_eq!(self.code, code, "{out}{}", self.err);
        assert!(out.ends_with(&format!("\nverdict: {verdict}\n")), "{out}");
        let rows: Vec<_> = out
            .lines()
            .filter(|line| !line.starts_with("note: "))
            .take_while(|line| !line.starts_with("cure: ") && !line.starts_with("verdict: "))
            .collect();
        assert!(rows.len() >= 10, "{out}");
        let marks = ["ok ", "FAILED ", "- "];
        assert!(
            rows.iter()
                .all(|row| marks.iter().any(|mark| row.starts_with(mark))),
            "{out}"
        );
        let found: Vec<_> = rows
            .iter()
            .filter_map(|row| row.strip_prefix("FAILED "))
            .map(|row| row.split_whitespace().next().unwrap())
            .collect();
        assert_eq!(found, failed.into_iter().collect::<Vec<_>>(), "{out}");
        let cures = out
            .lines()
            .filter(|line| line.starts_with("cure: "))
            .count();
        assert_eq!(cures, usize::from(failed.is_some()), "{out}");
        assert_eq!(self.err, "");
    }

    #[track_caller]
    fn assert_bad(&self, complaint: &str) {
        assert_eq!((self.code, &*self.out), (2, ""), "{}", self.err);
        assert!(self.err.contains(complaint), "{}", self.err);
    }
}

#[tokio::test]
async fn a_verdict_for_each_token_and_no_signature() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let endpoint = [("AUTHGEAR_ENDPOINT", fake.endpoint())];
    let token = fake.token(&alice).sign();
    let forged = fake
        .token(&alice)
        .signed_by(&SigningKey::rsa())
        .kid(fake.signing_kid());
    for (token, code, verdict, failed) in [
        (token.clone(), 0, "good", None),
        (
            fake.token(&alice).expires_at(1_700_000_000).sign(),
            1,
            "refused: expired",
            Some("times"),
        ),
        (
            fake.id_token(&alice).sign(),
            1,
            "refused: wrong_token_type",
            Some("header"),
        ),
        (
            forged.sign(),
            1,
            "refused: bad_signature",
            Some("signature"),
        ),
        (
            "undefined".to_owned(),
            1,
            "refused: placeholder_token",
            Some("shape"),
        ),
    ] {
        let report = explain(&endpoint, &format!("{token}\n")).await;
        report.assert(code, verdict, failed);
        if let Some((_, signature)) = token.rsplit_once('.') {
            for start in (0..signature.len() - 12).step_by(4) {
                assert!(!report.out.contains(&signature[start..start + 12]));
            }
        }
    }
    // What stands around it is left out, and that is said.
    for input in [
        format!("Bearer {token}"),
        format!("  bearer   {token}\r\n\n"),
        format!("\t{token}  \n"),
    ] {
        let report = explain(&endpoint, &input).await;
        report.assert(0, "good", None);
        assert!(report.out.contains(" left out\n"), "{}", report.out);
    }
    let plain = explain(&endpoint, &format!("{token}\n")).await;
    assert!(!plain.out.contains("left out"));
    // Once.
    let report = explain(&endpoint, &format!("Bearer Bearer {token}")).await;
    report.assert(1, "refused: malformed_authorization_header", Some("shape"));
}

#[tokio::test]
async fn the_variables_are_those_of_the_server() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let endpoint = ("AUTHGEAR_ENDPOINT", fake.endpoint());
    let token = fake.token(&alice).sign();
    let machine = fake.client_token("job", "https://api.example.com").sign();
    let just_over = fake.token(&alice).expires_at(now() - 30).sign();
    for (token, variable, code, verdict, failed) in [
        (
            &token,
            ("AUTHGEAR_AUDIENCE", "https://api.example.com"),
            1,
            "refused: wrong_audience",
            Some("audience"),
        ),
        (
            &machine,
            ("AUTHGEAR_AUDIENCE", "https://api.example.com"),
            0,
            "good",
            None,
        ),
        (
            &token,
            ("AUTHGEAR_CLIENT_IDS", "mobile"),
            1,
            "refused: client_not_allowed",
            Some("client"),
        ),
        (
            &token,
            ("AUTHGEAR_CLIENT_IDS", "mobile,spa"),
            0,
            "good",
            None,
        ),
        (&just_over, ("AUTHGEAR_LEEWAY_SECS", "60"), 0, "good", None),
        (
            &just_over,
            ("AUTHGEAR_LEEWAY_SECS", "5"),
            1,
            "refused: expired",
            Some("times"),
        ),
    ] {
        let report = explain(&[endpoint, variable], token).await;
        report.assert(code, verdict, failed);
    }
    for (name, value) in [
        ("AUTHGEAR_LEEWAY_SECS", "-1"),
        ("AUTHGEAR_LEEWAY_SECS", "601"),
        ("AUTHGEAR_AUDIENCE", ""),
        ("AUTHGEAR_CLIENT_IDS", "a,,b"),
    ] {
        explain(&[endpoint, (name, value)], &token)
            .await
            .assert_bad(name);
    }
    explain(&[("AUTHGEAR_ENDPOINT", "ftp://x")], &token)
        .await
        .assert_bad("AUTHGEAR_ENDPOINT");
}

#[tokio::test]
async fn no_token_is_no_verdict() {
    let fake = FakeAuthgear::start().await;
    let endpoint = [("AUTHGEAR_ENDPOINT", fake.endpoint())];
    for input in ["", "\n", "  \t\n", "Bearer", "Bearer  \n"] {
        let report = explain(&endpoint, input).await;
        report.assert_bad("there is no token on standard input");
    }
    // Without a project of one's own it shows what it does.
    let report = explain(&[], "").await;
    report.assert_bad("there is no token on standard input");
    for line in [
        "verdict: good",
        "verdict: refused: wrong_token_type",
        "AUTHGEAR_ENDPOINT=",
    ] {
        assert!(report.err.contains(line), "{}", report.err);
    }
}

#[tokio::test]
async fn without_a_project_a_fake_judges_and_says_so() {
    let other = FakeAuthgear::start().await;
    let alice = other.add_user(User::new("alice"));
    let report = explain(&[], &other.token(&alice).sign()).await;
    report.assert(1, "refused: wrong_issuer", Some("issuer"));
    assert!(
        report.out.contains("AUTHGEAR_ENDPOINT is not set"),
        "{}",
        report.out
    );
}

#[tokio::test]
async fn keys_out_of_reach_are_unknown() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let expired = fake.token(&alice).expires_at(1_700_000_000).sign();
    fake.stop();
    let endpoint = [("AUTHGEAR_ENDPOINT", fake.endpoint())];
    explain(&endpoint, &token)
        .await
        .assert(3, "unknown", Some("key"));
    explain(&endpoint, &expired)
        .await
        .assert(1, "refused: expired", Some("times"));
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}
