//! Streams that stay open until their user is disabled.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum_authgear::testkit::{FakeAuthgear, Session, SigningKey, User};
use tokio::time::{sleep, timeout};

use crate::judge::{self, Sender};
use crate::lane::client;
use crate::ledger::Ledger;
use crate::stage::BOUND;

pub const NAME: &str = "streams";

pub struct Streams {
    client: reqwest::Client,
    url: String,
    ledger: Arc<Ledger>,
    /// One that stays: a stream ends with the key of its token, too.
    key: SigningKey,
}

/// A user with a stream.
#[derive(Clone)]
pub struct Viewer {
    pub user: User,
    session: Session,
    /// When the user was disabled.
    pub disabled: Arc<OnceLock<Instant>>,
}

impl Viewer {
    pub fn new(fake: &FakeAuthgear) -> Self {
        let user = fake.add_user(User::new("viewer"));
        Self {
            session: fake.sign_in(&user),
            user,
            disabled: Arc::default(),
        }
    }
}

impl Streams {
    pub fn new(fake: &FakeAuthgear, url: &str, ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            client: client(),
            url: url.to_owned(),
            ledger: Arc::clone(ledger),
            key: fake.signing_key(),
        })
    }

    /// Has a stream open until its user is disabled, and one more whenever one ended in an outage.
    pub async fn watch(self: Arc<Self>, viewer: Viewer) {
        while viewer.disabled.get().is_none() {
            self.follow(&viewer).await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Opens one stream, and reads it to its end.
    async fn follow(&self, viewer: &Viewer) {
        let lifetime = Duration::from_secs(7_200);
        let token = viewer.session.token().lifetime(lifetime);
        let token = token.signed_by(&self.key).sign();
        let began = Instant::now();
        let request = self.client.get(&self.url).bearer_auth(token);
        let answer = request.send().await;
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        self.ledger.tried(NAME, Sender::Good);
        let is_excused = self.ledger.is_excused(began);
        if let Some(what) = judge::answer(Sender::Good, status, is_excused) {
            self.ledger
                .late_violation(began, NAME, what, &format!("{answer:?}"));
        }
        let Ok(mut answer) = answer.and_then(reqwest::Response::error_for_status) else {
            return;
        };
        let mut last_event = Instant::now();
        let mut last = Vec::new();
        loop {
            let is_open = match timeout(Duration::from_secs(1), answer.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    last_event = Instant::now();
                    last = bytes.to_vec();
                    true
                }
                Ok(_) => false,
                Err(_) => true,
            };
            let disabled = viewer.disabled.get().map(Instant::elapsed);
            // What ended it was noticed a little later.
            let since = Instant::now().checked_sub(Duration::from_secs(2));
            let text = String::from_utf8_lossy(&last);
            let is_excused = text.contains("cannot be checked")
                && since.is_some_and(|since| self.ledger.is_excused(since));
            if let Some(what) = judge::stream(is_open, disabled, Self::LIMIT, is_excused) {
                let context = format!("disabled {disabled:?} ago; the last event: {text:?}");
                self.ledger.late_violation(last_event, NAME, what, &context);
                return;
            }
            if !is_open {
                if disabled.is_some() {
                    self.ledger.tried(NAME, Sender::Disabled);
                }
                return;
            }
            if last_event.elapsed() > Duration::from_secs(5) {
                let (what, context) = ("a stream is stuck", "no event for 5 s");
                self.ledger.late_violation(last_event, NAME, what, context);
                return;
            }
        }
    }

    /// The bound, the pause between two checks, and what a busy machine may add.
    const LIMIT: Duration = BOUND.saturating_add(Duration::from_secs(4));
}
