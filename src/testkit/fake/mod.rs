//! The handle of a fake: it starts, moves and stops the server.

mod accounts;
pub(super) mod keys;
mod lifecycle;
mod tokens;
pub(super) mod traffic;
pub(super) mod webhooks;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::server::Server;
use super::state::key_ring::KeyRing;
use super::state::sessions::Sessions;
use super::state::webhooks::Webhooks;
use super::state::{Shared, State};
use crate::clock::Clock;

/// A running fake of one Authgear project.
///
/// Cheap to clone. The server runs in the tokio runtime that started it, and stops when the last
/// clone is dropped, or with [`stop`](Self::stop).
#[derive(Clone)]
pub struct FakeAuthgear(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    delivering: AbortHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.delivering.abort();
    }
}

impl FakeAuthgear {
    /// Starts a fake with the defaults of [`FakeAuthgearBuilder`].
    ///
    /// # Panics
    ///
    /// When no loopback port is free, and outside of a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Configures a fake before it starts.
    pub fn builder() -> FakeAuthgearBuilder {
        FakeAuthgearBuilder {
            endpoint: None,
            clock: Clock::default(),
            cookie_prefix: String::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            trust_proxy: true,
            webhook_secret: None,
        }
    }

    /// Its public origin: the issuer of its tokens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.0.shared.endpoint()
    }

    /// Moves the project to a custom domain: from now on this origin is the endpoint, and the issuer in
    /// discovery and in new tokens. Requests to the former endpoint are answered with 307. Users, keys,
    /// sessions and earlier tokens stay.
    ///
    /// Without a proxy a fake can be reached under two names: one at `http://127.0.0.1:PORT` can move to
    /// `http://localhost:PORT`.
    ///
    /// # Panics
    ///
    /// When it has moved before.
    pub fn move_to(&self, origin: impl Into<String>) {
        let moved = self.0.shared.moved_to.set(origin.into());
        moved.expect("a fake moves once");
    }

    /// The endpoint before [`move_to`](Self::move_to), if the project has moved.
    #[must_use]
    pub fn former_endpoint(&self) -> Option<&str> {
        let shared = &self.0.shared;
        shared.moved_to.get().map(|_| &*shared.first_endpoint)
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.shared.address
    }

    /// Its own origin, `http://127.0.0.1:PORT`. It is also the endpoint, unless another one is set.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.shared.url
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// Closes the listener and all connections, including those with an open request. Users, keys and
    /// sessions stay.
    pub fn stop(&self) {
        self.server().take();
    }

    /// Listens again, on the same port and with the same users, keys and sessions.
    ///
    /// # Panics
    ///
    /// When another program uses the port now.
    pub async fn restart(&self) {
        self.stop();
        let listener = listen(self.address()).await;
        *self.server() = Some(Server::start(&self.0.shared, listener));
    }

    /// Closes all open connections and continues to listen, as a server closes connections that were
    /// idle for too long.
    pub fn close_connections(&self) {
        if let Some(server) = &*self.server() {
            server.close_connections();
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        let server = self.0.server.lock();
        server.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeAuthgear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeAuthgear")
            .field("endpoint", &self.endpoint())
            .field("address", &self.address())
            .field("running", &self.server().is_some())
            .finish_non_exhaustive()
    }
}

/// A [`FakeAuthgear`] before it starts.
#[derive(Clone)]
#[must_use]
pub struct FakeAuthgearBuilder {
    endpoint: Option<String>,
    clock: Clock,
    cookie_prefix: String,
    listen: SocketAddr,
    trust_proxy: bool,
    webhook_secret: Option<String>,
}

impl FakeAuthgearBuilder {
    /// The public origin, as if it were behind a proxy: the issuer, the audience, and the host and scheme
    /// that requests must have. Default: its own, `http://127.0.0.1:PORT`.
    pub fn endpoint(mut self, origin: impl Into<String>) -> Self {
        self.endpoint = Some(origin.into());
        self
    }

    /// The clock for issue times and expiry. Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The prefix of the cookies that the resolver reads. Default: none.
    pub fn cookie_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.cookie_prefix = prefix.into();
        self
    }

    /// The address on which it listens. Default: a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Whether `X-Forwarded-Host` and `X-Forwarded-Proto` replace the host and scheme of a request.
    /// Default: true.
    pub fn trust_proxy(mut self, trust: bool) -> Self {
        self.trust_proxy = trust;
        self
    }

    /// The secret that signs webhooks. Default: a random one.
    pub fn webhook_secret(mut self, secret: impl Into<String>) -> Self {
        self.webhook_secret = Some(secret.into());
        self
    }

    /// Starts it in the current tokio runtime.
    ///
    /// # Panics
    ///
    /// When it cannot listen on the address, and outside of a tokio runtime.
    pub async fn start(self) -> FakeAuthgear {
        let listener = listen(self.listen).await;
        let address = listener.local_addr().expect("a bound listener");
        let url = format!("http://{address}");
        let (webhooks, delivering) = Webhooks::start(self.webhook_secret);
        let shared = Arc::new(Shared {
            first_endpoint: self.endpoint.unwrap_or_else(|| url.clone()),
            moved_to: OnceLock::new(),
            url,
            address,
            state: Mutex::new(State {
                keys: KeyRing::new(self.clock.now().unix().as_secs()),
                accounts: HashMap::new(),
                sessions: Sessions::default(),
                webhooks,
            }),
            clock: self.clock,
            cookie_prefix: self.cookie_prefix,
            trust_proxy: self.trust_proxy,
            traffic: Default::default(),
        });
        let server = Server::start(&shared, listener);
        FakeAuthgear(Arc::new(Handle {
            shared,
            server: Mutex::new(Some(server)),
            delivering,
        }))
    }
}

/// Prints no secret.
impl fmt::Debug for FakeAuthgearBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeAuthgearBuilder")
            .field("endpoint", &self.endpoint)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Waits for an address that is in use: when a fake was stopped for a moment, the outgoing connection of
/// a client may have its port.
///
/// # Panics
///
/// When it cannot listen on the address.
async fn listen(address: SocketAddr) -> TcpListener {
    let mut attempts = 0;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < MAX_ATTEMPTS => {
                attempts += 1;
                sleep(PAUSE).await;
            }
            Err(error) => panic!("cannot listen on {address}: {error}"),
        }
    }
}

const MAX_ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);
