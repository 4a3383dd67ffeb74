//! The keys of the issuer, through the whole stack: rotation, floods, outages, the cold start.

mod cold_start;
mod content_coding;
mod flood;
mod kept;
mod outage;
mod rotation;
mod runtime;

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};
use axum_authgear::{AuthErrorKind, Authgear, AuthgearBuilder};
use base64_simd::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use http::StatusCode;

use crate::support::{Answer, api, get};

/// So long that it ends only when the clock is shifted.
const LONG: Duration = Duration::from_secs(3_600);
const LONG_MILLIS: i64 = 3_600_000;

/// A fake and a clock that is the service's, too, so that its hours pass at once.
struct Stage {
    clock: Clock,
    fake: FakeAuthgear,
    alice: User,
}

impl Stage {
    async fn new() -> Self {
        let clock = Clock::starting_at(1_800_000_000);
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        let alice = fake.add_user(User::new("alice"));
        Self { clock, fake, alice }
    }

    /// Fetches on demand once an hour, and gives up on the fake soon. Keys serve for a day.
    fn builder(&self) -> AuthgearBuilder {
        Authgear::builder(self.fake.endpoint())
            .dangerous()
            .clock(self.clock.clone())
            .jwks_cooldown(LONG)
            .jwks_refresh_interval(LONG * 12)
            .jwks_max_stale(LONG * 24)
            .request_timeout(Duration::from_millis(500))
    }

    async fn api(&self) -> (Authgear, Router) {
        let authgear = crate::support::ready(self.builder()).await;
        let api = api(&authgear);
        (authgear, api)
    }

    /// A token of the key that signs now, good for a week.
    fn token(&self) -> String {
        self.fake.token(&self.alice).lifetime(LONG * 168).sign()
    }

    /// The end of every cooldown.
    fn an_hour_passes(&self) {
        self.clock.shift_millis(LONG_MILLIS);
    }

    fn assert_is_alice(&self, answer: &Answer) {
        let got = (answer.status, answer.body.as_str());
        assert_eq!(got, (StatusCode::OK, self.alice.id()), "{answer:?}");
    }
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.kind, Some(AuthErrorKind::KeysUnavailable));
    assert_eq!(answer.challenge(), None);
    let wait = &answer.headers["retry-after"];
    assert!(wait.to_str().unwrap().parse::<u64>().unwrap() >= 1);
}

fn assert_unknown_key(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    assert_eq!(answer.kind, Some(AuthErrorKind::UnknownKey));
    let challenge = answer.challenge().unwrap();
    assert!(challenge.starts_with("Bearer error=\"invalid_token\""));
}

/// The answer to a request that waits for nothing.
fn at_once(api: &Router, token: &str) -> Answer {
    let answer = get(api, "/user", token).now_or_never();
    answer.expect("the request waits")
}

/// The same token under the name of a key that never was. Its signature is not looked at.
fn under_another_name(token: &str, kid: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = format!(r#"{{"alg":"RS256","kid":"{kid}","typ":"at+jwt"}}"#);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode_to_string(header))
}

/// A token that the issuer has not signed, of a key that it does not list.
fn foreign(stage: &Stage) -> String {
    let key = SigningKey::rsa();
    stage.fake.token(&stage.alice).signed_by(&key).sign()
}
