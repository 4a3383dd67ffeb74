//! What holds behind every gateway, whoever is asked.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};

use super::stack::Gets::{self, Alice, Refused};
use super::stack::{Asks, GRPC, MACHINES, Stack};
use super::{Kind, RetryAfter};

/// Everything that holds while this gateway asks.
pub(super) async fn holds(kind: &Kind, asks: Asks) {
    let mut stack = Stack::start(kind, asks).await;
    stack.credentials().await;
    stack.ambiguous_credentials().await;
    stack.cross_site_requests().await;
    stack.websockets().await;
    stack.spoofed_fields().await;
    stack.removed_fields().await;
    stack.absent_fields().await;
    stack.paths_of_its_own().await;
    stack.ended_and_unavailable().await;
}

impl Stack<'_> {
    async fn credentials(&self) {
        let stranger = FakeAuthgear::start().await;
        let mallory = stranger.add_user(User::new("mallory"));
        let bearer = |token: String| format!("Authorization: Bearer {token}");
        let expired = bearer(
            self.fake
                .token(&self.alice)
                .expires_at(1_000_000_000)
                .sign(),
        );
        let foreign = bearer(stranger.token(&mallory).sign());
        let machine = bearer(self.fake.client_token("worker", MACHINES).sign());
        let (good, cookie) = (self.bearer(), self.cookie());

        let (invalid, by_machine) = match self.asks {
            // It passes over what is no good: nobody is signed in.
            Asks::Resolver => (Refused(401, "Bearer"), Refused(401, "Bearer")),
            Asks::ForwardAuth("resolver") => (INVALID, INVALID),
            Asks::ForwardAuth(_) => (INVALID, Refused(403, "")),
        };
        let malformed = Refused(self.kind.malformed, "");
        let rows: &[(&[&str], Gets)] = &[
            (&[&good], Alice),
            (&[&cookie], Alice),
            (&[&good, GRPC, "TE: trailers"], Alice),
            (&[], Refused(401, "Bearer")),
            (&[GRPC, "TE: trailers"], Refused(401, "Bearer")),
            (&["Authorization: Bearer garbage"], invalid),
            (
                &["Authorization: Basic YWxpY2U6YWxpY2U="],
                Refused(401, "Bearer"),
            ),
            (
                &["Authorization: Bearer garbage", &cookie],
                self.beside_a_good_cookie(invalid),
            ),
            (&[&expired], invalid),
            (&[&foreign], invalid),
            (&[&machine], by_machine),
            (&["Authorization: Bearer a b"], malformed),
            (
                &["Cookie: token=garbage"],
                match self.asks {
                    Asks::ForwardAuth("jwt" | "jwt+resolver") => INVALID,
                    _ => Refused(401, "Bearer"),
                },
            ),
            (&["Cookie: token="], Refused(401, "Bearer")),
        ];
        for (headers, gets) in rows {
            self.expect("GET", "/me", headers, *gets).await;
        }
        let answer = self.gateway.send("GET", "/me", &[]).await;
        let has_body = answer.text.contains("missing_credential");
        assert_eq!(has_body, self.kind.passes_body, "{answer:?}");
    }

    fn beside_a_good_cookie(&self, invalid: Gets) -> Gets {
        if self.asks == Asks::Resolver {
            Alice
        } else {
            invalid
        }
    }

    /// Whatever a gateway makes of two fields, it does not choose the good one.
    async fn ambiguous_credentials(&self) {
        if self.asks == Asks::Resolver {
            return;
        }
        let (bearer, cookie) = (self.bearer(), self.cookie());
        let (name, _) = cookie.split_once('=').unwrap();
        let other_cookie = format!("{name}=garbage");
        for headers in [
            [&*bearer, "Authorization: Bearer garbage"],
            ["Authorization: Bearer garbage", &bearer],
            [&cookie, &other_cookie],
            [&other_cookie, &cookie],
        ] {
            self.api.take();
            let answer = self.gateway.send("GET", "/me", &headers).await;
            assert!(
                [400, 401, 500].contains(&answer.status),
                "{headers:?}: {answer:?}"
            );
            self.assert_reached(false, &headers);
        }
    }

    async fn cross_site_requests(&self) {
        let (bearer, cookie) = (self.bearer(), self.cookie());
        let own = format!("Origin: {}", self.gateway.origin());
        let cross = "Sec-Fetch-Site: cross-site";
        let rows: &[(&str, &[&str], Gets)] = &[
            ("POST", &[&cookie, "Sec-Fetch-Site: same-origin"], Alice),
            ("POST", &[&cookie, &own], Alice),
            ("POST", &[&cookie, cross], Refused(403, "")),
            ("DELETE", &[&cookie, cross], Refused(403, "")),
            (
                "POST",
                &[&cookie, "Origin: https://evil.example"],
                Refused(403, ""),
            ),
            ("POST", &[&cookie, "Origin: null"], Refused(403, "")),
            (
                "POST",
                &[&cookie, cross, "X-Forwarded-Method: GET"],
                Refused(403, ""),
            ),
            (
                "POST",
                &[&cookie, cross, "X-Original-Method: GET"],
                Refused(403, ""),
            ),
            (
                "POST",
                &[&cookie, cross, "X_Forwarded_Method: GET"],
                Refused(403, ""),
            ),
            (
                "POST",
                &[&cookie, cross, "Sec-Fetch-Site: same-origin"],
                Refused(403, ""),
            ),
            ("GET", &[&cookie, cross], Alice),
            // A bearer proves intent.
            ("POST", &[&bearer, cross], Alice),
            ("POST", &[&bearer, "Origin: https://evil.example"], Alice),
        ];
        for (method, headers, gets) in rows {
            self.expect(method, "/me", headers, *gets).await;
        }
    }

    async fn spoofed_fields(&self) {
        let (bearer, cookie) = (self.bearer(), self.cookie());
        for spoofed in SPOOFED {
            for credential in [&bearer, &cookie] {
                let headers = [&[&**credential], *spoofed].concat();
                self.expect("GET", "/me", &headers, Alice).await;
                let answer = self.gateway.send("GET", "/fields", &headers).await;
                assert_eq!(answer.status, 200, "{spoofed:?}: {answer:?}");
                for hidden in ["x-authgear", "x_authgear", "x-gateway-secret"] {
                    assert!(!answer.text.contains(hidden), "{spoofed:?}: {answer:?}");
                }
            }
            for credential in [&[][..], &["Authorization: Bearer garbage"]] {
                let headers = [credential, *spoofed].concat();
                self.expect("GET", "/me", &headers, Refused(401, "Bearer"))
                    .await;
                let answer = self.gateway.send("GET", "/open", &headers).await;
                assert!(!answer.text.contains("user_id"), "{spoofed:?}: {answer:?}");
            }
        }
    }

    /// A field that the answer does not have is not there on the other side.
    async fn absent_fields(&self) {
        let bob = self.fake.add_user(User::new("bob"));
        let token = self.fake.sign_in(&bob).token().sign();
        let bearer = format!("Authorization: Bearer {token}");
        let spoofed = "X-Authgear-User-Roles: spoofed";
        let answer = self.gateway.send("GET", "/me", &[&bearer, spoofed]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for part in [bob.id(), "\"roles\":[]", "\"is_verified\":false"] {
            assert!(answer.text.contains(part), "{answer:?}");
        }
    }

    /// Its own location, and the routes of `forward_auth` that look at no credential, are nobody's.
    async fn paths_of_its_own(&self) {
        let bearer = self.bearer();
        for path in PATHS {
            for headers in [&[][..], &["Authorization: Bearer garbage"]] {
                self.api.take();
                let answer = self.gateway.send("GET", path, headers).await;
                let refused = [400, 401, 404].contains(&answer.status);
                assert!(refused, "{path}: {answer:?}");
                self.assert_reached(false, &[path]);
            }
            let answer = self.gateway.send("GET", path, &[&bearer]).await;
            assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
            let names = answer.headers.keys().map(http::HeaderName::as_str);
            let told: Vec<_> = names.filter(|name| name.contains("authgear")).collect();
            assert!(told.is_empty(), "{path}: {told:?}");
        }
    }

    async fn ended_and_unavailable(&mut self) {
        let (bearer, cookie) = (self.bearer(), self.cookie());
        if self.asks != Asks::ForwardAuth("jwt") {
            self.fake.fail(Endpoint::Resolver, Fault::Status(500));
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            for credential in [&bearer, &cookie] {
                self.api.take();
                let answer = self.gateway.send("GET", "/me", &[credential]).await;
                assert_eq!(answer.status, self.kind.unavailable.0, "{answer:?}");
                let says = answer.header("retry-after").is_some();
                assert_eq!(
                    says,
                    self.kind.unavailable.1 != RetryAfter::Missing,
                    "{answer:?}"
                );
                assert_eq!(self.api.take().len(), 0);
            }
            self.fake.heal(Endpoint::Resolver);
            self.fake.disable(&self.alice);
            for credential in [&bearer, &cookie] {
                self.expect("GET", "/me", &[credential], Refused(401, "Bearer"))
                    .await;
            }
        }
        if let Some(example) = self.forward_auth.take() {
            drop(example);
            for headers in [&[][..], &[&*bearer], &[&*cookie]] {
                self.expect("GET", "/me", headers, Refused(self.kind.down, ""))
                    .await;
            }
        }
    }
}

