//! Each claim that is wrong: what came, what is expected, and the cure.

use std::time::Duration;

use axum_authgear::AuthErrorKind::*;
use axum_authgear::Authgear;
use axum_authgear::explain::{CheckName, Verdict};
use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};

use super::{NOW, RESOURCE, World, assert_refused, explain};
use crate::support::ready;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a line for each case")]
async fn every_claim_that_is_wrong_names_what_came_and_what_is_expected() {
    let world = World::new().await;
    let fake = &world.fake;
    let authgear = ready(world.builder().client_ids(["spa", "job"])).await;
    let token = || fake.token(&world.alice);
    let foreign = SigningKey::rsa();
    let cases = [
        (
            token().header("alg", "RS384"),
            AlgorithmNotAllowed,
            CheckName::Header,
            "RS384",
        ),
        (
            token().header("crit", vec!["exp"]),
            UnsupportedTokenHeader,
            CheckName::Header,
            "crit",
        ),
        (
            token().remove_header("kid"),
            MissingKeyId,
            CheckName::Header,
            "kid missing",
        ),
        (
            token().raw_header("[]"),
            MalformedTokenHeader,
            CheckName::Header,
            "no JSON object",
        ),
        (
            token().raw_claims("[]"),
            MalformedClaims,
            CheckName::Claims,
            "no JSON object",
        ),
        (
            token().claim("exp", "soon"),
            MalformedClaims,
            CheckName::Claims,
            "exp is a text",
        ),
        (
            token().claim("aud", 5),
            MalformedClaims,
            CheckName::Claims,
            "aud is a number",
        ),
        (
            token().claim("cnf", "x"),
            SenderConstrainedToken,
            CheckName::Claims,
            "cnf",
        ),
        (
            token().remove_claim("iss"),
            MissingIssuer,
            CheckName::Issuer,
            "nothing",
        ),
        (
            token().claim("iss", "x"),
            WrongIssuer,
            CheckName::Issuer,
            "\"x\"",
        ),
        (
            token().remove_claim("aud"),
            MissingAudience,
            CheckName::Audience,
            "nothing",
        ),
        (
            token().claim("aud", "me"),
            WrongAudience,
            CheckName::Audience,
            "\"me\"",
        ),
        (
            token().remove_claim("exp"),
            MissingExpiry,
            CheckName::Times,
            "iat in 0 s",
        ),
        (
            token().expires_at(NOW - 600),
            Expired,
            CheckName::Times,
            "exp 10 min ago",
        ),
        (
            token().claim("nbf", NOW + 600),
            NotYetValid,
            CheckName::Times,
            "nbf in 10 min",
        ),
        (
            token().issued_at(NOW + 600),
            IssuedInFuture,
            CheckName::Times,
            "iat in 10 min",
        ),
        (
            token().claim("sub", ""),
            MissingSubject,
            CheckName::Client,
            "sub \"\"",
        ),
        (
            token().claim("sub", "client_id_x"),
            SubjectMismatch,
            CheckName::Client,
            "client_id_x",
        ),
        (
            token().client_id("other"),
            ClientNotAllowed,
            CheckName::Client,
            "\"other\"",
        ),
        (
            token().issued_at(NOW - 300).kid("gone"),
            UnknownKey,
            CheckName::Key,
            "unknown key",
        ),
        (
            token().signed_by(&foreign).kid(fake.signing_kid()),
            BadSignature,
            CheckName::Signature,
            "invalid",
        ),
        (
            token().tamper_signature(),
            BadSignature,
            CheckName::Signature,
            "invalid",
        ),
    ];
    for (token, kind, check, found) in cases {
        let explanation = explain(&authgear, &token.sign()).await;
        assert_refused(&explanation, kind, check, "");
        let own = super::failed(&explanation)
            .unwrap()
            .found()
            .unwrap_or("nothing");
        assert!(own.contains(found), "{found:?} is missing: {own}");
    }
    // The near miss of each: the same with nothing wrong.
    let good = explain(&authgear, &token().sign()).await;
    assert_eq!(good.verdict(), Verdict::Good);
}

