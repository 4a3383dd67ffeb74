//! All that runs: the servers, their issuers, and Redis.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum_authgear::testkit::{Clock, FakeAuthgear, SigningKey, User};
use axum_authgear::{AuthUser, Authgear};
use tokio::sync::Mutex;

use crate::contenders::{Clocked, Jwt, Sessions};
use crate::credentials::{LEEWAY, Refused, Rotation};
use crate::redis_server::RedisServer;
use crate::support::servers::{Server, example, resource_server};

/// How old a session's check may be, in mode `jwt+resolver` and for streams.
pub const BOUND: Duration = Duration::from_secs(5);
/// How long an answer is kept in mode `resolver`.
pub const CACHE: Duration = Duration::from_secs(2);
pub const GATEWAY_SECRET: &str = "the gateway's secret of 32 letters, or more";

pub struct Stage {
    pub jwt: Arc<Jwt>,
    pub live: Arc<Sessions>,
    pub resolver: Arc<Sessions>,
    pub clocked: Arc<Clocked>,
    pub gateway: String,
    pub streams: String,
    pub redis: Mutex<RedisServer>,
    /// By name. They end with the stage.
    servers: BTreeMap<&'static str, Server>,
}

impl Stage {
    pub async fn set() -> Self {
        let redis = RedisServer::start().await;
        let issuers = [
            FakeAuthgear::start().await,
            FakeAuthgear::start().await,
            FakeAuthgear::start().await,
        ];
        let [of_jwt, of_live, of_resolver] = issuers;
        let mut servers = BTreeMap::new();
        let mut serve = |name: &'static str, fake: &FakeAuthgear, variables: &[(&str, &str)]| {
            let server = start(name, resource_server(), fake, variables);
            let url = server.url.clone();
            servers.insert(name, server);
            url
        };
        let leeway = LEEWAY.as_secs().to_string();
        let (redis_url, secret) = (redis.url(), of_jwt.webhook_secret());
        let replica = [
            ("AUTHGEAR_LEEWAY_SECS", leeway.as_str()),
            ("AUTHGEAR_WEBHOOK_SECRET", secret.as_str()),
            ("REDIS_URL", redis_url.as_str()),
        ];
        let bound = BOUND.as_secs().to_string();
        let live = [
            ("AUTHGEAR_VERIFY", "jwt+resolver"),
            ("AUTHGEAR_LEEWAY_SECS", leeway.as_str()),
            ("AUTHGEAR_RECHECK_SECS", bound.as_str()),
            // So that keys are renewed in each outage.
            ("AUTHGEAR_JWKS_REFRESH_SECS", "5"),
        ];
        let cache = CACHE.as_secs().to_string();
        let resolver = [
            ("AUTHGEAR_VERIFY", "resolver"),
            ("AUTHGEAR_RESOLVER_CACHE_SECS", cache.as_str()),
        ];
        let gateway = [
            ("AUTHGEAR_VERIFY", "gateway"),
            ("AUTHGEAR_GATEWAY_SECRET", GATEWAY_SECRET),
        ];
        let urls = [
            serve("jwt, first replica", &of_jwt, &replica),
            serve("jwt, second replica", &of_jwt, &replica),
        ];
        let live = serve("jwt+resolver", &of_live, &live);
        let resolver = serve("resolver", &of_resolver, &resolver);
        let gateway = serve("gateway", &of_jwt, &gateway);
        let program = example("live_events");
        let streams = start("streams", program, &of_live, &[("BOUND_SECS", &bound)]);
        let url = streams.url.clone();
        servers.insert("streams", streams);
        of_jwt.send_webhooks_to(format!("{}/authgear/webhook", urls[0]));
        let users = (0..1_000).map(|n| of_jwt.add_user(User::new(format!("user {n}"))));
        Self {
            jwt: Arc::new(Jwt {
                users: users.collect(),
                fake: of_jwt,
                urls,
                keys: Rotation::default(),
                expired: Refused::default(),
                disabled: Refused::default(),
                foreign: SigningKey::rsa(),
            }),
            live: Sessions::new(of_live, &live, false),
            resolver: Sessions::new(of_resolver, &resolver, true),
            clocked: clocked().await,
            gateway,
            streams: url,
            redis: Mutex::new(redis),
            servers,
        }
    }

    /// The processes, by name; this very one is the load and all issuers.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let servers = self.servers.iter();
        servers
            .map(|(name, server)| (*name, server.process.id()))
            .chain([("load and issuers", std::process::id())])
            .collect()
    }

    /// The issuers whose outages are played.
    pub fn issuers(&self) -> [&FakeAuthgear; 3] {
        [&self.jwt.fake, &self.live.fake, &self.resolver.fake]
    }
}

/// What a server logs goes to a file beside the benchmark's other ones.
fn start(name: &str, program: PathBuf, fake: &FakeAuthgear, variables: &[(&str, &str)]) -> Server {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("soak");
    std::fs::create_dir_all(&folder).unwrap();
    let log = File::create(folder.join(format!("{name}.log"))).unwrap();
    Server::start(
        Command::new(program)
            .env("AUTHGEAR_ENDPOINT", fake.endpoint())
            .env("LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stderr(log),
    )
}

/// In this process, for a clock cannot be set from outside.
async fn clocked() -> Arc<Clocked> {
    let now = Clock::default().now().unix().as_secs();
    let clock = Clock::starting_at(now);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let authgear = Authgear::builder(fake.endpoint())
        .leeway(LEEWAY)
        .dangerous()
        .clock(clock.clone())
        .build()
        .unwrap();
    let app = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(authgear.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Clocked::new(fake, clock, url)
}
