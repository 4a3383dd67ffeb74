//! Each mode: its checks, its verdict, and that nothing is kept.

use std::time::Duration;

use axum_authgear::AuthErrorKind::{
    MalformedAuthorizationHeader, PlaceholderToken, SessionInvalid, SessionMismatch,
    SessionUnavailable, TokensNotAccepted,
};
use axum_authgear::explain::{CheckName, Verdict};
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{Authgear, GatewayProof, LiveSessions, SessionResolver};

use super::{RESOURCE, World, assert_consistent, assert_refused, explain};
use crate::support::{api, get, ready};

const MINUTE: Duration = Duration::from_secs(60);

fn names(explanation: &axum_authgear::explain::Explanation) -> Vec<&'static str> {
    let checks = explanation.checks().iter();
    checks.map(|check| check.name().as_str()).collect()
}

#[tokio::test]
async fn the_rows_are_the_checks_of_the_mode() {
    let world = World::new().await;
    let token = world.fake.token(&world.alice).sign();
    let of_jwt = [
        "shape",
        "header",
        "claims",
        "issuer",
        "audience",
        "times",
        "client",
        "key",
        "signature",
        "revocation",
    ];
    let jwt = ready(world.builder()).await;
    assert_eq!(names(&explain(&jwt, &token).await), of_jwt);
    let live = world.builder().live_sessions(LiveSessions::within(MINUTE));
    let live = explain(&ready(live).await, &token).await;
    assert_eq!(names(&live), [&of_jwt[..], &["session"]].concat());
    let resolver = world.builder().session_resolver(SessionResolver::new());
    let resolver = explain(&ready(resolver).await, &token).await;
    assert_eq!(names(&resolver), ["shape", "session"]);
    for explanation in [live, resolver] {
        assert_eq!(explanation.verdict(), Verdict::Good);
        let session = explanation.checks().last().unwrap();
        assert_eq!(session.found(), Some("confirmed by the resolver"));
    }
}

#[tokio::test]
async fn behind_a_gateway_no_token_is_read() {
    let world = World::new().await;
    let proof = GatewayProof::secret("x".repeat(32));
    let authgear = world.builder().dangerous().gateway(proof).build().unwrap();
    for token in [&*world.fake.token(&world.alice).sign(), "undefined"] {
        let explanation = authgear.explain(token).await;
        assert_consistent(&explanation);
        let check = CheckName::Mode;
        assert_refused(&explanation, TokensNotAccepted, check, "behind a gateway");
        assert_eq!(
            authgear.verify(token).await.unwrap_err().kind(),
            TokensNotAccepted
        );
    }
}

#[tokio::test]
async fn what_the_resolver_does_not_know_is_explained_by_the_text() {
    let world = World::new().await;
    let (fake, alice) = (&world.fake, &world.alice);
    let builder = world.builder().session_resolver(SessionResolver::new());
    let authgear = ready(builder).await;
    let session = fake.sign_in(alice);
    let opaque = session.opaque_token();
    assert_eq!(explain(&authgear, &opaque).await.verdict(), Verdict::Good);
    fake.end_session(&session);
    let check = CheckName::Session;
    for (token, cure) in [
        (opaque, "sign in again"),
        (fake.id_token(alice).sign(), "`access_token`"),
        (fake.client_token("job", RESOURCE).sign(), "no machines"),
        (
            fake.token(alice).expires_at(super::NOW - 600).sign(),
            "no leeway",
        ),
    ] {
        assert_refused(
            &explain(&authgear, &token).await,
            SessionInvalid,
            check,
            cure,
        );
    }
    assert_refused(
        &explain(&authgear, "undefined").await,
        PlaceholderToken,
        CheckName::Shape,
        "sign in first",
    );
    let explanation = explain(&authgear, "a b").await;
    assert_refused(
        &explanation,
        MalformedAuthorizationHeader,
        CheckName::Shape,
        "blanks",
    );

    fake.fail(Endpoint::Resolver, Fault::Status(502));
    let explanation = explain(&authgear, &fake.token(alice).sign()).await;
    assert_eq!(explanation.verdict(), Verdict::Unknown(SessionUnavailable));
    let found = super::failed(&explanation).unwrap().found().unwrap();
    assert!(found.contains("502"), "{found}");
}

