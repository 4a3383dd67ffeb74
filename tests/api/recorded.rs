//! Tokens that nobody here made: what a real Authgear answered, served again.
//!
//! The files in `tests/recorded/` hold whole exchanges. A server of our own answers as they say, on
//! loopback and under the recorded public origin, and each clock stands still at the second of its
//! record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum_authgear::AuthErrorKind::{
    Expired, KeysUnavailable, MalformedCustomClaims, OpaqueToken, UnknownKey, WrongAudience,
    WrongTokenType,
};
use axum_authgear::explain::{Likeness, Verdict};
use axum_authgear::testkit::Clock;
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder, Health, NoClaims, Principal, VerifiedBy};
use futures_util::future::join_all;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, get, ready};

const ISSUER: &str = "https://auth.shop.example";
/// The resource that the recorded machine tokens are for.
const RESOURCE: &str = "https://api.shop.example";

#[derive(Deserialize)]
struct Tokens {
    issuer: String,
    tokens: Vec<Record>,
}

#[derive(Clone, Deserialize)]
struct Record {
    name: String,
    token: String,
    #[serde(default)]
    claims: Map<String, Value>,
    at: u64,
}

#[derive(Deserialize)]
struct Rotation {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    what: String,
    at: u64,
    jwks: Answer,
    token: String,
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Http {
    exchanges: Vec<Exchange>,
}

/// A request that was made of a real Authgear, and its answer.
#[derive(Clone, Deserialize)]
pub struct Exchange {
    pub name: String,
    pub request: Question,
    pub answer: Answer,
}

#[derive(Clone, Deserialize)]
pub struct Question {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

fn tokens() -> Vec<Record> {
    let tokens: Tokens = serde_json::from_str(include_str!("../recorded/tokens.json")).unwrap();
    assert_eq!(tokens.issuer, ISSUER);
    tokens.tokens
}

fn token(name: &str) -> Record {
    tokens()
        .into_iter()
        .find(|token| token.name == name)
        .unwrap()
}

fn rotation() -> Vec<Step> {
    let rotation: Rotation =
        serde_json::from_str(include_str!("../recorded/rotation.json")).unwrap();
    rotation.steps
}

fn exchanges() -> Vec<Exchange> {
    let http: Http = serde_json::from_str(include_str!("../recorded/http.json")).unwrap();
    http.exchanges
}

fn exchange(name: &str) -> Exchange {
    exchanges()
        .into_iter()
        .find(|exchange| exchange.name == name)
        .unwrap()
}

/// Answers as recorded: a question is recognised by its method, its path and the headers that
/// matter to Authgear.
#[derive(Clone)]
struct Replay {
    url: String,
    jwks: Arc<Mutex<Option<Answer>>>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Replay {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let replay = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            jwks: Arc::default(),
            asked: Arc::default(),
        };
        let app = Router::new().fallback(answer).with_state(replay.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        replay
    }

    /// Answers every question for the keys with this from now on.
    fn answer_keys_with(&self, answer: &Answer) {
        *self.jwks.lock().unwrap() = Some(answer.clone());
    }

