//! What the metrics say of several projects.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, Fault};
use axum_authgear::{AuthErrorKind, Authgear, ConfigError};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::sleep;

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::assert_refused;

fn sample(exposition: &str, series: &str) -> Option<f64> {
    let mut lines = exposition.lines();
    let line = lines.find(|line| line.starts_with(&format!("{series} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn an_issuer_is_a_label_only_if_asked() {
    let stage = Stage::new().await;
    let (one, other) = (stage.one.endpoint(), stage.other.endpoint());
    for is_asked in [false, true] {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (handle, _guard) = (
            recorder.handle(),
            metrics::set_default_local_recorder(&recorder),
        );
        stage.one.fail_once(Endpoint::Discovery, Fault::Status(503));
        let mut builder = Authgear::any_of(stage.builders());
        if is_asked {
            builder = builder.label_metrics_by_issuer();
        }
        let authgear = builder.build().unwrap();
        all_have_keys(&authgear).await;
        let api = api(&authgear);
        let others = stage.other.token(&stage.other_alice).sign();
        for _ in 0..2 {
            assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
        }
        let forged = stage.one.token(&stage.alice).tamper_signature().sign();
        assert_refused(&ask(&api, &forged).await, 401, AuthErrorKind::BadSignature);
        // It names no project, and is not looked up among them.
        let stranger = stage.one.token(&stage.alice);
        let stranger = stranger.claim("iss", "https://chosen.example").sign();
        assert_refused(&ask(&api, &stranger).await, 401, AuthErrorKind::WrongIssuer);
        // To look at a token counts for nothing.
        authgear.explain(&forged).await;

        let exposition = handle.render();
        let counted = |name: &str, labels: &str| {
            sample(&exposition, &format!("axum_authgear_{name}{{{labels}}}"))
        };
        assert!(!exposition.contains("chosen.example"), "{exposition}");
        if !is_asked {
            assert!(!exposition.contains("issuer=\""), "{exposition}");
            assert!(!exposition.contains("project_verifications_total{"));
            let fetched = counted("key_fetches_total", "result=\"changed\"");
            assert_eq!(fetched, Some(2.0), "{exposition}");
            continue;
        }
        for (issuer, labels, count) in [
            (other, "kind=\"none\"", Some(2.0)),
            (one, "kind=\"bad_signature\"", Some(1.0)),
            (one, "kind=\"none\"", None),
            (other, "kind=\"bad_signature\"", None),
        ] {
            let labels = format!("issuer=\"{issuer}\",{labels}");
            let found = counted("project_verifications_total", &labels);
            assert_eq!(found, count, "{labels} {exposition}");
        }
        for (issuer, failed) in [(one, Some(1.0)), (other, None)] {
            let labels = |result: &str| format!("issuer=\"{issuer}\",result=\"{result}\"");
            let fetched = counted("key_fetches_total", &labels("changed"));
            assert_eq!(fetched, Some(1.0), "{exposition}");
            assert_eq!(counted("key_fetches_total", &labels("failed")), failed);
            let labels = format!("issuer=\"{issuer}\"");
            let at = counted("keys_fetched_timestamp_seconds", &labels);
            assert!(at.unwrap() > 1_700_000_000.0, "{exposition}");
        }
    }
}

#[tokio::test]
async fn tokens_of_other_issuers_are_not_counted_for_the_only_project() {
    let stage = Stage::new().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let (handle, _guard) = (
        recorder.handle(),
        metrics::set_default_local_recorder(&recorder),
    );
    let only = stage.builders().into_iter().take(1);
    let authgear = Authgear::any_of(only).label_metrics_by_issuer();
    let authgear = authgear.build().unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let others = stage.other.token(&stage.other_alice).sign();
    assert_refused(&ask(&api, &others).await, 401, AuthErrorKind::WrongIssuer);
    let forged = stage.one.token(&stage.alice).tamper_signature().sign();
    assert_refused(&ask(&api, &forged).await, 401, AuthErrorKind::BadSignature);
    let exposition = handle.render();
    let counted = |kind: &str| {
        let issuer = stage.one.endpoint();
        let labels = format!("issuer=\"{issuer}\",kind=\"{kind}\"");
        let name = "axum_authgear_project_verifications_total";
        sample(&exposition, &format!("{name}{{{labels}}}"))
    };
    assert_eq!(counted("wrong_issuer"), None, "{exposition}");
    assert_eq!(counted("bad_signature"), Some(1.0), "{exposition}");
}

#[tokio::test]
async fn one_gauge_for_all_is_of_the_oldest_keys() {
    let stage = Stage::new().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let (handle, _guard) = (
        recorder.handle(),
        metrics::set_default_local_recorder(&recorder),
    );
    let gauge = || {
        let exposition = handle.render();
        sample(&exposition, "axum_authgear_keys_fetched_timestamp_seconds")
    };
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one]).build().unwrap();
    all_have_keys(&authgear).await;
    let first = gauge().unwrap();
    sleep(Duration::from_millis(300)).await;
    let projects = authgear.projects();
    projects.add(other).unwrap();
    all_have_keys(&authgear).await;
    assert_eq!(gauge(), Some(first));
    // Replaced, they are as old as before, while nobody answers.
    stage.one.stop();
    let replace = || -> Result<(), ConfigError> {
        let [one, _] = stage.builders();
        projects.replace(one.leeway(Duration::from_secs(1)))
    };
    replace().unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(gauge(), Some(first));
    // Without them, those of the other are the oldest.
    projects.remove(stage.one.endpoint()).unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(gauge().unwrap() > first + 0.2);
}
