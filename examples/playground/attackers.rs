//! The attacks. None of them may pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Session, SigningKey, User};
use base64_simd::URL_SAFE_NO_PAD;
use futures_util::stream::{self, StreamExt};
use reqwest::RequestBuilder;
use serde_json::json;

use crate::apis::{self, Api};
use crate::gateway::random_text;
use crate::seen::Press;
use crate::story::{done, go_on};
use crate::traffic::send;
use crate::world::{Who, World};

/// The attackers' means: an account of their own, and keys that are not Authgear's.
pub(crate) struct Attackers {
    mallory: User,
    pub(crate) session: Session,
    key: SigningKey,
}

impl Attackers {
    pub(crate) fn new(acme: &FakeAuthgear) -> Self {
        let mallory = acme.add_user(User::new("Mallory").with_id("mallory").verified(true));
        Self {
            session: acme.sign_in(&mallory),
            mallory,
            key: SigningKey::rsa(),
        }
    }
}

pub(crate) fn attack(world: &Arc<World>, control: &'static str) {
    let press = Press::new(world, control, None);
    // It counts as unfinished from now on.
    let id = world.stories.begin(&press);
    let fetches = world.acme.requests(Endpoint::Jwks);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let said = match control {
            "forged" => forge(&world).await,
            "flood" => flood(&world).await,
            "spoofed" => spoof(&world).await,
            _ => cross_site(&world).await,
        };
        let fetches = world.acme.requests(Endpoint::Jwks) - fetches;
        go_on(&world, id, press, Duration::from_secs(20), move |seen| {
            done(format!(
                "{said}; meanwhile Authgear was asked for its keys {fetches} times, and {}",
                seen.others()
            ))
        });
    });
}

/// Tokens that Authgear did not sign, or signed for another purpose.
async fn forge(world: &World) -> String {
    let own = &world.attackers;
    let token = || own.session.token();
    let kid = world.acme.signing_kid();
    let tokens = [
        token().signed_by(&own.key).kid(&kid).sign(),
        token().tamper_signature().sign(),
        token().unsigned().header("alg", "none").sign(),
        token().hs256("secret").sign(),
        token().claim("sub", "alice").tamper_signature().sign(),
        token().issued_at(1_000_000_000).sign(),
        token()
            .claim("iss", "https://evil.example")
            .signed_by(&own.key)
            .sign(),
        token().claim("aud", "https://other.example").sign(),
        own.session.id_token().sign(),
        "not.a.token".to_owned(),
    ];
    let requests = each_api(world).flat_map(|(row, api)| {
        tokens.iter().map(move |token| {
            (
                row,
                world
                    .client
                    .get(format!("{}/me", api.url))
                    .bearer_auth(token),
            )
        })
    });
    let answers = send_all(world, requests.collect()).await;
    format!(
        "{} forged or misused tokens: {}",
        answers.len(),
        statuses(&answers)
    )
}

/// Tokens with unknown keys: each could make an API fetch Authgear's keys.
async fn flood(world: &World) -> String {
    let good = world.attackers.session.token().sign();
    let (_, rest) = good.split_once('.').unwrap_or_default();
    let unknown = || {
        let kid = random_text().unwrap_or_default();
        let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid });
        format!(
            "{}.{rest}",
            URL_SAFE_NO_PAD.encode_to_string(header.to_string())
        )
    };
    let requests = each_api(world)
        .filter(|(_, api)| api.reads_tokens)
        .flat_map(|(row, api)| {
            (0..FLOOD).map(move |_| {
                (
                    row,
                    world
                        .client
                        .get(format!("{}/me", api.url))
                        .bearer_auth(unknown()),
                )
            })
        });
    let answers = send_all(world, requests.collect()).await;
    format!(
        "{} tokens with unknown keys: {}",
        answers.len(),
        statuses(&answers)
    )
}

/// The identity headers of a gateway, sent by a client.
async fn spoof(world: &World) -> String {
    let names = [
        ("x-authgear-user-id", "alice"),
        ("X_Authgear_User_Id", "alice"),
        ("x-authgear-user-roles", "editor"),
    ];
    let spoofed = |mut request: RequestBuilder| {
        for (name, value) in names {
            request = request.header(name, value);
        }
        request
            .header("x-authgear-session-valid", "true")
            .header("x-gateway-secret", "x".repeat(43))
    };
    let mut requests = Vec::new();
    for (row, api) in each_api(world) {
        for url in [Some(&api.url), api.behind.as_ref()].into_iter().flatten() {
            requests.push((row, spoofed(world.client.get(format!("{url}/edit")))));
        }
    }
    let answers = send_all(world, requests).await;
    // With their own token, they keep their own identity.
    let token = world.attackers.session.token().sign();
    let mut themselves = 0;
    for (_, api) in each_api(world) {
        let request = spoofed(world.client.get(format!("{}/me", api.url))).bearer_auth(&token);
        let Ok(answer) = request.send().await else {
            continue;
        };
        let text = answer.text().await.unwrap_or_default();
        themselves += usize::from(
            text.contains(&format!("\"{}\"", world.attackers.mallory.id()))
                && !text.contains("alice"),
        );
    }
    format!(
        "{} requests with the headers of a gateway: {}; with the attacker's own token added, {themselves} APIs identified the attacker",
        answers.len(),
        statuses(&answers)
    )
}

/// A form on another site. The browser of a signed-in visitor sends it with the cookie.
async fn cross_site(world: &World) -> String {
    let session = &world.attackers.session;
    let token = format!("{}={}", apis::COOKIE, session.token().sign());
    let cookie = |api: &Api| {
        if api.reads_tokens {
            token.clone()
        } else {
            session.cookies().session().pair()
        }
    };
    let form = |api: &Api, origin: &str, site: &str| {
        world
            .client
            .post(format!("{}/me", api.url))
            .header(header::COOKIE, cookie(api))
            .header(header::ORIGIN, origin)
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("amount=1000")
    };
    let requests =
        each_api(world).map(|(row, api)| (row, form(api, "https://evil.example", "cross-site")));
    let answers = send_all(world, requests.collect()).await;
    let mut passed = 0;
    for (_, api) in each_api(world) {
        let answer = form(api, &api.url, "same-origin").send().await;
        passed += usize::from(answer.is_ok_and(|answer| answer.status() == 200));
    }
    format!(
        "A form on another site, sent with the victim's cookie: {}; the same form on the API's own site passed {passed} times",
        statuses(&answers)
    )
}

/// The APIs of the fakes, with the row of the attackers.
pub(crate) fn each_api(world: &World) -> impl Iterator<Item = (usize, &Api)> {
    let rows = world.rows.iter().enumerate();
    rows.filter(|(_, row)| row.who == Who::Attackers)
        .map(|(index, row)| (index, world.api(row)))
}

async fn send_all(world: &World, requests: Vec<(usize, RequestBuilder)>) -> Vec<u16> {
    let sending = requests
        .into_iter()
        .map(|(row, request)| send(world, row, request));
    stream::iter(sending)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// `64 × 401, 2 × 503`
fn statuses(answers: &[u16]) -> String {
    let mut counts = BTreeMap::new();
    for status in answers {
        *counts.entry(*status).or_insert(0_usize) += 1;
    }
    let parts = counts
        .iter()
        .map(|(status, count)| format!("{count} × {status}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// For each API.
const FLOOD: usize = 60;
const AT_ONCE: usize = 96;
