//! Authgear's own cookies are one credential: they are asked about together.

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Session, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, SessionResolver};
use http::{HeaderValue, Method, header};

use crate::support::{Answer, api, assert_refused, optional_api, send, with_headers};

const NOW: u64 = 1_800_000_000;

/// The two modes in which Authgear's cookies are credentials, with answers kept for as long.
fn modes(fake: &FakeAuthgear, prefix: &str, kept: Duration) -> [Authgear; 2] {
    let builder = || {
        Authgear::builder(fake.endpoint())
            .token_cookie("token")
            .dangerous()
            .clock(fake.clock().clone())
    };
    let resolver = SessionResolver::new().cookie_prefix(prefix);
    let live = LiveSessions::within(kept)
        .session_cookies()
        .session_resolver(resolver.clone());
    [
        builder()
            .session_resolver(resolver.cache_ttl(kept))
            .build()
            .unwrap(),
        builder().live_sessions(live).build().unwrap(),
    ]
}

async fn frozen(prefix: &str) -> FakeAuthgear {
    FakeAuthgear::builder()
        .clock(Clock::frozen_at(NOW))
        .cookie_prefix(prefix)
        .start()
        .await
}

/// Counts the questions about credentials, and not those about the resolver itself.
struct Asked<'f>(&'f FakeAuthgear, usize);

impl<'f> Asked<'f> {
    fn new(fake: &'f FakeAuthgear) -> Self {
        Self(fake, fake.requests(Endpoint::Resolver))
    }

    fn times(&self) -> usize {
        self.0.requests(Endpoint::Resolver) - self.1
    }
}

async fn with_cookies(api: &Router, cookies: &str) -> Answer {
    send(api, with_headers(&[("cookie", cookies)])).await
}

/// The pairs `app_session`, `app_access_token` (opaque) and `session` of a session.
fn pairs(session: &Session, prefix: &str) -> [String; 3] {
    let cookies = session.cookies();
    [
        cookies.app_session().pair(),
        format!("{prefix}app_access_token={}", session.opaque_token()),
        cookies.session().pair(),
    ]
}

#[tokio::test]
async fn all_that_came_are_sent_and_the_resolver_decides() {
    for prefix in ["", "shop_"] {
        let fake = frozen(prefix).await;
        let [alice, bob] = ["alice", "bob"].map(|name| fake.add_user(User::new(name)));
        let [first, token, last] = pairs(&fake.sign_in(&alice), prefix);
        let other = pairs(&fake.sign_in(&bob), prefix);
        let stale = ["app_session", "app_access_token", "session"]
            .map(|name| format!("{prefix}{name}=stale.value"));
        let [app_session, app_access_token, session] = &stale;
        let (alice, bob) = (Some(alice.id()), Some(bob.id()));
        for (cookies, user) in [
            // One alone, good or not.
            (vec![&first], alice),
            (vec![&token], alice),
            (vec![&last], alice),
            (vec![app_session], None),
            (vec![app_access_token], None),
            (vec![session], None),
            // A stale one beside it does not matter, wherever it stands.
            (vec![app_session, &last], alice),
            (vec![&last, app_session], alice),
            (vec![app_session, &token], alice),
            (vec![app_access_token, &last], alice),
            (vec![&first, app_access_token], alice),
            (vec![&first, session], alice),
            (vec![session, &token], alice),
            (vec![app_session, app_access_token, &last], alice),
            (vec![session, app_access_token, app_session], None),
            // The order is the resolver's, and not that of the cookies.
            (vec![&last, &other[1], app_session], bob),
            (vec![&other[2], &token, &other[0]], bob),
            (vec![&last, &token, &other[0]], bob),
            (vec![&other[2], &other[1], &first], alice),
        ] {
            let sent: Vec<&str> = cookies.iter().map(|pair| pair.as_str()).collect();
            let sent = sent.join("; ");
            for authgear in modes(&fake, prefix, Duration::from_secs(10)) {
                // Others are around them, some of names that are nearly theirs.
                let all = cookies.iter().fold(
                    "a=1; xsession=x; Session=x; shop__session=x".to_owned(),
                    |all, pair| format!("{all}; {pair};b=2; app_sessions=x; session_=x"),
                );
                let asked = Asked::new(&fake);
                let answer = with_cookies(&api(&authgear), &all).await;
                match user {
                    Some(user) => assert_eq!(answer.body, user, "{all}"),
                    None => assert_refused(&answer, 401, AuthErrorKind::SessionInvalid),
                }
                assert_eq!(asked.times(), 1);
                let question = fake.last_request(Endpoint::Resolver).unwrap();
                assert_eq!(question.header("cookie"), Some(&*sent), "{all}");
                assert_eq!(question.headers().get_all("cookie").iter().count(), 1);
                assert_eq!(question.header("authorization"), None);
            }
        }
    }
}

