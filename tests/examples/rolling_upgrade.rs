//! A rolling upgrade: `resource_server` of the first release beside today's, on one stream of a real Redis.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use axum_authgear::testkit::{FakeAuthgear, User, WebhookEvent};
use axum_authgear::{AuthUser, Authgear};

use crate::process::{PATIENCE, path};
use crate::redis_server::RedisServer;
use crate::resource_server::Server;

/// Names the program of the first release. `.ci/run full` builds it.
const FIRST_RELEASE: &str = "FIRST_RELEASE";

#[tokio::test]
#[ignore = "needs the first release's resource_server in FIRST_RELEASE, and redis-server"]
async fn users_that_either_release_revokes_are_refused_by_both() {
    let stage = Stage::new().await;
    let old = stage.start_old().await;
    let (new, other) = (stage.start_new().await, stage.start_new().await);
    let (disabled, disabled_token) = stage.user("disabled on the old one");
    let (deleted, deleted_token) = stage.user("deleted on a new one");
    let (_, good) = stage.user("in good standing");
    let tokens = [&disabled_token, &deleted_token];
    for replica in [&old, &new, &other] {
        for token in tokens {
            assert_eq!(status(replica, token).await, 200);
        }
    }

    stage
        .tell(&old, WebhookEvent::UserDisabled, &disabled)
        .await;
    stage
        .tell(&new, WebhookEvent::UserDeletionScheduled, &deleted)
        .await;
    for replica in [&old, &new, &other] {
        for token in tokens {
            refuses(replica, token).await;
        }
    }
    // One that starts late reads what both have written.
    let late = stage.start_new().await;
    for token in tokens {
        refuses(&late, token).await;
    }

    // The upgrade ends; and a downgrade begins.
    old.stop().await;
    for replica in [&new, &other, &late] {
        for token in tokens {
            assert_eq!(status(replica, token).await, 401);
        }
    }
    let old_again = stage.start_old().await;
    for token in tokens {
        refuses(&old_again, token).await;
    }
    for replica in [&old_again, &new, &other, &late] {
        assert_eq!(status(replica, &good).await, 200);
        replica.becomes("healthy").await;
    }
}

/// Clients and all tokens of before a time can be revoked by today's replicas. The first release skips such
/// entries: it refuses nothing for them until it is replaced.
#[tokio::test]
#[ignore = "needs the first release's resource_server in FIRST_RELEASE, and redis-server"]
async fn entries_that_the_first_release_does_not_know_are_skipped_by_it() {
    let stage = Stage::new().await;
    let old = stage.start_old().await;
    let new = stage.start_new().await;
    let (alice, _) = stage.user("alice");
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let an_hour_ago = an_hour_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let of_client = stage.fake.token(&alice).client_id("leaked").sign();
    let issued_early = stage
        .fake
        .token(&alice)
        .issued_at(an_hour_ago.as_secs() - 60);
    let issued_early = issued_early.expires_at(4_000_000_000).sign();
    let good = stage.fake.token(&alice).sign();

    let program = stage.program().await;
    program.revoke_client("leaked").unwrap();
    let time = SystemTime::UNIX_EPOCH + an_hour_ago;
    program.revoke_issued_before(time).unwrap();
    for token in [&of_client, &issued_early] {
        refuses(&new, token).await;
        assert_eq!(status(&old, token).await, 200, "it does not know this kind");
    }
    assert_eq!(status(&new, &good).await, 200);

    // It reads on behind them, and when it starts.
    let (bob, by_page) = stage.user("bob");
    program.revoke_user(bob.id()).unwrap();
    let old_again = stage.start_old().await;
    for replica in [&old, &old_again, &new] {
        refuses(replica, &by_page).await;
        assert_eq!(status(replica, &good).await, 200);
        replica.becomes("healthy").await;
    }
}

