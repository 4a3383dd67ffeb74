//! Each button changes what the APIs answer, and says so.

use super::start;
use super::timelines::Timelines;

const AT_ONCE: [&str; 3] = ["webhook", "resolver", "gateway"];
const ALL: [&str; 6] = ["jwt", "webhook", "live", "projects", "resolver", "gateway"];
const JWT: [&str; 4] = ["jwt", "webhook", "live", "projects"];

async fn open() -> (crate::process::Example, Timelines) {
    let (example, url) = start(&[]).await;
    (example, Timelines::open(&url).await)
}

/// The table that the page shows at rest.
#[tokio::test]
async fn at_rest_each_person_gets_what_they_should() {
    let (_example, mut timelines) = open().await;
    for (who, apis, status) in [
        ("Alice", &ALL[..], 200),
        ("Bob", &ALL, 200),
        ("Guest", &ALL, 403),
        ("Robot", &JWT, 200),
        ("Robot", &["resolver", "gateway"], 401),
        // The client is known only where the token is read.
        ("Partner", &JWT, 401),
        ("Partner", &["resolver", "gateway"], 200),
        ("Greta", &["projects"], 200),
    ] {
        timelines.until_answered(who, apis, status).await;
    }
    assert!(timelines.stories.is_empty());
}

#[tokio::test]
async fn users_go_out_and_come_back() {
    let (_example, mut timelines) = open().await;
    let pressed = timelines.press("disable", "Alice").await;
    timelines.until_answered("Alice", &AT_ONCE, 401).await;
    assert_eq!(timelines.last("jwt", "Bob"), 200);
    timelines.until_answered("Alice", &ALL, 401).await;
    let sentence = timelines.finished("disable", pressed).await;
    assert!(
        sentence.starts_with("Alice was disabled: refused by "),
        "{sentence}"
    );
    assert!(
        sentence.contains("JWT alone after ") && sentence.contains("the webhook arrived once"),
        "{sentence}"
    );
    assert!(sentence.contains("nobody else was refused ("), "{sentence}");

    let sentence = timelines.sentence("disable", "Alice").await;
    assert!(sentence.contains("nothing changed"), "{sentence}");
    let sentence = timelines.sentence("enable", "Alice").await;
    assert!(
        sentence.contains("let in by ") && sentence.contains("nobody else was refused"),
        "{sentence}"
    );
    timelines.until_answered("Alice", &ALL, 200).await;

    timelines.press("delete", "Greta").await;
    timelines.until_answered("Greta", &["projects"], 401).await;
    timelines.sentence("enable", "Greta").await;
    timelines.until_answered("Greta", &["projects"], 200).await;

    timelines.press("revoke", "Bob").await;
    timelines
        .until_answered("Bob", &["resolver", "gateway", "live", "projects"], 401)
        .await;
    timelines.sentence("enable", "Bob").await;
    timelines.until_answered("Bob", &ALL, 200).await;
}

#[tokio::test]
async fn a_role_is_taken_and_given() {
    let (_example, mut timelines) = open().await;
    let sentence = timelines.sentence("role", "Alice").await;
    assert!(
        sentence.starts_with("Alice lost the role editor: refused by "),
        "{sentence}"
    );
    timelines.until_answered("Alice", &ALL, 403).await;
    timelines.sentence("role", "Alice").await;
    timelines.until_answered("Alice", &ALL, 200).await;
}

#[tokio::test]
async fn a_webhook_that_is_lost_leaves_the_token_and_one_that_comes_again_changes_nothing() {
    let (_example, mut timelines) = open().await;
    let sentence = timelines.sentence("lose", "").await;
    assert!(sentence.contains("nobody was refused"), "{sentence}");
    timelines
        .until("armed", |seen| seen.state["webhook"] == "lose")
        .await;
    let pressed = timelines.press("disable", "Alice").await;
    timelines.until_answered("Alice", &["resolver"], 401).await;
    assert_eq!(timelines.last("webhook", "Alice"), 200);
    let sentence = timelines.finished("disable", pressed).await;
    assert!(sentence.contains("the webhook was lost"), "{sentence}");

    timelines.sentence("repeat", "").await;
    let sentence = timelines.sentence("disable", "Bob").await;
    assert!(
        sentence.contains("the webhook arrived 3 times")
            && sentence.contains("nobody else was refused"),
        "{sentence}"
    );
    timelines
        .until("over", |seen| seen.state["webhook"].is_null())
        .await;
}

