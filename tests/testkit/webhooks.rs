use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::*;

const EVENTS: [WebhookEvent; 8] = [
    WebhookEvent::UserDisabled,
    WebhookEvent::UserReenabled,
    WebhookEvent::UserDeleted,
    WebhookEvent::UserAnonymized,
    WebhookEvent::UserDeletionScheduled,
    WebhookEvent::UserDeletionUnscheduled,
    WebhookEvent::UserAnonymizationScheduled,
    WebhookEvent::UserAnonymizationUnscheduled,
];

fn members(value: &Value) -> BTreeSet<&str> {
    let members = value.as_object().expect("an object");
    members.keys().map(String::as_str).collect()
}

fn seconds(date: &str) -> u64 {
    let answer = json!({ "headers": [["Date", format!("................ {}", &date[11..19])]] });
    seconds_of(&answer)
}

#[tokio::test]
async fn signatures_are_as_recorded() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(alice());
    let recorded = recorded(WEBHOOKS);
    for event in list(&recorded, "events") {
        let (_, signature) = headers(event)
            .into_iter()
            .find(|(name, _)| name == "X-Authgear-Body-Signature")
            .expect("a signature");
        let webhook = fake
            .webhook(WebhookEvent::UserDisabled, &alice)
            .signed_with(text(&recorded, "secret"))
            .with_body(text(event, "body"));
        assert_eq!(webhook.signature(), signature);
    }
}

