//! Several projects with what they ask, the table that they are in, and what is known of each.

use std::collections::HashMap;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::jwks::{FetchSpread, KeyAddresses, KeyPolicy, KeyStore, Refresher};
use crate::outbound::FetchError;
use crate::revocation::{RevocationLedger, RevocationPlan, RevocationPolicy, Revocations};
use crate::simulation::issuer::{Fault, Issuer, START, key, telemetry};
use crate::user::{NoClaims, SessionCredential};
use crate::verify::resolver::{Ask, Asking, CallError, ClientInfo};
use crate::verify::session_headers::{SESSION_VALID, USER_ID};
use crate::verify::{
    JwtVerifier, LiveSessions, LiveVerifier, ProjectSet, ResolverClient, SessionResolver,
    TokenCache, TrustedProject, Validation, Verifier,
};

pub(super) const PROJECTS: usize = 3;
pub(super) const LEEWAY: Duration = Duration::from_secs(60);
/// How long a token lives.
pub(super) const LIFETIME: u64 = 30 * 60;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Few enough for some to be evicted.
const TOKEN_CACHE_CAPACITY: usize = 24;

/// How a project is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setup {
    pub(super) is_live: bool,
    /// Whether the client of the tokens counts.
    pub(super) allows_client: bool,
    /// For how many hours revocations are remembered.
    pub(super) retention_hours: u64,
}

impl Setup {
    pub(super) const PLAIN: Self = Self {
        is_live: false,
        allows_client: true,
        retention_hours: 24,
    };
    pub(super) const LIVE: Self = Self {
        is_live: true,
        ..Self::PLAIN
    };
}

/// What there is of one project, whether it is in or not.
pub(super) struct Project {
    pub(super) issuer: Issuer,
    /// Serves the first incarnation and all later ones.
    pub(super) resolver: Resolver,
    /// As it is set up while it is in.
    pub(super) setup: Option<Setup>,
    /// When it was out last; while it is out, since when.
    pub(super) out_at: Instant,
    pub(super) was_in: bool,
    /// When its options did not let the client in last.
    pub(super) disallowed_at: Option<Instant>,
    /// When anything last happened to it that may cost its own callers an answer.
    pub(super) disturbed_at: Instant,
    /// For each user, when the last revocation was, in Unix seconds.
    pub(super) revoked: HashMap<&'static str, u64>,
    /// For each key, since when it is listed, in Unix seconds.
    pub(super) listed_since: HashMap<usize, u64>,
    next_key: usize,
}

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) set: Arc<ProjectSet<NoClaims>>,
    pub(super) verifier: Verifier<NoClaims>,
    pub(super) ledger: RevocationLedger,
    spread: FetchSpread,
    projects: Mutex<Vec<Project>>,
    start: Instant,
}

impl World {
    /// No project is in yet.
    pub(super) fn new() -> Arc<Self> {
        let clock = Clock::starting_at(START);
        let cache = TokenCache::new(TOKEN_CACHE_CAPACITY);
        let set = Arc::new(ProjectSet::new([], cache, None).expect("no project"));
        let store = Arc::new(KeyStore::new(KeyPolicy::default(), clock.clone()));
        let now = Instant::now();
        let projects = (0..PROJECTS).map(|number| {
            let issuer = Issuer::new(&clock, &store);
            issuer.state().listed = vec![number];
            Project {
                issuer,
                resolver: Resolver::default(),
                setup: None,
                out_at: now,
                was_in: false,
                disallowed_at: None,
                disturbed_at: now,
                revoked: HashMap::new(),
                listed_since: HashMap::from([(number, START)]),
                next_key: PROJECTS + number,
            }
        });
        Arc::new(Self {
            projects: Mutex::new(projects.collect()),
            verifier: Verifier::Projects(Arc::clone(&set)),
            set,
            ledger: RevocationLedger::default(),
            spread: FetchSpread::new(),
            clock,
            start: now,
        })
    }

