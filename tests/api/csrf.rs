//! A cookie is not proof of intent.

use axum::Router;
use axum::body::Body;
use axum_authgear::AuthErrorKind::{self, CrossOriginRequest, Expired, MissingCredential};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{Authgear, AuthgearBuilder, TokenSource};
use http::{HeaderValue, Method, Request, header};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{Answer, api, optional_api, ready, send};

const HOST: &str = "api.shop.example";
const TRUSTED: &str = "https://app.shop.example";

/// Which credential a request carries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Credential {
    Cookie,
    ExpiredCookie,
    Bearer,
    BearerAndCookie,
    Custom,
    None,
}

use Credential::{Bearer, BearerAndCookie, Cookie, Custom, ExpiredCookie};

struct World {
    required: Router,
    optional: Router,
    token: String,
    expired: String,
}

type Fields<'f> = &'f [(&'static str, &'f str)];

impl World {
    async fn new(configure: impl FnOnce(AuthgearBuilder) -> AuthgearBuilder) -> Self {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice").with_id("alice"));
        let builder = Authgear::builder(fake.endpoint())
            .token_cookie("token")
            .token_source(TokenSource::new(|headers| {
                Some(headers.get("x-token")?.to_str().ok()?.to_owned())
            }));
        let authgear = ready(configure(builder)).await;
        Self {
            required: api(&authgear),
            optional: optional_api(&authgear),
            token: fake.token(&alice).sign(),
            expired: fake.token(&alice).expires_at(1).sign(),
        }
    }

    fn request(
        &self,
        credential: Credential,
        method: &Method,
        uri: &str,
        fields: Fields<'_>,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, HOST)
            .body(Body::empty())
            .unwrap();
        let headers = request.headers_mut();
        let mut add = |name: &'static str, value: String| {
            headers.insert(name, HeaderValue::try_from(value).unwrap());
        };
        if let Bearer | BearerAndCookie = credential {
            add("authorization", format!("Bearer {}", self.token));
        }
        match credential {
            Cookie | BearerAndCookie => add("cookie", format!("token={}", self.token)),
            ExpiredCookie => add("cookie", format!("token={}", self.expired)),
            Custom => add("x-token", self.token.clone()),
            Bearer | Credential::None => {}
        }
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        request
    }

    async fn ask(&self, credential: Credential, method: &Method, fields: Fields<'_>) -> Answer {
        send(
            &self.required,
            self.request(credential, method, "/user", fields),
        )
        .await
    }
}

fn methods() -> (Vec<Method>, Vec<Method>) {
    let safe = vec![Method::GET, Method::HEAD, Method::OPTIONS];
    let unsafe_ones = [
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::TRACE,
        Method::CONNECT,
        Method::from_bytes(b"PURGE").unwrap(),
        Method::from_bytes(b"get").unwrap(),
    ];
    (safe, unsafe_ones.to_vec())
}

/// The handler was reached. In answers to CONNECT axum leaves the body out.
#[track_caller]
fn assert_reached(what: &str, method: &Method, answer: &Answer) {
    let body = if method == Method::CONNECT {
        ""
    } else {
        "alice"
    };
    assert_passed(what, answer, body);
}