    fn builder(&self, clock: &Clock) -> AuthgearBuilder {
        Authgear::builder(ISSUER)
            .internal_url(&*self.url)
            .dangerous()
            .clock(clock.clone())
    }
}

async fn answer(State(replay): State<Replay>, request: Request) -> Response {
    let exchange = exchanges()
        .into_iter()
        .filter(|exchange| is_meant(&exchange.request, &request))
        // The one that says most about the question.
        .max_by_key(|exchange| exchange.request.headers.len());
    let Some(Exchange { name, answer, .. }) = exchange else {
        panic!("never asked like this: {request:?}");
    };
    let answer = match &*replay.jwks.lock().unwrap() {
        Some(other) if name == "jwks" => other.clone(),
        _ => answer,
    };
    *replay.asked.lock().unwrap().entry(name).or_default() += 1;
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

fn is_meant(question: &Question, request: &Request) -> bool {
    let headers: &HeaderMap = request.headers();
    question.method == request.method().as_str()
        && question.path == request.uri().path()
        // Forwarding headers decide whether they are there or not.
        && ["x-forwarded-proto", "x-forwarded-host"].iter().all(|name| {
            let recorded = question.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            headers.get(*name).map(http::HeaderValue::as_bytes)
                == recorded.map(|(_, value)| value.as_bytes())
        })
        && question.headers.iter().all(|(name, value)| {
            headers.get(name).is_some_and(|own| own.as_bytes() == value.as_bytes())
        })
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Option<u64> {
    claims.get(name).map(|value| value.as_u64().unwrap())
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).map(|value| value.as_str().unwrap())
}

fn list<'c>(claims: &'c Map<String, Value>, name: &str) -> Vec<&'c str> {
    let members = claims.get(name).map(|value| value.as_array().unwrap());
    let members = members.into_iter().flatten();
    members.map(|member| member.as_str().unwrap()).collect()
}

#[track_caller]
fn assert_user<C>(user: &AuthUser<C>, claims: &Map<String, Value>) {
    let of_user =
        |name: &str| claims[&format!("https://authgear.com/claims/user/{name}")].as_bool();
    assert_eq!(Some(user.id()), text(claims, "sub"));
    assert_eq!(Some(user.issuer()), text(claims, "iss"));
    assert_eq!(user.audiences().collect::<Vec<_>>(), list(claims, "aud"));
    assert_eq!(user.client_id(), text(claims, "client_id"));
    assert_eq!(user.token_id(), text(claims, "jti"));
    assert_eq!(user.issued_at(), seconds(claims, "iat"));
    assert_eq!(user.expires_at(), seconds(claims, "exp"));
    assert_eq!(user.auth_time(), seconds(claims, "auth_time"));
    assert_eq!(user.amr().collect::<Vec<_>>(), list(claims, "amr"));
    let scopes: Vec<_> = text(claims, "scope").unwrap().split(' ').collect();
    assert_eq!(user.scopes().collect::<Vec<_>>(), scopes);
    let roles = list(claims, "https://authgear.com/claims/user/roles");
    assert_eq!(user.roles().collect::<Vec<_>>(), roles);
    assert_eq!(Some(user.is_anonymous()), of_user("is_anonymous"));
    assert_eq!(Some(user.is_verified()), of_user("is_verified"));
    assert_eq!(
        Some(user.can_reauthenticate()),
        of_user("can_reauthenticate")
    );
    assert_eq!(user.verified_by(), VerifiedBy::Jwt);
    for role in roles {
        assert!(user.has_role(role) && !user.has_role(&format!("{role}x")));
    }
    for scope in scopes {
        assert!(user.has_scope(scope) && !user.has_scope(&format!("{scope}x")));
    }
}

#[tokio::test]
async fn every_recorded_token_is_who_it_was_or_is_refused() {
    let replay = Replay::start().await;
    let (mut users, mut machines) = (0, 0);
    for recorded in tokens() {
        let Record {
            name,
            token,
            claims,
            at,
        } = &recorded;
        let clock = Clock::frozen_at(*at);
        let builder = replay.builder(&clock).audience(ISSUER).audience(RESOURCE);
        let authgear = ready(builder).await;
        let api = api(&authgear);
        let answer = get(&api, "/principal", token).await;
        match name.as_str() {
            "id_token" => assert_refused(name, &answer, WrongTokenType),
            "opaque" => assert_refused(name, &answer, OpaqueToken),
            _ => {
                let client_id = text(claims, "client_id").unwrap();
                assert_passed(name, &answer, client_id);
                match authgear.verify_principal(token).await.unwrap() {
                    Principal::User(user) => {
                        users += 1;
                        assert_user(&user, claims);
                        assert_eq!(*user.claims(), NoClaims::default());
                    }
                    Principal::Client(client) => {
                        machines += 1;
                        assert_eq!(client.client_id(), client_id);
                        assert_eq!(
                            text(claims, "sub"),
                            Some(&*format!("client_id_{client_id}"))
                        );
                        assert_eq!(Some(client.issuer()), text(claims, "iss"));
                        assert_eq!(client.audiences().collect::<Vec<_>>(), [RESOURCE]);
                        assert_eq!(client.token_id(), text(claims, "jti"));
                        assert_eq!(client.issued_at(), seconds(claims, "iat"));
                        assert_eq!(client.expires_at(), seconds(claims, "exp"));
                        let scopes: Vec<_> = client.scopes().collect();
                        assert_eq!(Some(&*scopes.join(" ")), text(claims, "scope"));
                    }
                }
                // One second before the leeway has gone by too, and then no more.
                let end = seconds(claims, "exp").unwrap() + 60;
                let shift = |to: u64, from: u64| {
                    clock.shift_millis(1000 * i64::try_from(to - from).unwrap());
                };
                shift(end - 1, *at);
                assert_passed(name, &get(&api, "/principal", token).await, client_id);
                shift(end, end - 1);
                assert_refused(name, &get(&api, "/principal", token).await, Expired);
            }
        }
        // Not one bit may differ.
        let other = if token.ends_with('A') { 'Q' } else { 'A' };
        let spoilt = format!("{}{other}", &token[..token.len() - 1]);
        assert_eq!(get(&api, "/principal", &spoilt).await.status, 401, "{name}");
    }
    assert_eq!((users, machines), (9, 2));
}

#[tokio::test]
async fn every_recorded_token_is_explained_as_the_layer_judges_it() {
    let replay = Replay::start().await;
    let mut good = 0;
    for Record {
        name, token, at, ..
    } in tokens()
    {
        let clock = Clock::frozen_at(at);
        let authgear = ready(replay.builder(&clock).audience(ISSUER).audience(RESOURCE)).await;
        let explanation = crate::explain::explain(&authgear, &token).await;
        good += usize::from(explanation.verdict() == Verdict::Good);
        let wanted = match &*name {
            "id_token" => Likeness::IdToken,
            "opaque" => Likeness::OpaqueToken,
            "m2m" | "m2m_one_scope" => Likeness::ClientToken,
            _ => Likeness::UserToken,
        };
        assert_eq!(explanation.likeness(), wanted, "{name}");
        // An hour later, with a bit changed, and where machines are not expected.
        clock.shift_millis(86_400_000);
        crate::explain::explain(&authgear, &token).await;
        let other = if token.ends_with('A') { 'Q' } else { 'A' };
        let spoilt = format!("{}{other}", &token[..token.len() - 1]);
        crate::explain::explain(&authgear, &spoilt).await;
        let users = ready(replay.builder(&Clock::frozen_at(at))).await;
        crate::explain::explain(&users, &token).await;
    }
    assert_eq!(good, 11);
}

#[tokio::test]
async fn a_recorded_machine_token_is_for_its_resource_alone() {
    let replay = Replay::start().await;
    for name in ["m2m", "m2m_one_scope"] {
        let Record { token, at, .. } = token(name);
        let api = api(&ready(replay.builder(&Clock::frozen_at(at))).await);
        assert_refused(name, &get(&api, "/principal", &token).await, WrongAudience);
    }
}

#[tokio::test]
async fn recorded_clients_can_be_named() {
    let replay = Replay::start().await;
    for (name, is_ours) in [("user", true), ("brief", false), ("third_party", false)] {
        let Record {
            token, at, claims, ..
        } = token(name);
        let builder = replay.builder(&Clock::frozen_at(at)).client_ids(["spa"]);
        let answer = get(&api(&ready(builder).await), "/user", &token).await;
        if is_ours {
            assert_passed(name, &answer, text(&claims, "sub").unwrap());
        } else {
            assert_refused(
                name,
                &answer,
                axum_authgear::AuthErrorKind::ClientNotAllowed,
            );
        }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct Shop {
    #[serde(rename = "https://shop.example/tenant")]
    tenant: String,
    beta: bool,
    plan: Plan,
    limits: Vec<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Plan {
    name: String,
    seats: u32,
}

#[tokio::test]
async fn the_recorded_claims_of_a_hook_are_typed() {
    let replay = Replay::start().await;
    let Record {
        token: hooked,
        at,
        claims,
        ..
    } = token("custom_claims");
    let authgear = ready(replay.builder(&Clock::frozen_at(at)).claims::<Shop>()).await;
    let user = authgear.verify(&hooked).await.unwrap();
    assert_user(&user, &claims);
    let wanted = Shop {
        tenant: "acme".to_owned(),
        beta: true,
        plan: Plan {
            name: "pro".to_owned(),
            seats: 25,
        },
        limits: vec![json!(1), json!(2.5), json!("x"), json!(null)],
    };
    assert_eq!(*user.claims(), wanted);

    // A token from before the hook has none of them.
    let without = token("user").token;
    let error = authgear.verify(&without).await.unwrap_err();
    assert_eq!(error.kind(), MalformedCustomClaims);

    // All claims as they are, for who wants them.
    let all = ready(
        replay
            .builder(&Clock::frozen_at(at))
            .claims::<Map<String, Value>>(),
    )
    .await;
    assert_eq!(*all.verify(&hooked).await.unwrap().claims(), claims);
}

/// One key; the next one listed; the next one signs; the old one gone.
#[tokio::test]
async fn the_recorded_rotation_goes_by_without_a_wrong_answer() {
    let replay = Replay::start().await;
    let steps = rotation();
    let mut now = steps[0].at;
    let clock = Clock::frozen_at(now);
    replay.answer_keys_with(&steps[0].jwks);
    let authgear = ready(replay.builder(&clock)).await;
    let api = api(&authgear);
    for (index, step) in steps.iter().enumerate() {
        clock.shift_millis(1000 * i64::try_from(step.at - now).unwrap());
        now = step.at;
        replay.answer_keys_with(&step.jwks);
        // This step's token, and those of the steps before, which have not ended.
        for earlier in steps[..=index].iter().rev() {
            let what = format!("{}, then {}", earlier.what, step.what);
            let answer = get(&api, "/user", &earlier.token).await;
            assert_passed(&what, &answer, text(&earlier.claims, "sub").unwrap());
        }
    }
    let asked = replay.asked.lock().unwrap().clone();
    // The first fetch, and one for the key that signs from the third step on.
    assert_eq!(
        asked,
        HashMap::from([("discovery".to_owned(), 1), ("jwks".to_owned(), 2)])
    );
}

/// Whoever starts at one of the steps knows the keys of that step alone.
#[tokio::test]
async fn at_each_step_the_listed_keys_verify_and_no_other() {
    let steps = rotation();
    for now in &steps {
        let replay = Replay::start().await;
        replay.answer_keys_with(&now.jwks);
        // A little later, so that every recorded token is older than this fetch.
        let clock = Clock::frozen_at(now.at + 120);
        let api = api(&ready(replay.builder(&clock)).await);
        for step in steps.iter().filter(|step| step.at <= now.at) {
            let what = format!("{}, seen when {}", step.what, now.what);
            let header = step.token.split('.').next().unwrap();
            let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
            let header: Map<String, Value> = serde_json::from_slice(&header).unwrap();
            let is_listed = now.jwks.body.contains(header["kid"].as_str().unwrap());
            let answer = get(&api, "/user", &step.token).await;
            if is_listed {
                assert_passed(&what, &answer, text(&step.claims, "sub").unwrap());
            } else {
                assert_refused(&what, &answer, UnknownKey);
            }
        }
    }
}

/// What Authgear answers to another host, to another scheme, to a crawler, and to another path.
#[tokio::test]
async fn recorded_answers_without_keys_do_not_cost_the_keys() {
    join_all(
        [
            ("jwks_wrong_host", 307),
            ("jwks_http", 307),
            ("jwks_no_forwarded", 307),
            ("jwks_trailing_slash", 301),
            ("jwks_ua_GPTBot/1.0", 403),
            ("jwks_head", 405),
            ("jwks_options", 200),
            ("userinfo_bad", 401),
        ]
        .map(|(name, status)| keeps_its_keys(name, status)),
    )
    .await;
}

async fn keeps_its_keys(name: &str, status: u16) {
    let replay = Replay::start().await;
    let Record {
        token, at, claims, ..
    } = token("user");
    let builder = replay
        .builder(&Clock::frozen_at(at))
        .jwks_refresh_interval(Duration::from_millis(50));
    let authgear = ready(builder).await;
    let api = api(&authgear);
    let user = text(&claims, "sub").unwrap();
    let bad = exchange(name).answer;
    assert_eq!(bad.status, status, "{name}");

    replay.answer_keys_with(&bad);
    wait_for(&authgear, Health::Degraded).await;
    assert_passed(name, &get(&api, "/user", &token).await, user);
    let error = authgear.status().last_error().unwrap().to_string();
    assert!(error.starts_with("the key set "), "{name}: {error}");

    replay.answer_keys_with(&exchange("jwks").answer);
    wait_for(&authgear, Health::Healthy).await;
    assert_passed(name, &get(&api, "/user", &token).await, user);
}

/// A client of the user's own that names itself a crawler, or asks without the public scheme: no
/// keys, and 503 for as long as that is so.
#[tokio::test]
async fn who_asks_like_a_crawler_gets_no_keys() {
    let replay = Replay::start().await;
    let Record { token, at, .. } = token("user");
    let crawler = reqwest::Client::builder()
        .user_agent("GPTBot/1.0")
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    // Discovery was recorded with no agent in particular: only the keys are refused.
    let builder = replay.builder(&Clock::frozen_at(at)).http_client(crawler);
    let authgear = builder.build().unwrap();
    let error = authgear
        .ready(Duration::from_millis(500))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeysUnavailable);
    let status = authgear.status();
    assert_eq!(status.health(), Health::Down);
    let cause = status.last_error().unwrap().source().unwrap().to_string();
    assert_eq!(cause, "the answer has status 403 Forbidden");
    let answer = get(&api(&authgear), "/user", &token).await;
    assert_refused("a good token", &answer, KeysUnavailable);
    assert!(
        replay
            .asked
            .lock()
            .unwrap()
            .contains_key("jwks_ua_GPTBot/1.0")
    );
}

async fn wait_for(authgear: &Authgear, health: Health) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while authgear.status().health() != health {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}
