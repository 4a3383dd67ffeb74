//! What a request says before any token is looked at, and what is no client's fault.

use axum::body::Body;
use axum_authgear::AuthErrorKind::{
    AlgorithmNotAllowed, Expired, KeysUnavailable, MalformedAuthorizationHeader, MissingCredential,
    MultipleCredentials,
};
use axum_authgear::Authgear;
use axum_authgear::testkit::{FakeAuthgear, User};
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::World;
use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, get, optional_api, send};

fn with_fields(path: &str, fields: &[&[u8]]) -> Request<Body> {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for field in fields {
        let value = HeaderValue::from_bytes(field).unwrap();
        request.headers_mut().append(header::AUTHORIZATION, value);
    }
    request
}

#[tokio::test]
async fn without_a_credential_there_is_no_error_code() {
    let world = World::new().await;
    let token = world.token().sign();
    let in_query = format!("/user?access_token={token}");
    for (name, path, fields) in [
        ("nothing", "/user", &[][..]),
        ("on a route of either", "/principal", &[]),
        ("on a machine's route", "/client", &[]),
        ("another scheme", "/user", &[&b"Basic YWxpY2U6c2VjcmV0"[..]]),
        ("DPoP", "/user", &[b"DPoP abc"]),
        ("a token alone", "/user", &[token.as_bytes()]),
        ("an empty field", "/user", &[b""]),
        ("in the query string", &in_query, &[]),
    ] {
        let answer = send(&world.required, with_fields(path, fields)).await;
        assert_refused(name, &answer, MissingCredential);
        if path.starts_with("/user") {
            // The extractor says the same behind an optional layer…
            let answer = send(&world.optional, with_fields(path, fields)).await;
            assert_refused(name, &answer, MissingCredential);
            // …which lets the request through to who can do without.
            let answer = send(&world.optional, with_fields("/optional", fields)).await;
            assert_passed(name, &answer, "nobody");
        }
    }
}

#[tokio::test]
async fn the_authorization_header_is_one_scheme_and_one_token() {
    let world = World::new().await;
    let token = world.token().sign();
    let scheme = |scheme: &str| format!("{scheme}{token}").into_bytes();
    for (name, field) in [
        ("Bearer", scheme("Bearer ")),
        ("in lower case", scheme("bearer ")),
        ("in upper case", scheme("BEARER ")),
        ("more blanks", scheme("Bearer    ")),
    ] {
        let answer = send(&world.required, with_fields("/user", &[&field])).await;
        assert_passed(name, &answer, world.alice.id());
    }
    for (name, field) in [
        ("nothing behind", b"Bearer".to_vec()),
        ("a blank behind", b"Bearer ".to_vec()),
        ("a tab", scheme("Bearer\t")),
        ("a comma", scheme("Bearer,")),
        (
            "a comma and a second token",
            [&scheme("Bearer ")[..], b", x"].concat(),
        ),
        ("a second token", [&scheme("Bearer ")[..], b" x"].concat()),
        (
            "a blank at the end",
            [&scheme("Bearer ")[..], b" "].concat(),
        ),
        ("in quotes", format!("Bearer \"{token}\"").into_bytes()),
        (
            "as a parameter",
            format!("Bearer token={token}").into_bytes(),
        ),
        ("no ASCII", b"Bearer \xc3\xa9".to_vec()),
    ] {
        for (api, path) in [(&world.required, "/user"), (&world.optional, "/optional")] {
            let answer = send(api, with_fields(path, &[&field])).await;
            assert_refused(name, &answer, MalformedAuthorizationHeader);
        }
    }
    let good = scheme("Bearer ");
    for (name, fields) in [
        ("twice the same", [&good[..], &good]),
        ("two tokens", [&good, b"Bearer x"]),
        ("another scheme first", [b"Basic eA==", &good]),
        ("another scheme last", [&good, b"Basic eA=="]),
        ("two other schemes", [b"Basic eA==", b"Digest x"]),
    ] {
        for (api, path) in [(&world.required, "/user"), (&world.optional, "/optional")] {
            let answer = send(api, with_fields(path, &fields)).await;
            assert_refused(name, &answer, MultipleCredentials);
        }
    }
}

