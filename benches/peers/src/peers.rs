//! How each of the others is set up.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRef;
use axum::routing::get;
use axum::{Extension, Router};
use axum_authgear::testkit::{FakeAuthgear, User};
use http::{Request, Response};
use serde::Deserialize;
use tower::ServiceExt;

use crate::support::{forged, request};

/// What the others read of a token: no less than a handler needs that asks who the caller is and
/// what they may do.
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub client_id: Option<String>,
    #[serde(default)]
    pub scope: String,
    pub auth_time: Option<u64>,
    #[serde(default)]
    pub amr: Vec<String>,
    #[serde(rename = "https://authgear.com/claims/user/is_anonymous", default)]
    pub is_anonymous: bool,
    #[serde(rename = "https://authgear.com/claims/user/is_verified", default)]
    pub is_verified: bool,
    #[serde(
        rename = "https://authgear.com/claims/user/can_reauthenticate",
        default
    )]
    pub can_reauthenticate: bool,
    #[serde(rename = "https://authgear.com/claims/user/roles", default)]
    pub roles: Vec<String>,
}

fn jwks_url(fake: &FakeAuthgear) -> String {
    format!("{}/oauth2/jwks", fake.url())
}

/// It is made for axum 0.7.
pub async fn jwt_authorizer(fake: &FakeAuthgear) -> axum_07::Router {
    use axum_07::Router;
    use axum_07::body::Body;
    use axum_07::routing::get;
    use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, JwtClaims, Validation};

    let endpoint = fake.endpoint();
    let authorizer: Authorizer<Claims> = JwtAuthorizer::from_jwks_url(&jwks_url(fake))
        .validation(Validation::new().iss(&[endpoint]).aud(&[endpoint]))
        .build()
        .await
        .unwrap();
    let router = Router::new()
        .route(
            "/me",
            get(|JwtClaims(claims): JwtClaims<Claims>| async move { claims.sub }),
        )
        .layer(authorizer.into_layer());
    prime(fake, |request| {
        router.clone().oneshot(request.map(Body::new))
    })
    .await;
    router
}

pub async fn tower_oauth2_resource_server(fake: &FakeAuthgear) -> Router {
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;

    let tenant = TenantConfiguration::builder(fake.endpoint())
        .jwks_url(jwks_url(fake))
        .audiences(&[fake.endpoint()])
        .build()
        .await
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder()
        .add_tenant(tenant)
        .build()
        .await
        .unwrap();
    // It fetches the keys in the background.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let router = Router::new()
        .route(
            "/me",
            get(|Extension(claims): Extension<Claims>| async move { claims.sub }),
        )
        .layer(server.into_layer());
    prime(fake, |request| router.clone().oneshot(request)).await;
    router
}

pub async fn axum_jwt_auth(fake: &FakeAuthgear) -> Router {
    use axum_jwt_auth::{Claims as Verified, Decoder, RemoteJwksDecoder};
    use jsonwebtoken_10::{Algorithm, Validation};

    #[derive(Clone, FromRef)]
    struct State {
        decoder: Decoder<Claims>,
    }

    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[fake.endpoint()]);
    validation.set_issuer(&[fake.endpoint()]);
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url(jwks_url(fake))
        .validation(validation)
        .build()
        .unwrap();
    // The token that it returns would stop the refresh.
    std::mem::forget(decoder.initialize().await.unwrap());
    let router = Router::new()
        .route(
            "/me",
            get(|user: Verified<Claims>| async move { user.claims.sub }),
        )
        .with_state(State {
            decoder: Arc::new(decoder),
        });
    prime(fake, |request| router.clone().oneshot(request)).await;
    router
}

/// `jsonwebtoken` alone, with its aws-lc backend and a key made once.
pub struct Decode {
    key: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
}

impl Decode {
    pub fn new(fake: &FakeAuthgear) -> Self {
        let jwk = &fake.jwks()["keys"][0];
        let part = |name: &str| jwk[name].as_str().unwrap().to_owned();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[fake.endpoint()]);
        validation.set_issuer(&[fake.endpoint()]);
        Self {
            key: jsonwebtoken::DecodingKey::from_rsa_components(&part("n"), &part("e")).unwrap(),
            validation,
        }
    }

    pub fn run(&self, token: &str) {
        let data = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).unwrap();
        std::hint::black_box(data.claims);
    }
}

/// Sees that a router takes a good token and refuses a forged one, and lets it fetch its keys.
async fn prime<F, B>(fake: &FakeAuthgear, send: impl Fn(Request<Body>) -> F)
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    let user = fake.add_user(User::new("first"));
    let good = fake.token(&user).sign();
    for (token, status) in [(forged(&good), 401), (good, 200)] {
        let response = send(request(&token)).await.unwrap();
        assert_eq!(response.status(), status);
    }
}
