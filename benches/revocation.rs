//! What it costs to look every user up among a million who were ended, as ratios of medians within
//! one run; the memory that they take; and events that come while requests run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, User, WebhookEvent};
use axum_authgear::{AuthUser, Authgear};
use http::{Request, StatusCode, header};
use tower::ServiceExt;

const ENTRIES: u32 = 1_000_000;
const ROUNDS: usize = 300;
const CALLS: usize = 50;
const EVENTS: u32 = 20_000;
const EVENTS_PER_SECOND: u32 = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (fake, alice, off, on) = runtime.block_on(async {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice").roles(["editor", "customer"]));
        let mut both = Vec::new();
        for _ in 0..2 {
            let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
            authgear.ready(Duration::from_secs(10)).await.unwrap();
            both.push(authgear);
        }
        let on = both.pop().unwrap();
        (fake, alice, both.pop().unwrap(), on)
    });

    let memory = allocation_counter::measure(|| {
        for number in 0..ENTRIES {
            on.revoke_user(&uuid(number)).unwrap();
        }
    });
    println!("users ended        {ENTRIES}");
    println!(
        "bytes each         {}",
        memory.bytes_current / i64::from(ENTRIES)
    );
    // One token as well, so that tokens are looked up, too.
    let other = fake.token(&fake.add_user(User::new("other"))).sign();
    let other = runtime.block_on(on.verify(&other)).unwrap();
    on.revoke_token(&other);

    let hook = on.webhooks([fake.webhook_secret()]).unwrap();
    let routes = |authgear: &Authgear| {
        Router::new()
            .route("/", get(async |_: AuthUser| StatusCode::NO_CONTENT))
            .layer(authgear.layer())
    };
    let (off, on) = (routes(&off), routes(&on).route("/hook", hook));

    let tokens: Vec<_> = (0..ROUNDS * CALLS)
        .map(|_| fake.token(&alice).sign())
        .collect();
    let first_seen = |round: usize, call: usize| &tokens[round * CALLS + call];
    let seen = |_: usize, call: usize| &tokens[call];
    compare("first-seen token", &off, &on, first_seen);
    compare("token seen before", &off, &on, seen);

    let deliveries: Vec<_> = (0..EVENTS)
        .map(|number| {
            let user = User::new("someone").with_id(format!("ended-{number}"));
            let webhook = fake.webhook(WebhookEvent::UserDisabled, &user);
            (webhook.body(), webhook.signature())
        })
        .collect();
    std::thread::scope(|scope| {
        let receiver = on.clone();
        let handle = runtime.handle().clone();
        let events = scope.spawn(move || {
            let _entered = handle.enter();
            let start = Instant::now();
            for (number, (body, signature)) in (0..).zip(deliveries) {
                let due = Duration::from_secs(1) * number / EVENTS_PER_SECOND;
                while start.elapsed() < due {
                    std::thread::yield_now();
                }
                let request = Request::post("/hook")
                    .header("x-authgear-body-signature", signature)
                    .body(Body::from(body))
                    .unwrap();
                assert_eq!(call(&receiver, request), StatusCode::NO_CONTENT);
            }
            f64::from(EVENTS) / start.elapsed().as_secs_f64()
        });
        let mut requests = 0;
        let mut times = Vec::new();
        while !events.is_finished() {
            times.push(round(&on, (0..CALLS).map(|call| seen(0, call))));
            requests += CALLS;
        }
        println!("events taken       {:.0}/s, while", events.join().unwrap());
        println!(
            "requests           {requests}, median {:.2?}",
            median(times)
        );
    });
}

fn compare<'t>(name: &str, off: &Router, on: &Router, pick: impl Fn(usize, usize) -> &'t String) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let batch = || (0..CALLS).map(|call| pick(number, call));
        // In turns, each first as often as the other.
        if number % 2 == 0 {
            without.push(round(off, batch()));
            with.push(round(on, batch()));
        } else {
            with.push(round(on, batch()));
            without.push(round(off, batch()));
        }
    }
    let (without, with) = (median(without), median(with));
    println!(
        "{name:<18} {:.3} ({without:.2?} off, {with:.2?} on)",
        with.as_secs_f64() / without.as_secs_f64()
    );
}

/// How long one request takes.
fn round<'t>(router: &Router, tokens: impl Iterator<Item = &'t String>) -> Duration {
    let requests: Vec<_> = tokens
        .map(|token| {
            Request::get("/")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Body::empty())
                .unwrap()
        })
        .collect();
    let start = Instant::now();
    for request in requests {
        assert_eq!(call(router, request), StatusCode::NO_CONTENT);
    }
    start.elapsed() / u32::try_from(CALLS).unwrap()
}

/// Nothing waits here: one poll is enough.
fn call(router: &Router, request: Request<Body>) -> StatusCode {
    let mut response = std::pin::pin!(router.clone().oneshot(request));
    match response
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Pending => panic!("a request waits"),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn uuid(number: u32) -> String {
    let random = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8000-{:012x}",
        random >> 32,
        random >> 16 & 0xffff,
        random & 0xfff,
        number
    )
}
