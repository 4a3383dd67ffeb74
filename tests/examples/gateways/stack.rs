//! A gateway, the API behind it, and whom it asks.

use axum_authgear::testkit::{FakeAuthgear, Session, User};
use reqwest::header::HeaderMap;

use super::upstream::Api;
use super::{Addresses, Gateway, Kind, SECRET, free_address};
use crate::forward_auth;
use crate::process::{Answer, Example};

/// A client that expects every answer to be 200.
pub(super) const GRPC: &str = "Content-Type: application/grpc";

/// The audience of machines.
pub(super) const MACHINES: &str = "https://api.example.com";

/// Whom the gateway asks.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Asks {
    /// Authgear's resolver, which answers 200 where nobody is signed in: the API refuses.
    Resolver,
    /// A `forward_auth` server in this mode.
    ForwardAuth(&'static str),
}

pub(super) struct Stack<'k> {
    pub(super) kind: &'k Kind,
    pub(super) asks: Asks,
    pub(super) fake: FakeAuthgear,
    pub(super) alice: User,
    pub(super) session: Session,
    pub(super) gateway: Gateway,
    pub(super) api: Api,
    pub(super) forward_auth: Option<Example>,
}

/// What a request gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gets {
    /// The API, as alice.
    Alice,
    /// A refusal with this status, and this in its challenge.
    Refused(u16, &'static str),
}

impl<'k> Stack<'k> {
    pub(super) async fn start(kind: &'k Kind, asks: Asks) -> Self {
        let fake = FakeAuthgear::builder()
            .endpoint("https://auth.shop.example")
            .start()
            .await;
        let alice = User::new("alice")
            .roles(["editor", "billing:admin"])
            .verified(true);
        let alice = fake.add_user(alice);
        let session = fake.sign_in(&alice);
        let api = Api::start(fake.endpoint()).await;
        let gateway = free_address().await;
        let (forward_auth, asked) = match asks {
            Asks::Resolver => (None, fake.url().to_owned()),
            Asks::ForwardAuth(mode) => {
                let (example, url) = start_forward_auth(kind, &fake, mode, &gateway).await;
                (Some(example), url)
            }
        };
        let addresses = Addresses {
            gateway,
            api: api.address.clone(),
            asked: asked.strip_prefix("http://").unwrap().to_owned(),
        };
        Self {
            gateway: Gateway::start(kind, addresses).await,
            kind,
            asks,
            fake,
            alice,
            session,
            api,
            forward_auth,
        }
    }

    pub(super) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.session.token().sign())
    }

    /// A credential that a browser sends by itself.
    pub(super) fn cookie(&self) -> String {
        match self.asks {
            Asks::Resolver | Asks::ForwardAuth("resolver") => {
                format!("Cookie: {}", self.session.cookies().session().pair())
            }
            Asks::ForwardAuth(_) => format!("Cookie: token={}", self.session.token().sign()),
        }
    }

    pub(super) async fn expect(&self, method: &str, path: &str, headers: &[&str], gets: Gets) {
        self.api.take();
        let answer = self.gateway.send(method, path, headers).await;
        match gets {
            Gets::Alice => {
                assert_eq!(answer.status, 200, "{method} {headers:?}: {answer:?}");
                let roles = r#""roles":["editor","billing:admin"]"#;
                for part in [
                    self.alice.id(),
                    roles,
                    r#""is_verified":true"#,
                    r#""verified_by":"gateway""#,
                ] {
                    assert!(answer.text.contains(part), "{headers:?}: {answer:?}");
                }
            }
            Gets::Refused(status, challenge) => {
                if headers.contains(&GRPC) && self.kind.speaks_grpc {
                    assert_eq!(answer.status, 200, "{method} {headers:?}: {answer:?}");
                    assert_eq!(answer.header("grpc-status"), Some("16"), "{answer:?}");
                } else {
                    assert_eq!(answer.status, status, "{method} {headers:?}: {answer:?}");
                }
                assert_challenge(&answer, challenge);
            }
        }
        self.assert_reached(matches!(gets, Gets::Alice), headers);
    }

    /// Whether the API was asked, and by the gateway.
    pub(super) fn assert_reached(&self, reached: bool, what: &[&str]) {
        let requests = self.api.take();
        if self.asks != Asks::Resolver || reached {
            assert_eq!(
                requests.len(),
                usize::from(reached),
                "{what:?}: {requests:?}"
            );
        }
        for headers in &requests {
            assert_clean(headers);
        }
    }
}

async fn start_forward_auth(
    kind: &Kind,
    fake: &FakeAuthgear,
    mode: &str,
    gateway: &str,
) -> (Example, String) {
    let resolver_url = format!("{}/_resolver/resolve", fake.url());
    let audiences = format!("{},{MACHINES}", fake.endpoint());
    let origin = format!("http://{gateway}");
    let mut environment = vec![
        ("AUTHGEAR_VERIFY", mode),
        ("AUTHGEAR_TOKEN_COOKIE", "token"),
        ("AUTHGEAR_INTERNAL_URL", fake.url()),
        ("AUTHGEAR_RESOLVER_URL", &resolver_url),
        ("AUTHGEAR_RECHECK_SECS", "1"),
    ];
    if mode != "resolver" {
        environment.push(("AUTHGEAR_AUDIENCE", &audiences));
    }
    if !kind.passes_host {
        environment.push(("TRUSTED_ORIGINS", &origin));
    }
    forward_auth::start(fake.endpoint(), &environment).await
}

/// A field without a meaning. A gateway may leave it to the crate to remove it.
const UNKNOWN: &str = "x-authgear-anything";

/// The proof, and nothing that a client says of itself.
pub(super) fn assert_clean(headers: &HeaderMap) {
    let proofs: Vec<_> = headers.get_all("x-gateway-secret").iter().collect();
    assert_eq!(proofs, [SECRET], "{headers:?}");
    for (name, value) in headers {
        let name = name.as_str();
        if name.replace('_', "-").starts_with("x-authgear-") && name != UNKNOWN {
            assert_ne!(value, "spoofed", "{headers:?}");
            assert_eq!(headers.get_all(name).iter().count(), 1, "{headers:?}");
        }
    }
}

pub(super) fn assert_challenge(answer: &Answer, part: &str) {
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    if part.is_empty() {
        return;
    }
    let [challenge] = challenges[..] else {
        panic!("not one challenge: {answer:?}");
    };
    assert!(challenge.to_str().unwrap().contains(part), "{answer:?}");
}
