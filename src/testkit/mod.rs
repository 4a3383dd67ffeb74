//! A fake Authgear on a loopback port, for tests.

mod accounts;
mod delivery;
mod fake;
mod faults;
mod handmade;
mod key_ring;
mod keys;
mod lifecycle;
mod mint;
mod random;
mod server;
mod session;
mod time;
mod token;
mod traffic;
mod user;
mod weak;
mod webhook;

pub use self::delivery::{Delivery, WebhookFaults};
pub use self::fake::{FakeAuthgear, FakeAuthgearBuilder};
pub use self::faults::Fault;
pub use self::handmade::{ClientBuilder, SignIn, SignedIn, UserBuilder, client, user};
pub use self::keys::SigningKey;
pub use self::session::{Session, SessionCookie, SessionCookies};
pub use self::token::TokenBuilder;
pub use self::traffic::{Endpoint, RecordedRequest};
pub use self::user::User;
pub use self::webhook::{Webhook, WebhookEvent};
