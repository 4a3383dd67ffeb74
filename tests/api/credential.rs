//! One request carries one credential, and what is chosen is final.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum_authgear::AuthErrorKind::{
    BadSignature, Expired, MalformedAuthorizationHeader, MissingCredential, MultipleCredentials,
    OpaqueToken,
};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, TokenSource};
use http::{HeaderValue, Request};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, optional_api, ready, send};

type Fields<'f> = &'f [(&'static str, &'f str)];
/// The user who is let in, or why nobody is.
type Wanted = Result<&'static str, AuthErrorKind>;

fn request(path: &str, fields: Fields<'_>) -> Request<Body> {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

/// Sources in the order: `Authorization`, cookie `token`, cookie `other`, header `x-token`.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn the_first_source_with_a_credential_decides() {
    let fake = FakeAuthgear::start().await;
    let [header, cookie, other, custom] = ["header", "cookie", "other", "custom"]
        .map(|name| fake.add_user(User::new(name).with_id(name)))
        .map(|user| fake.token(&user).sign());
    let eve = fake.add_user(User::new("eve"));
    let expired = fake.token(&eve).expires_at(1).sign();
    let forged = fake.token(&eve).tamper_signature().sign();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let builder = Authgear::builder(fake.endpoint())
        .token_cookie("token")
        .token_cookie("other")
        .token_source(TokenSource::new(move |headers| {
            counter.fetch_add(1, Ordering::Relaxed);
            Some(headers.get("x-token")?.to_str().ok()?.to_owned())
        }));
    let authgear = ready(builder).await;
    let (required, optional) = (api(&authgear), optional_api(&authgear));

    let bearer = format!("Bearer {header}");
    let bad_bearer = format!("Bearer {expired}");
    let token = format!("token={cookie}");
    let bad_token = format!("token={forged}");
    let second = format!("other={other}");
    let both = format!("{token}; {second}");
    let bad_both = format!("{bad_token}; {second}");
    let doubled = format!("{token}; token={other}");
    let doubled_second = format!("other={other}; other={cookie}");
    let cases: &[(&str, Fields<'_>, Wanted)] = &[
        (
            "all four",
            &[
                ("authorization", &bearer),
                ("cookie", &both),
                ("x-token", &custom),
            ],
            Ok("header"),
        ),
        (
            "cookies and custom",
            &[("cookie", &both), ("x-token", &custom)],
            Ok("cookie"),
        ),
        (
            "second cookie and custom",
            &[("cookie", &second), ("x-token", &custom)],
            Ok("other"),
        ),
        ("custom alone", &[("x-token", &custom)], Ok("custom")),
        (
            "another scheme and a cookie",
            &[("authorization", "Basic eA=="), ("cookie", &token)],
            Ok("cookie"),
        ),
        // Nothing falls through to the next source.
        (
            "bad bearer, good cookie",
            &[("authorization", &bad_bearer), ("cookie", &token)],
            Err(Expired),
        ),
        (
            "malformed bearer, good cookie",
            &[("authorization", "Bearer"), ("cookie", &token)],
            Err(MalformedAuthorizationHeader),
        ),
        (
            "two bearers, good cookie",
            &[
                ("authorization", &bearer),
                ("authorization", &bearer),
                ("cookie", &token),
            ],
            Err(MultipleCredentials),
        ),
        (
            "two schemes, good cookie",
            &[
                ("authorization", "Basic eA=="),
                ("authorization", "Basic eA=="),
                ("cookie", &token),
            ],
            Err(MultipleCredentials),
        ),
        (
            "bad cookie, good second cookie",
            &[("cookie", &bad_both)],
            Err(BadSignature),
        ),
        (
            "empty cookie, good second cookie",
            &[("cookie", &format!("token=; {second}"))],
            Ok("other"),
        ),
        (
            "bad cookie, good custom",
            &[("cookie", &bad_token), ("x-token", &custom)],
            Err(BadSignature),
        ),
        ("bad custom", &[("x-token", "x")], Err(OpaqueToken)),
        // Sources after the chosen one are not looked at.
        (
            "good bearer, bad cookie",
            &[("authorization", &bearer), ("cookie", &bad_token)],
            Ok("header"),
        ),
        (
            "good bearer, doubled cookie",
            &[("authorization", &bearer), ("cookie", &doubled)],
            Ok("header"),
        ),
        (
            "good cookie, doubled second one",
            &[("cookie", &format!("{token}; {doubled_second}"))],
            Ok("cookie"),
        ),
        // Two values of the chosen source are two credentials, wherever they stand.
        (
            "doubled cookie",
            &[("cookie", &doubled)],
            Err(MultipleCredentials),
        ),
        (
            "doubled in two fields",
            &[("cookie", &token), ("cookie", &format!("token={other}"))],
            Err(MultipleCredentials),
        ),
        (
            "doubled, one empty",
            &[("cookie", &format!("{token}; token="))],
            Ok("cookie"),
        ),
        (
            "doubled, good custom",
            &[("cookie", &doubled), ("x-token", &custom)],
            Err(MultipleCredentials),
        ),
        (
            "the same twice",
            &[("cookie", &format!("{token}; {token}"))],
            Ok("cookie"),
        ),
        (
            "the same in two fields",
            &[("cookie", &token), ("cookie", &token)],
            Ok("cookie"),
        ),
        (
            "spread over fields among others",
            &[
                ("cookie", "a=1"),
                ("cookie", &token),
                ("cookie", "b=\u{e9}"),
            ],
            Ok("cookie"),
        ),
        // Names are compared letter by letter.
        (
            "another cookie",
            &[(
                "cookie",
                &format!("Token={cookie}; xtoken={cookie}; tokenx={cookie}"),
            )],
            Err(MissingCredential),
        ),
        (
            "a cookie in a cookie",
            &[("cookie", &format!("x=token={cookie}"))],
            Err(MissingCredential),
        ),
        (
            "a cookie in another field",
            &[("set-cookie", &token), ("x-cookie", &token)],
            Err(MissingCredential),
        ),
    ];
    for (name, fields, wanted) in cases {
        let before = asked.load(Ordering::Relaxed);
        let answer = send(&required, request("/user", fields)).await;
        match wanted {
            Ok(user) => assert_passed(name, &answer, user),
            Err(kind) => assert_refused(name, &answer, *kind),
        }
        let reads_custom =
            matches!(wanted, Ok("custom") | Err(MissingCredential)) || *name == "bad custom";
        let asked = asked.load(Ordering::Relaxed) - before;
        assert_eq!(asked, usize::from(reads_custom), "{name}");

        // Optional is about no credential, not about a bad one.
        let answer = send(&optional, request("/optional", fields)).await;
        match wanted {
            Ok(user) => assert_passed(name, &answer, user),
            Err(MissingCredential) => assert_passed(name, &answer, "nobody"),
            Err(kind) => assert_refused(name, &answer, *kind),
        }
    }
}

#[tokio::test]
async fn a_cookie_is_no_credential_unless_it_is_named() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let cookies = fake.sign_in(&alice).cookies();
    let field = format!(
        "{}; {}; {}; access_token={}",
        cookies.session().pair(),
        cookies.app_session().pair(),
        cookies.app_access_token().pair(),
        fake.token(&alice).sign()
    );
    let answer = send(&api(&authgear), request("/user", &[("cookie", &field)])).await;
    assert_refused("Authgear's own cookies", &answer, MissingCredential);
}

