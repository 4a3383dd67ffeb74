//! What there is in a simulation: an issuer with its keys, the service's clock, and the verifier.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::issuer::{Attempt, Fault, Issuer, KEYS, telemetry};
use super::request::{History, Shared, Trial};
use super::token::{Facts, ISSUER, Iat, LEEWAY, Token};
use crate::clock::Clock;
use crate::jwks::{KeyAddresses, KeyPolicy, KeyStore, Refresher};
use crate::revocation::{RevocationPolicy, Revocations};
use crate::user::NoClaims;
use crate::verify::{JwtVerifier, ProjectSet, TokenCache, TrustedProject, Validation};

/// When the simulation starts, in Unix seconds.
const START: u64 = 1_800_000_000;
/// How long a token lives.
const LIFETIME: u64 = 1_800;
/// How long a machine's may.
const LONG_LIFETIME: u64 = 28 * 86_400;
/// Few enough for some to be evicted.
const TOKEN_CACHE_CAPACITY: usize = 16;
/// How many keys an issuer lists at most.
const MAX_LISTED: usize = 6;

pub(super) struct World {
    pub(super) shared: Arc<Shared>,
    requests: JoinSet<()>,
    checked_attempts: usize,
    strangers: u64,
}

impl World {
    pub(super) fn new(latency: Duration) -> Self {
        let clock = Clock::starting_at(START);
        let policy = KeyPolicy {
            leeway: LEEWAY,
            ..KeyPolicy::default()
        };
        let store = Arc::new(KeyStore::new(policy, clock.clone()));
        let issuer = Issuer::new(&clock, &store);
        issuer.state().latency = latency;
        let refresher = Refresher::spawn(
            &Handle::current(),
            Arc::clone(&store),
            issuer.clone(),
            vec![Algorithm::EdDSA],
            None,
            None,
        );
        let validation = Validation {
            issuer: ISSUER.to_owned(),
            audiences: Arc::new([ISSUER.to_owned()]),
            former_issuers: Vec::new(),
            client_ids: None,
            algorithms: vec![Algorithm::EdDSA],
            leeway: LEEWAY,
        };
        let forgotten = RevocationPolicy {
            retention: None,
            leeway: validation.leeway,
        };
        let revocations = Revocations::start(forgotten, clock.clone(), &Handle::current());
        let jwt = Arc::new(JwtVerifier {
            validation,
            clock: clock.clone(),
            keys: store,
            addresses: KeyAddresses::default(),
            revocations: Arc::new(revocations),
            read_claims: |_| Ok(NoClaims),
            scope_inclusions: None,
            refresher,
        });
        let project = TrustedProject::new(Arc::clone(&jwt), None, telemetry());
        let cache = TokenCache::new(TOKEN_CACHE_CAPACITY);
        let projects = ProjectSet::new([project], cache, None).expect("one project");
        let start = Instant::now();
        let mut listed_since = [None; KEYS];
        listed_since[0] = Some(start);
        Self {
            shared: Arc::new(Shared {
                jwt,
                projects: Arc::new(projects),
                issuer,
                clock,
                policy,
                history: Mutex::new(History {
                    listed_since,
                    removed: Vec::new(),
                    off_by: vec![(start, 0)],
                    waiting: 0,
                    wrong: Vec::new(),
                }),
                start,
            }),
            requests: JoinSet::new(),
            checked_attempts: 0,
            strangers: 0,
        }
    }

