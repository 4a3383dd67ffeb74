//! A fake Authgear, its users, and what the load carries for them.

use std::path::Path;
use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::json;

use super::load::{Headers, Load};
use super::support::forged;

/// Users whose tokens the load carries, one after the other.
const USERS: usize = 100;
/// The proof of the gateway.
pub const SECRET: &str = "the secret that the gateway shares";

pub struct Project {
    pub fake: FakeAuthgear,
    /// The tokens as a client sends them.
    pub bearer: Load,
    tokens: Vec<String>,
}

impl Project {
    pub async fn start(folder: &Path, name: &str) -> Self {
        let fake = FakeAuthgear::start().await;
        let users: Vec<User> = (0..USERS)
            .map(|n| fake.add_user(User::new(format!("user {n}")).roles(["editor"])))
            .collect();
        let hour = Duration::from_secs(3_600);
        let sign = |user| fake.token(user).lifetime(hour).sign();
        let tokens: Vec<String> = users.iter().map(sign).collect();
        let bearer = Load::write(
            folder.join(format!("{name}.lua")),
            &tokens.iter().map(|token| bearer(token)).collect::<Vec<_>>(),
            bearer(&forged(&tokens[0])),
            json!({
                "user_id": users[0].id(),
                "issuer": fake.endpoint(),
                "roles": ["editor"],
                "is_anonymous": false,
                "is_verified": false,
                "can_reauthenticate": true,
            }),
        );
        Self {
            fake,
            bearer,
            tokens,
        }
    }

    /// What a gateway sends that has asked the resolver about each token.
    pub async fn of_gateway(&self, folder: &Path) -> Load {
        let url = format!("{}/_resolver/resolve", self.fake.url());
        let mut good = Vec::new();
        for token in &self.tokens {
            let mut headers = session_headers(&get(&url, &bearer(token)).await);
            headers.push(("x-gateway-secret".to_owned(), SECRET.to_owned()));
            good.push(headers);
        }
        let mut forged = good[0].clone();
        forged.last_mut().unwrap().1 = SECRET.replace("gateway", "client");
        let user = self.bearer.user.clone();
        Load::write(folder.join("gateway.lua"), &good, forged, user)
    }
}

fn bearer(token: &str) -> Headers {
    vec![("authorization".to_owned(), format!("Bearer {token}"))]
}

/// What the resolver says of a session.
fn session_headers(response: &reqwest::Response) -> Headers {
    let headers = response.headers().iter();
    headers
        .filter(|(name, _)| name.as_str().starts_with("x-authgear-"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

pub async fn get(url: &str, headers: &Headers) -> reqwest::Response {
    let client = reqwest::Client::builder().tls_certs_only([]);
    let mut request = client.build().unwrap().get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}
