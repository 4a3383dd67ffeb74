//! How each of the others is set up, as its documentation shows: `answer` is what its handler makes of
//! who calls.

use std::sync::Arc;

use axum::extract::FromRef;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};

use crate::claims::{Claims, ExtraClaims, User};

fn jwks_url(issuer: &str) -> String {
    format!("{issuer}/oauth2/jwks")
}

/// It is made for axum 0.7.
pub async fn jwt_authorizer<R>(issuer: &str, answer: fn(&User<'_>) -> R) -> axum_07::Router
where
    R: axum_07::response::IntoResponse + Send + 'static,
{
    use axum_07::Router;
    use axum_07::routing::get;
    use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, JwtClaims, Validation};

    let authorizer: Authorizer<Claims> = JwtAuthorizer::from_jwks_url(&jwks_url(issuer))
        .validation(Validation::new().iss(&[issuer]).aud(&[issuer]))
        .build()
        .await
        .unwrap();
    let me = move |JwtClaims(claims): JwtClaims<Claims>| async move { answer(&claims.user()) };
    Router::new()
        .route("/me", get(me))
        .layer(authorizer.into_layer())
}

pub async fn tower_oauth2_resource_server<R>(issuer: &str, answer: fn(&User<'_>) -> R) -> Router
where
    R: IntoResponse + Send + 'static,
{
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;

    let tenant = TenantConfiguration::builder(issuer)
        .jwks_url(jwks_url(issuer))
        .audiences(&[issuer])
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
    let me = move |Extension(claims): Extension<Claims>| async move { answer(&claims.user()) };
    Router::new()
        .route("/me", get(me))
        .layer(server.into_layer())
}

/// By its validator of RFC 9068, whose form Authgear's tokens have.
pub async fn huskarl_axum<R>(issuer: &str, answer: fn(&User<'_>) -> R) -> Router
where
    R: IntoResponse + Send + 'static,
{
    use huskarl_axum::extractors::ValidatedToken;
    use huskarl_axum::layers::ValidatorLayer;
    use huskarl_resource_server::core::server_metadata::AuthorizationServerMetadata;
    use huskarl_resource_server::validator::rfc9068::{Rfc9068AccessTokenClaims, Rfc9068Validator};

    type Token = ValidatedToken<Rfc9068AccessTokenClaims<ExtraClaims>>;

    let client = huskarl_reqwest::ReqwestClient::builder()
        .build()
        .await
        .unwrap();
    let metadata = AuthorizationServerMetadata::oidc_fetch()
        .http_client(&client)
        .issuer(issuer)
        .call()
        .await
        .unwrap();
    let validator = Rfc9068Validator::builder_from_metadata(&metadata)
        .with_claims::<ExtraClaims>()
        .audience(issuer)
        .jwks_source(client)
        .build()
        .await
        .unwrap();
    let layer = ValidatorLayer::builder().validator(validator).build();
    let me = move |token: Token| async move { answer(&User::from(&*token)) };
    Router::new()
        .route("/me", get(me))
        .layer(layer.authenticated())
}

pub async fn axum_jwt_auth<R>(issuer: &str, answer: fn(&User<'_>) -> R) -> Router
where
    R: IntoResponse + Send + 'static,
{
    use axum_jwt_auth::{Claims as Verified, Decoder, RemoteJwksDecoder};
    use jsonwebtoken_10::{Algorithm, Validation};

    #[derive(Clone, FromRef)]
    struct State {
        decoder: Decoder<Claims>,
    }

    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[issuer]);
    validation.set_issuer(&[issuer]);
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url(jwks_url(issuer))
        .validation(validation)
        .build()
        .unwrap();
    // The token that it returns would stop the refresh.
    std::mem::forget(decoder.initialize().await.unwrap());
    let me = move |user: Verified<Claims>| async move { answer(&user.claims.user()) };
    Router::new().route("/me", get(me)).with_state(State {
        decoder: Arc::new(decoder),
    })
}