    // ── Keys ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn listed(&self) -> Vec<usize> {
        self.shared.issuer.state().listed.clone()
    }

    pub(super) fn list_new_key(&mut self) {
        let mut state = self.shared.issuer.state();
        let mut history = self.shared.history.lock().unwrap();
        if state.listed.len() == MAX_LISTED {
            return;
        }
        // One that was never listed; if there is none left, the one that was removed first.
        let is_new = |number: &usize| {
            !state.listed.contains(number) && history.removed.iter().all(|(old, _)| old != number)
        };
        let number = (0..KEYS)
            .find(is_new)
            .unwrap_or_else(|| history.removed.remove(0).0);
        history.removed.retain(|(old, _)| *old != number);
        history.listed_since[number] = Some(Instant::now());
        state.listed.push(number);
    }

    pub(super) fn promote_last(&mut self) {
        self.shared.issuer.state().listed.rotate_right(1);
    }

    pub(super) fn promote(&mut self, index: usize) {
        let listed = &mut self.shared.issuer.state().listed;
        let index = index % listed.len();
        listed[..=index].rotate_right(1);
    }

    pub(super) fn remove(&mut self, index: usize) {
        let mut state = self.shared.issuer.state();
        if state.listed.len() == 1 {
            return;
        }
        let index = index % state.listed.len();
        let number = state.listed.remove(index);
        let mut history = self.shared.history.lock().unwrap();
        if let Some(since) = history.listed_since[number].take() {
            history.removed.push((number, since));
        }
    }

    // ── Faults and clocks ───────────────────────────────────────────────────────────────────────

    pub(super) fn set_fault(&mut self, fault: Option<Fault>) {
        self.shared.issuer.state().fault = fault;
    }

    pub(super) fn set_clock(&mut self, off_by: i64) {
        let off_bys = &mut self.shared.history.lock().unwrap().off_by;
        let before = off_bys.last().map_or(0, |(_, seconds)| *seconds);
        self.shared.clock.shift_millis((off_by - before) * 1_000);
        off_bys.push((Instant::now(), off_by));
    }

    // ── Tokens ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn token_of(&self, index: usize, age: u64) -> Token {
        let number = {
            let listed = &self.shared.issuer.state().listed;
            listed[index % listed.len()]
        };
        let since = self.shared.history.lock().unwrap().listed_since[number];
        let since = since.expect("a listed key has been since some time");
        let minted = Instant::now() - Duration::from_secs(age).min(self.shared.start.elapsed());
        let lifetime = if age < LIFETIME {
            LIFETIME
        } else {
            LONG_LIFETIME
        };
        self.token_at(number, minted.max(since), lifetime)
    }

    pub(super) fn token_of_removed(&self, index: usize) -> Option<Token> {
        let history = self.shared.history.lock().unwrap();
        let (number, since) = *history.removed.get(index)?;
        drop(history);
        Some(self.token_at(number, since, LONG_LIFETIME))
    }

    pub(super) fn forged(&self, index: usize) -> Token {
        self.token_of(index, 0).with_foreign_signature()
    }

    pub(super) fn expired(&self, ago: u64) -> Token {
        let now = self.issuers_time(Instant::now());
        let mut facts = self.token_of(0, LIFETIME).facts().clone();
        facts.expires_at = now - ago;
        Token::new(facts)
    }

    pub(super) fn stranger(&mut self, iat: Iat) -> Token {
        self.strangers += 1;
        let now = self.issuers_time(Instant::now());
        let facts = Facts {
            key: None,
            is_signed: false,
            minted: Instant::now(),
            issued_at: match iat {
                Iat::Old => Some(now - 20_000),
                Iat::Fresh => Some(now),
                Iat::None => None,
            },
            expires_at: now + LIFETIME,
        };
        Token::of_stranger(facts, self.strangers)
    }

    fn token_at(&self, number: usize, minted: Instant, lifetime: u64) -> Token {
        let issued_at = self.issuers_time(minted);
        Token::new(Facts {
            key: Some(number),
            is_signed: true,
            minted,
            issued_at: Some(issued_at),
            expires_at: issued_at + lifetime,
        })
    }

    /// The issuer's clock is right. In Unix seconds, rounded down as `iat` is.
    fn issuers_time(&self, at: Instant) -> u64 {
        START + at.duration_since(self.shared.start).as_secs()
    }

    // ── Requests ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn request(&mut self, token: Token) {
        let shared = Arc::clone(&self.shared);
        self.requests.spawn(async move {
            Trial::begin(&shared, &token).run_with_retry().await;
        });
    }

    pub(super) fn abandon(&mut self, token: Token, after: Duration) {
        let shared = Arc::clone(&self.shared);
        self.requests.spawn(async move {
            let _ = timeout(after, Trial::begin(&shared, &token).run()).await;
        });
    }

    pub(super) async fn expect_success(&self, token: Token) {
        let outcome = Trial::begin(&self.shared, &token).run().await;
        if let Err(error) = outcome {
            self.wrong(format!("not well again: {token:?} is {error:?}"));
        }
    }

    pub(super) async fn expect_refusal(&self, token: Token) {
        // Beyond the cooldown of the last one, so that the answer is a sure one.
        sleep(self.shared.policy.cooldown).await;
        let outcome = Trial::begin(&self.shared, &token).run().await;
        if outcome.is_ok() {
            self.wrong(format!("{token:?} is still accepted"));
        }
    }

    // ── What is wrong ───────────────────────────────────────────────────────────────────────────

    pub(super) fn last_attempt_was_in_vain(&self) -> bool {
        let state = self.shared.issuer.state();
        let ended = state.attempts.iter().rev().find_map(|a| a.ended.as_ref());
        ended.is_some_and(|(_, keys)| keys.is_none())
    }

    pub(super) fn has_usable_keys(&self) -> bool {
        self.shared.jwt.keys().status().usable
    }

    pub(super) fn good_attempts(&self) -> usize {
        let state = self.shared.issuer.state();
        let good = |a: &&Attempt| matches!(a.ended, Some((_, Some(_))));
        state.attempts.iter().filter(good).count()
    }

    pub(super) fn wrong(&self, what: String) {
        self.shared.history.lock().unwrap().wrong.push(what);
    }

    pub(super) fn what_is_wrong(&mut self) -> Option<String> {
        while self.requests.try_join_next().is_some_and(|done| {
            if let Err(error) = done {
                self.wrong(format!("a request panicked: {error}"));
            }
            true
        }) {}
        self.check_attempts();
        let history = self.shared.history.lock().unwrap();
        history.wrong.first().cloned()
    }

    /// Nobody can make the refresher ask more often than the policy says.
    fn check_attempts(&mut self) {
        let attempts = self.shared.issuer.state().attempts.clone();
        for number in self.checked_attempts.max(1)..attempts.len() {
            let (before, rest) = attempts.split_at(number);
            let (attempt, last) = (&rest[0], &before[number - 1]);
            if attempt.on_demand {
                let last = before.iter().rev().find(|earlier| earlier.on_demand);
                let since = last.map(|last| attempt.began.elapsed(last.began));
                if since.is_some_and(|since| since < self.shared.policy.cooldown) {
                    self.wrong(format!("on demand again after {since:?}"));
                }
                continue;
            }
            let Some((ended, keys)) = &last.ended else {
                self.wrong("two attempts at once".to_owned());
                continue;
            };
            let policy = &self.shared.policy;
            let serves = attempt.began.elapsed(last.began) < policy.max_stale;
            let shortest = match keys {
                Some(_) if serves => policy.refresh_interval.mul_f64(0.72),
                // None, or too old by a wall clock that was set.
                Some(_) | None => Duration::from_secs(1),
            };
            if attempt.began.elapsed(*ended) < shortest {
                self.wrong(format!("attempt {number} comes too early"));
            }
        }
        self.checked_attempts = attempts.len();
    }
}
