//! Behind a gateway: its headers are the user, and nobody else's are.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum_authgear::{AuthErrorKind, Authgear, GatewayProof, Health};
use http::{HeaderName, Method, Request};

use crate::support::{
    Answer, api, assert_refused, assert_says, describing_api, optional_api, send, with_headers,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PROOF: (&str, &str) = ("x-gateway-secret", SECRET);
const VALID: (&str, &str) = ("x-authgear-session-valid", "true");
const ALICE: (&str, &str) = ("x-authgear-user-id", "alice");

fn gateway() -> Authgear {
    Authgear::builder("https://auth.shop.example")
        .dangerous()
        .gateway(GatewayProof::secret(SECRET))
        .build()
        .unwrap()
}

async fn ask(headers: &[(&str, &str)]) -> Answer {
    send(&describing_api(&gateway()), with_headers(headers)).await
}

/// As on a route where anyone may come.
async fn ask_optional(headers: &[(&str, &str)]) -> Answer {
    let mut request = with_headers(headers);
    *request.uri_mut() = "/optional".parse().unwrap();
    send(&describing_api(&gateway()), request).await
}

#[tokio::test]
async fn the_gateways_headers_are_the_user() {
    let all = [
        PROOF,
        VALID,
        ALICE,
        ("x-authgear-user-anonymous", "false"),
        ("x-authgear-user-verified", "true"),
        ("x-authgear-user-can-reauthenticate", "true"),
        ("x-authgear-user-roles", "editor,billing:admin"),
        ("x-authgear-session-amr", "pwd otp"),
        ("x-authgear-session-authenticated-at", "1795511054"),
        // A bearer is the gateway's business.
        ("authorization", "Bearer garbage"),
    ];
    let wanted = [
        "id=alice",
        "anonymous=false",
        "verified=true",
        "reauthenticate=true",
        "roles=editor,billing:admin",
        "amr=pwd,otp",
        "time=Some(1795511054)",
        "client=None",
        "scopes=",
        "expires=false",
        "issuer=https://auth.shop.example",
        "by=gateway",
    ];
    assert_says(&ask(&all).await, &wanted);
    // What the resolver always sends and is missing fails closed.
    let wanted = [
        "anonymous=true",
        "verified=false",
        "reauthenticate=false",
        "roles=",
    ];
    assert_says(&ask(&[PROOF, VALID, ALICE]).await, &wanted);
    assert_eq!(gateway().status().health(), Health::Healthy);
    let error = gateway().verify("token").await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::TokensNotAccepted);
}

