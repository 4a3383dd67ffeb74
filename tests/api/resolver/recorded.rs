//! The answers of a real Authgear.

use std::sync::{Arc, Mutex};

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Session, User};
use axum_authgear::{AuthErrorKind, Authgear, SessionResolver};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::recorded::{Answer, Exchange};
use crate::support::{api, assert_refused, describing_api, get, send, with_headers};

#[derive(Deserialize)]
struct Recorded {
    rows: Vec<Exchange>,
}

fn rows() -> Vec<Exchange> {
    let recorded: Recorded =
        serde_json::from_str(include_str!("../../recorded/resolver.json")).unwrap();
    assert_eq!(recorded.rows.len(), 69);
    recorded.rows
}

impl Exchange {
    /// A header of the answer.
    fn says(&self, name: &str) -> Option<&str> {
        let mut headers = self.answer.headers.iter();
        headers
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn asked_with(&self, name: &str) -> Option<&str> {
        let mut headers = self.request.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A server that gives one answer, byte for byte, to every request.
async fn replay() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                let answer = shared.lock().unwrap().clone();
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    (url, bytes)
}

fn bytes_of(answer: &Answer) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        for part in [name, ": ", value, "\r\n"] {
            text.push_str(part);
        }
    }
    format!("{text}\r\n{}", answer.body).into_bytes()
}

#[tokio::test]
async fn every_recorded_answer_is_what_it_says() {
    let (url, bytes) = replay().await;
    let authgear = Authgear::builder("https://auth.shop.example")
        .session_resolver(SessionResolver::new().url(format!("{url}/_resolver/resolve")))
        .build()
        .unwrap();
    let api = describing_api(&authgear);
    let (mut users, mut unavailable) = (0, 0);
    for row in rows() {
        *bytes.lock().unwrap() = bytes_of(&row.answer);
        let answer = get(&api, "/user", "wDflpJg2pHtFsjuX3aYgtVees2Fx7514").await;
        if row.answer.status != 200 {
            assert!(
                matches!(&*row.name, "post" | "unknown_path"),
                "{}",
                row.name
            );
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
            unavailable += 1;
        } else if row.says("x-authgear-session-valid") == Some("true") {
            let lines = [
                format!("id={}", row.says("x-authgear-user-id").unwrap()),
                format!(
                    "anonymous={}",
                    row.says("x-authgear-user-anonymous").unwrap()
                ),
                format!("verified={}", row.says("x-authgear-user-verified").unwrap()),
                format!(
                    "reauthenticate={}",
                    row.says("x-authgear-user-can-reauthenticate").unwrap()
                ),
                format!(
                    "roles={}",
                    row.says("x-authgear-user-roles").unwrap_or_default()
                ),
                "amr=".to_owned(),
                format!(
                    "time=Some({})",
                    row.says("x-authgear-session-authenticated-at").unwrap()
                ),
                "client=None".to_owned(),
                "scopes=".to_owned(),
                "expires=false".to_owned(),
                "issuer=https://auth.shop.example".to_owned(),
                "by=resolver".to_owned(),
            ];
            assert_eq!(answer.body, lines.join("\n"), "{}", row.name);
            users += 1;
        } else {
            assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
        }
    }
    assert_eq!((users, unavailable), (28, 2));
}

/// A user as the row's answer shows it, signed in, with the life of the row behind it.
fn arrange(fake: &FakeAuthgear, row: &Exchange) -> (User, Session) {
    let is = |name: &str| row.says(name) == Some("true");
    let roles = row.says("x-authgear-user-roles").unwrap_or_default();
    let user = User::new("someone")
        .roles(roles.split(',').filter(|role| !role.is_empty()))
        .verified(is("x-authgear-user-verified"))
        .anonymous(is("x-authgear-user-anonymous"));
    let user = fake.add_user(user);
    let session = fake.sign_in(&user);
    (user, session)
}

