//! A fake Authgear on a loopback port, for tests.

mod accounts;
mod fake;
mod faults;
mod key_ring;
mod keys;
mod random;
mod server;
mod session;
mod time;
mod token;
mod traffic;
mod user;
mod weak;

pub use self::fake::{FakeAuthgear, FakeAuthgearBuilder};
pub use self::faults::Fault;
pub use self::keys::SigningKey;
pub use self::session::{Session, SessionCookie, SessionCookies};
pub use self::token::TokenBuilder;
pub use self::traffic::{Endpoint, RecordedRequest};
pub use self::user::User;
