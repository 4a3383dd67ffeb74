//! Two different credentials never get one another's answer.

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{Authgear, Resolver};
use futures_util::future::join_all;
use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{api, cases, send, with_headers};

/// What a value was made for.
const VALUES: [&str; 5] = ["jwt", "opaque", "app_session", "session", "garbage"];
/// How it is carried.
const FORMS: [&str; 4] = ["bearer", "app_session", "app_access_token", "session"];

/// Whether a value is good where it is carried.
fn is_good(value: &str, form: &str) -> bool {
    match form {
        "bearer" | "app_access_token" => matches!(value, "jwt" | "opaque"),
        form => value == form,
    }
}

struct World {
    users: Vec<(String, [String; 5])>,
    prefix: &'static str,
    api: Router,
    _fake: FakeAuthgear,
}

async fn world(prefix: &'static str) -> World {
    let fake = FakeAuthgear::builder().cookie_prefix(prefix).start().await;
    let users = (0..4)
        .map(|number| {
            let user = fake.add_user(User::new("someone"));
            let session = fake.sign_in(&user);
            let cookies = session.cookies();
            let values = [
                session.token().sign(),
                session.opaque_token(),
                cookies.app_session().value().to_owned(),
                cookies.session().value().to_owned(),
                format!("garbage{number}"),
            ];
            (user.id().to_owned(), values)
        })
        .collect();
    let resolver = Resolver::new()
        .cookie_prefix(prefix)
        .cache(Duration::from_secs(3_600))
        // Small, so that answers are pushed out as well.
        .cache_capacity(24);
    let authgear = Authgear::builder(fake.endpoint())
        .resolver(resolver)
        .build()
        .unwrap();
    World {
        users,
        prefix,
        api: api(&authgear),
        _fake: fake,
    }
}

/// One request: whose value, of which kind, carried how, and under the prefix or without.
type Request = (usize, usize, usize, bool);

async fn run(world: &World, requests: Vec<Request>) -> Result<(), TestCaseError> {
    let answers = requests
        .iter()
        .map(|&(user, value, form, with_prefix)| async move {
            let (id, values) = &world.users[user];
            let (kind, form) = (VALUES[value], FORMS[form]);
            let text = match form {
                "bearer" => format!("Bearer {}", values[value]),
                form => {
                    let prefix = if with_prefix { world.prefix } else { "" };
                    format!("{prefix}{form}={}", values[value])
                }
            };
            let name = if form == "bearer" {
                "authorization"
            } else {
                "cookie"
            };
            let answer = send(&world.api, with_headers(&[(name, &text)])).await;
            let reaches = form == "bearer" || with_prefix || world.prefix.is_empty();
            if reaches && is_good(kind, form) {
                prop_assert_eq!(&answer.body, id, "{} as {}", kind, form);
            } else {
                prop_assert_eq!(
                    answer.status,
                    StatusCode::UNAUTHORIZED,
                    "{} as {}",
                    kind,
                    form
                );
            }
            Ok(())
        });
    join_all(answers).await.into_iter().collect()
}

fn hold(prefix: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(world(prefix));
    let request = (0..4_usize, 0..5_usize, 0..4_usize, any::<bool>());
    let config = Config {
        cases: cases(128, 5_000),
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(request, 1..24), |requests| {
        runtime.block_on(run(&world, requests))
    });
    outcome.unwrap();
}

#[test]
fn property_two_credentials_never_get_one_anothers_answer() {
    hold("");
}

#[test]
fn property_nor_do_they_under_a_prefix() {
    hold("shop_");
}