#[tokio::test]
async fn keys_rotate_and_go_without_a_refusal() {
    let (_example, mut timelines) = open().await;
    for control in ["rotate", "rotate", "remove-key", "remove-key"] {
        let sentence = timelines.sentence(control, "").await;
        assert!(sentence.contains("was refused ("), "{sentence}");
        assert!(
            sentence.contains("nobody") && !sentence.contains("503"),
            "{sentence}"
        );
        if control == "rotate" {
            assert!(
                sentence.contains(" ms; Authgear was asked for its keys "),
                "{sentence}"
            );
        } else {
            assert!(
                sentence.contains("JWT alone after ") && !sentence.contains("still let in"),
                "{sentence}"
            );
        }
    }
}

#[tokio::test]
async fn each_fault_of_acme_shows_and_heals_and_is_not_globexs() {
    let (_example, mut timelines) = open().await;
    for fault in ["hang", "drop", "fail", "slow"] {
        let from = timelines.marks.iter().map(Vec::len).collect::<Vec<_>>();
        let pressed = timelines.press(fault, "").await;
        timelines
            .until("set", |seen| seen.state["fault"] == fault)
            .await;
        let sentence = timelines.finished(fault, pressed).await;
        let since = |api: &str, who: &str| {
            let row = timelines.row(api, who);
            timelines.marks[row][from[row]..].to_vec()
        };
        let away = |marks: Vec<(u64, u64)>| marks.iter().any(|(_, status)| *status == 503);
        assert_eq!(
            away(since("resolver", "Bob")),
            fault != "slow",
            "{fault}: {sentence}"
        );
        assert_eq!(
            away(since("projects", "Bob")),
            fault != "slow",
            "{fault}: {sentence}"
        );
        for (api, who) in [
            ("jwt", "Bob"),
            ("webhook", "Bob"),
            ("live", "Bob"),
            ("live", "Robot"),
            ("projects", "Greta"),
            ("projects", "Robot"),
        ] {
            assert!(
                since(api, who).iter().all(|(_, status)| *status == 200),
                "{fault} {api} {who}: {sentence}"
            );
        }
        assert!(sentence.contains("nobody was refused"), "{sentence}");

        timelines.sentence(fault, "").await;
        timelines.until_answered("Bob", &ALL, 200).await;
        timelines
            .until("healed", |seen| seen.state["fault"].is_null())
            .await;
    }
}

#[tokio::test]
async fn the_apis_clock_counts_where_tokens_are_read() {
    let (_example, mut timelines) = open().await;
    for (there, back) in [("ahead", "back"), ("back", "ahead")] {
        timelines.press(there, "").await;
        timelines.until_answered("Bob", &JWT, 401).await;
        timelines
            .until_answered("Bob", &["resolver", "gateway"], 200)
            .await;
        let sentence = timelines.sentence(back, "").await;
        assert!(
            sentence.starts_with("The APIs' clock is right again"),
            "{sentence}"
        );
        timelines.until_answered("Bob", &ALL, 200).await;
    }
}

#[tokio::test]
async fn no_attack_passes_and_nobody_pays_for_it() {
    let (_example, mut timelines) = open().await;
    for (attack, words) in [
        ("forged", "60 forged or misused tokens: 60 × 401;"),
        (
            "spoofed",
            "7 requests with the headers of a gateway: 7 × 401; with the attacker's own token added, 6 APIs",
        ),
        (
            "cross-site",
            "the victim's cookie: 6 × 403; the same form on the API's own site passed 6 times",
        ),
        ("flood", "240 tokens with unknown keys: "),
    ] {
        let sentence = timelines.sentence(attack, "").await;
        assert!(sentence.contains(words), "{sentence}");
        assert!(
            sentence.contains("nobody was refused (") && !sentence.contains(" 200"),
            "{sentence}"
        );
    }
    for api in ALL {
        let row = timelines.row(api, "Attackers");
        assert!(!timelines.marks[row].is_empty());
        assert!(
            timelines.marks[row]
                .iter()
                .all(|(_, status)| *status >= 400),
            "{api}"
        );
    }
}
