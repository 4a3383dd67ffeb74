//! A page and its API on one origin, with the access token in a cookie:
//! `cargo run --example browser_app`, for a fake Authgear, or for the project that `AUTHGEAR_ENDPOINT`
//! names.
//!
//! After the sign-in the page hands the token over once. From then on it is in a cookie that no
//! script can read, and the browser sends it by itself: also where *another* site wants it to. So the
//! crate takes the cookie for an unsafe method or a WebSocket only from the page's own origin; put
//! other origins of yours into `TRUSTED_ORIGINS`, separated by commas.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum_authgear::{AuthUser, Authgear};
use support::config::TRUSTED_ORIGINS;
use support::provider::Provider;
use support::{project, serve};
use tokio::net::TcpListener;

const COOKIE: &str = "access_token";

/// How many notes there are.
type Notes = Arc<AtomicU32>;

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let provider = Provider::from_env().await?;
    let mut builder = Authgear::builder(provider.endpoint()).token_cookie(COOKIE);
    if let Some(origins) = TRUSTED_ORIGINS.list()? {
        builder = builder.trusted_origins(origins);
    }
    let authgear = project::build(builder)?;
    let app = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route("/notes", get(count).post(add))
        .route("/live", any(live))
        .route("/session", post(begin_session).delete(end_session))
        .route_layer(authgear.layer())
        .route("/", get(Html(PAGE)).layer(authgear.open()))
        .layer(authgear.seal())
        .with_state(Notes::default());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    provider.print_trial(|token| format!("Open the page, and sign in with this token:\n{token}"));
    Ok(axum::serve(listener, app).await?)
}

/// Takes the token from the header, where no other site can put one, and keeps it in a cookie.
async fn begin_session(user: AuthUser, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|field| field.to_str().ok())
        .and_then(|field| field.split_whitespace().nth(1));
    let Some(token) = token else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    set_cookie(token, time_left(&user))
}

async fn end_session() -> Response {
    set_cookie("", Duration::ZERO)
}

/// `Secure` holds for loopback addresses, too. `SameSite=Lax` keeps other *sites* out of most
/// requests; it knows neither ports nor sibling domains, and so it is not enough.
fn set_cookie(value: &str, age: Duration) -> Response {
    let seconds = age.as_secs();
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

fn time_left(user: &AuthUser) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    user.expires_at()
        .map_or(Duration::ZERO, Duration::from_secs)
        .saturating_sub(now)
}

async fn count(State(notes): State<Notes>, _: AuthUser) -> String {
    notes.load(Ordering::SeqCst).to_string()
}

async fn add(State(notes): State<Notes>, _: AuthUser) -> (StatusCode, String) {
    let count = notes.fetch_add(1, Ordering::SeqCst) + 1;
    (StatusCode::CREATED, count.to_string())
}

async fn live(user: AuthUser, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        let _ = socket
            .send(Message::text(format!("hello, {}", user.id())))
            .await;
    })
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Notes</title>
<h1>Notes</h1>
<p>
  <input id="token" placeholder="access token" size="60">
  <button onclick="signIn(token.value).then(tryAll)">Sign in</button>
</p>
<form id="form" method="post" action="/notes"><button>Add a note and leave the page</button></form>
<pre id="outcome"></pre>
<script>
  // An application gets the token from Authgear's SDK: `authgear.accessToken`.
  async function signIn(token) {
    const headers = { authorization: "Bearer " + token };
    return (await fetch("/session", { method: "POST", headers })).status;
  }

  function live() {
    return new Promise((resolve) => {
      const socket = new WebSocket(location.origin.replace("http", "ws") + "/live");
      socket.onmessage = (event) => resolve(event.data);
      socket.onerror = () => resolve("refused");
    });
  }

  async function tryAll() {
    const me = await fetch("/me");
    const note = await fetch("/notes", { method: "POST" });
    const outcome = {
      me: me.status,
      id: await me.text(),
      note: note.status,
      live: await live(),
      cookie: document.cookie,
    };
    document.getElementById("outcome").textContent = JSON.stringify(outcome);
  }
</script>
"#;