#[tokio::test]
async fn a_live_session_is_asked_for_and_a_machine_has_none() {
    let world = World::new().await;
    let (fake, alice) = (&world.fake, &world.alice);
    let builder = world.builder().live_sessions(LiveSessions::within(MINUTE));
    let authgear = ready(builder.audience(fake.endpoint()).audience(RESOURCE)).await;
    let session = fake.sign_in(alice);
    let token = session.token().sign();
    fake.end_session(&session);
    let explanation = explain(&authgear, &token).await;
    assert_refused(
        &explanation,
        SessionInvalid,
        CheckName::Session,
        "the session has ended",
    );
    let mismatch = fake.sign_in(alice).token().claim("sub", "bob").sign();
    let explanation = explain(&authgear, &mismatch).await;
    assert_refused(
        &explanation,
        SessionMismatch,
        CheckName::Session,
        "another user",
    );

    fake.forget_requests(Endpoint::Resolver);
    let machine = fake.client_token("job", RESOURCE).sign();
    let explanation = explain(&authgear, &machine).await;
    assert_eq!(explanation.verdict(), Verdict::Good, "{explanation}");
    assert_eq!(fake.requests(Endpoint::Resolver), 0);
}

#[tokio::test]
async fn the_grace_that_lets_a_token_in_is_named() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let live = LiveSessions::within(MINUTE).grace_period(MINUTE);
    let authgear = ready(Authgear::builder(fake.endpoint()).live_sessions(live)).await;
    fake.fail(Endpoint::Resolver, Fault::Status(503));
    let explanation = explain(&authgear, &fake.token(&alice).sign()).await;
    assert_eq!(explanation.verdict(), Verdict::Good, "{explanation}");
    let session = explanation.checks().last().unwrap();
    assert!(
        session.found().unwrap().contains("grace period"),
        "{session}"
    );
}

/// An answer that was kept for an explanation would save a request its question.
#[tokio::test]
async fn no_answer_is_kept_and_one_that_is_kept_counts() {
    let world = World::new().await;
    let (fake, alice) = (&world.fake, &world.alice);
    let kept = SessionResolver::new().cache_ttl(MINUTE);
    let resolver = ready(world.builder().session_resolver(kept)).await;
    let live = ready(world.builder().live_sessions(LiveSessions::within(MINUTE))).await;
    for authgear in [resolver, live] {
        let session = fake.sign_in(alice);
        let token = session.token().sign();
        fake.forget_requests(Endpoint::Resolver);
        for asked in 1..=3 {
            assert_eq!(authgear.explain(&token).await.verdict(), Verdict::Good);
            assert_eq!(fake.requests(Endpoint::Resolver), asked);
        }
        let api = api(&authgear);
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        assert_eq!(fake.requests(Endpoint::Resolver), 4);
        // From here on the layer lets the token in by what it keeps, and so says the explanation.
        fake.end_session(&session);
        assert_eq!(explain(&authgear, &token).await.verdict(), Verdict::Good);
        assert_eq!(fake.requests(Endpoint::Resolver), 4);
        // A session that has ended is not kept either.
        let ended = session.token().sign();
        fake.forget_requests(Endpoint::Resolver);
        for asked in 1..=2 {
            let explanation = authgear.explain(&ended).await;
            assert_eq!(explanation.verdict(), Verdict::Refused(SessionInvalid));
            assert_eq!(fake.requests(Endpoint::Resolver), asked);
        }
    }
}

/// The layer renews a confirmation in the background once half of its time is over: once, by whoever
/// sees it first. An explanation that took this upon itself would leave the session unconfirmed.
#[tokio::test]
async fn an_explanation_takes_no_renewal_away() {
    let world = World::new().await;
    let (fake, alice) = (&world.fake, &world.alice);
    let authgear = ready(world.builder().live_sessions(LiveSessions::within(MINUTE))).await;
    let token = fake.token(alice).sign();
    let api = api(&authgear);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    fake.clock().shift_millis(40_000);
    fake.forget_requests(Endpoint::Resolver);
    assert_eq!(authgear.explain(&token).await.verdict(), Verdict::Good);
    // A question in the background would have come by now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fake.requests(Endpoint::Resolver), 0);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    let renewed = fake.requests_reached(Endpoint::Resolver, 1);
    tokio::time::timeout(MINUTE, renewed).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_known_yet_is_fetched() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let _ = world.fake.rotate();
    let token = world.fake.token(&world.alice).sign();
    let fetched = world.fake.requests(Endpoint::Jwks);
    assert_eq!(authgear.explain(&token).await.verdict(), Verdict::Good);
    assert_eq!(world.fake.requests(Endpoint::Jwks), fetched + 1);
}
