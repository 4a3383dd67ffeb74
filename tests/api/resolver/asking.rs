//! What is asked, and what becomes of the answer.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, SessionResolver};
use http::{Method, header};

use crate::faults;
use crate::support::{
    api, assert_refused, assert_says, describing_api, get, send, with_bearer, with_headers,
};

fn ask(fake: &FakeAuthgear) -> Authgear {
    Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .build()
        .unwrap()
}

fn names(fake: &FakeAuthgear) -> Vec<String> {
    let request = fake.last_request(Endpoint::Resolver).unwrap();
    let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_credential_of_a_session_is_its_user_and_an_ended_one_is_nobodys() {
    let fake = FakeAuthgear::start().await;
    let user = User::new("alice")
        .roles(["editor", "billing:admin"])
        .verified(true);
    let alice = fake.add_user(user);
    let session = fake.sign_in_at(&alice, 1_700_000_000);
    fake.set_session_amr(&session, ["pwd", "mfa"]);
    let api = describing_api(&ask(&fake));
    let cookies = session.cookies();
    let bearer = |token: String| ("authorization", format!("Bearer {token}"));
    let credentials = [
        bearer(session.token().sign()),
        bearer(session.opaque_token()),
        ("cookie", cookies.app_session().pair()),
        ("cookie", cookies.app_access_token().pair()),
        ("cookie", cookies.session().pair()),
    ];
    for (name, value) in &credentials {
        let answer = send(&api, with_headers(&[(name, value)])).await;
        let id = format!("id={}", alice.id());
        let issuer = format!("issuer={}", fake.endpoint());
        let wanted = [
            &*id,
            "anonymous=false",
            "verified=true",
            "reauthenticate=true",
            "roles=editor,billing:admin",
            "amr=pwd,mfa",
            "time=Some(1700000000)",
            "client=None",
            "scopes=",
            "expires=false",
            &*issuer,
            "by=resolver",
        ];
        assert_says(&answer, &wanted);
        // One credential, and nothing else of the request.
        assert_eq!(names(&fake), ["accept", name, "host", "user-agent"]);
    }
    fake.disable(&alice);
    for (name, value) in &credentials {
        for path in ["/user", "/optional"] {
            let mut request = with_headers(&[(name, value)]);
            *request.uri_mut() = path.parse().unwrap();
            assert_refused(
                &send(&api, request).await,
                401,
                AuthErrorKind::SessionInvalid,
            );
        }
    }
    let none = with_headers(&[]);
    assert_refused(
        &send(&api, none).await,
        401,
        AuthErrorKind::MissingCredential,
    );
}

#[tokio::test]
async fn the_first_source_is_final() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let (session, other) = (fake.sign_in(&alice), fake.sign_in(&bob));
    let api = api(&ask(&fake));
    let good = session.cookies();
    let all = [good.app_session(), good.app_access_token(), good.session()];
    let all: Vec<_> = all.iter().map(|cookie| cookie.pair()).collect();
    let cookies = all.join("; ");
    let token = format!("Bearer {}", other.token().sign());

    // Authgear itself would pass the bad bearer over, and answer with the cookie's user.
    let bad = [("authorization", "Bearer garbage"), ("cookie", &*cookies)];
    let answer = send(&api, with_headers(&bad)).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(
        fake.last_request(Endpoint::Resolver)
            .unwrap()
            .header("cookie"),
        None
    );

    let both = [("authorization", &*token), ("cookie", &*cookies)];
    let answer = send(&api, with_headers(&both)).await;
    assert_eq!(answer.body, bob.id());

    // Authgear's own cookies are one source: which of them counts, the resolver says.
    for cookies in [
        cookies.clone(),
        format!("app_session=garbage; {}", all[1..].join("; ")),
        format!("app_access_token=garbage; {}", all[2]),
        format!("session=garbage; {}", all[0]),
    ] {
        let answer = send(&api, with_headers(&[("cookie", &cookies)])).await;
        assert_eq!(answer.body, alice.id(), "{cookies}");
    }
    let asked = fake.requests(Endpoint::Resolver);
    let twice = format!("{}; session=garbage", good.session().pair());
    let answer = send(&api, with_headers(&[("cookie", &twice)])).await;
    assert_refused(&answer, 400, AuthErrorKind::MultipleCredentials);
    let answer = send(&api, with_headers(&[("authorization", "Basic YTpi")])).await;
    assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
    assert_eq!(
        fake.requests(Endpoint::Resolver),
        asked,
        "nothing was asked"
    );
}

