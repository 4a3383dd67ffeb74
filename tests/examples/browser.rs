//! A real browser.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::process::{PATIENCE, client};

/// Chromium, led by its driver (W3C `WebDriver`). Both end when this is dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    profile: PathBuf,
}

impl Browser {
    pub(crate) async fn start(name: &str) -> Self {
        let profile =
            std::env::temp_dir().join(format!("axum-authgear-{name}-{}", std::process::id()));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = timeout(PATIENCE, lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').to_owned();
            }
        };
        // Its further output must have somewhere to go.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({
            "capabilities": { "alwaysMatch": {
                "goog:chromeOptions": { "args": arguments },
                "goog:loggingPrefs": { "browser": "ALL" },
            } }
        });
        let sessions = format!("http://127.0.0.1:{port}/session");
        let answer = post(&sessions, &wanted).await;
        let id = answer["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        Self {
            driver,
            session: format!("{sessions}/{id}"),
            profile,
        }
    }

    pub(crate) async fn open(&self, url: &str) {
        post(&format!("{}/url", self.session), &json!({ "url": url })).await;
    }

    /// Runs a script in the page, and returns what it returns.
    pub(crate) async fn run(&self, script: &str, arguments: &[&str]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        post(&format!("{}/execute/sync", self.session), &body).await
    }

    /// Runs a script that calls its last argument with what it has found.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        post(&format!("{}/execute/async", self.session), &body).await
    }

    /// Clicks what the selector finds, as a person does: it must be there to be seen.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        let answer = post(&format!("{element}/click"), &json!({})).await;
        assert!(answer.is_null(), "{selector}: {answer}");
    }

    /// Presses keys in what the selector finds, which has the focus then.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        let answer = post(&format!("{element}/value"), &json!({ "text": text })).await;
        assert!(answer.is_null(), "{selector}: {answer}");
    }

    async fn element(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        let answer = post(&format!("{}/element", self.session), &body).await;
        let id = answer["element-6066-11e4-a52e-4f735466cecf"].as_str();
        let id = id.unwrap_or_else(|| panic!("{selector}: {answer}"));
        format!("{}/element/{id}", self.session)
    }

    /// A command of the browser's own protocol, for what `WebDriver` has not.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": name, "params": parameters });
        post(&format!("{}/goog/cdp/execute", self.session), &body).await
    }

    /// What the console says since this was asked last, warnings and errors.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        let log = post(
            &format!("{}/se/log", self.session),
            &json!({ "type": "browser" }),
        )
        .await;
        let lines = log.as_array().unwrap().iter();
        lines
            .filter(|line| line["level"] != "INFO" && line["level"] != "DEBUG")
            .cloned()
            .collect()
    }

    pub(crate) async fn close(mut self) {
        let _ = client().delete(&self.session).send().await;
        let _ = self.driver.kill().await;
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

async fn post(url: &str, body: &Value) -> Value {
    let request = client().post(url).body(body.to_string());
    let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    answer["value"].clone()
}