const INVALID: Gets = Refused(401, r#"error="invalid_token""#);

/// What a client may try to be taken for another user.
const SPOOFED: &[&[&str]] = &[
    &[
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
        "X-Authgear-Issuer: spoofed",
    ],
    &[
        "x-authgear-session-valid: true",
        "x-AUTHGEAR-user-ID: spoofed",
        "x-authgear-ISSUER: spoofed",
    ],
    &[
        "X_Authgear_Session_Valid: true",
        "X_Authgear_User_Id: spoofed",
        "X_Authgear_Issuer: spoofed",
    ],
    &[
        "x-authgear-session_valid: true",
        "x-authgear_user-id: spoofed",
        "x_authgear-user-id: spoofed",
    ],
    &[
        "X-Authgear-Session-Valid: true",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
        "X-Authgear-User-Id: spoofed",
        "X-Authgear-User-Roles: spoofed",
    ],
    &[
        "X-Gateway-Secret: change-me-change-me-change-me-32",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
    ],
    &["X-Authgear-Anything: spoofed"],
];

/// Ways to a gateway's own location, or to a route of `forward_auth` that looks at no credential.
const PATHS: &[&str] = &[
    "/_auth",
    "/_auth/",
    "/_auth?x",
    "/_auth/orders",
    "//_auth",
    "/./_auth",
    "/x/../_auth",
    "/%5fauth",
    "/_external-auth-Lw-Prefix",
    "/readyz",
    "/healthz",
    "/../readyz",
    "/_auth/../readyz",
    "/%2e%2e/readyz",
    "/..%2freadyz",
    "/%2e%2e%2fhealthz",
    "/..%5creadyz",
    "/..;/readyz",
    "/readyz?/_auth",
];