#[tokio::test]
async fn what_cannot_be_a_credential_is_refused_here() {
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .token_cookie("token")
        .build()
        .unwrap();
    let api = api(&authgear);
    let long = "a".repeat(8 * 1024 + 1);
    for (name, value, kind) in [
        (
            "authorization",
            format!("Bearer {long}"),
            AuthErrorKind::TokenTooLong,
        ),
        (
            "cookie",
            format!("session={long}"),
            AuthErrorKind::TokenTooLong,
        ),
        (
            "cookie",
            "session=a b".to_owned(),
            AuthErrorKind::MalformedToken,
        ),
        (
            "cookie",
            "app_session=\"a\"".to_owned(),
            AuthErrorKind::MalformedToken,
        ),
        (
            "cookie",
            "token=a=b".to_owned(),
            AuthErrorKind::MalformedToken,
        ),
    ] {
        let answer = send(&api, with_headers(&[(name, &value)])).await;
        assert_refused(&answer, 401, kind);
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 0);
    let fits = &long[1..];
    let answer = get(&api, "/user", fits).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(fake.requests(Endpoint::Resolver), 1);
}

#[tokio::test]
async fn a_cookie_of_the_apis_own_goes_to_the_resolver_as_a_bearer() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).token().sign();
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .token_cookie("token")
        .build()
        .unwrap();
    let api = api(&authgear);
    let cookie = format!("token={token}; other=1");
    let answer = send(&api, with_headers(&[("cookie", &cookie)])).await;
    assert_eq!(answer.body, alice.id());
    let asked = fake.last_request(Endpoint::Resolver).unwrap();
    assert_eq!(
        asked.header("authorization"),
        Some(&*format!("Bearer {token}"))
    );
    assert_eq!(asked.header("cookie"), None);
    // It is a cookie all the same.
    let mut request = with_headers(&[("cookie", &cookie), ("sec-fetch-site", "cross-site")]);
    *request.method_mut() = Method::POST;
    assert_refused(
        &send(&api, request).await,
        403,
        AuthErrorKind::CrossOriginRequest,
    );
}

#[tokio::test]
async fn a_cross_site_request_with_a_session_cookie_is_refused_unasked() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let cookie = fake.sign_in(&alice).cookies().session().pair();
    let api = api(&ask(&fake));
    for (method, site, upgrade, is_good) in [
        (Method::POST, "cross-site", false, false),
        (Method::POST, "same-site", false, false),
        (Method::GET, "cross-site", true, false),
        (Method::POST, "same-origin", false, true),
        (Method::GET, "cross-site", false, true),
    ] {
        let asked = fake.requests(Endpoint::Resolver);
        let mut headers = vec![("cookie", &*cookie), ("sec-fetch-site", site)];
        if upgrade {
            headers.push(("upgrade", "websocket"));
        }
        let mut request = with_headers(&headers);
        *request.method_mut() = method;
        let answer = send(&api, request).await;
        if is_good {
            assert_eq!(answer.body, alice.id());
        } else {
            assert_refused(&answer, 403, AuthErrorKind::CrossOriginRequest);
        }
        let asked = fake.requests(Endpoint::Resolver) - asked;
        assert_eq!(asked, usize::from(is_good));
    }
}

#[tokio::test]
async fn agent_and_address_are_forwarded_and_nothing_that_the_client_made_up() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).token().sign();
    let request = |peer: &str| {
        let mut request = with_bearer("/user", &token);
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, "Browser/1".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.66".parse().unwrap());
        headers.append("x-forwarded-for", "198.51.100.7, 10.0.0.2".parse().unwrap());
        headers.insert("forwarded", "for=192.0.2.66".parse().unwrap());
        headers.insert("x-real-ip", "192.0.2.66".parse().unwrap());
        headers.insert("x-authgear-user-id", "admin".parse().unwrap());
        let address = SocketAddr::new(peer.parse().unwrap(), 1234);
        request.extensions_mut().insert(ConnectInfo(address));
        request
    };
    let builder = || Authgear::builder(fake.endpoint()).trusted_proxies(["10.0.0.0/8"]);
    let asked = |authgear: Authgear, peer: &'static str| {
        let (fake, request) = (fake.clone(), request(peer));
        async move {
            assert!(send(&api(&authgear), request).await.status.is_success());
            let asked = fake.last_request(Endpoint::Resolver).unwrap();
            for name in ["forwarded", "x-real-ip", "x-authgear-user-id"] {
                assert_eq!(asked.header(name), None, "{name}");
            }
            let header = |name: &str| asked.header(name).map(str::to_owned);
            (header("x-forwarded-for"), header("user-agent"))
        }
    };
    let some = |text: &str| Some(text.to_owned());
    let plain = || {
        builder()
            .session_resolver(SessionResolver::new())
            .build()
            .unwrap()
    };
    assert_eq!(
        asked(plain(), "203.0.113.5").await,
        (some("203.0.113.5"), some("Browser/1"))
    );
    assert_eq!(
        asked(plain(), "10.0.0.1").await,
        (some("198.51.100.7"), some("Browser/1"))
    );
    let resolver = SessionResolver::new()
        .forward_user_agent(false)
        .forward_client_address(false);
    let (address, agent) = asked(
        builder().session_resolver(resolver).build().unwrap(),
        "10.0.0.1",
    )
    .await;
    assert_eq!(address, None);
    assert!(agent.unwrap().starts_with("axum-authgear/"));
}

