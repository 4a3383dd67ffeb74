//! A program full of neighbours: keys are fetched and tokens are judged as if they were not there.

mod front;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, Version, header};
use axum::routing::get;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, TokenBuilder, User};
use axum_authgear::{AuthErrorKind, AuthUser, Authgear, AuthgearBuilder, Health};
use tower::ServiceExt;

use self::front::Front;

#[tokio::main]
async fn main() {
    let proxy = std::env::var("HTTPS_PROXY").expect("HTTPS_PROXY names a dead address");
    let fake = FakeAuthgear::builder()
        .endpoint("https://auth.example")
        .trust_proxy(true)
        .start()
        .await;
    let front = Front::start(fake.url().to_owned()).await;
    the_neighbours_are_there(&front, &proxy).await;

    keys_are_fetched_and_tokens_judged(&fake, &front).await;
    // Once more, in a program that has chosen another library for TLS.
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody has chosen one before");
    keys_are_fetched_and_tokens_judged(&fake, &front).await;
    println!("ok");
}

/// What a client of reqwest does unless it is told otherwise.
async fn the_neighbours_are_there(front: &Front, proxy: &str) {
    let root = || reqwest::Certificate::from_der(&front.authority).expect("a certificate");
    let builder = || reqwest::Client::builder().tls_certs_only([root()]);
    let ask = async |builder: reqwest::ClientBuilder| {
        builder
            .build()
            .expect("a client")
            .get(format!("{}/oauth2/jwks", front.url))
            .header(header::HOST, "auth.example")
            .header("x-forwarded-proto", "https")
            .send()
            .await
    };
    // The environment's proxy, at which nothing listens.
    assert!(proxy.starts_with("http://127.0.0.1:"));
    assert!(ask(builder().tls_backend_rustls()).await.is_err());
    // OpenSSL, which this server turns away.
    assert!(ask(builder().no_proxy()).await.is_err());
    // HTTP/2, with two names of the host.
    let answer = ask(builder().no_proxy().tls_backend_rustls()).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);

    // Numbers are texts, and objects of one secret member are numbers.
    let number = r#"{"$serde_json::private::Number":"1"}"#;
    let number: serde_json::Value = serde_json::from_str(number).expect("JSON");
    assert!(number.is_number());
}

async fn keys_are_fetched_and_tokens_judged(fake: &FakeAuthgear, front: &Front) {
    fake.forget_requests(Endpoint::Discovery);
    fake.forget_requests(Endpoint::Jwks);
    let authgear = builder(fake, front).build().expect("a configuration");
    let outcome = authgear.ready(Duration::from_secs(10)).await;
    outcome.expect("keys are fetched");
    assert_eq!(authgear.status().health(), Health::Healthy);
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        let asked = fake.recorded(endpoint);
        assert_eq!(asked.len(), 1);
        for (name, value) in [
            ("host", "auth.example"),
            ("x-forwarded-proto", "https"),
            ("accept-encoding", "identity"),
        ] {
            assert_eq!(asked[0].header(name), Some(value));
        }
        for absent in ["cookie", "referer", "authorization"] {
            assert_eq!(asked[0].header(absent), None);
        }
    }
    tokens_are_judged(fake, &authgear).await;

    // Its TLS takes no default provider, either.
    let shared = builder(fake, front).redis("rediss://127.0.0.1:9");
    shared.build().expect("a configuration");
}

fn builder(fake: &FakeAuthgear, front: &Front) -> AuthgearBuilder {
    let root = reqwest::Certificate::from_der(&front.authority).expect("a certificate");
    Authgear::builder(fake.endpoint())
        .internal_url(&front.url)
        .root_certificate(root)
}

async fn tokens_are_judged(fake: &FakeAuthgear, authgear: &Authgear) {
    let alice = fake.add_user(User::new("alice"));
    let app = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(authgear.layer());
    let token = || fake.token(&alice);
    let with = |name: &str, value: &str| with_claim(token(), name, value);
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    for (name, token, refused) in [
        ("good", token().sign(), None),
        ("a fraction", with("exp", "4000000000.5"), None),
        ("an exponent", with("exp", "4e9"), None),
        ("another number", with("x", "1e999"), None),
        ("a deep member", with("x", &deep), None),
        ("a long number", with("x", &"9".repeat(99)), None),
        (
            "tampered with",
            token().tamper_signature().sign(),
            Some(AuthErrorKind::BadSignature),
        ),
        (
            "expired",
            token().expires_at(1).sign(),
            Some(AuthErrorKind::Expired),
        ),
        (
            "unsigned",
            token().unsigned().sign(),
            Some(AuthErrorKind::MalformedToken),
        ),
        (
            "of another issuer",
            with("iss", r#""https://auth.example/""#),
            Some(AuthErrorKind::WrongIssuer),
        ),
        (
            "for another audience",
            with("aud", r#"["https://other.example"]"#),
            Some(AuthErrorKind::WrongAudience),
        ),
        ("an infinite time", with("exp", "1e999"), MALFORMED),
        ("a time as text", with("exp", r#""4000000000""#), MALFORMED),
        (
            "a number in disguise",
            with("exp", r#"{"$serde_json::private::Number":"4000000000"}"#),
            MALFORMED,
        ),
        (
            "a raw value in disguise",
            with("exp", r#"{"$serde_json::private::RawValue":"4000000000"}"#),
            MALFORMED,
        ),
        (
            "an audience in disguise",
            with(
                "aud",
                r#"{"$serde_json::private::RawValue":"\"https://auth.example\""}"#,
            ),
            MALFORMED,
        ),
        ("a number for an audience", with("aud", "1"), MALFORMED),
    ] {
        let verified = authgear.verify(&token).await;
        let kind = verified.as_ref().map_err(|error| error.kind()).err();
        assert_eq!(kind, refused, "{name}");
        let request = Request::get("/me")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");
        let response = app.clone().oneshot(request).await.expect("a response");
        let wanted = match refused {
            None => StatusCode::OK,
            Some(_) => StatusCode::UNAUTHORIZED,
        };
        assert_eq!(response.status(), wanted, "{name}");
    }
}

const MALFORMED: Option<AuthErrorKind> = Some(AuthErrorKind::MalformedClaims);

/// A good token with one claim replaced by this text.
fn with_claim(token: TokenBuilder, name: &str, value: &str) -> String {
    let rest = token.clone().remove_claim(name).sign();
    let claims = rest.split('.').nth(1).expect("claims");
    let claims = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(claims)
        .expect("base64url");
    let claims = String::from_utf8(claims).expect("text");
    let claims = claims.strip_suffix('}').expect("an object");
    token
        .raw_claims(&format!("{claims},\"{name}\":{value}}}"))
        .sign()
}