#[tokio::test]
async fn other_sources_come_first() {
    let fake = frozen("").await;
    let [alice, bob] = ["alice", "bob"].map(|name| fake.add_user(User::new(name)));
    let cookies = pairs(&fake.sign_in(&alice), "").join("; ");
    let session = fake.sign_in(&bob);
    let token = session.token().sign();
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let api = api(&authgear);
        // The live sessions fetch the keys first.
        authgear.ready(Duration::from_secs(10)).await.unwrap();
        let bearer = format!("Bearer {token}");
        let both = [("cookie", &*cookies), ("authorization", &*bearer)];
        assert_eq!(send(&api, with_headers(&both)).await.body, bob.id());
        let question = fake.last_request(Endpoint::Resolver).unwrap();
        assert_eq!(question.header("cookie"), None);
        let own = format!("{cookies}; token={token}");
        assert_eq!(with_cookies(&api, &own).await.body, bob.id());
        let bad = format!("{cookies}; token=a.b.c");
        let answer = with_cookies(&api, &bad).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let emptied = format!("{cookies}; token=");
        assert_eq!(with_cookies(&api, &emptied).await.body, alice.id());
    }
}

#[tokio::test]
async fn what_is_kept_is_of_all_of_them() {
    let fake = frozen("").await;
    let [alice, bob] = ["alice", "bob"].map(|name| fake.add_user(User::new(name)));
    let [first, token, last] = pairs(&fake.sign_in(&alice), "");
    let other = pairs(&fake.sign_in(&bob), "");
    let value = |pair: &str| pair.split_once('=').unwrap().1.to_owned();
    for authgear in modes(&fake, "", Duration::from_secs(60)) {
        let api = api(&authgear);
        let (alice, bob) = (alice.id(), bob.id());
        for (cookies, user) in [
            (last.clone(), alice),
            (format!("app_session=stale; {last}"), alice),
            (format!("app_session=stale2; {last}"), alice),
            (format!("app_session=stale; {}", other[2]), bob),
            (format!("{}; {last}", other[0]), bob),
            (format!("{}; {last}", other[1]), bob),
            (format!("{first}; {}", other[2]), alice),
            (format!("{first}; {token}"), alice),
            (format!("{first}; {token}; {last}"), alice),
            (format!("{first}; {token}; {}", other[2]), alice),
            (format!("{}; {token}; {last}", other[0]), bob),
            (format!("{first}; session={}", value(&token)), alice),
            (first.clone(), alice),
            // The value of one is not that of another.
            (format!("app_session={}", value(&last)), ""),
            (format!("session={}", value(&first)), ""),
            (format!("app_access_token={}", value(&first)), ""),
        ] {
            let asked = Asked::new(&fake);
            for _ in 0..3 {
                let answer = with_cookies(&api, &cookies).await;
                match user {
                    "" => assert_refused(&answer, 401, AuthErrorKind::SessionInvalid),
                    user => assert_eq!(answer.body, user, "{cookies}"),
                }
            }
            assert_eq!(asked.times(), 1, "{cookies}");
        }
        // What is around them, an empty one, and how they are spread make no other credential.
        let asked = Asked::new(&fake);
        for cookies in [
            format!("a=1; {first};{token};b=2"),
            format!("app_session=; {first}; {token}; session="),
            format!("{first}; {first}; {token}; session=\"\"; {token}"),
        ] {
            assert_eq!(with_cookies(&api, &cookies).await.body, alice);
        }
        let mut spread = with_headers(&[("cookie", &first)]);
        let field = HeaderValue::try_from(&token).unwrap();
        spread.headers_mut().append(header::COOKIE, field);
        assert_eq!(send(&api, spread).await.body, alice);
        assert_eq!(asked.times(), 0);
    }
}