/// Whatever a client writes, nobody behind the layer reads it as a gateway's word.
#[tokio::test]
async fn identity_headers_are_removed_in_every_spelling() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint()).token_cookie("token")).await;
    let token = fake.token(&alice).sign();
    let bearer = format!("Bearer {token}");
    let cookie = format!("token={token}");
    let spoofed = [
        "x-authgear-user-id",
        "X-Authgear-User-Id",
        "x_authgear_user_id",
        "X_AUTHGEAR_USER_ID",
        "x-authgear_user-roles",
        "x_authgear-session-valid",
        "x-authgear-",
        "x-authgear-anything-at-all",
    ];
    let kept = [
        "x-authgear",
        "x-authgearuser-id",
        "authgear-user-id",
        "x-other",
    ];
    for (api, credential) in [
        (api(&authgear), Some(("authorization", bearer.as_str()))),
        (api(&authgear), Some(("cookie", cookie.as_str()))),
        (
            optional_api(&authgear),
            Some(("authorization", bearer.as_str())),
        ),
        (optional_api(&authgear), None),
        // Of two layers too, the second of which has nothing more to do.
        (
            api(&authgear).layer(authgear.layer().optional()),
            Some(("authorization", bearer.as_str())),
        ),
    ] {
        let mut request = request("/headers", credential.as_slice());
        for name in spoofed.iter().chain(&kept) {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(&name, HeaderValue::from_static("spoofed"));
            request
                .headers_mut()
                .append(&name, HeaderValue::from_static("again"));
        }
        let answer = send(&api, request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = answer.body.to_lowercase();
        for name in spoofed {
            assert!(
                !seen.contains(&format!("\"{}\"", name.to_lowercase())),
                "{name}: {seen}"
            );
        }
        for name in kept {
            assert!(seen.contains(&format!("\"{name}\"")), "{name}: {seen}");
        }
        assert!(
            !seen.contains("x-authgear-") && !seen.contains("x_authgear"),
            "{seen}"
        );
    }
    // They are nobody's credential either.
    let named = [
        ("x-authgear-user-id", "alice"),
        ("x-authgear-session-valid", "true"),
    ];
    let answer = send(&api(&authgear), request("/user", &named)).await;
    assert_refused("a spoofed user", &answer, MissingCredential);
    let answer = send(&optional_api(&authgear), request("/optional", &named)).await;
    assert_passed("a spoofed user", &answer, "nobody");
}
