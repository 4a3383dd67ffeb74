//! What both programs do: use axum-authgear, and sign tokens of their own with jsonwebtoken.

use axum_authgear::clock::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

/// Uses axum-authgear the way a service does.
pub async fn authenticate() {
    assert!(!Clock::default().now().unix().is_zero());
}

/// Signs and verifies a token by jsonwebtoken's process-wide backend.
pub fn sign_and_verify() {
    let token = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &json!({ "sub": "alice", "exp": u32::MAX }),
        &EncodingKey::from_secret(SECRET),
    )
    .expect("jsonwebtoken signs");
    let decoded = jsonwebtoken::decode::<Value>(
        &token,
        &DecodingKey::from_secret(SECRET),
        &Validation::new(Algorithm::HS256),
    )
    .expect("jsonwebtoken verifies what it signed");
    assert_eq!(decoded.claims["sub"], "alice");
}

const SECRET: &[u8] = b"a secret of this program alone, 32 bytes or more";