#[tokio::test]
async fn an_internal_resolver_is_asked_under_the_public_name() {
    let fake = FakeAuthgear::builder()
        .endpoint("https://auth.shop.example")
        .start()
        .await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).token().sign();
    let url = format!("{}/resolve", fake.url());
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new().url(&url))
        .build()
        .unwrap();
    let answer = get(&api(&authgear), "/user", &token).await;
    assert_eq!(answer.body, alice.id(), "{answer:?}");
    let asked = fake.last_request(Endpoint::Resolver).unwrap();
    assert_eq!(asked.path(), "/resolve");
    assert_eq!(asked.header("host"), Some("auth.shop.example"));
    assert_eq!(asked.header("x-forwarded-host"), Some("auth.shop.example"));
    assert_eq!(asked.header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn set_cookie_is_passed_on_only_when_asked_for() {
    let fake = FakeAuthgear::builder().cookie_prefix("shop_").start().await;
    let bad = [("cookie", "shop_session=garbage")];
    for pass in [false, true] {
        let resolver = SessionResolver::new()
            .cookie_prefix("shop_")
            .forward_set_cookie(pass);
        let authgear = Authgear::builder(fake.endpoint())
            .session_resolver(resolver)
            .build()
            .unwrap();
        let answer = send(&api(&authgear), with_headers(&bad)).await;
        assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
        let cookie = answer.headers.get(header::SET_COOKIE);
        assert_eq!(cookie.is_some(), pass);
        if let Some(cookie) = cookie {
            assert!(cookie.to_str().unwrap().starts_with("shop_session=;"));
        }
    }
    // To those who are let in, too.
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    fake.fail(
        Endpoint::Resolver,
        faults::headers(&[
            ("x-authgear-session-valid", "true"),
            ("x-authgear-user-id", alice.id()),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]),
    );
    let resolver = SessionResolver::new().forward_set_cookie(true);
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .build()
        .unwrap();
    let answer = get(&api(&authgear), "/user", &token).await;
    assert_eq!(answer.body, alice.id());
    assert_eq!(answer.headers.get_all(header::SET_COOKIE).iter().count(), 2);
}

#[tokio::test]
async fn spoofed_headers_reach_nobody() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).token().sign();
    let authgear = ask(&fake);
    for router in [api(&authgear), crate::support::optional_api(&authgear)] {
        let mut request = with_bearer("/headers", &token);
        for name in [
            "x-authgear-user-id",
            "X-AUTHGEAR-User-Roles",
            "x_authgear_user_id",
        ] {
            request.headers_mut().append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "admin".parse().unwrap(),
            );
        }
        let answer = send(&router, request).await;
        assert!(!answer.body.contains("admin"), "{}", answer.body);
        assert!(answer.body.contains("authorization"));
    }
}

#[tokio::test]
async fn a_token_can_be_verified_outside_of_http_and_a_user_rechecked() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let authgear = ask(&fake);
    let user = authgear.verify(&session.opaque_token()).await.unwrap();
    assert_eq!(user.id(), alice.id());
    fake.set_roles(&alice, ["editor"]);
    assert!(authgear.recheck(&user).await.unwrap().has_role("editor"));
    fake.end_session(&session);
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::SessionInvalid);
    assert_eq!(
        authgear.ended(&user).await.kind(),
        AuthErrorKind::SessionInvalid
    );
}
