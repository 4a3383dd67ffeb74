//! The page, and the routes that it calls. A caller of these routes controls everything, so they accept only
//! this page in a browser on this machine.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64_simd::STANDARD;
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tower_http::csrf::CsrfLayer;

use crate::apis::{BOUND, LEEWAY};
use crate::controls::{self, Unusable};
use crate::marks::lock;
use crate::people::TOKEN_LIFETIME;
use crate::seen::should_pass;
use crate::world::{Row, Who, World};

const PAGE: &str = include_str!("page.html");

pub(crate) fn router(world: Arc<World>, address: SocketAddr) -> Router {
    let policy = content_security_policy();
    let hosts = [address.to_string(), format!("localhost:{}", address.port())];
    let guarded = from_fn(move |request: Request, next: Next| {
        let stranger = stranger(&hosts, &request);
        let policy = policy.clone();
        async move {
            let mut answer = match stranger {
                None => next.run(request).await,
                Some(refusal) => refusal.into_response(),
            };
            for (name, value) in HEADERS {
                answer
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
            answer
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
            answer
        }
    });
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/events", get(events))
        .route("/rows/{row}", get(row))
        .route("/controls/{control}", post(control))
        .route("/explain/{api}", post(explain))
        .route("/sign-in", get(sign_in))
        .route("/callback", get(callback))
        .route("/sign-out", post(sign_out))
        .layer(CsrfLayer::new())
        // A token has at most 8 KiB.
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(guarded)
        .with_state(world)
}

/// Why a request is refused: a foreign name that resolves to this address (DNS rebinding), or another site.
fn stranger(hosts: &[String], request: &Request) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    let mut named = headers.get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok());
    if named.next().is_some() || !host.is_some_and(|host| hosts.iter().any(|own| own == host)) {
        // A name that was made to lead here (DNS rebinding).
        return Some((StatusCode::MISDIRECTED_REQUEST, "this is another host"));
    }
    let site = headers.get("sec-fetch-site");
    let is_of_another_site = site.is_some_and(|site| site == "cross-site" || site == "same-site");
    // A link leads to the page, and Authgear leads back.
    let may_be_linked = ["/", "/callback"].contains(&request.uri().path());
    (is_of_another_site && !may_be_linked)
        .then_some((StatusCode::FORBIDDEN, "another site asks for this"))
}