    pub(super) fn projects(&self) -> MutexGuard<'_, Vec<Project>> {
        self.projects.lock().unwrap()
    }

    pub(super) fn with<T>(&self, number: usize, change: impl FnOnce(&mut Project) -> T) -> T {
        change(&mut self.projects()[number])
    }

    pub(super) fn disturb<T>(&self, number: usize, change: impl FnOnce(&mut Project) -> T) -> T {
        self.with(number, |project| {
            project.disturbed_at = Instant::now();
            change(project)
        })
    }

    // ── The table ───────────────────────────────────────────────────────────────────────────────

    /// Adds the project, or puts these options in the place of those that it has.
    pub(super) fn put(&self, number: usize, setup: Setup) {
        self.put_with(number, setup, true);
    }

    /// The keys come from another place from now on.
    pub(super) fn move_to_another_address(&self, number: usize) {
        let setup = self.with(number, |project| project.setup);
        self.put_with(number, setup.expect("it is in"), false);
    }

    fn put_with(&self, number: usize, setup: Setup, keeps_keys: bool) {
        let policy = RevocationPolicy {
            retention: Some(Duration::from_secs(setup.retention_hours * 3_600)),
            leeway: LEEWAY,
        };
        let plan = RevocationPlan {
            policy,
            #[cfg(feature = "redis")]
            log: None,
        };
        let runtime = Handle::current();
        let revocations =
            self.ledger
                .open(issuer(number), iter::empty(), plan, &self.clock, &runtime);
        let change = self.set.begin_change();
        let previous = change.project(issuer(number));
        let known = previous.as_deref().filter(|_| keeps_keys);
        let project = self.project(number, setup, revocations, known);
        change
            .finish(previous.as_ref(), Some(project))
            .expect("each has an issuer of its own");
        self.disturb(number, |project| {
            if !setup.allows_client || project.setup.is_some_and(|setup| !setup.allows_client) {
                project.disallowed_at = Some(Instant::now());
            }
            project.was_in = true;
            if project.setup.replace(setup).is_none() {
                project.out_at = Instant::now();
            }
        });
    }

    pub(super) fn remove(&self, number: usize) {
        let change = self.set.begin_change();
        if let Some(out) = change.project(issuer(number)) {
            change.finish(Some(&out), None).expect("nothing comes in");
            self.disturb(number, |project| {
                project.setup = None;
                project.out_at = Instant::now();
            });
            let now = self.clock.now();
            self.ledger
                .forget_unused(now, |issuer| self.set.find(issuer).is_some());
        }
    }

    /// One incarnation, made as the builder makes it.
    fn project(
        &self,
        number: usize,
        setup: Setup,
        revocations: Arc<Revocations>,
        previous: Option<&TrustedProject<NoClaims>>,
    ) -> TrustedProject<NoClaims> {
        let policy = KeyPolicy {
            leeway: LEEWAY,
            ..KeyPolicy::default()
        };
        let clock = &self.clock;
        let keys = Arc::new(match previous {
            Some(previous) => KeyStore::with_keys_of(policy, clock.clone(), previous.jwt().keys()),
            None => KeyStore::new(policy, clock.clone()),
        });
        let (source, resolver) = self.with(number, |project| {
            (project.issuer.of_store(&keys), project.resolver.clone())
        });
        let refresher = Refresher::spawn(
            &Handle::current(),
            Arc::clone(&keys),
            source,
            vec![Algorithm::EdDSA],
            Some(self.spread.clone()),
            None,
        );
        let client = if setup.allows_client { "web" } else { "other" };
        let live = setup.is_live.then(|| {
            let options = LiveSessions::within(Duration::from_secs(10))
                .session_resolver(SessionResolver::new().timeout(TIMEOUT));
            let sessions = ResolverClient::new(
                resolver,
                issuer(number),
                &options.resolver,
                options.keep(),
                clock.clone(),
                &Handle::current(),
            );
            Arc::new(LiveVerifier {
                resolver: Arc::new(sessions),
                bound: options.bound,
                grace_period: options.grace_period,
                cookie_base: None,
            })
        });
        let jwt = JwtVerifier {
            validation: Validation {
                issuer: issuer(number).to_owned(),
                audiences: Arc::new([issuer(number).to_owned()]),
                former_issuers: Vec::new(),
                client_ids: Some(vec![client.into()]),
                algorithms: vec![Algorithm::EdDSA],
                leeway: LEEWAY,
            },
            clock: clock.clone(),
            keys,
            addresses: KeyAddresses::default(),
            revocations,
            read_claims: |_| Ok(NoClaims),
            scope_inclusions: None,
            refresher,
        };
        TrustedProject::new(Arc::new(jwt), live, telemetry())
    }

    // ── What happens to a project ───────────────────────────────────────────────────────────────

    pub(super) fn set_fault(&self, number: usize, fault: Option<Fault>) {
        self.disturb(number, |project| project.issuer.state().fault = fault);
    }

    pub(super) fn set_resolver(&self, number: usize, answers: Answers) {
        self.disturb(number, |project| {
            *project.resolver.0.lock().unwrap() = answers;
        });
    }

    /// Signs with a key that it has not listed yet; others may have.
    pub(super) fn rotate(&self, number: usize) {
        let now = self.unix_now();
        self.disturb(number, |project| {
            let key = project.next_key % KEYS_IN_USE;
            // Each project comes to each key.
            project.next_key += 5;
            let mut state = project.issuer.state();
            if !state.listed.contains(&key) {
                state.listed.insert(0, key);
                state.listed.truncate(3);
                project.listed_since.insert(key, now);
            }
        });
    }

    pub(super) fn revoke(&self, number: usize, user: &'static str) {
        let is_remembered = self
            .ledger
            .write(issuer(number), |store| store.revoke_user(user));
        self.with(number, |project| {
            assert_eq!(is_remembered, project.was_in);
            if is_remembered {
                project.revoked.insert(user, self.unix_now());
            }
        });
    }

    pub(super) fn attempts(&self, number: usize) -> usize {
        self.with(number, |project| project.issuer.attempts())
    }

    // ── Tokens ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn unix_now(&self) -> u64 {
        START + self.start.elapsed().as_secs()
    }

    /// A token of the key that the project signs with now.
    pub(super) fn token(&self, number: usize, user: &'static str) -> Token {
        self.token_of(number, user, self.unix_now())
    }

    pub(super) fn token_of(&self, number: usize, user: &'static str, issued_at: u64) -> Token {
        let key = self.with(number, |project| project.issuer.state().listed[0]);
        Token::new(number, user, key, key, issued_at)
    }

    /// A token of this project that names and has the signature of a key of another one's.
    pub(super) fn crossed(&self, number: usize, other: usize) -> Option<Token> {
        let listed = self.with(number, |project| project.issuer.state().listed.clone());
        let key = self.with(other, |project| project.issuer.state().listed[0]);
        let token = Token::new(number, "alice", key, key, self.unix_now());
        (!listed.contains(&key)).then_some(token)
    }

    /// A token that names a key of the project, and was signed with that of another.
    pub(super) fn forged(&self, number: usize, other: usize) -> Option<Token> {
        let own = self.with(number, |project| project.issuer.state().listed[0]);
        let key = self.with(other, |project| project.issuer.state().listed[0]);
        (own != key).then(|| Token::new(number, "alice", own, key, self.unix_now()))
    }

    /// A token of a key that never was.
    pub(super) fn stranger(&self, number: usize, name: u64) -> Token {
        let issued_at = self.unix_now();
        let message = message(number, "alice", &format!("stranger-{name}"), issued_at);
        Token {
            project: number,
            user: "alice",
            key: usize::MAX,
            signer: usize::MAX,
            issued_at,
            text: format!("{message}.{}", encoded(&[7; 64])),
        }
    }
}

