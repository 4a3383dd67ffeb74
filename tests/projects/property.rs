//! For any token: several projects together let in exactly what the one that its issuer names would let
//! in alone, and refuse it for the same reason.

use axum_authgear::testkit::{FakeAuthgear, SigningKey, TokenBuilder, User};
use axum_authgear::{Algorithm, AuthError, AuthErrorKind, Authgear, AuthgearBuilder};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases::cases;
use crate::stage::all_have_keys;

const PROJECTS: usize = 3;
const KIDS: [&str; 4] = ["same", "own", "shared", "nobodys"];

/// A token: which project's it is, and how it was changed.
#[derive(Clone, Debug)]
struct Case {
    issued_by: usize,
    /// Whose key of `KIDS` signs, and under which of the names.
    signed_by: (usize, usize),
    kid: usize,
    changes: Vec<(usize, usize)>,
}

fn case() -> impl Strategy<Value = Case> {
    let change = (0..CHANGES, 0..PROJECTS);
    (
        0..PROJECTS,
        (0..PROJECTS, 0..KIDS.len()),
        prop_oneof![4 => Just(None), 1 => (0..KIDS.len()).prop_map(Some)],
        prop_oneof![2 => Just(None), 1 => (0..PROJECTS).prop_map(Some)],
        prop::collection::vec(change, 0..3),
    )
        .prop_map(|(issued_by, (other, key), kid, signer, changes)| Case {
            issued_by,
            signed_by: (signer.map_or(issued_by, |_| other), key),
            kid: kid.unwrap_or(key),
            changes,
        })
}

const CHANGES: usize = 14;

fn change(
    token: TokenBuilder,
    (change, other): (usize, usize),
    fakes: &[FakeAuthgear],
) -> TokenBuilder {
    let issuer = fakes[other].endpoint();
    match change {
        0 => token.claim("iss", issuer),
        1 => token.claim("aud", json!([issuer])),
        2 => token.claim("aud", json!(["https://api.example.com", issuer])),
        3 => token.claim("iss", format!("{issuer}/")),
        4 => token.claim("iss", json!([issuer])),
        5 => token.remove_claim("iss"),
        6 => token.client_id(["web", "mobile", "partner"][other]),
        7 => token.claim("exp", 1_000 + other as u64),
        8 => token.claim("exp", Value::Null),
        9 => token.header("typ", ["JWT", "at+jwt", "application/at+jwt"][other]),
        10 => token.header("alg", ["none", "RS256", "RS384"][other]),
        11 => token.claim("sub", ["", "client_id_web", "alice"][other]),
        12 => token.tamper_signature(),
        _ => token.header("crit", json!(["exp"])),
    }
}

struct World {
    fakes: Vec<FakeAuthgear>,
    users: Vec<User>,
    keys: Vec<[SigningKey; 4]>,
    union: Authgear,
    alone: Vec<Authgear>,
}

impl World {
    async fn new() -> Self {
        let mut world = (Vec::new(), Vec::new(), Vec::new());
        let shared = SigningKey::rsa().with_kid("shared");
        for number in 0..PROJECTS {
            let fake = FakeAuthgear::start().await;
            let own = SigningKey::rsa().with_kid(format!("own{number}"));
            let same = SigningKey::rsa().with_kid("same");
            for key in [&same, &own, &shared] {
                fake.list_key(key);
            }
            world
                .1
                .push(fake.add_user(User::new("alice").with_id("alice")));
            world.2.push([
                same,
                own,
                shared.clone(),
                SigningKey::rsa().with_kid("nobodys"),
            ]);
            world.0.push(fake);
        }
        let (fakes, users, keys) = world;
        let builders = || {
            fakes
                .iter()
                .enumerate()
                .map(|(number, fake)| builder(number, fake))
        };
        let union = Authgear::any_of(builders()).build().unwrap();
        all_have_keys(&union).await;
        let mut alone = Vec::new();
        for builder in builders() {
            alone.push(crate::support::ready(builder).await);
        }
        Self {
            fakes,
            users,
            keys,
            union,
            alone,
        }
    }

    fn token(&self, case: &Case) -> String {
        let fake = &self.fakes[case.issued_by];
        let (signer, key) = case.signed_by;
        let key = &self.keys[signer][key];
        let kid = self.keys[case.issued_by][case.kid].kid();
        // Long ago, so that nobody waits for keys that may be younger.
        let issued_at = fake.clock().now().unix().as_secs() - 1_000;
        let token = fake.token(&self.users[case.issued_by]).issued_at(issued_at);
        let token = token.client_id("web").signed_by(key).kid(kid);
        let changes = case.changes.iter();
        changes
            .fold(token, |token, own| change(token, *own, &self.fakes))
            .sign()
    }
}

/// Each with rules of its own.
fn builder(number: usize, fake: &FakeAuthgear) -> AuthgearBuilder {
    let builder = Authgear::builder(fake.endpoint());
    match number {
        0 => builder,
        1 => builder
            .client_ids(["web"])
            .algorithms([Algorithm::RS256, Algorithm::RS384]),
        _ => builder
            .audience(fake.endpoint())
            .audience("https://api.example.com"),
    }
}

fn outcome(outcome: Result<axum_authgear::AuthUser, AuthError>) -> Result<String, AuthErrorKind> {
    outcome
        .map(|user| user.key().as_str().to_owned())
        .map_err(|error| error.kind())
}

/// The issuer that a token names, read by another parser than the crate's.
fn named_issuer(token: &str) -> Option<String> {
    let claims: Value = serde_json::from_str(&crate::confusion::claims_of(token)).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

#[test]
fn property_together_they_decide_as_the_named_one_would_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let mut runner = proptest::test_runner::TestRunner::new(cases(400, 20_000));
    let mut let_in = std::cell::Cell::new(0);
    runner
        .run(&case(), |case| {
            let token = world.token(&case);
            let together = outcome(runtime.block_on(world.union.verify(&token)));
            let issuer = named_issuer(&token);
            let named = world
                .fakes
                .iter()
                .position(|fake| Some(fake.endpoint()) == issuer.as_deref());
            if let Some(named) = named {
                let alone = outcome(runtime.block_on(world.alone[named].verify(&token)));
                if together == Err(AuthErrorKind::MalformedClaims) {
                    // Such claims name nobody: alone, the header may be looked at before them.
                    prop_assert!(alone.is_err(), "{:?}", alone);
                } else {
                    prop_assert_eq!(&together, &alone);
                }
            } else {
                let kinds = [
                    AuthErrorKind::WrongIssuer,
                    AuthErrorKind::MissingIssuer,
                    AuthErrorKind::MalformedClaims,
                ];
                prop_assert!(kinds.map(Err).contains(&together), "{:?}", together);
            }
            // Once more, from the cache.
            let again = outcome(runtime.block_on(world.union.verify(&token)));
            prop_assert_eq!(&together, &again);
            let_in.set(let_in.get() + usize::from(together.is_ok()));
            Ok(())
        })
        .unwrap();
    assert!(
        *let_in.get_mut() > 20,
        "a test in which nobody is let in shows nothing"
    );
}
