//! A project that has moved to a custom domain: tokens of its former issuer, and what only looks like
//! one.

use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, TokenBuilder, User, WebhookEvent};
use axum_authgear::{
    AuthErrorKind, AuthUser, Authgear, AuthgearBuilder, ConfigError, GatewayProof, LiveSessions,
    ProtectedResource, SessionResolver,
};
use http::{Request, StatusCode, header};

use crate::support::{api, get, ready, send};

/// A fake that has moved, and a user who has a token from before.
struct Moved {
    fake: FakeAuthgear,
    alice: User,
    before: String,
}

impl Moved {
    async fn new() -> Self {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice").roles(["admin"]));
        let before = fake.token(&alice).sign();
        let new = fake.url().replace("127.0.0.1", "localhost");
        fake.move_to(new);
        Self {
            fake,
            alice,
            before,
        }
    }

    fn former(&self) -> &str {
        self.fake.former_endpoint().unwrap()
    }

    fn builder(&self) -> AuthgearBuilder {
        Authgear::builder(self.fake.endpoint())
    }

    /// A token that names these.
    fn token(&self, issuer: &str, audience: &str) -> TokenBuilder {
        let token = self.fake.token(&self.alice);
        token.claim("iss", issuer).claim("aud", audience)
    }
}

#[tokio::test]
async fn tokens_from_before_the_move_are_good_and_their_user_is_the_same_one() {
    let moved = Moved::new().await;
    let strict = ready(moved.builder()).await;
    let error = strict.verify(&moved.before).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongIssuer);

    let authgear = ready(moved.builder().former_issuer(moved.former())).await;
    let after = moved.fake.token(&moved.alice).sign();
    // Verified, and remembered.
    for token in [&moved.before, &after, &moved.before, &after] {
        let user = authgear.verify(token).await.unwrap();
        assert_eq!(user.id(), moved.alice.id());
        assert_eq!(user.issuer(), moved.fake.endpoint());
        assert!(user.has_role("admin"));
        assert!(authgear.recheck(&user).await.is_ok());
    }
    let user = authgear.verify(&moved.before).await.unwrap();
    assert_eq!(user.audiences().collect::<Vec<_>>(), [moved.former()]);
    let answer = get(&api(&authgear), "/user", &moved.before).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, moved.alice.id())
    );
}

#[tokio::test]
async fn the_endpoint_must_be_the_new_one() {
    let moved = Moved::new().await;
    // The former host redirects, which is not followed.
    let authgear = Authgear::builder(moved.former())
        .former_issuer(moved.fake.endpoint())
        .build()
        .unwrap();
    assert!(authgear.ready(Duration::from_millis(200)).await.is_err());
    let error = authgear.verify(&moved.before).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
}

#[tokio::test]
async fn what_is_nearly_a_former_issuer_is_none() {
    let moved = Moved::new().await;
    let (old, new) = (moved.former(), moved.fake.endpoint());
    let authgear = ready(moved.builder().former_issuer(format!("{old}/"))).await;
    let port = old.rsplit_once(':').unwrap().1;
    let wrong_issuers = [
        format!("{old}/"),
        format!("{old}:"),
        format!(" {old}"),
        format!("{old}/path"),
        old.replace("http", "HTTP"),
        old.replace("http", "https"),
        old.replace(port, "1"),
        old.replace(&format!(":{port}"), ""),
        format!("{new}/"),
        new.to_uppercase(),
        String::new(),
        "https://evil.example".to_owned(),
    ];
    for issuer in wrong_issuers {
        for audience in [old, new, &issuer] {
            let token = moved.token(&issuer, audience).sign();
            let error = authgear.verify(&token).await.unwrap_err();
            assert_eq!(error.kind(), AuthErrorKind::WrongIssuer, "{issuer}");
        }
    }
    let good = moved.token(old, old).sign();
    assert!(authgear.verify(&good).await.is_ok());
    let twice = format!(r#"{{"iss":"{old}","iss":"{old}","aud":"{old}","sub":"a","exp":4e9}}"#);
    let token = moved.token(old, old).raw_claims(&twice).sign();
    let error = authgear.verify(&token).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::MalformedClaims);
    for iss in [serde_json::json!([old]), serde_json::json!(null)] {
        let token = moved.token(old, old).claim("iss", iss).sign();
        let error = authgear.verify(&token).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::MalformedClaims);
    }
    // The other rules are those of the project.
    let id_token = moved.token(old, old).header("typ", "JWT").sign();
    let error = authgear.verify(&id_token).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongTokenType);
    let expired = moved.token(old, old).expires_at(1_000_000_000).sign();
    let error = authgear.verify(&expired).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Expired);
}