#[tokio::test]
async fn every_method_is_refused_alike() {
    let world = World::new().await;
    let token = world.token().sign();
    let expired = world.token().expires_at(1).sign();
    for method in [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::from_bytes(b"PURGE").unwrap(),
    ] {
        let request = |token: Option<&str>| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.clone();
            *request.uri_mut() = "/user".parse().unwrap();
            if let Some(token) = token {
                let value = format!("Bearer {token}").parse().unwrap();
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            request
        };
        let name = method.as_str();
        let passed = send(&world.required, request(Some(&token))).await;
        assert_eq!(passed.status, StatusCode::OK, "{name}");
        let mut refused = send(&world.required, request(Some(&expired))).await;
        if method == Method::HEAD {
            // The same headers, and the body that a GET would have had left out.
            assert_eq!(refused.body, "");
            refused.body = send(&world.required, {
                let mut request = request(Some(&expired));
                *request.method_mut() = Method::GET;
                request
            })
            .await
            .body;
        }
        assert_refused(name, &refused, Expired);
        let nobody = send(&world.required, request(None)).await;
        assert_eq!(nobody.kind, Some(MissingCredential), "{name}");
    }
}

/// 503 is for what is wrong on our side; what needs no key to be refused is 401 all the same.
#[tokio::test]
async fn while_the_keys_are_out_of_reach() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    fake.stop();
    let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
    let (required, optional) = (api(&authgear), optional_api(&authgear));

    let answer = get(
        &required,
        "/user",
        &fake.token(&alice).header("alg", "none").sign(),
    )
    .await;
    assert_refused("a token of no use", &answer, AlgorithmNotAllowed);
    let answer = get(&required, "/user", &fake.token(&alice).expires_at(1).sign()).await;
    assert_refused("an expired token", &answer, Expired);
    let answer = send(&required, with_fields("/user", &[])).await;
    assert_refused("no token", &answer, MissingCredential);
    let answer = send(&optional, with_fields("/optional", &[])).await;
    assert_passed("no token", &answer, "nobody");

    let token = fake.token(&alice).sign();
    let (first, second) = tokio::join!(
        get(&required, "/user", &token),
        get(&optional, "/optional", &token)
    );
    assert_refused("a good token", &first, KeysUnavailable);
    assert_refused(
        "a good token on an optional route",
        &second,
        KeysUnavailable,
    );

    fake.restart().await;
    authgear
        .ready(std::time::Duration::from_secs(10))
        .await
        .unwrap();
    assert_passed("later", &get(&required, "/user", &token).await, alice.id());
}

#[tokio::test]
async fn configured_parameters_stand_in_every_challenge_and_the_host_in_none() {
    let world = World::with(
        |_| (),
        |builder| {
            builder
                .realm("shop")
                .resource_metadata("https://api.example/.well-known/oauth-protected-resource")
        },
    )
    .await;
    let around = |error: &str| {
        format!(
            "Bearer realm=\"shop\"{error}, \
             resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\""
        )
    };
    let of = |fields: &'static [&'static [u8]]| {
        let mut request = with_fields("/user", fields);
        let host = HeaderValue::from_static("evil.example");
        request.headers_mut().insert(header::HOST, host);
        request
    };
    let answer = send(&world.required, of(&[])).await;
    assert_eq!(answer.challenge(), Some(&*around("")));
    // The extractor knows them too.
    let answer = send(&world.optional, of(&[])).await;
    assert_eq!(answer.challenge(), Some(&*around("")));
    let answer = send(&world.required, of(&[b"Bearer"])).await;
    assert_eq!(
        answer.challenge(),
        Some(&*around(", error=\"invalid_request\""))
    );
    let answer = send(&world.required, of(&[b"Bearer x."])).await;
    let wanted =
        around(", error=\"invalid_token\", error_description=\"the access token is malformed\"");
    assert_eq!(answer.challenge(), Some(&*wanted));
    let token = world
        .fake
        .client_token("worker", world.fake.endpoint())
        .sign();
    let answer = get(&world.required, "/user", &token).await;
    assert_eq!(
        (answer.status, answer.challenge()),
        (StatusCode::FORBIDDEN, None)
    );
}