/// Those of the pool that are listed by some project at some time.
const KEYS_IN_USE: usize = 12;

pub(super) fn issuer(number: usize) -> &'static str {
    [
        "https://one.example",
        "https://two.example",
        "https://three.example",
    ][number]
}

/// A token, and what is true of it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) project: usize,
    pub(super) user: &'static str,
    /// The key that it names, and the one that signed it.
    pub(super) key: usize,
    pub(super) signer: usize,
    pub(super) issued_at: u64,
    pub(super) text: String,
}

impl Token {
    fn new(
        project: usize,
        user: &'static str,
        named: usize,
        signer: usize,
        issued_at: u64,
    ) -> Self {
        let message = message(project, user, key(named).kid(), issued_at);
        let signature = encoded(&key(signer).sign(message.as_bytes()));
        Self {
            project,
            user,
            key: named,
            signer,
            issued_at,
            text: format!("{message}.{signature}"),
        }
    }
}

fn message(project: usize, user: &str, kid: &str, issued_at: u64) -> String {
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid });
    let claims = json!({
        "iss": issuer(project), "aud": [issuer(project)], "sub": user, "client_id": "web",
        "iat": issued_at, "exp": issued_at + LIFETIME,
    });
    let [header, claims] = [header, claims].map(|part| encoded(part.to_string().as_bytes()));
    format!("{header}.{claims}")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// How a resolver answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Answers {
    #[default]
    Well,
    Never,
    Badly,
}

/// Says of every token that its session is valid.
#[derive(Clone, Default)]
pub(super) struct Resolver(Arc<Mutex<Answers>>);

impl Resolver {
    pub(super) fn answers(&self) -> Answers {
        *self.0.lock().unwrap()
    }

    async fn answer(&self, credential: &SessionCredential) -> Result<HeaderMap, CallError> {
        match self.answers() {
            Answers::Never => {
                sleep(TIMEOUT).await;
                return Err(CallError::Fetch(FetchError::Timeout));
            }
            Answers::Badly => {
                let status = StatusCode::BAD_GATEWAY;
                return Err(CallError::Fetch(FetchError::Status(status)));
            }
            Answers::Well => {}
        }
        let mut headers = HeaderMap::new();
        // A probe brings no token.
        if let Some(claims) = credential.value().split('.').nth(1) {
            let claims = URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            let user = claims["sub"].as_str().unwrap();
            headers.insert(SESSION_VALID, HeaderValue::from_static("true"));
            headers.insert(USER_ID, HeaderValue::from_str(user).unwrap());
        }
        Ok(headers)
    }
}

impl Ask for Resolver {
    fn ask<'a>(&'a self, credential: &'a SessionCredential, _: &'a ClientInfo) -> Asking<'a> {
        Box::pin(self.answer(credential))
    }
}
