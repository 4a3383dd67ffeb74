//! Nothing secret leaves: not in a refusal, not in an error, not in a log at any level.

use std::error::Error;
use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, SigningKey, TokenBuilder, User};
use axum_authgear::{
    AuthClient, AuthRejection, AuthUser, Authgear, ConfigError, Principal, TokenSource,
};
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use serde::Deserialize;
use tower::{Layer, ServiceExt};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::faults;

/// Every secret of these tests has this in it, or is a part of a token.
const CANARY: &str = "canary";

/// What was said, by whomever.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<u8>>>);

impl Ear {
    fn hear(&self, text: impl AsRef<[u8]>) {
        let mut heard = self.0.lock().unwrap();
        heard.extend_from_slice(text.as_ref());
        heard.push(b'\n');
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// An error with all its causes, both ways.
    fn hear_error(&self, error: &(dyn Error + 'static)) {
        self.hear(format!("{error:?} {error:#?} {error}"));
        if let Some(source) = error.source() {
            self.hear_error(source);
        }
    }

    fn hear_debug(&self, value: &impl Debug) {
        self.hear(format!("{value:?} {value:#?}"));
    }
}

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Ear {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Hears every event and every span of this thread, with all their fields.
fn listen(ear: &Ear) -> (DefaultGuard, Dispatch) {
    let second = crate::support::second_dispatcher();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(ear.clone())
        .finish();
    (tracing::subscriber::set_default(subscriber), second)
}

#[track_caller]
fn assert_silent(ear: &Ear, tokens: &[String]) {
    let heard = ear.text();
    if let Some(at) = heard.to_lowercase().find(CANARY) {
        let from = heard[..at].rfind('\n').map_or(0, |line| line + 1);
        let line = heard[from..].lines().next();
        panic!("a secret is in {line:?}");
    }
    for token in tokens {
        // Not even a piece: the header's first letters are those of every token.
        for start in (20..token.len().saturating_sub(24)).step_by(8) {
            let piece = &token[start..start + 24];
            assert!(!heard.contains(piece), "{piece} of a token was heard");
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "canary-claim")]
    _claim: CanaryClaim,
}

/// A type whose error message quotes the value.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CanaryClaim {
    CanaryValue,
}

fn with_canaries(token: TokenBuilder) -> TokenBuilder {
    token
        .claim("jti", "canary-jti")
        .claim("scope", "canary-scope")
        .claim("client_id", "canary-client")
        .claim("amr", vec!["canary-amr"])
        .claim(
            "https://authgear.com/claims/user/roles",
            vec!["canary-role"],
        )
        .claim("canary-claim", "canary-value")
        .claim("email", "canary@shop.example")
        .header("canary-member", "canary-member")
}

/// Tokens of every kind of refusal, and two good ones at the end.
fn tokens(fake: &FakeAuthgear) -> Vec<String> {
    let user = fake.add_user(User::new("canary-name").with_id("canary-user"));
    let token = || with_canaries(fake.token(&user));
    let key = SigningKey::rsa().with_kid("canary-foreign-kid");
    let old = fake.clock().now().unix().as_secs() - 100;
    vec![
        "canary".to_owned(),
        "canary.canary.canary".to_owned(),
        format!("{}.canary", token().sign()),
        format!("{}{}", token().sign(), "canary".repeat(2000)),
        token().tamper_signature().sign(),
        token().header("alg", "canary-alg").sign(),
        token().header("alg", 1).sign(),
        token().header("typ", "canary-typ").sign(),
        token().header("crit", vec!["canary-crit"]).sign(),
        token().remove_header("kid").sign(),
        token().issued_at(old).kid("canary-kid").sign(),
        token().kid("canary-kid").sign(),
        token().remove_claim("iat").signed_by(&key).sign(),
        token().signed_by(&key).kid(fake.signing_kid()).sign(),
        token().claim("iss", "https://canary.example").sign(),
        token().remove_claim("iss").sign(),
        token().claim("aud", "https://canary.example").sign(),
        token().claim("aud", vec![1]).sign(),
        token().remove_claim("aud").sign(),
        token().expires_at(1).sign(),
        token().claim("exp", "canary-exp").sign(),
        token().remove_claim("exp").sign(),
        token().claim("nbf", 9_999_999_999_u64).sign(),
        token().claim("iat", 9_999_999_999_u64).sign(),
        token().claim("sub", "client_id_canary").sign(),
        token().remove_claim("sub").sign(),
        token().claim("cnf", "canary").sign(),
        token().claim("canary-claim", "canary-other-value").sign(),
        token().claim("canary-claim", 7).sign(),
        token().remove_claim("canary-claim").sign(),
        token().raw_claims("{\"canary\":").sign(),
        token().raw_claims("[\"canary\"]").sign(),
        token().raw_header("{\"canary\":").sign(),
        with_canaries(fake.client_token("canary-client", fake.endpoint())).sign(),
        token().sign(),
    ]
}

fn requests(token: &str) -> Vec<Request<Body>> {
    let request = |name: &'static str, value: String| {
        let mut request = Request::post("/user?access_token=canary")
            .body(Body::empty())
            .unwrap();
        request
            .headers_mut()
            .insert(name, HeaderValue::try_from(value).unwrap());
        request
    };
    let mut cross_site = request("cookie", format!("token={token}"));
    let site = HeaderValue::from_static("cross-site");
    cross_site.headers_mut().insert("sec-fetch-site", site);
    let origin = HeaderValue::from_static("https://canary.example");
    cross_site.headers_mut().insert("origin", origin);
    let mut spoofed = request("authorization", format!("bearer {token}"));
    let user = HeaderValue::from_static("canary");
    spoofed.headers_mut().insert("x-authgear-user-id", user);
    let mut doubled = request("authorization", "Bearer canary".to_owned());
    let second = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    doubled.headers_mut().append("authorization", second);
    vec![
        spoofed,
        doubled,
        cross_site,
        request("authorization", format!("Bearer canary {token}")),
        request("authorization", format!("Basic {token}")),
        request("cookie", format!("token={token}; canary=canary")),
        request("cookie", format!("token={token}; token=canary")),
        request("x-token", token.to_owned()),
    ]
}

#[tokio::test]
async fn no_token_cookie_claim_or_kid_is_ever_told() {
    let ear = Ear::default();
    let _listening = listen(&ear);
    let fake = FakeAuthgear::start().await;
    // A key's own name is not for logs, either.
    fake.list_key(&SigningKey::rsa().with_kid("canary-listed-kid"));
    let tokens = tokens(&fake);
    let seen = ear.clone();
    let builder = Authgear::builder(fake.endpoint())
        .claims::<Claims>()
        .token_cookie("token")
        .token_source(TokenSource::new(|headers| {
            Some(headers.get("x-token")?.to_str().ok()?.to_owned())
        }));
    ear.hear_debug(&builder);
    let authgear = builder.build().unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let show = move |value: String| {
        seen.hear(value);
        "reached"
    };
    let routes = Router::new().route(
        "/user",
        any(
            move |principal: Option<Principal<Claims>>,
                  user: Result<AuthUser<Claims>, AuthRejection>,
                  client: Result<AuthClient, AuthRejection>| {
                let text = format!("{principal:?} {user:?} {client:?} {principal:#?}");
                std::future::ready(show(text))
            },
        ),
    );
    let mut reached = 0;
    for app in [
        routes.clone().layer(authgear.layer()),
        routes.clone().layer(authgear.layer().optional()),
        routes.clone().layer(authgear.layer().grpc()),
    ] {
        for request in tokens.iter().flat_map(|token| requests(token)) {
            let future = app.clone().oneshot(request);
            let response = future.await.unwrap();
            ear.hear(format!("{:?} {:?}", response.status(), response.headers()));
            if let Some(rejection) = response.extensions().get::<AuthRejection>() {
                ear.hear_error(rejection);
                ear.hear_error(rejection.error());
            }
            let body = response.into_body().collect().await.unwrap().to_bytes();
            reached += usize::from(body == "reached");
            ear.hear(body);
        }
    }
    for token in &tokens {
        match authgear.verify(token).await {
            Ok(user) => ear.hear_debug(&user),
            Err(error) => ear.hear_error(&error),
        }
        match authgear.verify_principal(token).await {
            Ok(principal) => ear.hear_debug(&principal),
            Err(error) => ear.hear_error(&error),
        }
    }
    // Two tokens are good, from three places, before three layers; and where nobody need be signed
    // in, another scheme is nobody.
    assert_eq!(reached, 2 * 3 * 3 + tokens.len());

    let layer = authgear.layer();
    let service = layer.layer(tower::service_fn(|_: Request<Body>| async {
        Ok::<_, std::convert::Infallible>(axum::response::Response::new(Body::empty()))
    }));
    let future = service.clone().oneshot(requests(&tokens[0]).remove(0));
    ear.hear_debug(&layer);
    ear.hear(format!("{authgear:?} {:?}", authgear.status()));
    drop(future);

    // What a failing server says is nobody's business, either.
    fail_in_every_way(&ear).await;
    assert_silent(&ear, &tokens);

    // This ear hears: the crate's own events, and a canary if there is one.
    let heard = ear.text();
    assert!(
        heard.contains("DEBUG axum_authgear: request refused"),
        "{heard}"
    );
    assert!(heard.contains("WARN axum_authgear: keys could not be fetched"));
    assert!(heard.contains("TRACE"), "not even hyper was heard");
    tracing::trace_span!("span", field = "canary").in_scope(|| ());
    assert!(std::panic::catch_unwind(|| assert_silent(&ear, &[])).is_err());
}

/// Keys are asked of a server that fails; its answers have canaries.
async fn fail_in_every_way(ear: &Ear) {
    for fault in [
        Fault::Status(500),
        Fault::CloseConnection,
        faults::redirect("https://canary.example/canary"),
        Fault::Body("canary".to_owned()),
        Fault::Body("{\"keys\":[{\"kid\":\"canary\"}]}".to_owned()),
        faults::truncated(),
        faults::garbage(),
    ] {
        let failing = FakeAuthgear::start().await;
        failing.fail(Endpoint::Jwks, fault.clone());
        let authgear = Authgear::builder(failing.endpoint()).build().unwrap();
        let error = authgear
            .ready(Duration::from_millis(200))
            .await
            .unwrap_err();
        ear.hear_error(&error);
        ear.hear_error(authgear.status().last_error().unwrap());
        ear.hear(format!("{authgear:?} {:#?}", authgear.status()));
        failing.heal(Endpoint::Jwks);
        failing.fail(Endpoint::Discovery, fault);
        let authgear = Authgear::builder(failing.endpoint()).build().unwrap();
        let error = authgear
            .ready(Duration::from_millis(200))
            .await
            .unwrap_err();
        ear.hear_error(&error);
        ear.hear_error(authgear.status().last_error().unwrap());
    }
}

/// A server that is out of reach is nobody's business either, its address included.
#[tokio::test]
async fn the_status_names_no_address() {
    let ear = Ear::default();
    let fake = FakeAuthgear::start().await;
    fake.stop();
    let authgear = Authgear::builder("https://auth.shop.example")
        .internal_url(fake.url())
        .build()
        .unwrap();
    let _ = authgear.ready(Duration::from_millis(300)).await;
    ear.hear_error(authgear.status().last_error().unwrap());
    ear.hear(format!("{:?}", authgear.status()));
    let port = fake.address().port().to_string();
    let heard = ear.text();
    assert!(
        !heard.contains("127.0.0.1") && !heard.contains(&port),
        "{heard}"
    );
}

/// An error about the configuration quotes what is wrong, but no password that stands in it.
#[tokio::test]
async fn a_password_in_an_address_is_not_quoted() {
    let ear = Ear::default();
    let build = || Authgear::builder("https://auth.shop.example");
    let builders = [
        "https://user:canary@auth.shop.example",
        "https://canary@auth.shop.example",
        "https://user:canary@auth.shop.example/path?query",
        "http://user:canary@auth.shop.example",
        "ftp://user:canary@auth.shop.example",
        "https://user:canary@",
        "https://user:canary@auth.shop.example:port",
        "https://user:can@ary:canary@auth shop",
        // A parser of URLs takes these for the same.
        "https:user:canary@auth.shop.example",
        "https:canary@auth.shop.example",
        "https:/user:canary@auth.shop.example",
        "https:\\\\user:canary@auth.shop.example",
        "https:\\/user:canary@auth.shop.example",
        "https:user:canary://x@auth.shop.example",
        " https:user:canary@auth.shop.example",
        "user:canary@auth.shop.example",
        "//user:canary@auth.shop.example",
        "canary@auth.shop.example",
    ]
    .iter()
    .flat_map(|url| {
        [
            Authgear::builder(*url),
            build().internal_url(*url),
            build().jwks_uri(*url),
            build().trusted_origins([*url]),
        ]
    });
    for builder in builders {
        ear.hear_debug(&builder);
        let error: ConfigError = builder.build().unwrap_err();
        assert!(error.option().is_some(), "{error}");
        ear.hear_error(&error);
    }
    assert_silent(&ear, &[]);
    let heard = ear.text();
    assert!(heard.contains("auth.shop.example"), "{heard}");
}