#[tokio::test]
async fn two_of_a_name_that_differ_are_refused() {
    let fake = frozen("").await;
    let alice = fake.add_user(User::new("alice"));
    let good = pairs(&fake.sign_in(&alice), "");
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let (required, optional) = (api(&authgear), optional_api(&authgear));
        let asked = Asked::new(&fake);
        for pair in &good {
            let (name, _) = pair.split_once('=').unwrap();
            for cookies in [
                format!("{pair}; {name}=other"),
                format!("{name}=other; {pair}"),
                format!("{pair}; {name}=other; {pair}"),
                format!("{}; {}; {}; {name}=other", good[2], good[1], good[0]),
                format!("{pair}; {name}=\u{e9}"),
            ] {
                for (api, path) in [(&required, "/user"), (&optional, "/optional")] {
                    let mut request = with_headers(&[]);
                    *request.uri_mut() = path.parse().unwrap();
                    let field = HeaderValue::from_bytes(cookies.as_bytes()).unwrap();
                    request.headers_mut().insert(header::COOKIE, field);
                    let answer = send(api, request).await;
                    assert_refused(&answer, 400, AuthErrorKind::MultipleCredentials);
                }
            }
            let mut spread = with_headers(&[("cookie", pair)]);
            let other = HeaderValue::try_from(format!("{name}=other")).unwrap();
            spread.headers_mut().append(header::COOKIE, other);
            let answer = send(&required, spread).await;
            assert_refused(&answer, 400, AuthErrorKind::MultipleCredentials);
        }
        assert_eq!(asked.times(), 0);
        // Equal ones are one, and are sent once.
        for pair in &good {
            let answer = with_cookies(&required, &format!("{pair}; a=1; {pair}")).await;
            assert_eq!(answer.body, alice.id());
            let question = fake.last_request(Endpoint::Resolver).unwrap();
            assert_eq!(question.header("cookie"), Some(&**pair));
        }
    }
}

#[tokio::test]
async fn one_that_cannot_be_sent_spoils_them_all() {
    let fake = frozen("").await;
    let alice = fake.add_user(User::new("alice"));
    let good = pairs(&fake.sign_in(&alice), "");
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let (required, optional) = (api(&authgear), optional_api(&authgear));
        let asked = Asked::new(&fake);
        for bad in [
            &b"a b"[..],
            b"\"a\"",
            b"\"",
            b"a,b",
            b"a\\b",
            b"a\tb",
            "\u{e9}".as_bytes(),
            "\u{a0}".as_bytes(),
            b"\xff",
            b"a\xa0",
        ] {
            for (name, other) in [
                ("app_session", &good[2]),
                ("app_access_token", &good[2]),
                ("session", &good[0]),
                ("session", &String::new()),
            ] {
                let bad = [name.as_bytes(), b"=", bad].concat();
                for field in [
                    [&bad, &b"; "[..], other.as_bytes()].concat(),
                    [other.as_bytes(), b"; ", &bad].concat(),
                ] {
                    for (api, path) in [(&required, "/user"), (&optional, "/optional")] {
                        let mut request = with_headers(&[]);
                        *request.uri_mut() = path.parse().unwrap();
                        let field = HeaderValue::from_bytes(&field).unwrap();
                        request.headers_mut().insert(header::COOKIE, field);
                        let answer = send(api, request).await;
                        assert_refused(&answer, 401, AuthErrorKind::MalformedToken);
                    }
                }
            }
        }
        assert_eq!(asked.times(), 0);
        // What another cookie holds does not matter.
        let around = format!("a=\u{e9}\\\"; {}; b=\u{a0}", good[2]);
        assert_eq!(with_cookies(&required, &around).await.body, alice.id());
    }
}

#[tokio::test]
async fn together_they_have_8_kib_at_most() {
    let fake = frozen("").await;
    let alice = fake.add_user(User::new("alice"));
    let [_, _, last] = pairs(&fake.sign_in(&alice), "");
    let left = 8 * 1024 - last.split_once('=').unwrap().1.len();
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let api = api(&authgear);
        let (half, more) = ("a".repeat(left / 2), "a".repeat(left - left / 2));
        let fits = format!("app_session={half}; app_access_token={more}; {last}");
        assert_eq!(with_cookies(&api, &fits).await.body, alice.id());
        let asked = Asked::new(&fake);
        let long = "a".repeat(left + 1);
        for cookies in [
            format!("app_session={half}a; app_access_token={more}; {last}"),
            format!("{last}; app_session={long}"),
            format!("app_access_token={}; {last}", "a".repeat(60_000)),
        ] {
            let answer = with_cookies(&api, &cookies).await;
            assert_refused(&answer, 401, AuthErrorKind::TokenTooLong);
        }
        assert_eq!(asked.times(), 0);
        // Other cookies have nothing to do with it.
        let around = format!("a={long}; {last}; b={long}");
        assert_eq!(with_cookies(&api, &around).await.body, alice.id());
    }
}

