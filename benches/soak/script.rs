//! A minute, which is played again and again: everything that can happen to the servers.

use std::sync::Arc;
use std::time::Duration;

use axum_authgear::testkit::{Delivery, Endpoint, FakeAuthgear, Fault, User};
use tokio::time::{Instant, sleep, sleep_until};

use crate::contenders::{Jwt, Sessions};
use crate::credentials::{never_good, token};
use crate::judge::Sender;
use crate::lane::{Case, Lane};
use crate::ledger::Ledger;
use crate::stage::{BOUND, CACHE, Stage};
use crate::streams::{Streams, Viewer};

pub struct Script {
    pub stage: Arc<Stage>,
    pub ledger: Arc<Ledger>,
    pub jwt: Arc<Lane>,
    pub live: Arc<Lane>,
    pub resolver: Arc<Lane>,
    pub streams: Arc<Streams>,
}

/// What Authgear does instead of an answer.
#[derive(Clone, Copy)]
pub enum Outage {
    Refuses,
    Hangs,
    Fails,
}

/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);
/// The longest pause between two attempts to reach Redis.
const REDIS_RETRY: Duration = Duration::from_secs(5);
/// How long the resolver is waited for: the excuse after a hang.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Script {
    /// Most minutes are alike. Each tenth one is an outage, each time of another kind.
    pub async fn play(&self, minute: u64) {
        match minute % 30 {
            10 => self.play_long_outage(Outage::Refuses).await,
            20 => self.play_long_outage(Outage::Hangs).await,
            0 => self.play_long_outage(Outage::Fails).await,
            _ => self.play_minute().await,
        }
    }

    async fn play_minute(&self) {
        let began = Instant::now();
        let at = |second| sleep_until(began + Duration::from_secs(second));
        let Stage {
            jwt,
            live,
            resolver,
            clocked,
            ..
        } = &*self.stage;
        let fetches = self.fetches();
        // Listed before it signs ...
        let announced = live.fake.add_key();
        live.keys.listed(&live.fake, announced.clone());
        let viewer = Viewer::new(&live.fake);
        tokio::spawn(Arc::clone(&self.streams).watch(viewer.clone()));

        at(5).await;
        self.ledger.moment("users disabled");
        self.disable_by_webhook(Duration::ZERO).await;
        self.disable_at_resolver(live, &self.live, BOUND).await;
        self.disable_at_resolver(resolver, &self.resolver, CACHE)
            .await;
        live.fake.disable(&viewer.user);
        let _ = viewer.disabled.set(std::time::Instant::now());

        at(9).await;
        self.ledger.moment("key rotation");
        live.fake.sign_with(&announced);
        live.renew();
        resolver.renew();
        clocked.renew(None);

        at(10).await;
        self.away(Outage::Refuses, 4).await;
        at(18).await;
        self.away(Outage::Hangs, 4).await;

        // ... and at once: the first token of the new key brings it to each replica. Ten seconds before
        // that nothing is fetched on demand.
        at(26).await;
        self.ledger.moment("key rotation");
        jwt.keys.listed(&jwt.fake, jwt.fake.rotate());

        at(30).await;
        self.away(Outage::Fails, 3).await;

        at(36).await;
        self.ledger.begin("Redis is away", None);
        self.stage.redis.lock().await.stop();
        sleep(Duration::from_secs(2)).await;
        self.disable_by_webhook(Duration::from_secs(3) + REDIS_RETRY)
            .await;
        sleep(Duration::from_secs(3)).await;
        self.stage.redis.lock().await.restart().await;
        self.ledger.end("Redis is away");

        at(46).await;
        self.ledger.begin("floods", None);
        let before = jwt.fake.requests(Endpoint::Jwks);
        for sender in [Sender::Forged, Sender::Garbage, Sender::UnknownKey] {
            self.flood(sender).await;
        }
        self.ledger.end("floods");
        let count = jwt.fake.requests(Endpoint::Jwks) - before;
        self.at_most("fetches of keys in a flood", count, jwt.urls.len());

        at(54).await;
        self.ledger.begin("clock ahead", None);
        clocked.step(true);
        sleep(Duration::from_secs(3)).await;
        clocked.step(false);
        self.ledger.end("clock ahead");

        at(60).await;
        let [keys, live_keys, answers] = self.fetches();
        // A rotation, a flood, and once more.
        self.at_most("fetches of keys", keys - fetches[0], 3 * jwt.urls.len());
        // Each 4 s, and at most as often again while they fail; those of the streams.
        self.at_most("fetches of renewed keys", live_keys - fetches[1], 45);
        // Each session once in half of the bound; viewers each second, if nothing was shared.
        let sessions = 60 * 2 * Sessions::COUNT / usize::try_from(BOUND.as_secs()).unwrap();
        let viewers = 60 * (VIEWERS + 1);
        self.at_most(
            "calls of the resolver",
            answers - fetches[2],
            sessions + viewers,
        );
    }

    /// Authgear is away for most of a minute, and a user is disabled all the same.
    async fn play_long_outage(&self, outage: Outage) {
        let began = Instant::now();
        let at = |second| sleep_until(began + Duration::from_secs(second));
        let away = self.away(outage, 45);
        let disabled = async {
            at(20).await;
            self.disable_by_webhook(Duration::ZERO).await;
        };
        tokio::join!(away, disabled);
        at(60).await;
    }

    /// All issuers are away for so many seconds.
    async fn away(&self, outage: Outage, seconds: u64) {
        let issuers = self.stage.issuers();
        let (name, excuse) = match outage {
            Outage::Refuses => ("Authgear refuses", SLACK),
            Outage::Hangs => ("Authgear hangs", TIMEOUT + SLACK),
            Outage::Fails => ("Authgear fails", SLACK),
        };
        self.ledger.begin(name, Some(excuse));
        for issuer in issuers {
            match outage {
                Outage::Refuses => issuer.stop(),
                Outage::Hangs => fail(issuer, &Fault::Hang),
                Outage::Fails => fail(issuer, &Fault::Status(500)),
            }
        }
        sleep(Duration::from_secs(seconds)).await;
        for issuer in issuers {
            match outage {
                Outage::Refuses => issuer.restart().await,
                Outage::Hangs | Outage::Fails => heal(issuer),
            }
        }
        self.ledger.end(name);
    }

    fn fetches(&self) -> [usize; 3] {
        let (jwt, live) = (&self.stage.jwt.fake, &self.stage.live.fake);
        [
            jwt.requests(Endpoint::Jwks),
            live.requests(Endpoint::Jwks),
            live.requests(Endpoint::Resolver),
        ]
    }

    fn at_most(&self, what: &str, count: usize, most: usize) {
        if count > most {
            let context = format!("{count} and not {most} at most");
            let minute = Duration::from_secs(60);
            let since = std::time::Instant::now().checked_sub(minute).unwrap();
            self.ledger
                .late_violation(since, "Authgear", what, &context);
        }
    }

    /// Disables a user, of whom one replica learns by a webhook, and the other one through Redis, which
    /// takes so much longer.
    async fn disable_by_webhook(&self, longer: Duration) {
        let Jwt {
            fake,
            urls,
            disabled,
            ..
        } = &*self.stage.jwt;
        let user = fake.add_user(User::new("disabled"));
        let lifetime = Duration::from_secs(3_600);
        let token = token(fake, &user).lifetime(lifetime).sign();
        for url in urls {
            self.jwt.ask(Case::bearer(Sender::Good, url, &token)).await;
        }
        fake.disable(&user);
        fake.webhooks_settled().await;
        let status = fake.deliveries().last().and_then(Delivery::status);
        if status.is_none_or(|status| !(200..300).contains(&status)) {
            let context = format!("{status:?}");
            let now = std::time::Instant::now();
            self.ledger
                .late_violation(now, "jwt", "a webhook was not taken", &context);
        }
        let now = std::time::Instant::now();
        let case = |url| Case::bearer(Sender::Disabled, url, &token);
        disabled.add(now, case(&urls[0]));
        disabled.add(now + longer + SLACK, case(&urls[1]));
    }

    async fn disable_at_resolver(&self, sessions: &Sessions, lane: &Lane, bound: Duration) {
        let user = sessions.fake.add_user(User::new("disabled"));
        let session = sessions.fake.sign_in(&user);
        let mut case = sessions.credential(Sender::Good, &session);
        lane.ask(case.clone()).await;
        sessions.fake.disable(&user);
        case.sender = Sender::Disabled;
        let from = std::time::Instant::now() + bound + SLACK;
        sessions.disabled.add(from, case);
    }

    /// Bad tokens for two seconds, as fast as a few connections allow.
    async fn flood(&self, sender: Sender) {
        let Stage { jwt, live, .. } = &*self.stage;
        let urls = [&jwt.urls[0], &jwt.urls[1], &live.url];
        let clients = (0..CLIENTS).map(|client| {
            let (lane, fake, foreign) = match client % 3 {
                2 => (&self.live, &live.fake, &live.foreign),
                _ => (&self.jwt, &jwt.fake, &jwt.foreign),
            };
            let (lane, url) = (Arc::clone(lane), urls[client % 3].clone());
            // Made beforehand: it is the servers that are to be busy.
            let tokens: Vec<String> = (0..8)
                .map(|turn| never_good(sender, fake, &jwt.users[client], foreign, turn))
                .collect();
            tokio::spawn(async move {
                let until = Instant::now() + Duration::from_secs(2);
                let mut tokens = tokens.iter().cycle();
                while Instant::now() < until
                    && let Some(token) = tokens.next()
                {
                    lane.ask(Case::bearer(sender, &url, token)).await;
                    sleep(Duration::from_millis(10)).await;
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    }
}

/// Long-lived streams.
pub const VIEWERS: usize = 10;
/// Connections of a flood.
const CLIENTS: usize = 18;

fn fail(issuer: &FakeAuthgear, fault: &Fault) {
    for endpoint in ENDPOINTS {
        issuer.fail(endpoint, fault.clone());
    }
}

fn heal(issuer: &FakeAuthgear) {
    for endpoint in ENDPOINTS {
        issuer.heal(endpoint);
    }
}

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Resolver];