#[tokio::test]
async fn deliveries_are_shaped_as_recorded() {
    let recorded = recorded(WEBHOOKS);
    let mut seen = 0;
    for delivery in list(&recorded, "events") {
        let Some(event) = EVENTS
            .into_iter()
            .find(|event| event.name() == text(delivery, "type"))
        else {
            continue;
        };
        let theirs: Value = text(delivery, "body").parse().expect("JSON");
        let their_user = &theirs["payload"]["user"];
        let at = number(&theirs["context"], "timestamp");
        let fake = FakeAuthgear::builder()
            .clock(Clock::frozen_at(at))
            .start()
            .await;
        let name = text(&their_user["standard_attributes"], "preferred_username");
        let user = fake.add_user(User::new(name).with_id(text(their_user, "id")));
        let _ = fake.sign_in(&user);
        match theirs["payload"].get("temporarily_disabled_from") {
            Some(_) => {
                let window = ["temporarily_disabled_from", "temporarily_disabled_until"]
                    .map(|name| seconds(text(&theirs["payload"], name)));
                fake.disable_temporarily(&user, window[0], window[1]);
            }
            None if event == WebhookEvent::UserDisabled => fake.disable(&user),
            None => {}
        }
        let webhook = fake.webhook(event, &user);
        let ours: Value = webhook.body().parse().expect("JSON");
        assert_eq!(members(&ours), members(&theirs));
        assert_eq!(members(&ours["payload"]), members(&theirs["payload"]));
        // The fake knows of no reason.
        let mut expected = members(their_user);
        expected.remove("disable_reason");
        let our_user = &ours["payload"]["user"];
        assert_eq!(members(our_user), expected);
        assert_eq!(members(&ours["context"]), members(&theirs["context"]));
        for (name, value) in our_user.as_object().expect("a user") {
            // Moments of their own, to the microsecond.
            if !name.ends_with("_at") {
                assert_eq!(*value, their_user[name], "{name} of {}", event.name());
            }
        }
        assert_eq!(ours["type"], theirs["type"]);
        assert_eq!(ours["context"]["user_id"], theirs["context"]["user_id"]);
        assert_eq!(ours["context"]["timestamp"], theirs["context"]["timestamp"]);
        assert_eq!(text(&ours, "id"), format!("{:016x}", webhook.seq()));
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[tokio::test]
async fn every_member_can_be_bent() {
    let fake = FakeAuthgear::builder().webhook_secret("s").start().await;
    assert_eq!(fake.webhook_secret(), "s");
    let alice = fake.add_user(alice());
    let first = fake.webhook(WebhookEvent::UserDisabled, &alice);
    let second = fake.webhook(WebhookEvent::Other("user.created"), &alice);
    assert!(second.seq() > first.seq());
    let bent = first
        .clone()
        .with_timestamp(7)
        .set("/type", "user.other")
        .set("/payload/user/is_disabled", "yes")
        .remove("/payload/user/id");
    let body: Value = bent.body().parse().expect("JSON");
    assert_eq!(body["seq"], first.seq());
    assert_eq!(body["context"]["timestamp"], 7);
    assert_eq!(body["type"], "user.other");
    assert_eq!(body["payload"]["user"]["is_disabled"], "yes");
    assert!(body["payload"]["user"].get("id").is_none());
    assert_ne!(bent.signature(), first.signature());
    assert_ne!(
        first.clone().signed_with("t").signature(),
        first.signature()
    );
}

type Received = Arc<Mutex<Vec<(String, u64)>>>;

async fn receiver() -> (String, Received) {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let receive = async move |headers: HeaderMap, body: String| {
        let delivery: Value = body.parse().expect("JSON");
        let signature = headers["x-authgear-body-signature"].to_str();
        assert_eq!(signature.expect("text").len(), 64);
        let kind = text(&delivery, "type").to_owned();
        keep.lock()
            .expect("no panic")
            .push((kind, number(&delivery, "seq")));
        StatusCode::NO_CONTENT
    };
    let router = Router::new().route("/hook", post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/hook"), received)
}

#[tokio::test]
async fn what_happens_to_users_is_delivered() {
    let (url, received) = receiver().await;
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(alice());
    fake.disable(&alice);
    fake.send_webhooks_to(url.clone());
    let status = fake
        .webhook(WebhookEvent::Other("test"), &alice)
        .deliver(&url)
        .await;
    assert_eq!(status, 204);
    fake.reenable(&alice);
    fake.schedule_deletion(&alice);
    fake.unschedule_deletion(&alice);
    fake.schedule_anonymization(&alice);
    fake.unschedule_anonymization(&alice);
    fake.disable_temporarily(&alice, 1, 2);
    fake.set_window(&alice, None, 1);
    fake.set_roles(&alice, ["x"]);
    fake.end_all_sessions(&alice);
    fake.anonymize(&alice);
    fake.delete(&alice);
    fake.webhooks_settled().await;
    let received = received.lock().expect("no panic").clone();
    let kinds: Vec<_> = received.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "test",
            "user.reenabled",
            "user.deletion_scheduled",
            "user.deletion_unscheduled",
            "user.anonymization_scheduled",
            "user.anonymization_unscheduled",
            "user.disabled",
            "user.anonymized",
            "user.deleted",
        ]
    );
    assert!(received.is_sorted_by(|(_, a), (_, b)| a < b));
    let statuses: Vec<_> = fake.deliveries().iter().map(Delivery::status).collect();
    assert_eq!(statuses, [Some(204); 8]);
}

#[tokio::test]
async fn deliveries_go_wrong_to_order() {
    let (url, received) = receiver().await;
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(alice());
    fake.send_webhooks_to(url);
    let seqs = || -> Vec<u64> {
        let mut received = received.lock().expect("no panic");
        received.drain(..).map(|(_, seq)| seq).collect()
    };

    fake.webhook_faults(WebhookFaults::none().lose(true));
    fake.disable(&alice);
    fake.webhooks_settled().await;
    assert_eq!(seqs(), [0; 0]);
    assert_eq!(fake.deliveries()[0].status(), None);
    let lost = fake.deliveries()[0].webhook().seq();

    fake.webhook_faults(WebhookFaults::none().repeat(1));
    fake.reenable(&alice);
    fake.webhooks_settled().await;
    assert_eq!(seqs(), [lost + 2, lost + 2]);

    let late = Duration::from_millis(30);
    fake.webhook_faults(WebhookFaults::none().delay(late));
    let begun = std::time::Instant::now();
    fake.disable(&alice);
    fake.webhooks_settled().await;
    assert!(begun.elapsed() >= late);
    assert_eq!(seqs(), [lost + 4]);

    fake.webhook_faults(WebhookFaults::none());
    fake.send_webhooks_to("http://127.0.0.1:1/".to_owned());
    fake.reenable(&alice);
    fake.webhooks_settled().await;
    let unheard = fake.deliveries().pop().expect("an attempt");
    assert_eq!(unheard.status(), None);
    fake.send_webhooks_to(None);
    fake.disable(&alice);
    fake.webhooks_settled().await;
    assert_eq!(seqs(), [0; 0]);
}