#[tokio::test]
async fn each_issuers_audience_is_its_own_origin_unless_audiences_are_named() {
    let moved = Moved::new().await;
    let (old, new) = (moved.former(), moved.fake.endpoint());
    let older = "https://older.example";
    let api = "https://api.example.com";
    let all = [old, new, older, api];
    let by_default = || moved.builder().former_issuer(old).former_issuer(older);
    for (builder, good) in [
        (by_default(), vec![(old, old), (new, new), (older, older)]),
        (
            by_default().audience(api),
            vec![(old, api), (new, api), (older, api)],
        ),
        (
            by_default().audience(api).audience(old),
            vec![
                (old, api),
                (new, api),
                (older, api),
                (old, old),
                (new, old),
                (older, old),
            ],
        ),
    ] {
        let authgear = ready(builder).await;
        for issuer in [old, new, older] {
            for audience in all {
                let token = moved.token(issuer, audience).sign();
                let kind = authgear
                    .verify(&token)
                    .await
                    .err()
                    .map(|error| error.kind());
                let wanted =
                    (!good.contains(&(issuer, audience))).then_some(AuthErrorKind::WrongAudience);
                assert_eq!(kind, wanted, "{issuer} for {audience}");
            }
        }
    }
}

#[tokio::test]
async fn who_is_ended_is_ended_whichever_issuer_the_token_names() {
    let moved = Moved::new().await;
    let (old, new) = (moved.former(), moved.fake.endpoint());
    let builder = || moved.builder().former_issuer(old);
    let both = [moved.token(old, old).sign(), moved.token(new, new).sign()];

    let by_id = ready(builder().revocation_retention(Duration::from_secs(3_600))).await;
    let users = [
        by_id.verify(&both[0]).await.unwrap(),
        by_id.verify(&both[1]).await.unwrap(),
    ];
    by_id.revoke_user(moved.alice.id()).unwrap();
    for (token, user) in both.iter().zip(&users) {
        let kind = by_id.verify(token).await.unwrap_err().kind();
        assert_eq!(kind, AuthErrorKind::Revoked);
        let kind = by_id.recheck(user).await.unwrap_err().kind();
        assert_eq!(kind, AuthErrorKind::Revoked);
    }

    // One token alone.
    let by_token = ready(builder().revocation_retention(Duration::from_secs(3_600))).await;
    let user = by_token.verify(&both[0]).await.unwrap();
    by_token.revoke_token(&user);
    assert!(by_token.verify(&both[0]).await.is_err());
    assert!(by_token.verify(&both[1]).await.is_ok());

    let by_webhook = ready(builder()).await;
    let route = by_webhook.webhooks([moved.fake.webhook_secret()]).unwrap();
    let webhook = moved.fake.webhook(WebhookEvent::UserDisabled, &moved.alice);
    let router = axum::Router::new().route("/webhook", route);
    let request = Request::post("/webhook")
        .header("x-authgear-body-signature", webhook.signature())
        .body(webhook.body().into())
        .unwrap();
    assert_eq!(send(&router, request).await.status, StatusCode::NO_CONTENT);
    for token in &both {
        let kind = by_webhook.verify(token).await.unwrap_err().kind();
        assert_eq!(kind, AuthErrorKind::Revoked);
    }
}

#[tokio::test]
async fn a_machines_token_of_the_former_issuer() {
    let moved = Moved::new().await;
    let resource = "https://api.example.com";
    let builder = moved
        .builder()
        .former_issuer(moved.former())
        .audience(resource);
    let authgear = ready(builder).await;
    let token = moved.fake.client_token("worker", resource);
    let token = token.claim("iss", moved.former()).sign();
    let machine = authgear.verify_principal(&token).await.unwrap();
    let machine = machine.client().unwrap();
    assert_eq!(machine.issuer(), moved.fake.endpoint());
    assert_eq!(machine.client_id(), "worker");
}