/// The stream is emptied while no replica of today is there: it is the first release that writes every kind
/// of entry that both know.
#[tokio::test]
#[ignore = "needs the first release's resource_server in FIRST_RELEASE, and redis-server"]
async fn what_the_first_release_appends_again_is_read_by_todays() {
    let stage = Stage::new().await;
    let old = stage.start_old().await;
    let (alice, by_event) = stage.user("alice");
    let (bob, by_page) = stage.user("bob");
    let (carol, by_log_out) = stage.user("carol");
    let still_good = stage.fake.token(&carol).sign();
    let of_client = stage.fake.token(&carol).client_id("leaked").sign();

    let program = stage.program().await;
    program.revoke_user(bob.id()).unwrap();
    let signed_out: AuthUser = program.verify(&by_log_out).await.unwrap();
    program.revoke_token(&signed_out);
    program.revoke_client("leaked").unwrap();
    stage.tell(&old, WebhookEvent::UserDisabled, &alice).await;
    for token in [&by_event, &by_page, &by_log_out] {
        refuses(&old, token).await;
    }
    assert_eq!(status(&old, &still_good).await, 200);
    // A replica of today has read the client's entry, too.
    let new = stage.start_new().await;
    refuses(&new, &of_client).await;
    new.stop().await;
    drop(program);

    stage.redis.command(&["FLUSHALL"]).await;
    eventually("the old one appends again", async || {
        stage.redis.command(&["DBSIZE"]).await.trim() == "1" && entries(&stage.redis).await >= 3
    })
    .await;
    let new = stage.start_new().await;
    for token in [&by_event, &by_page, &by_log_out] {
        refuses(&new, token).await;
    }
    assert_eq!(status(&new, &still_good).await, 200);
    // What only today's replicas knew went with the last of them.
    assert_eq!(status(&new, &of_client).await, 200);
    for replica in [&old, &new] {
        replica.becomes("healthy").await;
    }
}

/// A project and a Redis, which replicas of both releases share.
struct Stage {
    redis: RedisServer,
    fake: FakeAuthgear,
    first_release: PathBuf,
}

impl Stage {
    async fn new() -> Self {
        let program = std::env::var_os(FIRST_RELEASE);
        let first_release = PathBuf::from(program.expect("FIRST_RELEASE names its program"));
        Self {
            redis: RedisServer::start().await,
            fake: FakeAuthgear::start().await,
            first_release,
        }
    }

    async fn start_old(&self) -> Server {
        self.start(&self.first_release).await
    }

    async fn start_new(&self) -> Server {
        self.start(&path("resource_server")).await
    }

    async fn start(&self, program: &Path) -> Server {
        let (secret, url) = (self.fake.webhook_secret(), self.redis.url());
        let environment = [("AUTHGEAR_WEBHOOK_SECRET", &*secret), ("REDIS_URL", &*url)];
        Server::start_program(program, self.fake.endpoint(), &environment).await
    }

    /// A replica of today in this process, which can revoke more than a webhook can.
    async fn program(&self) -> Authgear {
        let builder = Authgear::builder(self.fake.endpoint()).redis(self.redis.url());
        let authgear = builder.build().unwrap();
        authgear.ready(PATIENCE).await.unwrap();
        authgear
    }

    fn user(&self, name: &str) -> (User, String) {
        let user = self.fake.add_user(User::new(name));
        let token = self.fake.token(&user).sign();
        (user, token)
    }

    async fn tell(&self, replica: &Server, event: WebhookEvent, user: &User) {
        let url = format!("http://{}/authgear/webhook", replica.address());
        assert_eq!(self.fake.webhook(event, user).deliver(&url).await, 204);
    }
}

async fn status(replica: &Server, token: &str) -> u16 {
    replica.get("/me", Some(token)).await.status
}

async fn refuses(replica: &Server, token: &str) {
    eventually("it refuses", async || status(replica, token).await == 401).await;
}

async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_true().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many entries the only stream has.
async fn entries(redis: &RedisServer) -> u64 {
    let key = redis.command(&["KEYS", "*"]).await;
    let length = redis.command(&["XLEN", key.trim()]).await;
    length.trim().parse().unwrap()
}
