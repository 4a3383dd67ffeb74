//! The client sends something, and it is not the access token that this API takes.

use std::time::Duration;

use axum_authgear::AuthErrorKind::{
    self, AlgorithmNotAllowed, ClientNotAllowed, Expired, IssuedInFuture,
    MalformedAuthorizationHeader, MalformedToken, MissingCredential, NotYetValid, OpaqueToken,
    PlaceholderToken, WrongAudience, WrongIssuer, WrongTokenType,
};
use axum_authgear::testkit::{Clock, Endpoint, FakeAuthgear, User};
use axum_authgear::{Algorithm, Authgear, LiveSessions, SessionResolver};
use http::header;

use super::{assert_calm, assert_names, listen, look, plain};
use crate::support::{api, ready, send, with_bearer, with_headers};

const NOW: u64 = 1_800_000_000;

/// One mistake: the token, the kind, the cure in the body (for the client's developer), and the words of
/// one line at DEBUG (for the API's).
struct Mistake {
    what: &'static str,
    token: String,
    kind: AuthErrorKind,
    body: &'static str,
    debug: Vec<String>,
}

fn mistake(
    what: &'static str,
    token: String,
    kind: AuthErrorKind,
    body: &'static str,
    debug: &[&str],
) -> Mistake {
    Mistake {
        what,
        token,
        kind,
        body,
        debug: debug.iter().map(|&word| word.to_owned()).collect(),
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn each_has_its_kind_and_names_its_cure() {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let other = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let mallory = other.add_user(User::new("mallory"));
    let session = fake.sign_in(&alice);
    let user = || fake.token(&alice).client_id("spa");
    let endpoint = format!("expected=\"{}\"", fake.endpoint());
    let clients = "expected=\"spa, mobile\"";
    let id_token = fake.id_token(&alice).sign();
    let resource = "https://api.canary.example";
    let mistakes = [
        mistake(
            "opaque",
            session.opaque_token(),
            OpaqueToken,
            "turn on Issue JWT as access token",
            &["session_resolver"],
        ),
        mistake(
            "undefined",
            "undefined".to_owned(),
            PlaceholderToken,
            "sign in and wait for the token",
            &["placeholder_token"],
        ),
        mistake(
            "null",
            "null".to_owned(),
            PlaceholderToken,
            "sign in and wait for the token",
            &[],
        ),
        mistake(
            "None",
            "None".to_owned(),
            PlaceholderToken,
            "sign in and wait for the token",
            &[],
        ),
        mistake(
            "ID token",
            id_token,
            WrongTokenType,
            "send the access token, not the ID token",
            &["expected=\"at+jwt\""],
        ),
        mistake(
            "another project",
            other.token(&mallory).sign(),
            WrongIssuer,
            "from another issuer",
            &[&endpoint],
        ),
        mistake(
            "a final slash",
            user().claim("iss", format!("{}/", fake.endpoint())).sign(),
            WrongIssuer,
            "from another issuer",
            &["the endpoint must equal the token's `iss`"],
        ),
        mistake(
            "a machine without its audience",
            fake.client_token("worker", resource).sign(),
            WrongAudience,
            "for another audience",
            &[&endpoint],
        ),
        mistake(
            "another audience",
            user().claim("aud", resource).sign(),
            WrongAudience,
            "for another audience",
            &["cure=", "with `audience` (of the builder"],
        ),
        mistake(
            "a client that is not listed",
            user().client_id("canary-client").sign(),
            ClientNotAllowed,
            "client of the access token is not allowed",
            &[clients],
        ),
        mistake(
            "a client that is not listed",
            user().client_id("canary-client").sign(),
            ClientNotAllowed,
            "",
            &["cure=", "`client_ids`"],
        ),
        mistake(
            "a clock ten minutes fast",
            user().issued_at(NOW - 900).expires_at(NOW - 600).sign(),
            Expired,
            "has expired",
            &["seconds_off=600", "leeway_secs=60"],
        ),
        mistake(
            "a clock ten minutes slow",
            user().issued_at(NOW + 600).expires_at(NOW + 1200).sign(),
            IssuedInFuture,
            "issued in the future",
            &["seconds_off=600", "leeway_secs=60"],
        ),
        mistake(
            "a clock ten minutes slow",
            user().issued_at(NOW + 600).expires_at(NOW + 1200).sign(),
            IssuedInFuture,
            "",
            &["cure=", "clock"],
        ),
        mistake(
            "not yet",
            user().claim("nbf", NOW + 600).sign(),
            NotYetValid,
            "not valid yet",
            &["seconds_off=600"],
        ),
        mistake(
            "another algorithm",
            user().header("alg", "HS256").sign(),
            AlgorithmNotAllowed,
            "",
            &["expected=\"RS256, ES256\""],
        ),
        mistake(
            "cut off in a log",
            user().sign()[..40].to_owned(),
            MalformedToken,
            "",
            &[],
        ),
    ];
    let builder = Authgear::builder(fake.endpoint())
        .client_ids(["spa", "mobile"])
        .algorithms([Algorithm::RS256, Algorithm::ES256])
        .dangerous()
        .clock(clock);
    let authgear = ready(builder).await;
    let api = api(&authgear);
    for Mistake {
        what,
        token,
        kind,
        body,
        debug,
    } in mistakes
    {
        let (log, _listening) = listen();
        let seen = look(&log, &api, with_bearer("/principal", &token)).await;
        assert_eq!(
            (seen.answer.status.as_u16(), seen.answer.kind),
            (401, Some(kind)),
            "{what}"
        );
        assert_names(&[&seen.answer.body], &[body]);
        // What a client causes is not in the log that everyone has.
        assert_calm(&seen.default_log);
        let words: Vec<&str> = debug.iter().map(String::as_str).collect();
        assert_names(&seen.debug_log, &words);
        assert_names(
            &seen.debug_log,
            &[kind.as_str(), &format!("issuer=\"{}\"", fake.endpoint())],
        );
        assert!(seen.debug_log.len() <= 2, "{what}: {:?}", seen.debug_log);
        // What came in the token is in none of it.
        let all = log.text() + &seen.answer.body;
        for part in ["canary", other.endpoint(), "mallory", "alice"] {
            assert!(!all.contains(part), "{what}: {part} is in {all}");
        }
        // By another way than HTTP it is the same.
        let error = authgear.verify_principal(&token).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}");
    }
    // The near misses are good.
    for token in [
        user().sign(),
        user().expires_at(NOW - 59).sign(),
        user().issued_at(NOW + 60).sign(),
    ] {
        assert_eq!(
            send(&api, with_bearer("/principal", &token)).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_header_without_a_token_says_what_belongs_there() {
    let fake = FakeAuthgear::start().await;
    let api = api(&ready(Authgear::builder(fake.endpoint())).await);
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let twice = format!("Bearer Bearer {token}");
    for (value, status, kind, cure) in [
        (
            "Bearer",
            400,
            MalformedAuthorizationHeader,
            "send `Bearer`, a space and the access token",
        ),
        (
            "Bearer ",
            400,
            MalformedAuthorizationHeader,
            "send `Bearer`, a space and the access token",
        ),
        (
            "Bearer $ACCESS_TOKEN",
            400,
            MalformedAuthorizationHeader,
            "send `Bearer`, a space",
        ),
        (
            "Bearer [object Object]",
            400,
            MalformedAuthorizationHeader,
            "send `Bearer`, a space",
        ),
        (
            &twice,
            400,
            MalformedAuthorizationHeader,
            "send `Bearer`, a space and the access token",
        ),
        (
            &token,
            401,
            MissingCredential,
            "`Authorization: Bearer TOKEN`",
        ),
        (
            "Token abc",
            401,
            MissingCredential,
            "`Authorization: Bearer TOKEN`",
        ),
    ] {
        let (log, _listening) = listen();
        let seen = look(&log, &api, with_headers(&[("authorization", value)])).await;
        let found = (seen.answer.status.as_u16(), seen.answer.kind);
        assert_eq!(found, (status, Some(kind)), "{value}");
        assert_names(&[&seen.answer.body], &[cure]);
        assert_names(&seen.debug_log, &[kind.as_str(), fake.endpoint()]);
        if status == 401 {
            assert_eq!(seen.answer.challenge(), Some("Bearer"), "{value}");
        }
    }
}

/// Wherever the token is looked for, and whoever decides about it, such a word is asked of nobody.
#[tokio::test]
async fn a_placeholder_is_one_in_each_mode_and_source() {
    let fake = FakeAuthgear::start().await;
    let live = LiveSessions::within(Duration::from_secs(10));
    let builder = || Authgear::builder(fake.endpoint()).token_cookie("at");
    for builder in [
        builder(),
        builder().session_resolver(SessionResolver::new()),
        builder().live_sessions(live),
    ] {
        let authgear = ready(builder).await;
        let api = api(&authgear);
        let before = fake.requests(Endpoint::Resolver);
        for word in ["undefined", "NULL", "nil", "NaN", "false"] {
            for (name, value) in [
                ("authorization", format!("Bearer {word}")),
                ("cookie", format!("at={word}")),
            ] {
                let answer = send(&api, with_headers(&[(name, &value)])).await;
                assert_eq!(answer.kind, Some(PlaceholderToken), "{name}: {value}");
            }
            let error = authgear.verify(word).await.unwrap_err();
            assert_eq!(error.kind(), PlaceholderToken);
        }
        assert_eq!(fake.requests(Endpoint::Resolver), before);
    }
}

#[tokio::test]
async fn what_looks_like_an_opaque_token_and_what_does_not() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    for (token, kind) in [
        ("wDflpJg2pHtFsjuX3aYgtVees2Fx7514", OpaqueToken),
        ("x", OpaqueToken),
        ("a-b_c", OpaqueToken),
        ("eyJhbGciOiJSUzI1NiJ9", MalformedToken),
        ("", MalformedToken),
        ("a b", MalformedToken),
        ("%22", MalformedToken),
        ("a.b", MalformedToken),
        ("a.b.c.d.e", MalformedToken),
    ] {
        let error = authgear.verify(token).await.unwrap_err();
        // Of three parts and more the header is read first.
        let is_kind = error.kind() == kind
            || (kind == MalformedToken && error.kind() == AuthErrorKind::MalformedTokenHeader);
        assert!(is_kind, "{token}: {error}");
    }
}

/// Of two in a process, each line says whose it is.
#[tokio::test]
async fn lines_name_the_issuer() {
    let (log, _listening) = listen();
    let one = FakeAuthgear::start().await;
    let two = FakeAuthgear::start().await;
    for fake in [&one, &two] {
        let authgear = ready(Authgear::builder(fake.endpoint())).await;
        let seen = look(&log, &api(&authgear), plain("/user")).await;
        let issuer = format!("issuer=\"{}\"", fake.endpoint());
        assert_names(&seen.default_log, &["keys changed", &issuer]);
        assert_names(
            &seen.debug_log,
            &["request refused", "missing_credential", &issuer],
        );
        // Also a refusal of an extractor further inside.
        let token = fake.client_token("worker", fake.endpoint()).sign();
        let seen = look(&log, &api(&authgear), with_bearer("/user", &token)).await;
        assert_names(
            &seen.debug_log,
            &["request refused", "user_required", "`Principal`", &issuer],
        );
    }
}

#[tokio::test]
async fn a_cookie_from_another_origin() {
    let fake = FakeAuthgear::start().await;
    let api = api(&ready(Authgear::builder(fake.endpoint()).token_cookie("at")).await);
    let mut request = with_headers(&[("cookie", "at=x"), ("sec-fetch-site", "cross-site")]);
    *request.method_mut() = http::Method::POST;
    request
        .headers_mut()
        .insert(header::ORIGIN, "https://canary.example".parse().unwrap());
    let (log, _listening) = listen();
    let seen = look(&log, &api, request).await;
    assert_eq!(seen.answer.status, 403);
    assert_names(
        &[&seen.answer.body],
        &["a cookie was sent from another origin"],
    );
    assert_names(
        &seen.debug_log,
        &["cross_origin_request", "`trusted_origins`"],
    );
    assert!(!log.text().contains("canary"));
}
