//! The table of refusals, and the rules of JWT verification: each rule with its near miss.

mod claims;
mod foreign;
mod header;
mod keys;
mod near;
mod request;
mod shape;

use axum::Router;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, TokenBuilder, User};
use axum_authgear::{AuthErrorKind, Authgear, AuthgearBuilder};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, get, optional_api, ready};

/// The second at which all clocks of these tests stand still.
const NOW: u64 = 1_800_000_000;

/// One token, and what becomes of it.
type Case = (String, String, Result<(), AuthErrorKind>);

fn good(name: impl Into<String>, token: impl Into<String>) -> Case {
    (name.into(), token.into(), Ok(()))
}

fn bad(name: impl Into<String>, token: impl Into<String>, kind: AuthErrorKind) -> Case {
    (name.into(), token.into(), Err(kind))
}

/// A fake, and an API that takes its tokens, at one moment.
struct World {
    fake: FakeAuthgear,
    alice: User,
    authgear: Authgear,
    required: Router,
    optional: Router,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| (), |builder| builder).await
    }

    /// `prepare` changes the fake before its keys are fetched.
    async fn with(
        prepare: impl FnOnce(&FakeAuthgear),
        configure: impl FnOnce(AuthgearBuilder) -> AuthgearBuilder,
    ) -> Self {
        let clock = Clock::frozen_at(NOW);
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        let alice = fake.add_user(User::new("alice"));
        prepare(&fake);
        let builder = Authgear::builder(fake.endpoint()).dangerous().clock(clock);
        let authgear = ready(configure(builder)).await;
        Self {
            required: api(&authgear),
            optional: optional_api(&authgear),
            fake,
            alice,
            authgear,
        }
    }

    /// A good token of Alice, to be spoilt.
    fn token(&self) -> TokenBuilder {
        self.fake.token(&self.alice)
    }

    /// The claims of a good token.
    fn claims(&self) -> Map<String, Value> {
        decode(self.token().sign().split('.').nth(1).unwrap())
    }

    /// The header of a good token.
    fn header(&self) -> Map<String, Value> {
        decode(self.token().sign().split('.').next().unwrap())
    }

    /// Shows each token to a required route, to an optional one, and to `verify`.
    async fn check(&self, cases: impl IntoIterator<Item = Case>) {
        for (name, token, wanted) in cases {
            let verified = self.authgear.verify(&token).await;
            let verified = verified.map(|_| ()).map_err(|error| error.kind());
            assert_eq!(verified, wanted, "{name}");
            for (api, path) in [(&self.required, "/user"), (&self.optional, "/optional")] {
                let answer = get(api, path, &token).await;
                match wanted {
                    Ok(()) => assert_passed(&name, &answer, self.alice.id()),
                    Err(kind) => assert_refused(&name, &answer, kind),
                }
            }
        }
    }
}

fn decode(part: &str) -> Map<String, Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

/// A JSON object with one more member at its end, whatever it already has.
fn with_member(members: &Map<String, Value>, name: &str, value: &str) -> String {
    let text = Value::Object(members.clone()).to_string();
    let text = text.strip_suffix('}').unwrap();
    format!("{text},{name}:{value}}}")
}

/// A name between quotes, its first letter as an escape: `"\u0069ss"`.
fn escaped(name: &str) -> String {
    let first = u32::from(name.chars().next().unwrap());
    format!("\"\\u{first:04x}{}\"", &name[1..])
}
