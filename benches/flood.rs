//! How many forged tokens a second it takes until other requests suffer: beside a flood of them, some
//! clients send good tokens at their own pace, and the time until their answers is taken.
//!
//! ```sh
//! cargo build --profile bench --all-features --example resource_server
//! cargo bench --all-features --bench flood               # five interleaved rounds, two minutes
//! cargo bench --all-features --bench flood -- --quick    # one short round, to see that it runs
//! ```
//!
//! The server has one processor, and the load another one. A forged token costs what a good one costs
//! that was not seen before: the check of its signature.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, User};
use support::forged;
use support::race::quantile;
use support::servers::{LOAD, SERVERS, Server, on, processor_time, resource_server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, interval_at, sleep};

/// Forged tokens in a second.
const RATES: [usize; 9] = [
    0, 2_000, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000,
];
/// Connections of the flood.
const FLOOD: usize = 64;
/// Connections of the others, and how often each of them sends a request.
const OTHERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [mode, url, good, bad, rate, seconds] if mode == "load" => {
            load(
                url,
                good,
                bad,
                rate.parse().unwrap(),
                Duration::from_secs(seconds.parse().unwrap()),
            );
        }
        words if words.iter().any(|word| word == "--quick") => measure(&[0, 5_000], 1, 1),
        _ => measure(&RATES, 5, 2),
    }
}

#[tokio::main]
async fn measure(rates: &[usize], rounds: usize, seconds: u64) {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["editor"]));
    let good = fake
        .token(&alice)
        .lifetime(Duration::from_secs(3_600))
        .sign();
    let server = Server::start(
        on(SERVERS, resource_server())
            .env("AUTHGEAR_ENDPOINT", fake.endpoint())
            .env("LISTEN", "127.0.0.1:0"),
    );
    let mut runs = vec![Vec::new(); rates.len()];
    for round in 0..rounds {
        for turn in 0..rates.len() {
            let index = (turn + round) % rates.len();
            let mut load = on(LOAD, std::env::current_exe().unwrap());
            load.args(["load", &server.url, &good, &forged(&good)])
                .args([rates[index].to_string(), seconds.to_string()])
                .stderr(Stdio::inherit());
            let process = server.process.id();
            let run = tokio::task::spawn_blocking(move || {
                let before = processor_time(&[process]);
                let output = load.output().unwrap();
                assert!(output.status.success());
                let used = processor_time(&[process]).saturating_sub(before);
                let text = String::from_utf8(output.stdout).unwrap();
                let mut said = text.split_whitespace().map(|word| word.parse().unwrap());
                let [rate, p50, p99]: [f64; 3] = std::array::from_fn(|_| said.next().unwrap());
                [rate, p50, p99, used.as_secs_f64() / seconds as f64]
            });
            runs[index].push(run.await.unwrap());
        }
    }

    println!(
        "{:>14}{:>14}{:>12}{:>12}{:>12}{:>12}",
        "forged, asked", "forged, done", "busy", "p50 ms", "p99 ms", "p99/calm"
    );
    let median = |index: usize, figure: usize| {
        let mut values: Vec<f64> = runs[index].iter().map(|run| run[figure]).collect();
        quantile(&mut values, 0.5)
    };
    for (index, rate) in rates.iter().enumerate() {
        println!(
            "{rate:>14}{:>14.0}{:>11.0}%{:>12.3}{:>12.3}{:>12.2}",
            median(index, 0),
            100.0 * median(index, 3),
            median(index, 1),
            median(index, 2),
            median(index, 2) / median(0, 2),
        );
    }
}

/// Sends both kinds of requests for some time, and prints how many forged ones were answered in a
/// second, and the others' p50 and p99 in milliseconds.
#[tokio::main(flavor = "current_thread")]
async fn load(url: &str, good: &str, bad: &str, rate: usize, time: Duration) {
    let address = url.strip_prefix("http://").unwrap();
    let (answered, times) = (Rc::new(Cell::new(0_u32)), Rc::new(RefCell::new(Vec::new())));
    let tasks = LocalSet::new();
    for index in 0..OTHERS {
        let mut client = Client::connect(address, good, "200 OK").await;
        let times = Rc::clone(&times);
        tasks.spawn_local(async move {
            let first = Instant::now() + PAUSE * index as u32 / OTHERS as u32;
            let mut ticks = interval_at(first, PAUSE);
            let mut last_answer = first;
            loop {
                let due = ticks.tick().await;
                // Whoever waits for the answer before it cannot send: that time counts, too. That
                // tokio's timer is late by up to a millisecond does not.
                let began = if last_answer > due {
                    due
                } else {
                    Instant::now()
                };
                client.send().await;
                last_answer = Instant::now();
                let time = last_answer - began;
                times.borrow_mut().push(time.as_secs_f64() * 1e3);
            }
        });
    }
    if rate > 0 {
        // Each permit is a request.
        let due = Rc::new(Semaphore::new(0));
        for _ in 0..FLOOD {
            let mut client = Client::connect(address, bad, "401 Unauthorized").await;
            let (answered, due) = (Rc::clone(&answered), Rc::clone(&due));
            tasks.spawn_local(async move {
                loop {
                    due.acquire().await.unwrap().forget();
                    client.send().await;
                    answered.set(answered.get() + 1);
                }
            });
        }
        tasks.spawn_local(async move {
            let began = Instant::now();
            let mut sent = 0;
            let mut ticks = interval(Duration::from_millis(1));
            loop {
                ticks.tick().await;
                let all = (began.elapsed().as_secs_f64() * rate as f64) as usize;
                // What could not be sent in time is not made up for by a heap of requests.
                let room = FLOOD.saturating_sub(due.available_permits());
                due.add_permits((all - sent).min(room));
                sent = all;
            }
        });
    }
    tasks.run_until(sleep(time)).await;
    let times = &mut *times.borrow_mut();
    println!(
        "{} {} {}",
        f64::from(answered.get()) / time.as_secs_f64(),
        quantile(times, 0.5),
        quantile(times, 0.99)
    );
}

/// A connection that sends the same request again and again. The answers are all of one length.
struct Client {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
    length: usize,
}

impl Client {
    async fn connect(address: &str, token: &str, status: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream,
            request: format!(
                "GET /me HTTP/1.1\r\nHost: api.example.com\r\nAccept: application/json\r\n\
                 Authorization: Bearer {token}\r\n\r\n"
            ),
            answer: vec![0; 64 * 1024],
            length: 0,
        };
        let request = client.request.clone();
        client.stream.write_all(request.as_bytes()).await.unwrap();
        // Small enough to arrive in one piece.
        client.length = client.stream.read(&mut client.answer).await.unwrap();
        let answer = String::from_utf8_lossy(&client.answer[..client.length]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.ends_with('}'),
            "{answer}"
        );
        client
    }

    /// Sends a request, and waits for the answer.
    async fn send(&mut self) {
        self.stream
            .write_all(self.request.as_bytes())
            .await
            .unwrap();
        let answer = &mut self.answer[..self.length];
        self.stream.read_exact(answer).await.unwrap();
    }
}