#[tokio::test]
async fn another_issuer_is_another_project_the_old_domain_or_another_spelling() {
    let fake = FakeAuthgear::builder()
        .endpoint("https://auth.shop.example")
        .start()
        .await;
    let alice = fake.add_user(User::new("alice"));
    let builder = Authgear::builder(fake.endpoint()).internal_url(fake.url());
    let authgear = ready(builder).await;
    let of = |issuer: &str| fake.token(&alice).claim("iss", issuer).sign();
    let check = CheckName::Issuer;

    let old = explain(&authgear, &of("https://shop.authgear.example")).await;
    assert_refused(&old, WrongIssuer, check, "the same project signed it");
    for spelling in [
        "https://auth.shop.example/",
        "https://Auth.Shop.example",
        "http://auth.shop.example",
        "https://auth.shop.example:443",
        "https://auth.shop.example.",
        "auth.shop.example",
    ] {
        let other = explain(&authgear, &of(spelling)).await;
        assert_refused(
            &other,
            WrongIssuer,
            check,
            &format!("`Authgear::builder({spelling:?})`"),
        );
    }
    let other = FakeAuthgear::start().await;
    let mallory = other.add_user(User::new("mallory"));
    let other = explain(&authgear, &other.token(&mallory).sign()).await;
    assert_refused(&other, WrongIssuer, check, "another project");
    // Whoever signs by another key says what it likes.
    let forged = fake
        .token(&alice)
        .claim("iss", "https://shop.authgear.example");
    let forged = forged
        .signed_by(&SigningKey::rsa())
        .kid(fake.signing_kid())
        .sign();
    assert_refused(
        &explain(&authgear, &forged).await,
        WrongIssuer,
        check,
        "another project",
    );
}

#[tokio::test]
async fn the_audience_of_a_machine_is_named() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let check = CheckName::Audience;
    let machine = world.fake.client_token("job", RESOURCE).sign();
    let cure = format!(".audience({RESOURCE:?})");
    assert_refused(
        &explain(&authgear, &machine).await,
        WrongAudience,
        check,
        &cure,
    );

    let for_machines = ready(world.builder().audience(RESOURCE)).await;
    assert_eq!(
        explain(&for_machines, &machine).await.verdict(),
        Verdict::Good
    );
    let user = world.fake.token(&world.alice).sign();
    let cure = format!(".audience({:?})", world.fake.endpoint());
    assert_refused(
        &explain(&for_machines, &user).await,
        WrongAudience,
        check,
        &cure,
    );
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).sign();
    world.fake.clock().shift_millis(-600_000);
    let behind = explain(&authgear, &token).await;
    assert_refused(&behind, IssuedInFuture, CheckName::Times, "10 min behind");
    world.fake.clock().shift_millis(600_000 + 3_600_000);
    let ahead = explain(&authgear, &token).await;
    assert_refused(&ahead, Expired, CheckName::Times, "clock (1800003600");
}

#[tokio::test]
async fn revocation_and_custom_claims_have_their_rows() {
    #[derive(serde::Deserialize)]
    struct Shop {
        #[serde(rename = "tenant")]
        _tenant: String,
    }

    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).sign();
    assert_eq!(explain(&authgear, &token).await.verdict(), Verdict::Good);
    authgear.revoke_user(world.alice.id()).unwrap();
    let revoked = explain(&authgear, &token).await;
    assert_refused(&revoked, Revoked, CheckName::Revocation, "get a new token");

    let long = Duration::from_secs(3_600);
    let short_lived = ready(world.builder().revocation_retention(long)).await;
    let old = world.fake.token(&world.alice).issued_at(NOW - 7_200);
    let old = old.lifetime(Duration::from_secs(86_400)).sign();
    let old = explain(&short_lived, &old).await;
    let check = CheckName::Revocation;
    assert_refused(
        &old,
        OlderThanRevocationRetention,
        check,
        "revocation_retention",
    );

    let shop = ready(world.builder().claims::<Shop>()).await;
    let explanation = shop.explain(&token).await;
    super::assert_consistent(&explanation);
    let check = CheckName::CustomClaims;
    assert_refused(&explanation, MalformedCustomClaims, check, "optional");
    let good = world.fake.token(&world.alice).claim("tenant", "a").sign();
    let explanation = shop.explain(&good).await;
    super::assert_consistent(&explanation);
    assert_eq!(explanation.verdict(), Verdict::Good);
}

#[tokio::test]
async fn keys_out_of_reach_are_no_verdict_on_the_token() {
    let world = World::new().await;
    let token = world.fake.token(&world.alice).sign();
    let expired = world.fake.token(&world.alice).issued_at(NOW - 7_200);
    let expired = expired.sign();
    world.fake.stop();
    let authgear = world.builder().build().unwrap();
    let unknown = explain(&authgear, &token).await;
    assert_eq!(unknown.verdict(), Verdict::Unknown(KeysUnavailable));
    let check = super::failed(&unknown).unwrap();
    assert_eq!(check.name(), CheckName::Key);
    assert!(check.found().unwrap().contains("refused"), "{check}");
    // What needs no key is refused all the same.
    assert_refused(
        &explain(&authgear, &expired).await,
        Expired,
        CheckName::Times,
        "new token",
    );
}
