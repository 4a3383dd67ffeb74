//! Two different credentials never get one another's answer.

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{Authgear, SessionResolver};
use futures_util::future::join_all;
use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::cases::cases;
use crate::support::{api, send, with_headers};

/// What a value was made for.
const VALUES: [&str; 5] = ["jwt", "opaque", "app_session", "session", "garbage"];
/// How it is carried: Authgear's cookies in the order of the resolver, and as a bearer.
const FORMS: [&str; 4] = ["app_session", "app_access_token", "session", "bearer"];

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
    let resolver = SessionResolver::new()
        .cookie_prefix(prefix)
        .cache_ttl(Duration::from_secs(3_600))
        // Small, so that answers are pushed out as well.
        .cache_capacity(24);
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .build()
        .unwrap();
    World {
        users,
        prefix,
        api: api(&authgear),
        _fake: fake,
    }
}

/// One value in a request: whose, of which kind, carried how, and under the prefix or without.
type Carried = (usize, usize, usize, bool);

/// What must come of a request: its user, or the status of its refusal.
fn wanted<'w>(world: &'w World, request: &[Carried]) -> Result<&'w str, StatusCode> {
    let of = |form: &str| {
        let reaches = move |with_prefix: bool| with_prefix || world.prefix.is_empty();
        let carried = request.iter().filter(move |(_, _, own, with_prefix)| {
            FORMS[*own] == form && (form == "bearer" || reaches(*with_prefix))
        });
        let mut values = carried.map(|(user, value, ..)| {
            let (id, values) = &world.users[*user];
            (&**id, VALUES[*value], &*values[*value])
        });
        let first = values.next();
        let differs = values.any(|(_, _, value)| first.is_some_and(|first| first.2 != value));
        (first, differs)
    };
    let (bearer, differs) = of("bearer");
    let forms = match bearer {
        // Equal ones too: the field must be there once.
        _ if differs || request.iter().filter(|carried| carried.2 == 3).count() > 1 => {
            return Err(StatusCode::BAD_REQUEST);
        }
        Some(_) => &FORMS[3..],
        None => &FORMS[..3],
    };
    if forms.iter().any(|form| of(form).1) {
        return Err(StatusCode::BAD_REQUEST);
    }
    forms
        .iter()
        .filter_map(|form| of(form).0.filter(|(_, kind, _)| is_good(kind, form)))
        .map(|(id, ..)| id)
        .next()
        .ok_or(StatusCode::UNAUTHORIZED)
}

async fn run(world: &World, requests: Vec<Vec<Carried>>) -> Result<(), TestCaseError> {
    let answers = requests.iter().map(|request| async move {
        let mut fields = Vec::new();
        let mut cookies = Vec::new();
        for &(user, value, form, with_prefix) in request {
            let value = &world.users[user].1[value];
            match FORMS[form] {
                "bearer" => fields.push(("authorization", format!("Bearer {value}"))),
                form => {
                    let prefix = if with_prefix { world.prefix } else { "" };
                    cookies.push(format!("{prefix}{form}={value}"));
                }
            }
        }
        fields.push(("cookie", cookies.join("; ")));
        let fields: Vec<_> = fields.iter().map(|(name, text)| (*name, &**text)).collect();
        let answer = send(&world.api, with_headers(&fields)).await;
        match wanted(world, request) {
            Ok(id) => prop_assert_eq!(&answer.body, id, "{:?}", fields),
            Err(status) => prop_assert_eq!(answer.status, status, "{:?}", fields),
        }
        Ok(())
    });
    join_all(answers).await.into_iter().collect()
}

fn hold(prefix: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(world(prefix));
    // A bearer, which decides alone, in one of eight values.
    let form = prop_oneof![7 => 0..3_usize, 1 => Just(3)];
    let carried = (0..4_usize, 0..5_usize, form, any::<bool>());
    let request = prop::collection::vec(carried, 1..4);
    let outcome = TestRunner::new(cases(128, 5_000))
        .run(&prop::collection::vec(request, 1..24), |requests| {
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