/// What browsers send, and whether a cookie may then be used for an unsafe request.
const ORIGINS: &[(&str, Fields<'static>, bool)] = &[
    ("neither header: no browser", &[], true),
    ("typed by the user", &[("sec-fetch-site", "none")], true),
    (
        "the same origin",
        &[("sec-fetch-site", "same-origin")],
        true,
    ),
    (
        "the same origin, both headers",
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://api.shop.example"),
        ],
        true,
    ),
    (
        "the same origin, an old browser",
        &[("origin", "https://api.shop.example")],
        true,
    ),
    (
        "a trusted origin",
        &[("sec-fetch-site", "same-site"), ("origin", TRUSTED)],
        true,
    ),
    (
        "a trusted origin, an old browser",
        &[("origin", TRUSTED)],
        true,
    ),
    ("across sites", &[("sec-fetch-site", "cross-site")], false),
    (
        "across sites, with an origin",
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ],
        false,
    ),
    (
        "a sibling subdomain",
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "https://blog.shop.example"),
        ],
        false,
    ),
    (
        "a sibling subdomain, no origin",
        &[("sec-fetch-site", "same-site")],
        false,
    ),
    (
        "a sibling subdomain, an old browser",
        &[("origin", "https://blog.shop.example")],
        false,
    ),
    (
        "the parent domain",
        &[("origin", "https://shop.example")],
        false,
    ),
    ("an opaque origin", &[("origin", "null")], false),
    (
        "an opaque origin across sites",
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        false,
    ),
    (
        "another port",
        &[("origin", "https://api.shop.example:8443")],
        false,
    ),
    (
        "a host that begins alike",
        &[("origin", "https://api.shop.example.evil.example")],
        false,
    ),
    (
        "our host as user info",
        &[("origin", "https://api.shop.example@evil.example")],
        false,
    ),
    (
        "the host without a scheme",
        &[("origin", "api.shop.example")],
        false,
    ),
    (
        "an extension's page",
        &[("origin", "chrome-extension://api.shop.example")],
        false,
    ),
    (
        "a trusted origin's subdomain",
        &[("origin", "https://x.app.shop.example")],
        false,
    ),
    (
        "a trusted origin over http",
        &[("origin", "http://app.shop.example")],
        false,
    ),
    (
        "a trusted origin in upper case",
        &[("origin", "https://APP.shop.example")],
        false,
    ),
    ("a value unheard of", &[("sec-fetch-site", "near")], false),
    ("in upper case", &[("sec-fetch-site", "SAME-ORIGIN")], false),
];

