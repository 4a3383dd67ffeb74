//! Nothing is set, or something is set wrongly: a fake stands in where that is of use, and a line names
//! the variable where it is not.

use std::ffi::OsString;

use crate::process::{Example, client, get, run};

/// Starts an example without any variable, and gives its address and all that it says up to this line.
async fn start(name: &str, last: &str) -> (Example, String, Vec<String>) {
    let mut example = Example::start(name, &[]);
    let lines = example.lines_up_to(last).await;
    let url = lines[0].strip_prefix("listening on ").unwrap().to_owned();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("AUTHGEAR_ENDPOINT is not set")),
        "{lines:?}"
    );
    (example, url, lines)
}

/// What stands behind `start` in a line, up to the quote that ends it.
fn token<'l>(lines: &'l [String], start: &str) -> &'l str {
    let rest = lines
        .iter()
        .find_map(|line| line.split_once(start))
        .unwrap()
        .1;
    rest.split('\'').next().unwrap()
}

#[tokio::test]
async fn a_fake_stands_in() {
    let (_example, url, lines) = start("live_events", "curl -N ").await;
    let bearer = format!("Bearer {}", token(&lines, "Bearer "));
    let request = client().get(&url).header("authorization", bearer);
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(get(&url, None).await.status, 401);

    let (_example, url, lines) = start("browser_app", "eyJ").await;
    let me = get(&format!("{url}/me"), lines.last().map(String::as_str)).await;
    assert_eq!(me.status, 200, "{me:?}");

    let (_example, url, lines) = start("observability", "curl http").await;
    let me = get(&format!("{url}/admin"), Some(token(&lines, "Bearer "))).await;
    assert_eq!(me.status, 200, "{me:?}");

    let (_example, url, lines) = start("websocket", "In the console").await;
    let offered = format!("echo, bearer.{}", token(&lines, "'bearer."));
    assert!(lines.last().unwrap().contains(&url));
    let upgrade = client()
        .get(url.replace("ws:", "http:"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", offered);
    assert_eq!(upgrade.send().await.unwrap().status(), 101);
}

#[tokio::test]
async fn a_variable_that_is_missing_or_bad_is_named_in_one_line() {
    let internal = "http://authgear:3000";
    for (name, variable, value) in [
        ("resource_server", "AUTHGEAR_ENDPOINT", None),
        ("forward_auth", "AUTHGEAR_ENDPOINT", None),
        ("resource_server", "AUTHGEAR_ENDPOINT", Some(internal)),
        ("forward_auth", "AUTHGEAR_ENDPOINT", Some(internal)),
        ("browser_app", "AUTHGEAR_ENDPOINT", Some(internal)),
        ("live_events", "AUTHGEAR_ENDPOINT", Some(internal)),
        ("observability", "AUTHGEAR_ENDPOINT", Some(internal)),
        ("websocket", "AUTHGEAR_ENDPOINT", Some("")),
        (
            "browser_app",
            "TRUSTED_ORIGINS",
            Some("https://a.example,,"),
        ),
        ("browser_app", "TRUSTED_ORIGINS", Some("https://a.example/")),
        ("live_events", "BOUND_SECS", Some("ten")),
        ("live_events", "BOUND_SECS", Some("0")),
        ("observability", "AUTHGEAR_RECHECK_SECS", Some("-1")),
        ("observability", "LOG", Some("axum_authgear=loud")),
    ] {
        let environment: Vec<_> = value
            .map(|value| (variable, OsString::from(value)))
            .into_iter()
            .collect();
        let output = run(name, &environment).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.starts_with(&format!("{variable}: ")), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}");
        if value == Some(internal) {
            assert!(said.contains("`internal_url`"), "{said}");
        }
    }
}
