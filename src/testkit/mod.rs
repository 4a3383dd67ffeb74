//! A fake Authgear on a loopback port, for tests.
//!
//! [`FakeAuthgear`] answers over HTTP as one project of a real server does: discovery, the JWKS and
//! the session resolver. A test signs users in, disables and deletes them, issues their tokens, rotates
//! keys, sends webhooks and makes endpoints fail. The fake has only what a resource server uses: no
//! login pages and no token endpoint.
//!
//! # Example
//!
//! ```
//! use axum_authgear::testkit::{FakeAuthgear, User};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let fake = FakeAuthgear::start().await;
//! let alice = fake.add_user(User::new("alice").roles(["admin"]).verified(true));
//!
//! // Configure the application under test with this endpoint ...
//! assert!(fake.endpoint().starts_with("http://127.0.0.1:"));
//! // ... and send it tokens such as these:
//! let good = fake.token(&alice).sign();
//! let expired = fake.token(&alice).issued_at(1_000_000_000).sign();
//! let client = fake.client_token("worker", "https://api.example.com").sign();
//! # assert!(good != expired && good != client);
//! # }
//! ```
//!
//! # A public origin, a clock, faults
//!
//! ```
//! use std::time::Duration;
//!
//! use axum_authgear::testkit::{Clock, Endpoint, FakeAuthgear, Fault, SigningKey, User};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = Clock::frozen_at(1_800_000_000);
//! let fake = FakeAuthgear::builder()
//!     .endpoint("https://auth.shop.example") // the issuer; it still listens on `fake.url()`
//!     .clock(clock.clone())
//!     .cookie_prefix("shop_")
//!     .start()
//!     .await;
//! let alice = fake.add_user(User::new("alice"));
//!
//! // One session, and all its credentials.
//! let session = fake.sign_in(&alice);
//! let jwt = session.token().client_id("mobile").lifetime(Duration::from_secs(300)).sign();
//! let cookie = session.cookies().session().pair();
//! assert!(cookie.starts_with("shop_session="));
//! fake.end_session(&session);
//!
//! // Tokens that must be refused.
//! let forged = fake.token(&alice).signed_by(&SigningKey::rsa()).kid(fake.signing_kid()).sign();
//! let odd = fake.token(&alice).claim("exp", "tomorrow").header("crit", vec!["exp"]).sign();
//! # assert!(jwt != forged && jwt != odd);
//!
//! // Faults.
//! fake.fail(Endpoint::Jwks, Fault::Status(503));
//! fake.rotate();
//! clock.shift_millis(60_000);
//! fake.heal(Endpoint::Jwks);
//! assert_eq!(fake.requests(Endpoint::Jwks), 0);
//! # }
//! ```
//!
//! # Trust
//!
//! It is for tests only. It listens on loopback, and every user can sign in without a password. Methods
//! panic when a test makes a mistake; each method says when.
//!
//! An RSA key takes 0.1 s to make. So a process makes a few keys, and its fakes use them in turn. One
//! fake never lists a key twice, and no fake has a key of [`SigningKey::rsa`].

mod fake;
mod principal;
mod random;
mod rejection;
mod server;
mod session;
mod sign_in;
mod state;
mod time;
mod token;
mod walk;
mod webhook;

pub use self::fake::{FakeAuthgear, FakeAuthgearBuilder};
pub use self::principal::{ClientBuilder, UserBuilder, access_token, auth_client, auth_user};
pub use self::rejection::auth_rejection;
pub use self::session::{Session, SessionCookie, SessionCookies};
pub use self::sign_in::{SignIn, SignInLayer};
pub use self::state::accounts::User;
pub use self::state::faults::{Endpoint, Fault};
pub use self::state::traffic::RecordedRequest;
pub use self::state::webhooks::{Delivery, WebhookFaults};
pub use self::token::TokenBuilder;
pub use self::token::signing_key::SigningKey;
pub use self::walk::{RouteVerdict, RouteWalk, WalkReport};
pub use self::webhook::{Webhook, WebhookEvent};
pub use crate::clock::{Clock, Timestamp};