#[tokio::test]
async fn a_cookie_needs_the_same_origin_or_a_trusted_one() {
    let world = World::new(|builder| builder.trusted_origins([TRUSTED])).await;
    let (safe, unsafe_ones) = methods();
    for (name, fields, is_allowed) in ORIGINS {
        for method in &unsafe_ones {
            let what = format!("{name}, {method}");
            let answer = world.ask(Cookie, method, fields).await;
            if *is_allowed {
                assert_reached(&what, method, &answer);
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
            // Before anything is verified.
            let answer = world.ask(ExpiredCookie, method, fields).await;
            assert_refused(
                &what,
                &answer,
                if *is_allowed {
                    Expired
                } else {
                    CrossOriginRequest
                },
            );
            // Also where nobody need be signed in.
            let request = world.request(Cookie, method, "/optional", fields);
            let answer = send(&world.optional, request).await;
            if *is_allowed {
                assert_reached(&what, method, &answer);
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
        }
        for method in &safe {
            let what = format!("{name}, {method}");
            let answer = world.ask(Cookie, method, fields).await;
            assert_eq!((answer.status.as_u16(), answer.kind), (200, None), "{what}");
        }
    }
}

#[tokio::test]
async fn what_a_browser_does_not_send_by_itself_needs_no_check() {
    let world = World::new(|builder| builder).await;
    let (safe, unsafe_ones) = methods();
    for (name, fields, _) in ORIGINS {
        for method in &unsafe_ones {
            for credential in [Bearer, BearerAndCookie, Custom] {
                let what = format!("{name}, {method}, {credential:?}");
                assert_reached(&what, method, &world.ask(credential, method, fields).await);
            }
            // No credential at all is 401, not 403.
            let what = format!("{name}, {method}, nothing");
            let answer = world.ask(Credential::None, method, fields).await;
            assert_refused(&what, &answer, MissingCredential);
            let request = world.request(Credential::None, method, "/optional", fields);
            let answer = send(&world.optional, request).await;
            assert_eq!((answer.status.as_u16(), answer.kind), (200, None), "{what}");
        }
        for method in &safe {
            let answer = world.ask(Bearer, method, fields).await;
            assert_eq!(answer.status, 200, "{name}, {method}");
        }
    }
}

/// CORS does not watch over a `WebSocket`: its handshake is a GET.
#[tokio::test]
async fn an_upgrade_counts_as_unsafe() {
    let world = World::new(|builder| builder.trusted_origins([TRUSTED])).await;
    let upgrades: [Fields<'_>; 4] = [
        &[
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
        &[("upgrade", "WebSocket")],
        &[("upgrade", "h2c")],
        &[("sec-websocket-key", "x")],
    ];
    for (name, fields, is_allowed) in ORIGINS {
        for upgrade in upgrades {
            let fields = [*fields, upgrade].concat();
            let what = format!("{name}, {upgrade:?}");
            let answer = world.ask(Cookie, &Method::GET, &fields).await;
            if *is_allowed {
                assert_passed(&what, &answer, "alice");
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
            let answer = world.ask(Bearer, &Method::GET, &fields).await;
            assert_passed(&what, &answer, "alice");
        }
    }
}

/// HTTP/2 has no `Host` header but an authority, and opens a `WebSocket` with CONNECT (RFC 8441).
#[tokio::test]
async fn the_authority_of_the_address_is_the_host() {
    let world = World::new(|builder| builder).await;
    for method in [Method::POST, Method::CONNECT] {
        for (origin, is_allowed) in [
            ("https://api.shop.example", true),
            ("https://blog.shop.example", false),
            ("https://front.example", false),
            ("null", false),
        ] {
            let address = "https://api.shop.example/user";
            let mut request = world.request(Cookie, &method, address, &[("origin", origin)]);
            // What a client may write there is not believed.
            request
                .headers_mut()
                .insert(header::HOST, HeaderValue::from_static("front.example"));
            let answer = send(&world.required, request).await;
            let what = format!("{method} from {origin}");
            if is_allowed {
                assert_reached(&what, &method, &answer);
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
        }
    }
}

/// `Host`, `Origin`, and whether they are one origin (RFC 9110 §4.2.3, RFC 6454 §5).
const HOSTS: &[(&str, &str, bool)] = &[
    ("api.shop.example:443", "https://api.shop.example", true),
    ("api.shop.example:80", "http://api.shop.example", true),
    ("API.SHOP.EXAMPLE", "https://api.shop.example", true),
    ("Api.Shop.Example:443", "https://api.shop.example", true),
    ("API.shop.example:80", "http://api.shop.example", true),
    // RFC 3986 §3.2.3: an empty port is the default one.
    ("api.shop.example:", "https://api.shop.example", true),
    ("api.shop.example:0443", "https://api.shop.example", true),
    (
        "API.shop.example:8443",
        "https://api.shop.example:8443",
        true,
    ),
    ("[::1]:443", "https://[::1]", true),
    ("[2001:DB8::1]:80", "http://[2001:db8::1]", true),
    ("[::1]:3000", "http://[::1]:3000", true),
    ("127.0.0.1:80", "http://127.0.0.1", true),
    ("api.shop.example.", "https://api.shop.example.", true),
    // The port of the other scheme.
    ("api.shop.example:80", "https://api.shop.example", false),
    ("api.shop.example:443", "http://api.shop.example", false),
    (
        "api.shop.example:443",
        "https://api.shop.example:8443",
        false,
    ),
    ("api.shop.example:8443", "https://api.shop.example", false),
    ("api.shop.example", "https://api.shop.example:8443", false),
    ("api.shop.example:4430", "https://api.shop.example", false),
    ("api.shop.example:65979", "https://api.shop.example", false),
    ("api.shop.example:+443", "https://api.shop.example", false),
    (
        "api.shop.example:443:443",
        "https://api.shop.example",
        false,
    ),
    ("[::443]", "https://[:", false),
    // Other hosts.
    ("API.SHOP.EXAMPLE:443", "https://blog.shop.example", false),
    ("api.shop.example:443", "https://shop.example", false),
    ("api.shop.example.", "https://api.shop.example", false),
    ("api.shop.example", "https://api.shop.example.", false),
    ("user@api.shop.example", "https://api.shop.example", false),
    (
        "user@api.shop.example",
        "https://user@api.shop.example",
        false,
    ),
    (
        "api.shop.example@evil.example:443",
        "https://evil.example",
        false,
    ),
    (
        "api.shop.example, evil.example",
        "https://evil.example",
        false,
    ),
    ("\u{212a}.example", "https://k.example", false),
    ("", "https://api.shop.example", false),
    // Not as a browser writes an origin.
    ("api.shop.example", "https://API.shop.example", false),
    ("api.shop.example", "https://api.shop.example:443", false),
    ("api.shop.example", "HTTPS://api.shop.example:443", false),
    ("api.shop.example:443", "wss://api.shop.example", false),
    ("localhost", "capacitor://localhost", false),
    ("localhost:443", "capacitor://localhost", false),
];

#[tokio::test]
async fn a_host_is_compared_without_regard_to_case_and_default_port() {
    let world = World::new(|builder| builder).await;
    for (host, origin, is_same) in HOSTS {
        let what = format!("{host} from {origin}");
        let fields = [("host", *host), ("origin", *origin)];
        let mut requests = vec![world.request(Cookie, &Method::POST, "/user", &fields)];
        // As HTTP/2 writes it, or a client of a proxy: `Host` does not count then.
        if let Ok(uri) = format!("https://{host}/user").parse::<http::Uri>() {
            let fields = [("host", "evil.example"), ("origin", *origin)];
            let mut request = world.request(Cookie, &Method::PUT, "/user", &fields);
            *request.uri_mut() = uri;
            requests.push(request);
        }
        for request in requests {
            let answer = send(&world.required, request).await;
            if *is_same {
                assert_passed(&what, &answer, "alice");
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
        }
        // What the browser itself says goes first.
        for (site, is_allowed) in [("same-origin", true), ("same-site", false)] {
            let fields = [fields, [("sec-fetch-site", site), ("x-none", "")]].concat();
            let answer = world.ask(Cookie, &Method::POST, &fields).await;
            let kind = (!is_allowed).then_some(CrossOriginRequest);
            assert_eq!(answer.kind, kind, "{what}, {site}");
        }
    }
}

#[tokio::test]
async fn what_a_proxy_says_of_the_host_plays_no_part() {
    let world = World::new(|builder| builder).await;
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-original-host", "evil.example"),
        ("x-host", "evil.example"),
        ("x-forwarded-server", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-forwarded-origin", "https://api.shop.example"),
        ("x-original-origin", "https://api.shop.example"),
        ("referer", "https://api.shop.example/"),
    ] {
        let evil = [("origin", "https://evil.example"), (name, value)];
        let answer = world.ask(Cookie, &Method::POST, &evil).await;
        assert_refused(name, &answer, CrossOriginRequest);
        let own = [("origin", "https://api.shop.example"), (name, value)];
        let answer = world.ask(Cookie, &Method::POST, &own).await;
        assert_passed(name, &answer, "alice");
    }
}

/// Which of two counts cannot be told: a browser sends one.
#[tokio::test]
async fn fields_that_contradict_each_other_are_no_proof() {
    let world = World::new(|builder| builder.trusted_origins([TRUSTED])).await;
    let own = "https://api.shop.example";
    let cases: [(&str, &str, &str, bool); 9] = [
        ("origin", own, own, true),
        ("origin", own, "https://evil.example", false),
        ("origin", "https://evil.example", own, false),
        ("origin", TRUSTED, "https://evil.example", false),
        ("origin", "", "https://evil.example", false),
        ("sec-fetch-site", "same-origin", "same-origin", true),
        ("sec-fetch-site", "same-origin", "cross-site", false),
        ("sec-fetch-site", "none", "same-site", false),
        ("host", HOST, "evil.example", false),
    ];
    for (name, first, second, is_allowed) in cases {
        let what = format!("{name}: {first} and {second}");
        let fields: Fields<'_> = match name {
            "host" => &[("origin", "https://api.shop.example")],
            _ => &[],
        };
        for method in [Method::POST, Method::GET] {
            let mut request = world.request(Cookie, &method, "/user", fields);
            let headers = request.headers_mut();
            headers.remove(name);
            for value in [first, second] {
                headers.append(name, value.parse().unwrap());
            }
            let answer = send(&world.required, request).await;
            if is_allowed || method == Method::GET {
                assert_passed(&what, &answer, "alice");
            } else {
                assert_refused(&what, &answer, CrossOriginRequest);
            }
        }
    }
}

/// Views of native shells and pages of extensions have origins of their own (RFC 6454 §6.2).
#[tokio::test]
async fn the_origin_of_a_native_shell_can_be_trusted() {
    let shells = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "app://.",
        "app://obsidian.md",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        "moz-extension://0e4bd7a1-8f4b-4d6c-9c3b-2f1f6f2f4f11",
        "vscode-webview://1bk6jf5pck",
        "http://tauri.localhost",
        "my-app+x.1://shell_1:8080",
    ];
    let world = World::new(|builder| builder.trusted_origins(shells)).await;
    let nobodys = World::new(|builder| builder).await;
    for origin in shells {
        for site in [None, Some("cross-site"), Some("same-site"), Some("")] {
            for method in [Method::POST, Method::DELETE] {
                let what = format!("{origin}, {site:?}");
                let mut fields = vec![("origin", origin)];
                fields.extend(site.map(|site| ("sec-fetch-site", site)));
                assert_passed(&what, &world.ask(Cookie, &method, &fields).await, "alice");
                let answer = nobodys.ask(Cookie, &method, &fields).await;
                assert_refused(&what, &answer, CrossOriginRequest);
                // A `WebSocket` of it.
                fields.push(("upgrade", "websocket"));
                let answer = world.ask(Cookie, &Method::GET, &fields).await;
                assert_passed(&what, &answer, "alice");
            }
        }
    }
    for near in [
        "capacitor://localhost/",
        "capacitor://localhost:80",
        "capacitor://LOCALHOST",
        "Capacitor://localhost",
        "capacitor://localhost.evil.example",
        "capacitors://localhost",
        "capacitor://",
        "capacitor:localhost",
        "http://localhost",
        "https://localhost",
        "app://",
        "app://..",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllclea",
        "null",
        "file://",
        "file://localhost",
        "",
    ] {
        for site in ["cross-site", ""] {
            let fields = [("origin", near), ("sec-fetch-site", site)];
            let answer = world.ask(Cookie, &Method::POST, &fields).await;
            // An empty field is none, and no browser sends one.
            if near.is_empty() && site.is_empty() {
                assert_passed(near, &answer, "alice");
            } else {
                assert_refused(near, &answer, CrossOriginRequest);
            }
        }
    }
}

/// Some gateways send a field without a value where the client sent none.
#[tokio::test]
async fn an_empty_upgrade_is_none() {
    let world = World::new(|builder| builder).await;
    for (upgrade, is_one) in [
        ("", false),
        (",", false),
        (" , \t,", false),
        ("websocket", true),
        (", h2c", true),
        ("-", true),
    ] {
        let fields = [("sec-fetch-site", "cross-site"), ("upgrade", upgrade)];
        let answer = world.ask(Cookie, &Method::GET, &fields).await;
        if is_one {
            assert_refused(upgrade, &answer, CrossOriginRequest);
        } else {
            assert_passed(upgrade, &answer, "alice");
        }
    }
    // One of several fields is enough.
    let fields = [("sec-fetch-site", "cross-site"), ("upgrade", "")];
    let mut request = world.request(Cookie, &Method::GET, "/user", &fields);
    request
        .headers_mut()
        .append(header::UPGRADE, HeaderValue::from_static("websocket"));
    assert_refused(
        "two",
        &send(&world.required, request).await,
        CrossOriginRequest,
    );
    // HTTP/2 has no key: the other fields of a handshake say it as well.
    for name in [
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
    ] {
        let fields = [("sec-fetch-site", "cross-site"), (name, "13")];
        let answer = world.ask(Cookie, &Method::GET, &fields).await;
        assert_refused(name, &answer, CrossOriginRequest);
    }
}

#[tokio::test]
async fn the_check_can_be_turned_off_by_name() {
    let world = World::new(|builder| builder.dangerous().disable_csrf_protection()).await;
    for (name, fields, _) in ORIGINS {
        assert_passed(
            name,
            &world.ask(Cookie, &Method::POST, fields).await,
            "alice",
        );
    }
}

#[tokio::test]
async fn two_cookies_are_a_bad_request_from_anywhere() {
    let world = World::new(|builder| builder).await;
    let two = format!("token={}; token=x", world.token);
    let fields = [("cookie", two.as_str()), ("sec-fetch-site", "cross-site")];
    let answer = world.ask(Credential::None, &Method::POST, &fields).await;
    assert_refused("two cookies", &answer, AuthErrorKind::MultipleCredentials);
}