fn live(fake: &FakeAuthgear, row: &str, user: &User, session: &Session) {
    let now = fake.clock().now().unix().as_secs();
    let life = row
        .strip_suffix("_bearer")
        .or_else(|| row.strip_suffix("_cookie"))
        .unwrap_or(row);
    match life {
        "disabled" => fake.disable(user),
        "disabled_then_enabled" => {
            fake.disable(user);
            fake.reenable(user);
        }
        "deleted" => fake.delete(user),
        "anonymized" => fake.anonymize(user),
        "deletion_scheduled" => fake.schedule_deletion(user),
        "anonymization_scheduled" => fake.schedule_anonymization(user),
        "sessions_revoked" => fake.end_all_sessions(user),
        "refresh_token_revoked" => fake.revoke_refresh_token(session),
        "window_closed" => fake.set_window(user, None, now - 1),
        "temporarily_disabled" => fake.disable_temporarily(user, now - 1, now + 60),
        "temporarily_disabled_ahead" => fake.disable_temporarily(user, now + 60, now + 120),
        "temporarily_disabled_began" => {
            fake.disable_temporarily(user, now + 1, now + 60);
            fake.clock().shift_millis(2_000);
        }
        _ => {}
    }
}

/// The row's credentials, made anew at the fake.
fn headers(
    fake: &FakeAuthgear,
    row: &Exchange,
    user: &User,
    session: &Session,
) -> Vec<(String, String)> {
    let cookies = session.cookies();
    let jwt = || session.token().sign();
    let bearer = match &*row.name {
        "bearer_opaque" => Some(session.opaque_token()),
        "bearer_jwt_refreshed" => Some(session.token().refreshed().sign()),
        "bearer_m2m" => Some(fake.client_token("m2m", "https://api.example").sign()),
        "bearer_id_token" => Some(session.id_token().sign()),
        "bearer_garbage_jwt" => Some(session.token().tamper_signature().sign()),
        "bearer_third_party" => Some(session.token().third_party().sign()),
        "bearer_two_spaces" => Some(format!(" {}", jwt())),
        "bearer_garbage" | "bad_bearer_good_cookie" | "bad_bearer_bad_cookie" => None,
        _ => Some(jwt()),
    };
    let good = cookies.session().pair();
    let app_access_token = cookies.app_access_token().name().to_owned();
    let other = fake.sign_in(&fake.add_user(User::new("other")));
    let cookie = match &*row.name {
        "cookie_app_session" => Some(cookies.app_session().pair()),
        "cookie_app_access_token_jwt" | "prefix_app_access_token" => {
            Some(format!("{app_access_token}={}", jwt()))
        }
        "cookie_app_access_token_opaque" => {
            Some(format!("{app_access_token}={}", session.opaque_token()))
        }
        "cookie_unprefixed_other" => Some(format!("shop_{good}")),
        "prefix_cookie_without" => Some(good.trim_start_matches("shop_").to_owned()),
        "good_bearer_other_cookie" => Some(other.cookies().session().pair()),
        "app_session_before_session" => Some(format!(
            "{}; {}",
            other.cookies().session().pair(),
            cookies.app_session().pair()
        )),
        "two_session_cookies" => Some(format!("{good}; session=garbage")),
        "two_session_cookies_bad_first" => Some(format!("session=garbage; {good}")),
        "cookie_session_garbage"
        | "cookie_session_unknown"
        | "cookie_app_session_garbage"
        | "cookie_app_access_token_garbage"
        | "bad_bearer_bad_cookie"
        | "good_bearer_bad_cookie"
        | "prefix_cookie_garbage" => None,
        _ => Some(good),
    };
    live(fake, &row.name, user, session);
    let mut headers = row.request.headers.clone();
    for (name, value) in &mut headers {
        match (&**name, &bearer, &cookie) {
            ("Authorization", Some(token), _) if row.name != "basic" => {
                let (scheme, _) = value.split_once(' ').unwrap();
                *value = format!("{scheme} {token}");
            }
            ("Cookie", _, Some(cookie)) => cookie.clone_into(value),
            _ => {}
        }
    }
    headers
}

async fn fake(prefix: &str) -> FakeAuthgear {
    FakeAuthgear::builder()
        .endpoint("https://auth.shop.example")
        .clock(Clock::frozen_at(1_800_000_000))
        .cookie_prefix(prefix)
        .start()
        .await
}

