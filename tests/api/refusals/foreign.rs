//! JWTs of other profiles, signed by the project's own key and good in every other way: none is an
//! access token, whatever it has in common with one.

use axum_authgear::AuthErrorKind::WrongTokenType;
use serde_json::{Value, json};

use super::{World, bad, good};

#[tokio::test]
async fn a_token_of_another_profile_is_no_access_token() {
    let world = World::new().await;
    let confirmation = json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "AA" } });
    let event = json!({ "https://schemas.openid.net/event/backchannel-logout": {} });
    let profiles: [(&str, &[(&str, Value)]); 12] = [
        // draft-ietf-oauth-identity-assertion-authz-grant
        (
            "oauth-id-jag+jwt",
            &[("resource", json!("https://api.example.com"))],
        ),
        // draft-ietf-oauth-transaction-tokens
        (
            "txntoken+jwt",
            &[
                ("txn", json!("1")),
                ("tctx", json!({})),
                ("rctx", json!({})),
            ],
        ),
        // RFC 8417
        ("secevent+jwt", &[("events", event.clone())]),
        // OpenID Connect Back-Channel Logout
        (
            "logout+jwt",
            &[("events", event), ("sid", json!("session"))],
        ),
        // RFC 9449
        (
            "dpop+jwt",
            &[
                ("htm", json!("GET")),
                ("htu", json!("https://api.example.com/")),
            ],
        ),
        // draft-ietf-oauth-status-list
        (
            "statuslist+jwt",
            &[("status_list", json!({ "bits": 1, "lst": "eNo" }))],
        ),
        // OpenID Federation
        ("entity-statement+jwt", &[("jwks", json!({ "keys": [] }))]),
        // RFC 9701
        (
            "token-introspection+jwt",
            &[("token_introspection", json!({ "active": true }))],
        ),
        // RFC 9101
        ("oauth-authz-req+jwt", &[("response_type", json!("code"))]),
        // draft-ietf-oauth-sd-jwt-vc
        ("dc+sd-jwt", &[("vct", json!("https://example.com/card"))]),
        // RFC 7523 client authentication, draft-ietf-oauth-rfc7523bis
        ("client-authentication+jwt", &[("resource", confirmation)]),
        // An ID token, and whatever does not say what it is.
        ("JWT", &[("nonce", json!("n")), ("sid", json!("session"))]),
    ];
    let mut cases = Vec::new();
    for (name, claims) in profiles {
        let token = claims.iter().fold(world.token(), |token, (name, value)| {
            token.claim(*name, value.clone())
        });
        for typ in [
            name.to_owned(),
            name.to_uppercase(),
            format!("application/{name}"),
        ] {
            let token = token.clone().header("typ", typ.as_str()).sign();
            cases.push(bad(typ, token, WrongTokenType));
        }
        cases.push(good(format!("the claims of {name}"), token.sign()));
    }
    world.check(cases).await;
}
