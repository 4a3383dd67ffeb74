//! Webhooks: what a delivery does, and which are refused.

use std::fmt::Write;

use axum::Router;
use axum::body::Body;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, User, Webhook, WebhookEvent, WebhookFaults};
use axum_authgear::{AuthErrorKind, Authgear};
use http::{Method, Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases::cases;
use crate::refusal_table::assert_refused;
use crate::revocation::{NOW, assert_good, assert_revoked, builder, on_a_frozen_clock};
use crate::support::{Answer, api, get, ready, send};

const HOOK: &str = "/authgear/webhook";
const SIGNATURE: &str = "x-authgear-body-signature";

/// The API with the route of the webhooks beside it.
fn with_webhooks(authgear: &Authgear, secrets: &[&str]) -> Router {
    api(authgear).merge(Router::new().route(HOOK, authgear.webhooks(secrets).unwrap()))
}

async fn start(fake: &FakeAuthgear) -> Router {
    with_webhooks(&ready(builder(fake)).await, &[&fake.webhook_secret()])
}

async fn deliver(router: &Router, webhook: &Webhook) -> StatusCode {
    let request = Request::post(HOOK).header(SIGNATURE, webhook.signature());
    send(router, request.body(webhook.body().into()).unwrap())
        .await
        .status
}

async fn take(router: &Router, webhook: &Webhook) {
    assert_eq!(deliver(router, webhook).await, StatusCode::NO_CONTENT);
}

async fn user(router: &Router, token: &str) -> Answer {
    get(router, "/user", token).await
}

fn issued(fake: &FakeAuthgear, user: &User, at: u64) -> String {
    fake.token(user)
        .issued_at(at)
        .expires_at(NOW + 9_000)
        .sign()
}

#[tokio::test]
async fn an_event_ends_what_was_issued_until_its_second() {
    use WebhookEvent as E;

    let (fake, _) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    for event in [
        E::UserDisabled,
        E::UserDeleted,
        E::UserAnonymized,
        E::UserDeletionScheduled,
        E::UserAnonymizationScheduled,
    ] {
        let alice = fake.add_user(User::new("alice"));
        let webhook = fake.webhook(event, &alice).with_timestamp(NOW - 5);
        take(&router, &webhook).await;
        assert_revoked(&user(&router, &issued(&fake, &alice, NOW - 6)).await);
        assert_revoked(&user(&router, &issued(&fake, &alice, NOW - 5)).await);
        let undated = fake.token(&alice).remove_claim("iat").sign();
        let answer = user(&router, &undated).await;
        assert_refused("no iat", &answer, AuthErrorKind::MissingIssuedAt);
        assert_good(
            &user(&router, &issued(&fake, &alice, NOW - 4)).await,
            &alice,
        );
    }
    for event in [
        E::UserReenabled,
        E::UserDeletionUnscheduled,
        E::UserAnonymizationUnscheduled,
        E::Other("user.created"),
        E::Other("user.disabled.twice"),
        E::Other(""),
    ] {
        let alice = fake.add_user(User::new("alice"));
        take(&router, &fake.webhook(event, &alice)).await;
        assert_good(
            &user(&router, &issued(&fake, &alice, NOW - 9)).await,
            &alice,
        );
    }
}

#[tokio::test]
async fn repeated_and_late_deliveries_change_nothing_for_younger_tokens() {
    let (fake, clock) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    let alice = fake.add_user(User::new("alice"));
    let disabled = fake.webhook(WebhookEvent::UserDisabled, &alice);
    let from_the_future = fake
        .webhook(WebhookEvent::UserDisabled, &alice)
        .with_timestamp(NOW + 100_000);
    let reenabled = fake.webhook(WebhookEvent::UserReenabled, &alice);
    take(&router, &disabled).await;
    take(&router, &from_the_future).await;
    take(&router, &reenabled).await;
    let (old, young) = (issued(&fake, &alice, NOW), issued(&fake, &alice, NOW + 1));
    assert_revoked(&user(&router, &old).await);
    assert_good(&user(&router, &young).await, &alice);

    clock.shift_millis(600_000);
    for webhook in [&from_the_future, &reenabled, &disabled] {
        take(&router, webhook).await;
    }
    assert_revoked(&user(&router, &old).await);
    assert_good(&user(&router, &young).await, &alice);
}

#[tokio::test]
async fn a_window_ahead_ends_nothing_before_it_begins() {
    let (fake, clock) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    let alice = fake.add_user(User::new("alice"));
    let token = issued(&fake, &alice, NOW);
    let disabled = fake
        .webhook(WebhookEvent::UserDisabled, &alice)
        .set("/payload/temporarily_disabled_from", date(NOW + 600))
        .set("/payload/temporarily_disabled_until", date(NOW + 900));
    take(&router, &disabled).await;
    assert_good(&user(&router, &token).await, &alice);
    clock.shift_millis(599_000);
    assert_good(&user(&router, &token).await, &alice);
    clock.shift_millis(1_000);
    assert_revoked(&user(&router, &token).await);
    let last = issued(&fake, &alice, NOW + 600);
    assert_revoked(&user(&router, &last).await);
    clock.shift_millis(400_000);
    assert_revoked(&user(&router, &last).await);
    assert_good(
        &user(&router, &issued(&fake, &alice, NOW + 601)).await,
        &alice,
    );
    // Enabled after it began: what it ended stays ended.
    take(&router, &fake.webhook(WebhookEvent::UserReenabled, &alice)).await;
    assert_revoked(&user(&router, &last).await);
}

#[tokio::test]
async fn a_window_ahead_is_taken_back_by_a_later_event_alone() {
    let (fake, clock) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    let disabled_from = |user: &User| {
        fake.webhook(WebhookEvent::UserDisabled, user)
            .set("/payload/user/temporarily_disabled_from", date(NOW + 600))
    };
    let [kept, taken_back, reordered] =
        ["kept", "taken back", "reordered"].map(|name| fake.add_user(User::new(name)));

    let earlier = fake.webhook(WebhookEvent::UserReenabled, &kept);
    take(&router, &disabled_from(&kept)).await;
    take(&router, &earlier).await;

    take(&router, &disabled_from(&taken_back)).await;
    take(
        &router,
        &fake.webhook(WebhookEvent::UserReenabled, &taken_back),
    )
    .await;

    let disabled = disabled_from(&reordered);
    take(
        &router,
        &fake.webhook(WebhookEvent::UserReenabled, &reordered),
    )
    .await;
    take(&router, &disabled).await;

    let tokens = [&kept, &taken_back, &reordered].map(|user| issued(&fake, user, NOW));
    clock.shift_millis(700_000);
    assert_revoked(&user(&router, &tokens[0]).await);
    assert_good(&user(&router, &tokens[1]).await, &taken_back);
    assert_good(&user(&router, &tokens[2]).await, &reordered);
}

#[tokio::test]
async fn a_replay_from_before_the_retention_is_accepted_and_changes_nothing() {
    let (fake, clock) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    let alice = fake.add_user(User::new("alice"));
    let far_ahead = NOW + 10 * 24 * 60 * 60;
    let disabled = fake
        .webhook(WebhookEvent::UserDisabled, &alice)
        .set("/payload/temporarily_disabled_from", date(far_ahead));
    // Taken back and forgotten, then played again.
    clock.shift_millis(2 * 24 * 60 * 60 * 1000);
    take(&router, &disabled).await;
    clock.shift_millis(8 * 24 * 60 * 60 * 1000 + 10_000);
    let token = fake.token(&alice).issued_at(far_ahead).sign();
    assert_good(&user(&router, &token).await, &alice);
}

#[tokio::test]
async fn deliveries_arrive_also_repeated_and_reordered() {
    let (fake, _) = on_a_frozen_clock().await;
    let router = start(&fake).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, router.clone()).into_future());
    let url = format!("http://{address}{HOOK}");
    fake.send_webhooks_to(url.clone());
    fake.webhook_faults(WebhookFaults::none().repeat(1));
    let [alice, carol] = ["alice", "carol"].map(|name| fake.add_user(User::new(name)));
    let old = [&alice, &carol].map(|user| fake.token(user).sign());
    fake.disable(&alice);
    fake.reenable(&alice);
    fake.webhooks_settled().await;
    assert_eq!(fake.deliveries().len(), 4);
    assert!(fake.deliveries().iter().all(|d| d.status() == Some(204)));

    // The later one first.
    let events = [WebhookEvent::UserDisabled, WebhookEvent::UserReenabled];
    let [disabled, reenabled] = events.map(|event| fake.webhook(event, &carol));
    for webhook in [&reenabled, &disabled] {
        assert_eq!(webhook.deliver(&url).await, 204);
    }
    for (someone, old) in [&alice, &carol].into_iter().zip(&old) {
        assert_revoked(&user(&router, old).await);
        let new = issued(&fake, someone, NOW + 1);
        assert_good(&user(&router, &new).await, someone);
    }

    // What is lost ends nobody.
    let bob = fake.add_user(User::new("bob"));
    fake.webhook_faults(WebhookFaults::none().lose(true));
    fake.disable(&bob);
    fake.webhooks_settled().await;
    assert_good(&user(&router, &fake.token(&bob).sign()).await, &bob);
    server.abort();
}