#[tokio::test]
async fn without_exactly_one_right_proof_there_is_nobody() {
    let upper = SECRET.to_uppercase();
    let longer = format!("{SECRET}0");
    let list = format!("{SECRET}, {SECRET}");
    let quoted = format!("\"{SECRET}\"");
    let (before, after) = (format!(" {SECRET}"), format!("{SECRET}\t"));
    for proofs in [
        &[][..],
        &[("x-gateway-secret", "")],
        &[("x-gateway-secret", &*upper)],
        &[("x-gateway-secret", &*longer)],
        &[("x-gateway-secret", &*list)],
        &[("x-gateway-secret", &*quoted)],
        &[("x-gateway-secret", &*before)],
        &[("x-gateway-secret", &*after)],
        &[PROOF, ("x-gateway-secret", "")],
        &[("x-gateway-secret", &SECRET[1..])],
        &[PROOF, PROOF],
        &[PROOF, ("x-gateway-secret", "other")],
        &[("x_gateway_secret", SECRET)],
        &[("authorization", SECRET)],
    ] {
        let headers = [proofs, &[VALID, ALICE]].concat();
        assert_refused(&ask(&headers).await, 401, AuthErrorKind::MissingCredential);
        assert_says(&ask_optional(&headers).await, &["nobody"]);
    }
    // With the proof, and without a word about a session, it is the same.
    for headers in [&[PROOF][..], &[PROOF, ALICE]] {
        assert_refused(&ask(headers).await, 401, AuthErrorKind::MissingCredential);
        assert_says(&ask_optional(headers).await, &["nobody"]);
    }
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused() {
    for (more, kind) in [
        (
            &[("x-authgear-session-valid", "false")][..],
            AuthErrorKind::SessionInvalid,
        ),
        (&[VALID], AuthErrorKind::MalformedIdentityHeaders),
        (
            &[("x-authgear-session-valid", "True"), ALICE],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[VALID, VALID, ALICE],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[VALID, ALICE, ALICE],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[VALID, ("x-authgear-user-id", "")],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[VALID, ALICE, ("x-authgear-user-anonymous", "no")],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[
                VALID,
                ALICE,
                ("x-authgear-user-roles", "a"),
                ("x-authgear-user-roles", "b"),
            ],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
        (
            &[VALID, ALICE, ("x-authgear-session-authenticated-at", "1.5")],
            AuthErrorKind::MalformedIdentityHeaders,
        ),
    ] {
        let headers = [&[PROOF], more].concat();
        assert_refused(&ask(&headers).await, 401, kind);
        assert_refused(&ask_optional(&headers).await, 401, kind);
    }
}

#[tokio::test]
async fn no_handler_sees_the_proof_or_an_identity_header() {
    let authgear = gateway();
    for router in [api(&authgear), optional_api(&authgear)] {
        let mut request = with_headers(&[PROOF, VALID, ALICE]);
        *request.uri_mut() = "/headers".parse().unwrap();
        for name in [
            "x_authgear_user_id",
            "X_AUTHGEAR-USER_ROLES",
            "x-authgear-other",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, "spoofed".parse().unwrap());
        }
        let answer = send(&router, request).await;
        assert!(answer.status.is_success());
        for word in ["spoofed", "alice", "secret", SECRET, "authgear"] {
            assert!(!answer.body.contains(word), "{word}: {}", answer.body);
        }
    }
    // Spelled with underscores, a header is not the gateway's.
    let spoofed = ("x_authgear_user_id", "admin");
    assert_says(&ask(&[PROOF, VALID, ALICE, spoofed]).await, &["id=alice"]);
}

#[tokio::test]
async fn an_address_is_a_proof_only_where_there_is_one() {
    let authgear = Authgear::builder("https://auth.shop.example")
        .dangerous()
        .gateway(GatewayProof::networks(["10.1.0.0/16", "fd00::1"]))
        .build()
        .unwrap();
    let api = describing_api(&authgear);
    let from = |address: Option<&str>| -> Request<_> {
        // What a client says of addresses plays no part.
        let mut request = with_headers(&[VALID, ALICE, PROOF, ("x-forwarded-for", "10.1.2.3")]);
        if let Some(address) = address {
            let address = SocketAddr::new(address.parse().unwrap(), 1);
            request.extensions_mut().insert(ConnectInfo(address));
        }
        request
    };
    for good in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
        assert_says(&send(&api, from(Some(good))).await, &["id=alice"]);
    }
    for bad in [Some("10.2.2.3"), Some("fd00::2"), Some("127.0.0.1"), None] {
        let answer = send(&api, from(bad)).await;
        assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
    }
}

#[tokio::test]
async fn a_cross_site_request_is_refused_unless_a_bearer_shows_intent() {
    let cross = ("sec-fetch-site", "cross-site");
    let post = |more: &[(&str, &str)]| {
        let mut request = with_headers(&[&[PROOF, VALID, ALICE][..], more].concat());
        *request.method_mut() = Method::POST;
        request
    };
    let api = describing_api(&gateway());
    for more in [
        &[cross][..],
        &[cross, ("authorization", "Basic YTpi")],
        &[cross, ("authorization", "Bearer")],
        &[
            cross,
            ("authorization", "Bearer a"),
            ("authorization", "Bearer a"),
        ],
        &[("origin", "https://evil.example"), ("host", "api.example")],
    ] {
        let answer = send(&api, post(more)).await;
        assert_refused(&answer, 403, AuthErrorKind::CrossOriginRequest);
    }
    for more in [&[][..], &[cross, ("authorization", "Bearer a")]] {
        assert_says(&send(&api, post(more)).await, &["id=alice"]);
    }
    let upgrade = [cross, ("upgrade", "websocket")];
    let answer = send(
        &api,
        with_headers(&[&[PROOF, VALID, ALICE][..], &upgrade].concat()),
    )
    .await;
    assert_refused(&answer, 403, AuthErrorKind::CrossOriginRequest);
    // Before anything else is looked at; but without a session there is nothing to protect.
    let mut bad = with_headers(&[PROOF, ("x-authgear-session-valid", "?"), cross]);
    *bad.method_mut() = Method::POST;
    assert_refused(
        &send(&api, bad).await,
        403,
        AuthErrorKind::CrossOriginRequest,
    );
    let mut nobody = with_headers(&[VALID, ALICE, cross]);
    *nobody.method_mut() = Method::POST;
    assert_refused(
        &send(&api, nobody).await,
        401,
        AuthErrorKind::MissingCredential,
    );
}
