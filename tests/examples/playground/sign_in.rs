//! Somebody signs in to a project of their own, which here is a small one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_authgear::testkit::{FakeAuthgear, User};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::start;
use super::timelines::Timelines;
use crate::process::{Example, ask, client, get as get_page};

/// A project with a token endpoint before a fake.
#[derive(Clone)]
struct Provider {
    fake: FakeAuthgear,
    token: String,
    /// The challenge that the code `the-code` is good for.
    challenge: Arc<Mutex<String>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let fake = FakeAuthgear::builder().endpoint(&endpoint).start().await;
        let yours = fake.add_user(User::new("you").with_id("you"));
        let provider = Self {
            token: fake.sign_in(&yours).token().client_id("loopback").sign(),
            fake,
            challenge: Arc::default(),
        };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route(
                "/oauth2/jwks",
                get(async |State(own): State<Self>| Json(own.fake.jwks())),
            )
            .route("/oauth2/token", post(token))
            .route("/_resolver/resolve", get(resolve))
            .with_state(provider.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        provider
    }
}

async fn discovery(State(own): State<Provider>) -> Json<Value> {
    let issuer = own.fake.endpoint();
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/oauth2/jwks"),
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "token_endpoint": format!("{issuer}/oauth2/token"),
    }))
}

/// RFC 7636 §4.6.
async fn token(State(own): State<Provider>, form: Bytes) -> Response {
    let form: HashMap<String, String> = url_pairs(str::from_utf8(&form).unwrap());
    let challenge =
        URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, form["code_verifier"].as_bytes()));
    let is_good = form["grant_type"] == "authorization_code"
        && form["code"] == "the-code"
        && form["client_id"] == "loopback"
        && form["redirect_uri"].ends_with("/callback")
        && challenge == *own.challenge.lock().unwrap();
    if is_good {
        Json(json!({ "access_token": own.token, "token_type": "Bearer" })).into_response()
    } else {
        StatusCode::BAD_REQUEST.into_response()
    }
}

async fn resolve(State(own): State<Provider>, headers: HeaderMap) -> HeaderMap {
    let (_, host) = own.fake.endpoint().split_once("//").unwrap();
    let request = client()
        .get(format!("{}/resolve", own.fake.url()))
        .header("x-forwarded-host", host);
    let request = headers
        .get("authorization")
        .map_or(request.try_clone().unwrap(), |value| {
            request.header("authorization", value)
        });
    request.send().await.unwrap().headers().clone()
}

fn url_pairs(query: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().into_owned().collect()
}

/// Somebody with a browser.
struct Visitor {
    provider: Provider,
    url: String,
    browser: reqwest::Client,
    _example: Example,
}

impl Visitor {
    async fn start() -> Self {
        let provider = Provider::start().await;
        let environment = [
            ("AUTHGEAR_ENDPOINT", provider.fake.endpoint()),
            ("AUTHGEAR_CLIENT_ID", "loopback"),
        ];
        let (mut example, url) = start(&environment).await;
        let line = example.line().await;
        assert!(line.ends_with(&format!(": {url}/callback")), "{line}");
        let browser = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let browser = browser.redirect(reqwest::redirect::Policy::none());
        Self {
            provider,
            url,
            browser: browser.build().unwrap(),
            _example: example,
        }
    }

    /// The status of a page, and where it leads.
    async fn visit(&self, path: &str) -> (u16, Option<String>) {
        let answer = self
            .browser
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        let location = answer.headers().get("location");
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    }

    /// Begins to sign in. What Authgear is asked for, whose code is good for that from now on.
    async fn begin(&self) -> HashMap<String, String> {
        let (status, location) = self.visit("/sign-in").await;
        assert_eq!(status, 303);
        let location = location.unwrap();
        let (page, query) = location.split_once('?').unwrap();
        assert_eq!(
            page,
            format!("{}/oauth2/authorize", self.provider.fake.endpoint())
        );
        let asked = url_pairs(query);
        self.provider
            .challenge
            .lock()
            .unwrap()
            .clone_from(&asked["code_challenge"]);
        asked
    }
}

#[tokio::test]
async fn a_wrong_answer_signs_nobody_in() {
    let visitor = Visitor::start().await;
    let asked = visitor.begin().await;
    let state = &asked["state"];
    for wrong in [
        "state=guessed&code=the-code".to_owned(),
        "code=the-code".to_owned(),
        "state=&code=the-code".to_owned(),
        format!("state={state}&code=the-code&iss=https://evil.example"),
        // The state was used.
        format!("state={state}&code=the-code"),
    ] {
        assert_eq!(
            visitor.visit(&format!("/callback?{wrong}")).await.0,
            400,
            "{wrong}"
        );
    }
    // No code, and one that is not good.
    for wrong in ["error=access_denied", "code=guessed"] {
        let state = visitor.begin().await["state"].clone();
        assert_eq!(
            visitor
                .visit(&format!("/callback?state={state}&{wrong}"))
                .await
                .0,
            400,
            "{wrong}"
        );
    }
    // Somebody else's code: it was asked for with another challenge.
    let other = visitor.begin().await;
    visitor
        .provider
        .challenge
        .lock()
        .unwrap()
        .clone_from(&asked["code_challenge"]);
    assert_ne!(other["state"], *state);
    let path = format!("/callback?state={}&code=the-code", other["state"]);
    assert_eq!(visitor.visit(&path).await.0, 400);
    // A sign-in that was begun later ends one before it.
    let former = visitor.begin().await;
    visitor.begin().await;
    let path = format!("/callback?state={}&code=the-code", former["state"]);
    assert_eq!(visitor.visit(&path).await.0, 400);

    let timelines = Timelines::read(&visitor.url).await;
    assert!(timelines.state["you"]["token_length"].is_null());
}

#[tokio::test]
async fn a_person_signs_in_and_sees_their_own_token_verified() {
    let visitor = Visitor::start().await;
    let url = &visitor.url;
    let asked = visitor.begin().await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "loopback"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    assert_eq!(asked["redirect_uri"], format!("{url}/callback"));
    assert!(
        asked["state"].len() >= 43 && asked["code_challenge"].len() == 43,
        "{asked:?}"
    );

    let path = format!("/callback?state={}&code=the-code", asked["state"]);
    assert_eq!(visitor.visit(&path).await, (303, Some("/".to_owned())));
    let mut timelines = Timelines::open(url).await;
    let token = &visitor.provider.token;
    for (api, name) in [
        ("own-jwt", "JWT alone"),
        ("own-live", "Live sessions"),
        ("own-resolver", "Resolver"),
    ] {
        timelines.until_answered(name, &[api], 200).await;
        let row = get_page(&format!("{url}/rows/{}", timelines.row(api, name)), None).await;
        assert_eq!(row.json()["good"]["user_id"], "you");
        assert!(!row.text.contains(&token[..20]));
    }
    let length = token.len();
    timelines
        .until("signed in", |seen| {
            seen.state["you"]["token_length"] == length
        })
        .await;
    assert!(!timelines.text.contains(&token[..20]));

    assert_eq!(
        ask("POST", &format!("{url}/sign-out"), &[]).await.status,
        204
    );
    timelines
        .until("signed out", |seen| {
            seen.state["you"]["token_length"].is_null()
        })
        .await;
}
