//! A person signs in to a real project: authorization code with PKCE (RFC 7636), as a public client on
//! loopback (RFC 8252). The token stays in this process, and the page never receives it.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use axum_authgear::Authgear;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use support::project;
use support::variable::Variable;
use url::Url;

use crate::gateway::random_text;
use crate::marks::lock;

const AUTHGEAR_CLIENT_ID: Variable = Variable("AUTHGEAR_CLIENT_ID");

pub(crate) struct SignIn {
    endpoint: String,
    client_id: String,
    redirect_uri: String,
    client: reqwest::Client,
    begun: Mutex<Option<Begun>>,
    token: Mutex<Option<String>>,
}

/// The last sign-in that began. It replaces an earlier one.
struct Begun {
    state: String,
    verifier: String,
    token_endpoint: Url,
    at: Instant,
}

impl SignIn {
    /// The project from the environment, if it names one.
    pub(crate) fn from_env(address: SocketAddr) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(endpoint) = support::config::endpoint()? else {
            return Ok(None);
        };
        let client_id = AUTHGEAR_CLIENT_ID.text()?;
        let client_id = client_id
            .ok_or_else(|| AUTHGEAR_CLIENT_ID.bad("is required with AUTHGEAR_ENDPOINT"))?;
        // So that an invalid endpoint is reported before anything starts.
        project::build(Authgear::builder(&endpoint))?;
        Ok(Some(Self {
            endpoint,
            client_id,
            redirect_uri: format!("http://{address}/callback"),
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(Duration::from_secs(10))
                .build()?,
            begun: Mutex::default(),
            token: Mutex::default(),
        }))
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn redirect_uri(&self) -> String {
        self.redirect_uri.clone()
    }

    pub(crate) fn token(&self) -> Option<String> {
        lock(&self.token).clone()
    }

    pub(crate) fn sign_out(&self) {
        lock(&self.token).take();
    }

    /// The URL at which the browser signs in.
    pub(crate) async fn begin(&self) -> Result<Url, Failure> {
        let url = format!("{}/.well-known/openid-configuration", self.endpoint);
        let document = self.ask(self.client.get(url)).await?;
        // Only at the project itself.
        let own = |name: &str| {
            let url = Url::parse(document[name].as_str()?).ok()?;
            let endpoint = Url::parse(&self.endpoint).ok()?;
            (url.origin() == endpoint.origin()).then_some(url)
        };
        let issuer = document["issuer"].as_str();
        let addresses = (own("authorization_endpoint"), own("token_endpoint"));
        let (Some(mut authorize), Some(token_endpoint)) = addresses else {
            return Err(Failure("discovery names no addresses of the project's own"));
        };
        if issuer != Some(&self.endpoint) {
            return Err(Failure("discovery names another issuer"));
        }
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, verifier.as_bytes()));
        authorize
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", "openid https://authgear.com/scopes/full-access")
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let at = Instant::now();
        *lock(&self.begun) = Some(Begun {
            state,
            verifier,
            token_endpoint,
            at,
        });
        Ok(authorize)
    }

    /// The browser has returned: exchanges the code for a token.
    pub(crate) async fn finish(&self, query: &HashMap<String, String>) -> Result<(), Failure> {
        let begun = {
            let mut begun = lock(&self.begun);
            let is_ours = |own: &mut Begun| {
                query.get("state") == Some(&own.state) && own.at.elapsed() < PATIENCE
            };
            begun
                .take_if(is_ours)
                .ok_or(Failure("no sign-in with this state was begun"))?
        };
        // RFC 9207: the response of another server is refused.
        if query
            .get("iss")
            .is_some_and(|issuer| *issuer != self.endpoint)
        {
            return Err(Failure("another issuer answered"));
        }
        let code = query.get("code").ok_or(Failure("Authgear gave no code"))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("client_id", &self.client_id)
            .append_pair("code_verifier", &begun.verifier)
            .finish();
        let request = self
            .client
            .post(begun.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = self.ask(request).await?;
        let token = answer["access_token"]
            .as_str()
            .ok_or(Failure("Authgear gave no token"))?;
        *lock(&self.token) = Some(token.to_owned());
        Ok(())
    }

    /// For the page: whether there is a token, without its text.
    pub(crate) fn summary(&self) -> Value {
        let token = lock(&self.token);
        json!({
            "endpoint": self.endpoint,
            "token_length": token.as_ref().map(String::len),
            "is_jwt": token.as_ref().map(|token| token.split('.').count() == 3),
        })
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let away = |_| Failure("Authgear is out of reach");
        let mut response = request.send().await.map_err(away)?;
        if !response.status().is_success() {
            return Err(Failure("Authgear refused"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(Failure("Authgear's answer is too long"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| Failure("Authgear's answer is no JSON"))
    }
}

/// The reason of a failure, without text from outside.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) &'static str);

fn random() -> Result<String, Failure> {
    random_text().map_err(Failure)
}

/// The time limit for a sign-in.
const PATIENCE: Duration = Duration::from_secs(600);
const MAX_ANSWER: usize = 256 * 1024;