#[tokio::test]
async fn custom_claims_are_read_from_the_token_as_it_came() {
    #[derive(serde::Deserialize)]
    struct Shop {
        iss: String,
        tenant: String,
    }

    let moved = Moved::new().await;
    let builder = moved.builder().former_issuer(moved.former());
    let authgear = ready(builder.claims::<Shop>()).await;
    let token = moved.token(moved.former(), moved.former());
    let token = token.claim("tenant", "blue").sign();
    let user: AuthUser<Shop> = authgear.verify(&token).await.unwrap();
    assert_eq!(user.claims().tenant, "blue");
    assert_eq!(user.claims().iss, moved.former());
    assert_eq!(user.issuer(), moved.fake.endpoint());
    assert_eq!(user.roles().collect::<Vec<_>>(), ["admin"]);
}

#[tokio::test]
async fn former_issuers_that_cannot_be_meant_are_refused() {
    let builder = || Authgear::builder("https://auth.example");
    for bad in [
        "",
        "/",
        "old.example",
        "https://old.example/path",
        "https://old.example//",
        "https://old.example?x",
        "https:old.example",
        "http://old.example",
        "https://user@old.example",
        " https://old.example",
        // The endpoint.
        "https://auth.example",
        "https://auth.example/",
    ] {
        let error = builder().former_issuer(bad).build().unwrap_err();
        let ConfigError::Invalid { option, .. } = &error else {
            panic!("{bad}: {error:?}");
        };
        assert_eq!(*option, "former_issuer");
        assert!(!error.to_string().contains("user@"), "{error}");
    }
    let twice = builder()
        .former_issuer("https://old.example")
        .former_issuer("https://old.example/");
    assert!(twice.build().is_err());
    let good = builder()
        .former_issuer("https://old.example/")
        .former_issuer("https://old.example:8443")
        .former_issuer("https://OLD.example")
        .former_issuer("http://127.0.0.1:3000");
    assert!(good.build().is_ok());

    let moved = || builder().former_issuer("https://old.example");
    for other_mode in [
        moved().session_resolver(SessionResolver::new()),
        moved().live_sessions(LiveSessions::within(Duration::from_secs(10))),
        moved()
            .dangerous()
            .gateway(GatewayProof::secret("0".repeat(32))),
    ] {
        let error = other_mode.build().unwrap_err();
        assert!(matches!(
            error,
            ConfigError::Conflict {
                option: "former_issuer",
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_fake_that_moved_redirects_from_its_former_host() {
    let moved = Moved::new().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for path in ["/.well-known/openid-configuration", "/oauth2/jwks"] {
        let old = client.get(format!("{}{path}", moved.former()));
        let old = old.send().await.unwrap();
        assert_eq!(old.status(), StatusCode::TEMPORARY_REDIRECT);
        let new = format!("{}{path}", moved.fake.endpoint());
        assert_eq!(old.headers()[header::LOCATION], *new);
        assert_eq!(
            client.get(new).send().await.unwrap().status(),
            StatusCode::OK
        );
    }
}

/// Which audience a token may have depends on its own issuer, also when it was seen before, and
/// whichever resource has seen it.
#[tokio::test]
async fn a_resource_that_has_seen_a_token_does_not_change_what_its_issuer_allows() {
    let moved = Moved::new().await;
    let (endpoint, former) = (moved.fake.endpoint(), moved.former());
    let authgear = ready(moved.builder().former_issuer(former)).await;
    let resource = "https://api.example.com/orders";
    let orders = authgear
        .for_resource(ProtectedResource::new(resource))
        .unwrap();
    let token = |issuer: &str, audiences: &[&str]| {
        let token = moved.token(issuer, endpoint);
        token.claim("aud", serde_json::json!(audiences)).sign()
    };
    for (token, is_good) in [
        (token(endpoint, &[resource, endpoint]), true),
        (token(former, &[resource, former]), true),
        (token(endpoint, &[resource, former]), false),
        (token(former, &[resource, endpoint]), false),
    ] {
        for _ in 0..2 {
            assert!(orders.verify(&token).await.is_ok());
            let verified = authgear.verify(&token).await;
            assert_eq!(verified.is_ok(), is_good, "{verified:?}");
            if let Ok(user) = verified {
                assert!(authgear.recheck(&user).await.is_ok());
                assert_eq!(user.issuer(), endpoint);
            }
        }
    }
}