#[tokio::test]
async fn the_fake_answers_as_authgear_did() {
    let (plain, prefixed) = (fake("").await, fake("shop_").await);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for row in rows() {
        let fake = if row.name.starts_with("prefix_") {
            &prefixed
        } else {
            &plain
        };
        let (user, session) = arrange(fake, &row);
        let method = row.request.method.parse().unwrap();
        let mut request = client.request(method, format!("{}{}", fake.url(), row.request.path));
        for (name, value) in headers(fake, &row, &user, &session) {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), row.answer.status, "{}", row.name);
        let mut wanted: Vec<_> = row
            .answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .filter(|(name, _)| name.starts_with("x-authgear-"))
            .collect();
        for (name, value) in &mut wanted {
            match &**name {
                "x-authgear-user-id" => user.id().clone_into(value),
                "x-authgear-session-authenticated-at" => {
                    answer.headers()[&**name]
                        .to_str()
                        .unwrap()
                        .clone_into(value);
                    assert!(value.parse::<u64>().is_ok());
                }
                _ => {}
            }
        }
        let mut given: Vec<_> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| name.starts_with("x-authgear-"))
            .collect();
        wanted.sort();
        given.sort();
        assert_eq!(given, wanted, "{}", row.name);
    }
}

#[tokio::test]
async fn a_recorded_request_gets_what_the_rules_say_and_only_that_is_asked() {
    let mut by_cookies = 0;
    for row in rows() {
        // A fake for each, so that no answer of one can be another's.
        let prefix = if row.name.starts_with("prefix_") {
            "shop_"
        } else {
            ""
        };
        let fake = fake(prefix).await;
        let (user, session) = arrange(&fake, &row);
        let resolver = SessionResolver::new()
            .url(format!("{}/resolve", fake.url()))
            .cookie_prefix(prefix);
        let authgear = Authgear::builder(fake.endpoint())
            .session_resolver(resolver)
            .build()
            .unwrap();
        let api = api(&authgear);
        let headers = headers(&fake, &row, &user, &session);
        let headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| !name.starts_with("X-Forwarded-"))
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let answer = send(&api, with_headers(&headers)).await;
        match &*row.name {
            "two_session_cookies" | "two_session_cookies_bad_first" => {
                assert_refused(&answer, 400, AuthErrorKind::MultipleCredentials);
            }
            "bad_bearer_good_cookie" | "bad_bearer_bad_cookie" => {
                assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
            }
            "nothing"
            | "basic"
            | "post"
            | "unknown_path"
            | "cookie_unprefixed_other"
            | "prefix_cookie_without" => {
                assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
                assert_eq!(fake.requests(Endpoint::Resolver), 0);
            }
            // The crate asks under the right name, with one space and with GET, whatever came.
            "bearer_wrong_host" | "bearer_wrong_scheme" | "bearer_two_spaces" => {
                assert_eq!(answer.body, user.id(), "{}", row.name);
            }
            _ if row.says("x-authgear-session-valid") == Some("true") => {
                assert_eq!(answer.body, user.id(), "{}", row.name);
            }
            _ => assert_refused(&answer, 401, AuthErrorKind::SessionInvalid),
        }
        let had = row.asked_with("Authorization").is_some() || row.asked_with("Cookie").is_some();
        if had && fake.requests(Endpoint::Resolver) == 1 {
            let asked = fake.last_request(Endpoint::Resolver).unwrap();
            let sent = ["authorization", "cookie"].map(|name| asked.header(name).is_some());
            assert_eq!(sent.iter().filter(|sent| **sent).count(), 1, "{}", row.name);
            // All cookies of the row, as they came.
            if let Some(cookies) = asked.header("cookie") {
                let came = headers.iter().find(|(name, _)| *name == "Cookie");
                assert_eq!(came.map(|(_, value)| *value), Some(cookies), "{}", row.name);
                by_cookies += 1;
            }
        }
    }
    assert_eq!(by_cookies, 26);
}
