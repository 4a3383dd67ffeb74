//! Any bytes: nothing panics, and no token is accepted that the issuer did not sign.

mod tokens;

use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum_authgear::explain::Verdict;
use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};
use axum_authgear::{AuthErrorKind, Authgear};
use http::{HeaderValue, Request, StatusCode, header};
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::runtime::Runtime;

use self::tokens::any_token;
use crate::cases::cases;
use crate::explain::assert_consistent;
use crate::support::{Answer, routes, send};

/// One API for all cases: it takes bearers and a cookie, and fetches on demand once.
struct Stage {
    runtime: Runtime,
    fake: FakeAuthgear,
    authgear: Authgear,
    api: Router,
    good: Vec<String>,
    foreign: SigningKey,
}

fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);
    &STAGE
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (fake, authgear, good) = runtime.block_on(async {
            let fake = FakeAuthgear::start().await;
            let alice = fake.add_user(User::new("alice"));
            let bob = fake.add_user(User::new("bob").roles(["admin"]));
            let long = Duration::from_secs(86_400);
            let mut good = vec![
                fake.token(&alice).lifetime(long).sign(),
                fake.token(&bob).third_party().lifetime(long).sign(),
            ];
            let _ = fake.rotate();
            good.push(fake.token(&alice).lifetime(long).sign());
            let machine = fake.client_token("job", fake.endpoint());
            good.push(machine.lifetime(long).sign());
            let builder = Authgear::builder(fake.endpoint())
                .token_cookie("access_token")
                .jwks_cooldown(long);
            let authgear = crate::support::ready(builder).await;
            (fake, authgear, good)
        });
        let api = routes().layer(authgear.layer());
        Self {
            runtime,
            fake,
            authgear,
            api,
            good,
            foreign: SigningKey::rsa(),
        }
    }

    fn send(&self, name: &header::HeaderName, values: &[Vec<u8>]) -> Option<Answer> {
        let mut request = Request::get("/any").body(Body::empty()).unwrap();
        for value in values {
            // What HTTP itself does not carry cannot come.
            let value = HeaderValue::from_bytes(value).ok()?;
            request.headers_mut().append(name.clone(), value);
        }
        Some(self.runtime.block_on(send(&self.api, request)))
    }

    fn verify(&self, token: &str) -> Result<(), AuthErrorKind> {
        let outcome = self.runtime.block_on(self.authgear.verify_principal(token));
        outcome.map(drop).map_err(|error| error.kind())
    }

    fn is_good(&self, token: &[u8]) -> bool {
        self.good.iter().any(|good| good.as_bytes() == token)
    }

    fn a_good(&self, index: Index) -> &str {
        index.get::<String>(&self.good)
    }
}

#[test]
fn the_tokens_that_are_changed_here_are_good_ones() {
    let stage = stage();
    for token in &stage.good {
        assert_eq!(stage.verify(token), Ok(()));
        let bearer = format!("Bearer {token}").into_bytes();
        let answer = stage.send(&header::AUTHORIZATION, &[bearer]).unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        let cookie = format!("a=b; access_token={token}").into_bytes();
        let answer = stage.send(&header::COOKIE, &[cookie]).unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// Text that is often almost a header of ours.
fn any_field(prefixes: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        any::<Index>().prop_map(|index| stage().a_good(index).as_bytes().to_vec()),
        any_token().prop_map(String::into_bytes),
        "[A-Za-z0-9._~+/=-]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let tail = prop_oneof![
        4 => Just(Vec::new()),
        1 => "[ ,;=\"a-z]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    let whole = (prefixes, token, tail)
        .prop_map(|(prefix, token, tail)| [prefix.into_bytes(), token, tail].concat());
    prop_oneof![
        4 => whole,
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

fn is_told_properly(answer: &Answer) -> Result<(), TestCaseError> {
    let is_refusal = matches!(
        answer.status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::SERVICE_UNAVAILABLE
    );
    prop_assert!(is_refusal, "{:?}", answer);
    prop_assert!(answer.kind.is_some());
    let has_challenge = answer.challenge().is_some();
    prop_assert_eq!(
        has_challenge,
        answer.status != StatusCode::SERVICE_UNAVAILABLE
    );
    prop_assert_eq!(answer.headers.contains_key("retry-after"), !has_challenge);
    Ok(())
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_authorization_lets_only_good_tokens_in(
        fields in prop::collection::vec(any_field("(Bearer |bearer |BEARER  |Bearer|Basic |DPoP |)"), 1..3),
    ) {
        if let Some(answer) = stage().send(&header::AUTHORIZATION, &fields) {
            if answer.status == StatusCode::OK {
                prop_assert_eq!(fields.len(), 1);
                let token = fields[0].rsplit(|byte| *byte == b' ').next().unwrap();
                prop_assert!(stage().is_good(token));
            } else {
                is_told_properly(&answer)?;
            }
        }
    }

    #[test]
    fn property_any_cookie_lets_only_good_tokens_in(
        fields in prop::collection::vec(any_field("(access_token=|a=b; access_token=|access_token=x; |access_token|session=|)"), 1..3),
    ) {
        if let Some(answer) = stage().send(&header::COOKIE, &fields) {
            if answer.status == StatusCode::OK {
                let text = fields.concat();
                let text = String::from_utf8_lossy(&text);
                let is_there = stage().good.iter().any(|good| {
                    let bare = format!("access_token={good}");
                    let quoted = format!("access_token=\"{good}\"");
                    text.contains(&bare) || text.contains(&quoted)
                });
                prop_assert!(is_there);
            } else {
                is_told_properly(&answer)?;
            }
        }
    }

    #[test]
    fn property_no_token_is_accepted_that_the_issuer_did_not_sign(token in any_token()) {
        let outcome = stage().verify(&token);
        prop_assert_eq!(outcome.is_ok(), stage().is_good(token.as_bytes()), "{:?}", outcome);
    }

    #[test]
    fn property_explain_says_what_the_layer_does(
        token in prop_oneof![
            4 => any_token(),
            1 => any::<Index>().prop_map(|index| stage().a_good(index).to_owned()),
            1 => ("(Bearer |\"|undefined| |)", any_token(), "(\"| b|\\.|\\.\\.\\.|…|\n|)")
                .prop_map(|(start, token, end)| format!("{start}{token}{end}")),
        ],
    ) {
        let explanation = stage().runtime.block_on(stage().authgear.explain(&token));
        assert_consistent(&explanation);
        let bearer = format!("Bearer {token}").into_bytes();
        let Some(answer) = stage().send(&header::AUTHORIZATION, &[bearer]) else {
            let refused = Verdict::Refused(AuthErrorKind::MalformedAuthorizationHeader);
            prop_assert_eq!(explanation.verdict(), refused);
            return Ok(());
        };
        let verdict = match answer.kind {
            None => Verdict::Good,
            Some(kind) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Verdict::Unknown(kind),
            Some(kind) => Verdict::Refused(kind),
        };
        prop_assert_eq!(explanation.verdict(), verdict, "{}", token);
        prop_assert_eq!(verdict == Verdict::Good, answer.status == StatusCode::OK);
    }
}
