//! A protected API in one file: `cargo run --example quickstart`.
//!
//! Without a project of your own it starts a fake Authgear, and asks itself three times.

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear};
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
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/me", listener.local_addr()?);

    if let Ok(endpoint) = env::var("AUTHGEAR_ENDPOINT") {
        let authgear = Authgear::builder(&endpoint).build()?;
        authgear.ready(Duration::from_secs(10)).await?;
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

    println!("The API goes on serving until Ctrl-C. To protect it with a project of your own:");
    println!("1. Turn on \"Issue JWT as access token\" for your application in the portal.");
    println!("2. AUTHGEAR_ENDPOINT=https://PROJECT.authgear.cloud cargo run --example quickstart");
    println!("3. Sign in with the application, and send its access token to this API.");
    Ok(serving.await??)
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