#[tokio::test]
async fn bad_deliveries_are_refused_and_change_nothing() {
    let (fake, _) = on_a_frozen_clock().await;
    let secret = fake.webhook_secret();
    let authgear = ready(builder(&fake)).await;
    let router = with_webhooks(&authgear, &["the old secret", &secret]);
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let good = || fake.webhook(WebhookEvent::UserDisabled, &alice);
    let webhook = good();
    let (body, signature) = (webhook.body(), webhook.signature());
    let other = good().signature();
    let upper = signature.to_uppercase();
    let too_long = format!("{signature}0");
    let cases: Vec<(&str, Vec<&str>, &str, u16)> = vec![
        ("no signature", vec![], &body, 401),
        ("empty", vec![""], &body, 401),
        ("truncated", vec![&signature[..63]], &body, 401),
        ("too long", vec![&too_long], &body, 401),
        ("no hex", vec!["zz"], &body, 401),
        ("of another body", vec![&other], &body, 401),
        ("upper case", vec![&upper], &body, 401),
    ];
    for (what, signatures, body, status) in cases {
        let answer = post(&router, &signatures, body.to_owned()).await;
        assert_eq!(answer.status, status, "{what}");
        assert!(!answer.body.contains(&secret));
    }
    for (what, webhook, status) in [
        ("another secret", good().signed_with("another"), 401),
        (
            "the secret in other case",
            good().signed_with(secret.to_uppercase()),
            401,
        ),
        ("nothing", good().with_body(""), 400),
        ("no JSON", good().with_body("{"), 400),
        ("an array", good().with_body("[]"), 400),
        ("no id", good().remove("/id"), 400),
        ("no seq", good().remove("/seq"), 400),
        ("no type", good().remove("/type"), 400),
        ("no payload", good().remove("/payload"), 400),
        ("no user", good().remove("/payload/user"), 400),
        ("no user id", good().remove("/payload/user/id"), 400),
        ("no context", good().remove("/context"), 400),
        ("no timestamp", good().remove("/context/timestamp"), 400),
        (
            "a negative timestamp",
            good().set("/context/timestamp", -1),
            400,
        ),
        ("a fraction", good().set("/context/timestamp", 1.5), 400),
        (
            "a text",
            good().set("/context/timestamp", "1795511433"),
            400,
        ),
        ("year 10000", good().with_timestamp(253_402_300_800), 400),
        ("beyond all integers", good().with_timestamp(u64::MAX), 400),
        (
            "a bad date",
            good().set("/payload/temporarily_disabled_from", "soon"),
            400,
        ),
        (
            "too long",
            good().with_body("x".repeat(1024 * 1024 + 1)),
            413,
        ),
    ] {
        assert_eq!(deliver(&router, &webhook).await, status, "{what}");
    }
    // Twice the same, and a good one beside a bad one.
    let webhook = good();
    let right = webhook.signature();
    for signatures in [
        vec![&*right, &*right],
        vec![&*right, "0"],
        vec!["0", &*right],
    ] {
        let answer = post(&router, &signatures, webhook.body()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    // Not UTF-8: the signature is right, the text is not.
    let answer = post_bytes(&router, &fake, b"{\"id\":\"\xff\"}".to_vec()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // Another method, and the longest body that may be.
    let request = Request::builder().method(Method::GET).uri(HOOK);
    let answer = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_good(&user(&router, &token).await, &alice);

    let mut padded = webhook.body();
    padded.push_str(&" ".repeat(1024 * 1024 - padded.len()));
    take(&router, &webhook.with_body(padded)).await;
    assert_revoked(&user(&router, &token).await);
    let bob = fake.add_user(User::new("bob"));
    let rotated = fake.webhook(WebhookEvent::UserDeleted, &bob);
    take(&router, &rotated.signed_with("the old secret")).await;
    assert_revoked(&user(&router, &fake.token(&bob).sign()).await);
}

#[tokio::test]
async fn a_route_without_secrets_cannot_be_made() {
    let authgear = Authgear::builder("http://localhost:1").build().unwrap();
    for secrets in [vec![], vec![""], vec!["canary", ""]] {
        let error = authgear.webhooks::<(), _>(secrets).unwrap_err();
        assert_eq!(error.option(), Some("webhooks"));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

/// The deliveries of a real Authgear, byte for byte.
#[tokio::test]
async fn recorded_deliveries_do_what_their_type_says() {
    let recorded: Value = serde_json::from_str(include_str!("../recorded/webhooks.json")).unwrap();
    let secret = recorded["secret"].as_str().unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for delivery in recorded["events"].as_array().unwrap() {
        let received_at = delivery["received_at"].as_u64().unwrap();
        let clock = Clock::frozen_at(received_at);
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        let router = with_webhooks(&ready(builder(&fake)).await, &[secret]);
        let body: Value = serde_json::from_str(delivery["body"].as_str().unwrap()).unwrap();
        let id = body["payload"]["user"]["id"].as_str().unwrap();
        let someone = fake.add_user(User::new("someone").with_id(id));
        let hours = std::time::Duration::from_secs(4 * 3600);
        let token = fake.token(&someone).lifetime(hours).sign();
        assert_good(&user(&router, &token).await, &someone);

        let mut request = Request::post(HOOK);
        for field in delivery["headers"].as_array().unwrap() {
            request = request.header(field[0].as_str().unwrap(), field[1].as_str().unwrap());
        }
        let body_text = delivery["body"].as_str().unwrap().to_owned();
        let answer = send(&router, request.body(body_text.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{delivery}");

        let answer = user(&router, &token).await;
        let begin = body["payload"]["user"]["temporarily_disabled_from"].as_str();
        let is_disabled = body["payload"]["user"]["is_disabled"].as_bool().unwrap();
        let name = delivery["type"].as_str().unwrap();
        let ends = match name {
            "user.disabled" => is_disabled,
            "user.deleted"
            | "user.anonymized"
            | "user.deletion_scheduled"
            | "user.anonymization_scheduled" => true,
            _ => false,
        };
        *seen.entry((name.to_owned(), ends)).or_insert(0) += 1;
        if ends {
            assert_revoked(&answer);
            continue;
        }
        assert_good(&answer, &someone);
        if name == "user.disabled" {
            // The two whose window lies ahead: one begins after three seconds, one after an hour.
            let wait = if begin == Some("2026-11-24T09:11:00Z") {
                3
            } else {
                3600
            };
            clock.shift_millis(wait * 1000 - 1);
            assert_good(&user(&router, &token).await, &someone);
            clock.shift_millis(1);
            assert_revoked(&user(&router, &token).await);
        }
    }
    assert_eq!(seen[&("user.disabled".to_owned(), true)], 2);
    assert_eq!(seen[&("user.disabled".to_owned(), false)], 2);
    assert_eq!(
        seen.values().sum::<usize>(),
        recorded["events"].as_array().unwrap().len()
    );
}

fn date(unix_seconds: u64) -> String {
    // The days of NOW's month are enough here.
    let of_day = unix_seconds % 86_400;
    let day = 24 + (unix_seconds - 1_795_478_400) / 86_400;
    let (month, day) = if day <= 30 { (11, day) } else { (12, day - 30) };
    format!(
        "2026-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

async fn post(router: &Router, signatures: &[&str], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(HOOK);
    for signature in signatures {
        request = request.header(SIGNATURE, *signature);
    }
    send(router, request.body(body.into()).unwrap()).await
}

/// Any bytes, rightly signed.
async fn post_bytes(router: &Router, fake: &FakeAuthgear, body: Vec<u8>) -> Answer {
    let key = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        fake.webhook_secret().as_bytes(),
    );
    let mut signature = String::new();
    for byte in aws_lc_rs::hmac::sign(&key, &body).as_ref() {
        write!(signature, "{byte:02x}").unwrap();
    }
    post(router, &[&signature], body).await
}

/// What can be done to a good delivery so that it is none any more.
#[derive(Clone, Debug)]
enum Damage {
    Bit(usize, u8),
    Cut(usize),
    Add(Vec<u8>),
    Signature(String),
    Bytes(Vec<u8>),
    Member(usize, Value),
}

fn damage() -> impl Strategy<Value = Damage> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (i64::MIN..0).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number + 0.5)),
        ".{0,20}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ];
    prop_oneof![
        (any::<usize>(), 0..8u8).prop_map(|(place, bit)| Damage::Bit(place, bit)),
        any::<usize>().prop_map(Damage::Cut),
        proptest::collection::vec(any::<u8>(), 1..8).prop_map(Damage::Add),
        "[0-9a-fA-F]{0,80}".prop_map(Damage::Signature),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Damage::Bytes),
        (any::<usize>(), value).prop_map(|(member, value)| Damage::Member(member, value)),
    ]
}

#[test]
fn property_damaged_deliveries_change_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (fake, router, alice) = runtime.block_on(async {
        let (fake, _) = on_a_frozen_clock().await;
        let router = start(&fake).await;
        let alice = fake.add_user(User::new("alice"));
        (fake, router, alice)
    });
    let token = fake.token(&alice).sign();
    proptest!(cases(256, 20_000), |(damage in damage())| {
        let webhook = fake.webhook(WebhookEvent::UserDisabled, &alice);
        let (mut body, mut signature) = (webhook.body().into_bytes(), webhook.signature());
        let expected: &[u16] = match damage {
            Damage::Bit(place, bit) => {
                let place = place % body.len();
                body[place] ^= 1 << bit;
                &[401]
            }
            Damage::Cut(place) => {
                body.truncate(place % body.len());
                &[401]
            }
            Damage::Add(bytes) => {
                body.extend(bytes);
                &[401]
            }
            Damage::Signature(text) => {
                prop_assume!(text != signature);
                signature = text;
                &[401]
            }
            Damage::Bytes(bytes) => {
                body = bytes;
                signature = String::new();
                &[400]
            }
            Damage::Member(member, value) => {
                let names = [
                    "/id", "/seq", "/type", "/payload", "/payload/user", "/payload/user/id",
                    "/context", "/context/timestamp",
                ];
                let name = names[member % names.len()];
                let is_text = value.is_string();
                // Another id, type or user is as good as this one, but is another.
                prop_assume!(!(is_text && ["/id", "/type", "/payload/user/id"].contains(&name)));
                let webhook = webhook.set(name, value);
                body = webhook.body().into_bytes();
                signature = webhook.signature();
                &[400]
            }
        };
        let answer = runtime.block_on(async {
            if signature.is_empty() && expected == [400] {
                post_bytes(&router, &fake, body).await
            } else {
                post(&router, &[&signature], body).await
            }
        });
        prop_assert!(expected.contains(&answer.status.as_u16()), "{:?}", answer);
        prop_assert!(!answer.body.contains(&fake.webhook_secret()));
        let answer = runtime.block_on(user(&router, &token));
        prop_assert_eq!(answer.status, StatusCode::OK);
    });
}
