//! A steady stream of requests: each person calls each API twice a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval_at};

use crate::marks::{Mark, lock};
use crate::sign_in::SignIn;
use crate::world::{Who, World};

/// One task for each row.
pub(crate) fn start(world: &Arc<World>) {
    for (index, row) in world.rows.iter().enumerate() {
        if row.who != Who::Attackers {
            // Spread over time.
            let offset = EVERY * u32::try_from(index % 16).unwrap_or_default() / 16;
            tokio::spawn(run(Arc::clone(world), index, offset));
        }
    }
}

async fn run(world: Arc<World>, row: usize, offset: Duration) {
    let mut ticks = interval_at(tokio::time::Instant::now() + offset, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let own = &world.rows[row];
        let (token, path) = match own.who {
            Who::Person(person) => {
                let person = &world.people[person];
                (Some(person.token()), person.path)
            }
            Who::You => (world.sign_in.as_ref().and_then(SignIn::token), "/me"),
            Who::Attackers => (None, "/me"),
        };
        let Some(token) = token else { continue };
        let url = format!("{}{path}", world.api(own).url);
        let request = world.client.get(url).bearer_auth(token);
        let status = send(&world, row, request).await;
        if let (401, Who::Person(person)) = (status, own.who) {
            world.people[person].token_was_refused();
        }
    }
}

/// Sends a request and marks it in its row.
pub(crate) async fn send(world: &World, row: usize, request: RequestBuilder) -> u16 {
    let at = world.marks.now();
    let began = Instant::now();
    let answer = request.send().await;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    let mut status = 0;
    if let Ok(response) = answer {
        status = response.status().as_u16();
        let challenge = response
            .headers()
            .get(header::WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let text = response.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut last = lock(&world.rows[row].last);
        if status == 200 {
            last.good = body;
        } else {
            last.refusal = json!({ "status": status, "www-authenticate": challenge, "body": body });
        }
    }
    world.marks.add(Mark {
        row,
        at,
        took,
        status,
    });
    status
}

/// The interval at which each person calls each API.
const EVERY: Duration = Duration::from_millis(500);
