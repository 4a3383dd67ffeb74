//! The issuer between a gateway and who stands behind it.

use axum::Router;
use axum::body::Body;
use axum_authgear::testkit::FakeAuthgear;
use axum_authgear::{AuthErrorKind, Authgear, GatewayProof};
use http::{Request, StatusCode};

use crate::stage::{Stage, who};
use crate::support::{Answer, assert_refused, get, send};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn server(authgear: &Authgear) -> Router {
    Router::new().fallback_service(authgear.forward_auth())
}

#[tokio::test]
async fn forward_auth_names_the_issuer_where_there_are_several() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let server_of_all = server(&authgear);
    for (fake, user) in [
        (&stage.one, &stage.alice),
        (&stage.other, &stage.other_alice),
    ] {
        let answer = get(&server_of_all, "/_auth", &fake.token(user).sign()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-authgear-issuer"), fake.endpoint());
        assert_eq!(answer.header("x-authgear-user-id"), user.id());
    }
    let alone = Authgear::builder(stage.one.endpoint()).build().unwrap();
    let answer = get(
        &server(&alone),
        "/_auth",
        &stage.one.token(&stage.alice).sign(),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("x-authgear-issuer"));
    // Where it has former names, whoever stands behind may know them.
    let moved = Authgear::builder(stage.one.endpoint()).former_issuer("https://old.example");
    let answer = get(
        &server(&moved.build().unwrap()),
        "/_auth",
        &stage.one.token(&stage.alice).sign(),
    )
    .await;
    assert_eq!(answer.header("x-authgear-issuer"), stage.one.endpoint());
}

#[tokio::test]
async fn forward_auth_narrows_as_a_layer_does() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let one = stage.one.endpoint().to_owned();
    let narrow = authgear
        .forward_auth()
        .issuers(move |_, issuer| issuer == one);
    let narrow = Router::new().fallback_service(narrow);
    let own = stage.one.token(&stage.alice).sign();
    assert_eq!(get(&narrow, "/_auth", &own).await.status, StatusCode::OK);
    let others = stage.other.token(&stage.other_alice).sign();
    let refused = get(&narrow, "/_auth", &others).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    assert!(!refused.headers.contains_key("x-authgear-user-id"));
}

async fn behind(api: &Router, issuers: &[&[u8]]) -> Answer {
    let mut request = Request::get("/user")
        .header("x-gateway-secret", SECRET)
        .header("x-authgear-session-valid", "true")
        .header("x-authgear-user-id", "alice");
    for issuer in issuers {
        request = request.header("x-authgear-issuer", *issuer);
    }
    send(api, request.body(Body::empty()).unwrap()).await
}

fn proof() -> GatewayProof {
    GatewayProof::secret(SECRET)
}

#[tokio::test]
async fn behind_a_gateway_the_issuer_is_read_and_must_be_trusted() {
    let stage = Stage::new().await;
    let (one, other) = (stage.one.endpoint(), stage.other.endpoint());
    let alone = Authgear::builder(one)
        .dangerous()
        .gateway(proof())
        .build()
        .unwrap();
    let both = Authgear::any_of(stage.builders())
        .dangerous()
        .gateway(proof())
        .build()
        .unwrap();
    let layered = |authgear: &Authgear| who().layer(authgear.layer());
    let (alone, both) = (layered(&alone), layered(&both));
    let answer = behind(&alone, &[]).await;
    assert_eq!(answer.body, format!("{one}#alice"), "{answer:?}");
    for api in [&alone, &both] {
        let answer = behind(api, &[one.as_bytes()]).await;
        assert_eq!(answer.body, format!("{one}#alice"), "{answer:?}");
        let slash = format!("{one}/");
        for untrusted in [&b"https://untrusted.example"[..], slash.as_bytes(), b""] {
            let refused = behind(api, &[untrusted]).await;
            assert_refused(&refused, 401, AuthErrorKind::WrongIssuer);
        }
        for malformed in [&[one.as_bytes(), one.as_bytes()][..], &[&b"\xff"[..]]] {
            let refused = behind(api, malformed).await;
            assert_refused(&refused, 401, AuthErrorKind::MalformedIdentityHeaders);
        }
    }
    let refused = behind(&alone, &[other.as_bytes()]).await;
    assert_refused(&refused, 401, AuthErrorKind::WrongIssuer);
    let answer = behind(&both, &[other.as_bytes()]).await;
    assert_eq!(answer.body, format!("{other}#alice"), "{answer:?}");
}

/// The client's request, as a proxy passes it on that removes the fields which the client names in `Connection`.
fn passed_on(told: &Answer, removed: &[&str]) -> Request<Body> {
    let mut request = Request::get("/user").header("x-gateway-secret", SECRET);
    for (name, value) in &told.headers {
        if !removed.contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_client_who_removes_the_issuer_does_not_become_a_user_of_the_first_one() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let in_reverse = stage.builders().into_iter().rev().collect();
    let tokens = [
        (&stage.one, stage.one.token(&stage.alice).sign()),
        (&stage.other, stage.other.token(&stage.other_alice).sign()),
    ];
    for builders in [Vec::from(stage.builders()), in_reverse] {
        let builder = Authgear::any_of(builders);
        let behind = builder.dangerous().gateway(proof()).build().unwrap();
        let api = who().layer(behind.layer());
        for (fake, token) in &tokens {
            let told = get(&server(&authgear), "/_auth", token).await;
            for removed in [
                &["x-authgear-issuer"][..],
                &["x-authgear-issuer", "x-authgear-user-roles"],
            ] {
                let refused = send(&api, passed_on(&told, removed)).await;
                assert_refused(&refused, 401, AuthErrorKind::MalformedIdentityHeaders);
            }
            // Every other field may be absent.
            let answer = send(&api, passed_on(&told, &["x-authgear-user-roles"])).await;
            let user = format!("{}#alice", fake.endpoint());
            assert_eq!(answer.body, user, "{answer:?}");
        }
        // Without a session there is nothing of which to name the issuer.
        let request = Request::get("/user")
            .header("x-gateway-secret", SECRET)
            .header("x-authgear-session-valid", "false");
        let refused = send(&api, request.body(Body::empty()).unwrap()).await;
        assert_refused(&refused, 401, AuthErrorKind::SessionInvalid);
    }
}

#[tokio::test]
async fn what_forward_auth_says_is_what_is_read_behind_it() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let builder = Authgear::any_of(stage.builders());
    let behind = builder.dangerous().gateway(proof()).build().unwrap();
    let api = who().layer(behind.layer());
    let forward = |fake: &FakeAuthgear, token: String| {
        let (server, api, issuer) = (server(&authgear), api.clone(), fake.endpoint().to_owned());
        async move {
            let told = get(&server, "/_auth", &token).await;
            let answer = send(&api, passed_on(&told, &[])).await;
            assert_eq!(answer.body, format!("{issuer}#alice"), "{answer:?}");
        }
    };
    forward(&stage.one, stage.one.token(&stage.alice).sign()).await;
    forward(&stage.other, stage.other.token(&stage.other_alice).sign()).await;
}