/// Only the page's own script and style, by their hashes.
fn content_security_policy() -> HeaderValue {
    let hash = |tag: &str| {
        let (_, rest) = PAGE.split_once(&format!("<{tag}>")).unwrap_or_default();
        let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap_or_default();
        STANDARD.encode_to_string(digest(&SHA256, text.as_bytes()))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

async fn events(
    State(world): State<Arc<World>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut ticks = interval(Duration::from_millis(250));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = Event::default()
        .event("world")
        .data(layout(&world).to_string());
    let start = (ticks, 0_u64, 0_u64, 0_u64);
    let changes = stream::unfold(
        (world, start),
        async |(world, (mut ticks, cursor, version, count))| {
            ticks.tick().await;
            let (marks, cursor) = world.marks.since(cursor);
            let (stories, version) = world.stories.since(version);
            let marks: Vec<_> = marks
                .iter()
                .map(|mark| {
                    json!([
                        mark.row,
                        mark.at,
                        (mark.took * 10.0).round() / 10.0,
                        mark.status
                    ])
                })
                .collect();
            let mut change =
                json!({ "now": world.marks.now(), "marks": marks, "stories": stories });
            if count % 4 == 0 {
                change["state"] = state(&world);
            }
            let event = Event::default().event("change").data(change.to_string());
            Some((Ok(event), (world, (ticks, cursor, version, count + 1))))
        },
    );
    Sse::new(stream::StreamExt::chain(stream::iter([Ok(first)]), changes))
}

/// The constant part of the state.
fn layout(world: &World) -> Value {
    let apis = world.apis.iter().map(
        |api| json!({ "id": api.id, "title": api.title, "promise": api.promise, "url": api.url }),
    );
    let rows = world.rows.iter().map(|row| {
        let about = match row.who {
            Who::Person(person) => world.people[person].about,
            Who::Attackers => "what attackers try",
            Who::You => "your own token",
        };
        let passes = match row.who {
            Who::Person(person) => world.people[person].passes(world.api(row).reads_tokens),
            Who::Attackers | Who::You => true,
        };
        json!({ "api": row.api, "name": world.name(row), "about": about, "passes": passes })
    });
    let people = world.people.iter().filter(|person| person.has_account());
    json!({
        "apis": apis.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "accounts": people.map(|person| person.name).collect::<Vec<_>>(),
        "bound_secs": BOUND.as_secs(),
        "token_secs": TOKEN_LIFETIME.as_secs(),
        "leeway_secs": LEEWAY.as_secs(),
    })
}

/// The small part of the state that changes.
fn state(world: &World) -> Value {
    let health = world.apis.iter().map(|api| {
        let status = api.authgear.status();
        json!([
            status.health().as_str(),
            status.key_age().map(|age| age.as_secs())
        ])
    });
    let standing = |row: &Row| match row.who {
        Who::Person(person) => Some(world.people[person].standing().as_str()),
        Who::Attackers | Who::You => None,
    };
    let rows = world
        .rows
        .iter()
        .map(|row| json!([standing(row), should_pass(world, row)]));
    let trouble = lock(&world.trouble);
    json!({
        "health": health.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "fault": trouble.fault,
        "webhook": trouble.webhook,
        "clock": trouble.clock,
        "you": world.sign_in.as_ref().map(crate::sign_in::SignIn::summary),
        "metrics": metrics(world),
    })
}

/// The crate's own metrics, without the buckets of histograms.
fn metrics(world: &World) -> Value {
    world.metrics.run_upkeep();
    let text = world.metrics.render();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
    let found = lines.filter_map(|line| {
        let (name, value) = line.strip_prefix("axum_authgear_")?.rsplit_once(' ')?;
        Some((name, value.parse::<f64>().ok()?))
    });
    json!(found.collect::<HashMap<_, _>>())
}

async fn row(State(world): State<Arc<World>>, Path(row): Path<usize>) -> Response {
    match world.rows.get(row) {
        Some(row) => {
            let last = lock(&row.last);
            Json(json!({ "good": last.good, "refusal": last.refusal })).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn control(
    State(world): State<Arc<World>>,
    Path(control): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> StatusCode {
    let who = query.get("who").map_or("", |who| who);
    match controls::press(&world, &control, who).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(Unusable::Unknown) => StatusCode::NOT_FOUND,
        Err(Unusable::Busy) => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// The token is parsed, explained and dropped.
async fn explain(
    State(world): State<Arc<World>>,
    Path(api): Path<String>,
    token: String,
) -> Response {
    let found = world
        .apis
        .iter()
        .find(|own| own.id == api && own.reads_tokens);
    let Some(api) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let token = token.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    api.authgear
        .explain(token.trim())
        .await
        .to_string()
        .into_response()
}

async fn sign_in(State(world): State<Arc<World>>) -> Response {
    let Some(sign_in) = &world.sign_in else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match sign_in.begin().await {
        Ok(url) => Redirect::to(url.as_str()).into_response(),
        Err(failure) => (StatusCode::BAD_GATEWAY, failure.0).into_response(),
    }
}

async fn callback(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(sign_in) = &world.sign_in else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match sign_in.finish(&query).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(failure) => (StatusCode::BAD_REQUEST, failure.0).into_response(),
    }
}

async fn sign_out(State(world): State<Arc<World>>) -> StatusCode {
    match &world.sign_in {
        Some(sign_in) => {
            sign_in.sign_out();
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];
