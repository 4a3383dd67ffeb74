//! `observability`: what the dashboard and the alerts name is what is emitted.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::Value;

use crate::process::{Example, ask, get};

const DASHBOARD: &str = include_str!("../../examples/observability/dashboard.json");
const ALERTS: &str = include_str!("../../examples/observability/alerts.yaml");
const METRICS: &str = include_str!("../../src/telemetry/metrics.rs");

async fn start(fake: &FakeAuthgear) -> (Example, String) {
    let environment = [
        ("AUTHGEAR_ENDPOINT", fake.endpoint()),
        ("AUTHGEAR_RECHECK_SECS", "10"),
    ];
    let mut example = Example::start("observability", &environment);
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    while get(&format!("{url}/readyz"), None).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (example, url)
}

/// Everything in the text that looks like the name of one of our metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.split(|char| !is_name(char))
        .filter(|word| word.starts_with("axum_authgear_"))
        .collect()
}

/// The value of a sample, whose name and labels stand so in the exposition.
fn sample(exposition: &str, series: &str) -> Option<f64> {
    exposition
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn every_metric_that_is_named_is_emitted() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let admin = fake.add_user(User::new("admin").roles(["admin"]));
    let (_example, url) = start(&fake).await;
    let alice = fake.token(&alice).sign();
    let admin = fake.token(&admin).sign();

    assert_eq!(get(&format!("{url}/me"), Some(&alice)).await.status, 200);
    assert_eq!(get(&format!("{url}/admin"), Some(&admin)).await.status, 200);
    assert_eq!(get(&format!("{url}/admin"), Some(&alice)).await.status, 403);
    assert_eq!(get(&format!("{url}/me"), None).await.status, 401);
    assert_eq!(get(&format!("{url}/me"), Some("x")).await.status, 401);
    let exposition = get(&format!("{url}/metrics"), None).await.text;

    let emitted = names(&exposition);
    let named: BTreeSet<_> = names(DASHBOARD).union(&names(ALERTS)).copied().collect();
    assert!(!named.is_empty());
    for name in &named {
        assert!(emitted.contains(name), "{name} is missing in\n{exposition}");
    }
    // And the other way around: the dashboard shows everything that there is.
    for name in names(METRICS) {
        let shown = named.iter().any(|shown| shown.starts_with(name));
        assert!(shown, "nothing shows {name}");
    }

    // Each request once, whichever layer has refused it.
    for (labels, count) in [
        (r#"outcome="user",kind="none""#, 2.0),
        (r#"outcome="refused",kind="role_missing""#, 1.0),
        (r#"outcome="refused",kind="missing_credential""#, 1.0),
        (r#"outcome="refused",kind="opaque_token""#, 1.0),
    ] {
        let series = format!("axum_authgear_requests_total{{{labels}}}");
        assert_eq!(
            sample(&exposition, &series),
            Some(count),
            "{labels}\n{exposition}"
        );
    }
    let verified = r#"axum_authgear_verification_seconds_count{outcome="user"}"#;
    assert_eq!(sample(&exposition, verified), Some(3.0));
    let answered = r#"axum_authgear_resolver_seconds_count{result="answered"}"#;
    assert!(sample(&exposition, answered) >= Some(2.0), "{exposition}");
    let known = r#"axum_authgear_cache_lookups_total{cache="tokens",result="hit"}"#;
    assert!(sample(&exposition, known) >= Some(1.0), "{exposition}");
    // Alice's token and the administrator's; what is no token is not looked up.
    let new = r#"axum_authgear_cache_lookups_total{cache="tokens",result="miss"}"#;
    assert_eq!(sample(&exposition, new), Some(2.0), "{exposition}");
    let fetched = r#"axum_authgear_key_fetches_total{result="changed"}"#;
    assert_eq!(sample(&exposition, fetched), Some(1.0));
    let at = sample(&exposition, "axum_authgear_keys_fetched_timestamp_seconds").unwrap();
    assert!(at > 1_700_000_000.0, "{at}");
    assert!(
        exposition.contains("# HELP axum_authgear_requests_total "),
        "{exposition}"
    );

    // Nothing of a token, nor of its user.
    assert!(!exposition.contains(&alice[..20]));
}

#[tokio::test]
async fn the_failures_that_alerts_ask_for_are_counted() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let (_example, url) = start(&fake).await;
    fake.stop();
    let stranger = fake.token(&alice).kid("unheard-of").sign();
    assert_eq!(get(&format!("{url}/me"), Some(&stranger)).await.status, 503);
    let exposition = ask("GET", &format!("{url}/metrics"), &[]).await.text;
    let refused = r#"axum_authgear_requests_total{outcome="refused",kind="keys_unavailable"}"#;
    assert_eq!(sample(&exposition, refused), Some(1.0), "{exposition}");
    let failed = r#"axum_authgear_key_fetches_total{result="failed"}"#;
    assert!(sample(&exposition, failed) >= Some(1.0), "{exposition}");
}

/// The kinds that the files name are kinds that there are.
#[test]
fn kinds_and_panels_are_well_formed() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 5);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["expr"].as_str().unwrap().contains("axum_authgear_"));
        }
    }

    let kinds = include_str!("../../src/error/kind.rs");
    let mut named = 0;
    for text in [DASHBOARD, ALERTS] {
        let text = text.replace('\\', "");
        for part in text.split("kind=").skip(1) {
            let list = part.split('"').nth(1).unwrap();
            for kind in list.split('|') {
                assert!(kinds.contains(&format!(" = \"{kind}\": ")), "{kind}");
                named += 1;
            }
        }
    }
    assert!(named > 5);
}

/// Prometheus itself reads the rules, and raises each alert for what it is for and for no less.
#[test]
#[ignore = "needs promtool"]
fn alerts_are_raised_when_they_should_be() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/alerts_test.yaml");
    let run = Command::new("promtool")
        .args(["test", "rules", cases])
        .output();
    let output = run.expect("promtool is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");

    let cases = std::fs::read_to_string(cases).unwrap();
    let alerts: Vec<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let tested = format!("alertname: {alert}\n");
        assert!(cases.contains(&tested), "nothing raises {alert}");
    }
}
