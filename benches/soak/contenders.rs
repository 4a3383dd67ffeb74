//! What each mode is asked: who comes next, and with which credential.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum_authgear::testkit::{Clock, FakeAuthgear, Session, SigningKey, User};

use crate::credentials::{LEEWAY, LIFETIME, Refused, Rotation, never_good, token};
use crate::judge::Sender;
use crate::lane::Case;
use crate::ledger::lock;

/// Of every so many requests, one of each kind below is bad.
const ROUND: usize = 16;

/// Two replicas that verify tokens by themselves.
pub struct Jwt {
    pub fake: FakeAuthgear,
    pub urls: [String; 2],
    pub keys: Rotation,
    pub expired: Refused,
    pub disabled: Refused,
    pub foreign: SigningKey,
    pub users: Vec<User>,
}

impl Jwt {
    /// Most tokens are new ones.
    pub fn traffic(self: Arc<Self>) -> impl FnMut() -> Option<Case> {
        let mut turn = 0;
        let mut recent = VecDeque::new();
        move || {
            turn += 1;
            let url = &self.urls[turn / ROUND % 2];
            let user = &self.users[turn % self.users.len()];
            let bad = |sender| {
                let token = never_good(sender, &self.fake, user, &self.foreign, turn / ROUND);
                Some(Case::bearer(sender, url, &token))
            };
            match turn % ROUND {
                0 => bad(Sender::Forged),
                1 => bad(Sender::Garbage),
                // Unknown keys come in floods: whoever had one all the time would hold back the fetch that a
                // rotation needs, which comes once in ten seconds.
                2 | 3 => self.expired.next().or_else(|| bad(Sender::Expired)),
                4 => self.disabled.next(),
                5 | 6 => recent
                    .get(turn * 7 % recent.len().max(1))
                    .map(|token: &String| Case::bearer(Sender::Good, url, token)),
                7 => {
                    let lifetime = Duration::from_secs(20);
                    let token = token(&self.fake, user).lifetime(lifetime).sign();
                    let from = Instant::now() + lifetime + LEEWAY + Duration::from_secs(1);
                    self.expired
                        .add(from, Case::bearer(Sender::Expired, url, &token));
                    Some(Case::bearer(Sender::Good, url, &token))
                }
                _ => {
                    let token = token(&self.fake, user).sign();
                    recent.push_back(token.clone());
                    if recent.len() > 2_000 {
                        recent.pop_front();
                    }
                    Some(Case::bearer(Sender::Good, url, &token))
                }
            }
        }
    }
}

/// A server that asks the resolver, after it has verified the token or instead of that.
pub struct Sessions {
    pub fake: FakeAuthgear,
    pub url: String,
    pub keys: Rotation,
    pub disabled: Refused,
    pub foreign: SigningKey,
    /// Whether it takes tokens that are no JWT, and cookies.
    takes_opaque: bool,
    users: Vec<(User, Session)>,
    good: Mutex<Vec<Case>>,
}

impl Sessions {
    pub fn new(fake: FakeAuthgear, url: &str, takes_opaque: bool) -> Arc<Self> {
        let users = (0..Self::COUNT)
            .map(|n| {
                let user = fake.add_user(User::new(format!("user {n}")));
                let session = fake.sign_in(&user);
                (user, session)
            })
            .collect();
        let this = Self {
            fake,
            url: url.to_owned(),
            keys: Rotation::default(),
            disabled: Refused::default(),
            foreign: SigningKey::rsa(),
            takes_opaque,
            users,
            good: Mutex::default(),
        };
        this.renew();
        Arc::new(this)
    }

    pub const COUNT: usize = 100;

    /// New credentials for all sessions.
    pub fn renew(&self) {
        let of = |session| self.credential(Sender::Good, session);
        let good = self.users.iter().map(|(_, session)| of(session));
        *lock(&self.good) = good.collect();
    }

    /// A request with a credential of the session.
    pub fn credential(&self, sender: Sender, session: &Session) -> Case {
        if !self.takes_opaque {
            return Case::bearer(sender, &self.url, &session.token().sign());
        }
        let mut case = Case::bearer(sender, &self.url, &session.opaque_token());
        if session.id().as_bytes()[0].is_multiple_of(2) {
            let cookie = session.cookies().app_session().pair();
            case.headers = vec![("cookie", cookie)];
        }
        case
    }

