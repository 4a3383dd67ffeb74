//! What the fake knows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use self::accounts::{Account, User};
use self::faults::Endpoint;
use self::key_ring::KeyRing;
use self::sessions::Sessions;
use self::traffic::Traffic;
use self::webhooks::Webhooks;
use crate::clock::Clock;

pub(in crate::testkit) mod accounts;
pub(in crate::testkit) mod faults;
pub(in crate::testkit) mod key_ring;
pub(in crate::testkit) mod sessions;
pub(in crate::testkit) mod traffic;
pub(in crate::testkit) mod webhooks;

/// What the handle and the server's tasks share.
pub(in crate::testkit) struct Shared {
    /// Where the project was at first.
    pub(in crate::testkit) first_endpoint: String,
    /// Where it is since it moved.
    pub(in crate::testkit) moved_to: OnceLock<String>,
    pub(in crate::testkit) url: String,
    pub(in crate::testkit) address: SocketAddr,
    pub(in crate::testkit) clock: Clock,
    pub(in crate::testkit) cookie_prefix: String,
    pub(in crate::testkit) trust_proxy: bool,
    pub(in crate::testkit) state: Mutex<State>,
    /// By [`Endpoint`].
    pub(in crate::testkit) traffic: [Mutex<Traffic>; 3],
}

impl Shared {
    /// The issuer.
    pub(in crate::testkit) fn endpoint(&self) -> &str {
        self.moved_to.get().unwrap_or(&self.first_endpoint)
    }

    pub(in crate::testkit) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::testkit) fn traffic(&self, endpoint: Endpoint) -> MutexGuard<'_, Traffic> {
        let traffic = self.traffic[endpoint as usize].lock();
        traffic.unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix seconds.
    pub(in crate::testkit) fn now(&self) -> u64 {
        self.instant().as_secs()
    }

    /// Time since the Unix epoch.
    pub(in crate::testkit) fn instant(&self) -> Duration {
        self.clock.now().unix()
    }
}

/// What the fake knows.
pub(in crate::testkit) struct State {
    pub(in crate::testkit) keys: KeyRing,
    /// By user id.
    pub(in crate::testkit) accounts: HashMap<String, Account>,
    pub(in crate::testkit) sessions: Sessions,
    pub(in crate::testkit) webhooks: Webhooks,
}

impl State {
    /// # Panics
    ///
    /// When there is no such user.
    pub(in crate::testkit) fn account(&mut self, user: &User) -> &mut Account {
        let account = self.accounts.get_mut(user.id());
        account.expect("the user is one of this fake's")
    }
}
