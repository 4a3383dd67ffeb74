//! An issuer that nobody here wrote: the certified `oidc-provider` from npm.

use std::process::Stdio;

use axum_authgear::{AuthErrorKind, Authgear, Principal};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::ready;

const RESOURCE: &str = "https://api.example.com";

#[tokio::test]
#[ignore = "needs node and oidc-provider from npm"]
async fn a_token_of_a_certified_provider_is_its_machines_and_a_rotation_heals() {
    let provider = Provider::start().await;
    let authgear = ready(Authgear::builder(&provider.issuer).audience(RESOURCE)).await;

    let token = provider.token().await;
    assert_is_the_workers(&authgear, &token, &provider.issuer).await;

    provider.rotate().await;
    let young = provider.token().await;
    assert_ne!(header(&token).kid, header(&young).kid);
    assert_is_the_workers(&authgear, &young, &provider.issuer).await;
    // Its key is still published.
    assert_is_the_workers(&authgear, &token, &provider.issuer).await;

    // Near misses: a machine is no user, and the token is not for the endpoint.
    let error = authgear.verify(&young).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::UserRequired);
    let for_endpoint = ready(Authgear::builder(&provider.issuer)).await;
    let error = for_endpoint.verify_principal(&young).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongAudience);
}

async fn assert_is_the_workers(authgear: &Authgear, token: &str, issuer: &str) {
    let principal = authgear.verify_principal(token).await.unwrap();
    let Principal::Client(client) = principal else {
        panic!("a user's token");
    };
    assert_eq!(client.client_id(), "worker");
    assert_eq!(client.scopes().collect::<Vec<_>>(), ["read:orders"]);
    assert_eq!(client.audiences().collect::<Vec<_>>(), [RESOURCE]);
    assert_eq!(client.issuer(), issuer);
    assert!(client.expires_at() > client.issued_at());
}

/// The provider's process: it ends with its standard input, at the latest when this is dropped.
struct Provider {
    issuer: String,
    http: reqwest::Client,
    _process: Child,
}

impl Provider {
    async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc_provider/server.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let stdout = process.stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next_line().await.unwrap();
        let line = line.expect("`npm ci --prefix tests/oidc_provider` was run");
        Self {
            issuer: line.strip_prefix("listening on ").unwrap().to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            _process: process,
        }
    }

    /// RFC 6749 §4.4, with the resource of RFC 8707.
    async fn token(&self) -> String {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
        }

        let form = "grant_type=client_credentials&client_id=worker&client_secret=worker-secret\
                    &resource=https://api.example.com&scope=read:orders";
        let response = self
            .http
            .post(format!("{}/token", self.issuer))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let body = response.bytes().await.unwrap();
        serde_json::from_slice::<Granted>(&body)
            .unwrap()
            .access_token
    }

    async fn rotate(&self) {
        self.http
            .post(format!("{}/__test/rotate", self.issuer))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }
}

#[derive(Deserialize)]
struct Header {
    kid: String,
}

fn header(token: &str) -> Header {
    let (header, _) = token.split_once('.').unwrap();
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
    serde_json::from_slice(&header).unwrap()
}
