//! A protected API in one file: `cargo run --example quickstart`.
//!
//! Without a project of your own it starts a fake Authgear, and asks itself three times.
//!
//! It builds what a program with this crate builds: axum, tokio, reqwest with its TLS library, and the
//! crate. The first time that takes one to two minutes on two cores, most of it for the TLS library, and
//! needs a C compiler; from then on some seconds.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthError, AuthUser, Authgear};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The API: its only route is for signed-in users.
fn api(authgear: &Authgear) -> Router {
    Router::new().route("/me", get(me)).layer(authgear.layer())
}

async fn me(user: AuthUser) -> Json<Value> {
    Json(json!({ "user_id": user.id(), "roles": user.roles().collect::<Vec<_>>() }))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("This does not work: {}", with_causes(&*error));
            eprintln!("What it means: {TROUBLESHOOTING}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/me", listener.local_addr()?);

    if let Ok(endpoint) = env::var("AUTHGEAR_ENDPOINT") {
        let authgear = Authgear::builder(&endpoint).build()?;
        fetch_keys(&authgear).await?;
        println!("This API takes access tokens of {endpoint}:\n");
        println!("curl -i {url} -H \"authorization: Bearer $ACCESS_TOKEN\"");
        return Ok(axum::serve(listener, api(&authgear)).await?);
    }

    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint()).build()?;
    let serving = tokio::spawn(axum::serve(listener, api(&authgear)).into_future());

    let alice = fake.add_user(User::new("alice").roles(["admin"]));
    let good = fake.token(&alice).sign();
    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    ask("A good token", &url, Some(&good)).await?;
    ask("An expired token", &url, Some(&expired)).await?;
    ask("No token", &url, None).await?;

    println!("The API goes on serving until Ctrl-C. What to do next:\n");
    println!(
        "1. Take a project of your own. In Authgear's portal, turn on \"Issue JWT as access token\""
    );
    println!("   for the application, and sign in with it. Then send its access token to");
    println!("   AUTHGEAR_ENDPOINT=https://PROJECT.authgear.cloud cargo run --example quickstart");
    println!(
        "2. Protect your own routes: .layer(authgear.layer()) after them, roles and scopes with"
    );
    println!("   authgear.require(...): {PAGES}cookbook/");
    println!(
        "3. Test them as this program does, with axum_authgear::testkit::FakeAuthgear. And if a"
    );
    println!("   request is refused: {TROUBLESHOOTING}");
    Ok(serving.await??)
}

fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

/// Waits for the project's keys, or for the first reason why they cannot be had.
async fn fetch_keys(authgear: &Authgear) -> Result<(), AuthError> {
    let mut attempts = 10;
    loop {
        match authgear.ready(Duration::from_secs(1)).await {
            Err(error) if error.source().is_none() && attempts > 1 => attempts -= 1,
            outcome => return outcome,
        }
    }
}

/// Sends a request, and prints it together with its answer.
async fn ask(title: &str, url: &str, token: Option<&str>) -> Result<(), Box<dyn Error>> {
    // Loopback alone is asked: neither proxies nor root certificates are needed.
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()?;
    let (request, curl) = match token {
        Some(token) => (
            client.get(url).bearer_auth(token),
            format!("curl -i {url} -H 'authorization: Bearer {token}'"),
        ),
        None => (client.get(url), format!("curl -i {url}")),
    };
    let answer = request.send().await?;

    println!("{title}:\n\n{curl}\n\n    {}", answer.status());
    if let Some(challenge) = answer.headers().get("www-authenticate") {
        println!("    www-authenticate: {}", challenge.to_str()?);
    }
    println!("    {}\n", answer.text().await?);
    Ok(())
}

const PAGES: &str = "https://docs.rs/axum-authgear/latest/axum_authgear/docs/";
const TROUBLESHOOTING: &str =
    "https://docs.rs/axum-authgear/latest/axum_authgear/docs/troubleshooting/";