    pub fn traffic(self: Arc<Self>) -> impl FnMut() -> Option<Case> {
        let mut turn = 0;
        move || {
            turn += 1;
            let user = &self.users[turn % Self::COUNT].0;
            let bad = |sender| {
                let token = never_good(sender, &self.fake, user, &self.foreign, turn / ROUND);
                Some(Case::bearer(sender, &self.url, &token))
            };
            match turn % ROUND {
                0 => bad(Sender::Forged),
                1 => bad(Sender::Garbage),
                2 => bad(Sender::Expired),
                3 | 4 => self.disabled.next(),
                _ => lock(&self.good).get(turn * 7 % Self::COUNT).cloned(),
            }
        }
    }
}

/// A server that believes the headers of its gateway.
pub fn gateway_traffic(url: &str, secret: &str) -> impl FnMut() -> Option<Case> + use<> {
    let (url, secret) = (format!("{url}/me"), secret.to_owned());
    let mut turn = 0_usize;
    move || {
        turn += 1;
        let user = format!("user {}", turn % 1_000);
        let (sender, secret, valid) = match turn % ROUND {
            0 => (Sender::Unproven, None, "true"),
            1 => (Sender::Unproven, Some(secret.replace('s', "z")), "true"),
            2 => (Sender::Garbage, Some(secret.clone()), "false"),
            _ => (Sender::Good, Some(secret.clone()), "true"),
        };
        let proof = secret.map(|secret| ("x-gateway-secret", secret));
        let identity = [
            ("x-authgear-session-valid", valid.to_owned()),
            ("x-authgear-user-id", user),
            ("x-authgear-user-anonymous", "false".to_owned()),
        ];
        Some(Case {
            sender,
            url: url.clone(),
            headers: identity.into_iter().chain(proof).collect(),
            while_same: None,
        })
    }
}

/// A server whose clock, and that of its issuer, can be set.
pub struct Clocked {
    pub fake: FakeAuthgear,
    url: String,
    user: User,
    clock: Clock,
    tokens: Mutex<Tokens>,
    /// Counts the beginnings and the ends of the clock's steps.
    steps: Arc<AtomicU64>,
}

#[derive(Default)]
struct Tokens {
    good: Vec<String>,
    bad: Option<(Sender, Vec<String>)>,
}

impl Clocked {
    pub fn new(fake: FakeAuthgear, clock: Clock, url: String) -> Arc<Self> {
        let user = fake.add_user(User::new("alice"));
        let this = Self {
            fake,
            url,
            user,
            clock,
            tokens: Mutex::default(),
            steps: Arc::default(),
        };
        this.renew(None);
        Arc::new(this)
    }

    /// Sets the clock by some time that makes all earlier tokens bad.
    pub fn step(&self, forward: bool) {
        const STEP: i64 = 4 * LIFETIME.as_millis() as i64;
        self.steps.fetch_add(1, Ordering::SeqCst);
        self.clock.shift_millis(if forward { STEP } else { -STEP });
        let reason = if forward {
            Sender::Expired
        } else {
            Sender::Future
        };
        self.renew(Some(reason));
        // No answer to what was sent before that is judged.
        self.steps.fetch_add(1, Ordering::SeqCst);
    }

    /// New tokens, and what is wrong with those until now.
    pub fn renew(&self, bad: Option<Sender>) {
        let new = || token(&self.fake, &self.user).sign();
        let good = (0..50).map(|_| new()).collect();
        let mut tokens = lock(&self.tokens);
        let old = std::mem::replace(&mut tokens.good, good);
        tokens.bad = bad.map(|reason| (reason, old));
    }

    pub fn traffic(self: Arc<Self>) -> impl FnMut() -> Option<Case> {
        let mut turn = 0;
        move || {
            turn += 1;
            let step = self.steps.load(Ordering::SeqCst);
            if step % 2 == 1 {
                // In the middle of one.
                return None;
            }
            let tokens = lock(&self.tokens);
            let (sender, list) = match &tokens.bad {
                Some((reason, list)) if turn % 4 == 0 => (*reason, list),
                _ => (Sender::Good, &tokens.good),
            };
            let mut case = Case::bearer(sender, &self.url, &list[turn % list.len()]);
            case.while_same = Some((Arc::clone(&self.steps), step));
            Some(case)
        }
    }
}
