//! `browser_app`, in a real browser: its own page may use the cookie, another origin's may not.

use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::browser::Browser;
use crate::process::{Example, PATIENCE, ask};

/// Another origin, whose page tries what a script can try.
async fn evil() -> u16 {
    let page = Router::new().route("/", get(Html(EVIL_PAGE)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(axum::serve(listener, page).into_future());
    port
}

const EVIL_PAGE: &str = r#"<!doctype html>
<form id="form" method="post"><input name="note" value="evil"></form>
<pre id="outcome"></pre>
<script>
  function live(api) {
    return new Promise((resolve) => {
      const socket = new WebSocket(api.replace("http", "ws") + "/live");
      socket.onmessage = () => resolve("open");
      socket.onerror = () => resolve("refused");
    });
  }

  async function tryAll(api) {
    const options = { method: "POST", credentials: "include" };
    // With `no-cors` the request is sent, and its answer stays hidden.
    const blind = await fetch(api + "/notes", { ...options, mode: "no-cors" });
    const read = await fetch(api + "/me", { credentials: "include" })
      .then((answer) => answer.status, () => "refused");
    const outcome = { blind: blind.type, read, live: await live(api) };
    document.getElementById("outcome").textContent = JSON.stringify(outcome);
  }

  function submit(api) {
    const form = document.getElementById("form");
    form.action = api + "/notes";
    form.submit();
  }
</script>
"#;

#[tokio::test]
#[ignore = "needs chromium"]
async fn a_page_uses_its_cookie_and_another_origin_does_not() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").with_id("alice"));
    let token = fake.token(&alice).sign();
    let environment = [("AUTHGEAR_ENDPOINT", fake.endpoint())];
    let mut example = Example::start("browser_app", &environment);
    let line = example.line().await;
    let api = line.strip_prefix("listening on ").unwrap().to_owned();
    let cookie = format!("access_token={token}");
    let notes = async || {
        ask("GET", &format!("{api}/notes"), &[("cookie", &cookie)])
            .await
            .text
    };

    let browser = Browser::start("own-cookie").await;
    browser.open(&api).await;
    browser
        .run("signIn(arguments[0]).then(tryAll)", &[&token])
        .await;
    assert_eq!(
        outcome(&browser).await,
        json!({ "me": 200, "id": "alice", "note": 201, "live": "hello, alice", "cookie": "" })
    );
    browser
        .run("document.getElementById('form').submit()", &[])
        .await;
    wait_for_text(&browser, |text| text == "2").await;
    assert_eq!(notes().await, "2");

    // The same host on another port is another origin, and yet the same site: the browser sends the
    // cookie. Under another name it is another site: `SameSite` keeps the cookie back, but for a
    // top-level GET, which changes nothing.
    let port = evil().await;
    for (host, told) in [
        ("127.0.0.1", "cross_origin_request"),
        ("localhost", "missing_credential"),
    ] {
        browser.open(&format!("http://{host}:{port}/")).await;
        browser.run("tryAll(arguments[0])", &[&api]).await;
        assert_eq!(
            outcome(&browser).await,
            json!({ "blind": "opaque", "read": "refused", "live": "refused" }),
            "{host}"
        );
        browser.run("submit(arguments[0])", &[&api]).await;
        wait_for_text(&browser, |text| text.contains(told)).await;
        assert_eq!(notes().await, "2", "{host}");
    }
    browser.close().await;
}

/// An origin that is trusted may do what the page itself may: so the refusals above are the crate's.
#[tokio::test]
#[ignore = "needs chromium"]
async fn a_trusted_origin_uses_the_cookie() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let port = evil().await;
    let trusted = format!("http://127.0.0.1:{port}");
    let environment = [
        ("AUTHGEAR_ENDPOINT", fake.endpoint()),
        ("TRUSTED_ORIGINS", trusted.as_str()),
    ];
    let mut example = Example::start("browser_app", &environment);
    let line = example.line().await;
    let api = line.strip_prefix("listening on ").unwrap().to_owned();

    let browser = Browser::start("trusted").await;
    browser.open(&api).await;
    browser
        .run("signIn(arguments[0]).then(tryAll)", &[&token])
        .await;
    outcome(&browser).await;
    browser.open(&trusted).await;
    browser.run("tryAll(arguments[0])", &[&api]).await;
    // Without CORS the answer stays hidden all the same.
    assert_eq!(
        outcome(&browser).await,
        json!({ "blind": "opaque", "read": "refused", "live": "open" })
    );
    browser.run("submit(arguments[0])", &[&api]).await;
    wait_for_text(&browser, |text| text == "3").await;
    browser.close().await;
}

/// Waits until the page says its outcome.
async fn outcome(browser: &Browser) -> Value {
    let script = "const output = document.getElementById('outcome'); \
                  return output && output.textContent;";
    let found = timeout(PATIENCE, async {
        loop {
            match browser.run(script, &[]).await {
                Value::String(text) if !text.is_empty() => return text,
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    serde_json::from_str(&found.await.expect("an outcome")).unwrap()
}

/// Waits until the page's text is this one.
async fn wait_for_text(browser: &Browser, wanted: impl Fn(&str) -> bool) {
    let script = "return document.body && document.body.innerText;";
    let mut seen = Value::Null;
    for _ in 0..200 {
        seen = browser.run(script, &[]).await;
        if seen.as_str().is_some_and(|text| wanted(text.trim())) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the page says {seen}");
}