#[tokio::test]
async fn emptied_ones_are_no_credential() {
    let fake = frozen("").await;
    let alice = fake.add_user(User::new("alice"));
    let good = pairs(&fake.sign_in(&alice), "");
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let (required, optional) = (api(&authgear), optional_api(&authgear));
        let asked = Asked::new(&fake);
        for cookies in [
            "session=",
            "session=\"\"",
            "app_session=; app_access_token=\"\"; session=  ",
            "session=; session=\"\"",
        ] {
            let answer = with_cookies(&required, cookies).await;
            assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
            let mut request = with_headers(&[("cookie", cookies)]);
            *request.uri_mut() = "/optional".parse().unwrap();
            assert_eq!(send(&optional, request).await.body, "nobody");
            // Without a credential there is nothing to forge.
            let cross = [("cookie", cookies), ("sec-fetch-site", "cross-site")];
            let mut request = with_headers(&cross);
            *request.method_mut() = Method::POST;
            let answer = send(&required, request).await;
            assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
        }
        assert_eq!(asked.times(), 0);
        for pair in &good {
            let (name, _) = pair.split_once('=').unwrap();
            for cookies in [
                format!("{name}=; {pair}"),
                format!("{pair}; {name}=\"\"; session=\"\""),
                format!("app_session=; app_access_token=; session=; {pair}"),
            ] {
                assert_eq!(with_cookies(&required, &cookies).await.body, alice.id());
                let question = fake.last_request(Endpoint::Resolver).unwrap();
                assert_eq!(question.header("cookie"), Some(&**pair));
            }
            let cross = [("cookie", &**pair), ("sec-fetch-site", "same-site")];
            let mut request = with_headers(&cross);
            *request.method_mut() = Method::POST;
            let answer = send(&required, request).await;
            assert_refused(&answer, 403, AuthErrorKind::CrossOriginRequest);
        }
    }
}

/// A sibling subdomain can set each of these; for the resolver they are others, and so for us.
#[tokio::test]
async fn their_names_are_compared_byte_by_byte() {
    let fake = frozen("").await;
    let alice = fake.add_user(User::new("alice"));
    let good = pairs(&fake.sign_in(&alice), "");
    for authgear in modes(&fake, "", Duration::from_secs(10)) {
        let api = api(&authgear);
        for pair in &good {
            for around in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "%20", "$", "_"] {
                let asked = Asked::new(&fake);
                let (name, value) = pair.split_once('=').unwrap();
                for other in [
                    format!("{around}{pair}"),
                    format!("{name}{around}={value}"),
                    format!("{}={value}", name.to_ascii_uppercase()),
                ] {
                    let mut request = with_headers(&[]);
                    let field = HeaderValue::from_bytes(other.as_bytes()).unwrap();
                    request.headers_mut().insert(header::COOKIE, field);
                    let answer = send(&api, request).await;
                    assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
                    assert_eq!(asked.times(), 0);
                }
            }
            let blanks = format!("a=1;\t {pair} \t;b=2");
            assert_eq!(with_cookies(&api, &blanks).await.body, alice.id());
        }
    }
}

#[tokio::test]
async fn a_token_among_them_bounds_what_is_kept() {
    let kept = Duration::from_secs(600);
    for mode in [0, 1] {
        let fake = frozen("").await;
        let alice = fake.add_user(User::new("alice"));
        let session = fake.sign_in(&alice);
        let [first, _, last] = pairs(&session, "");
        let api = api(&modes(&fake, "", kept)[mode]);
        let asks = |cookies: String| {
            let (api, fake, alice) = (&api, &fake, &alice);
            async move {
                let asked = Asked::new(fake);
                assert_eq!(with_cookies(api, &cookies).await.body, alice.id());
                asked.times()
            }
        };
        // Whichever of them the resolver took.
        let token = session.token().lifetime(Duration::from_secs(300)).sign();
        for others in [
            format!("app_access_token={token}"),
            format!("{first}; app_access_token={token}"),
            format!("app_access_token={token}; {last}"),
        ] {
            assert_eq!(asks(others.clone()).await, 1);
            assert_eq!(asks(others).await, 0);
        }
        fake.clock().shift_millis(299_000);
        assert_eq!(asks(format!("app_access_token={token}; {last}")).await, 0);
        fake.clock().shift_millis(1_000);
        assert_eq!(asks(format!("app_access_token={token}; {last}")).await, 1);

        // One that cannot be read, or ended a moment ago by a clock that need not be Authgear's.
        for value in ["a.b.c", "a.b", &token] {
            for _ in 0..2 {
                let cookies = format!("app_access_token={value}; {last}");
                assert_eq!(asks(cookies).await, 1, "{value}");
            }
        }
        fake.clock().shift_millis(59_000);
        for _ in 0..2 {
            assert_eq!(asks(format!("app_access_token={token}; {last}")).await, 1);
        }
        // One that ended long ago is not what the resolver took.
        fake.clock().shift_millis(1_000);
        assert_eq!(asks(format!("app_access_token={token}; {last}")).await, 1);
        assert_eq!(asks(format!("app_access_token={token}; {last}")).await, 0);
        // Neither of the others is a token of that kind, whatever it looks like.
        assert!(last.contains('.'));
        for cookies in [
            format!("app_session=a.b.c; {last}"),
            format!("app_session={token}; {last}"),
            last.clone(),
        ] {
            assert_eq!(asks(cookies.clone()).await, 1);
            assert_eq!(asks(cookies).await, 0);
        }
    }
}
