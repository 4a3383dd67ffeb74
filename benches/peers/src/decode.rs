//! `jsonwebtoken` alone, with its aws-lc backend and a key made once.

use axum_authgear::testkit::FakeAuthgear;

use crate::claims::Claims;

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
