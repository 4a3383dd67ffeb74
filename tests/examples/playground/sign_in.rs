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
use crate::process::{client, get as get_page};

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

#[tokio::test]
async fn a_person_signs_in_and_sees_their_own_token_verified() {
    let provider = Provider::start().await;
    let environment = [
        ("AUTHGEAR_ENDPOINT", provider.fake.endpoint()),
        ("AUTHGEAR_CLIENT_ID", "loopback"),
    ];
    let (mut example, url) = start(&environment).await;
    let line = example.line().await;
    assert!(line.ends_with(&format!(": {url}/callback")), "{line}");
    let browser = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let browser = browser
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let visit = async |path: String| {
        let answer = browser.get(format!("{url}{path}")).send().await.unwrap();
        let location = answer
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    };
    let begin = async || {
        let (status, location) = visit("/sign-in".to_owned()).await;
        assert_eq!(status, 303);
        let location = location.unwrap();
        let (page, query) = location.split_once('?').unwrap();
        assert_eq!(
            page,
            format!("{}/oauth2/authorize", provider.fake.endpoint())
        );
        url_pairs(query)
    };

    let asked = begin().await;
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
    provider
        .challenge
        .lock()
        .unwrap()
        .clone_from(&asked["code_challenge"]);
    let state = &asked["state"];

    // A state that is not ours, no code, another issuer, a code of somebody else's.
    assert_eq!(
        visit("/callback?state=guessed&code=the-code".to_owned())
            .await
            .0,
        400
    );
    assert_eq!(visit("/callback?code=the-code".to_owned()).await.0, 400);
    assert_eq!(
        visit(format!(
            "/callback?state={state}&code=the-code&iss=https://evil.example"
        ))
        .await
        .0,
        400
    );
    // The state was used.
    assert_eq!(
        visit(format!("/callback?state={state}&code=the-code"))
            .await
            .0,
        400
    );
    let other = begin().await;
    assert_ne!(other["state"], *state);
    // The challenge is the former one's.
    assert_eq!(
        visit(format!("/callback?state={}&code=the-code", other["state"]))
            .await
            .0,
        400
    );

    let asked = begin().await;
    provider
        .challenge
        .lock()
        .unwrap()
        .clone_from(&asked["code_challenge"]);
    let back = visit(format!("/callback?state={}&code=the-code", asked["state"])).await;
    assert_eq!(back, (303, Some("/".to_owned())));
    let mut timelines = Timelines::open(&url).await;
    for (api, name) in [
        ("own-jwt", "JWT alone"),
        ("own-live", "Live sessions"),
        ("own-resolver", "Resolver"),
    ] {
        timelines.until_answered(name, &[api], 200).await;
        let row = get_page(&format!("{url}/rows/{}", timelines.row(api, name)), None).await;
        assert_eq!(row.json()["good"]["user_id"], "you");
        assert!(!row.text.contains(&provider.token[..20]));
    }
    let length = provider.token.len();
    timelines
        .until("signed in", |seen| {
            seen.state["you"]["token_length"] == length
        })
        .await;
    assert!(!timelines.text.contains(&provider.token[..20]));

    assert_eq!(
        crate::process::ask("POST", &format!("{url}/sign-out"), &[])
            .await
            .status,
        204
    );
    timelines
        .until("signed out", |seen| {
            seen.state["you"]["token_length"].is_null()
        })
        .await;
}
