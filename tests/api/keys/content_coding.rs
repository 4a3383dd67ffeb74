//! Documents are asked for as they are, and a compressed one is named as such.

use std::error::Error;

use axum_authgear::testkit::{Endpoint, Fault};
use axum_authgear::{Authgear, Health};

use super::{Stage, assert_unavailable};
use crate::support::{api, get, ready};

const DOCUMENTS: [Endpoint; 2] = [Endpoint::Discovery, Endpoint::Jwks];

/// What the status says, with all causes.
fn last_error(authgear: &Authgear) -> String {
    let status = authgear.status();
    let first = status.last_error().map(|error| error as &dyn Error);
    let causes = std::iter::successors(first, |&error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.join("; ")
}

/// The honest document, said to be coded like this.
fn coded(stage: &Stage, endpoint: Endpoint, codings: &[&str]) -> Fault {
    let body = match endpoint {
        Endpoint::Jwks => stage.fake.jwks().to_string(),
        _ => serde_json::json!({
            "issuer": stage.fake.endpoint(),
            "jwks_uri": format!("{}/oauth2/jwks", stage.fake.endpoint()),
        })
        .to_string(),
    };
    let fields = codings
        .iter()
        .map(|coding| ("Content-Encoding".to_owned(), (*coding).to_owned()));
    Fault::Answer {
        status: 200,
        headers: fields.collect(),
        body,
    }
}

#[tokio::test]
async fn documents_are_asked_for_without_a_content_coding() {
    let stage = Stage::new().await;
    let _authgear = ready(stage.builder()).await;
    for endpoint in DOCUMENTS {
        let asked = stage.fake.last_request(endpoint).unwrap();
        let fields = asked.headers().get_all("accept-encoding").iter();
        assert_eq!(fields.collect::<Vec<_>>(), ["identity"], "{endpoint:?}");
    }
}

#[tokio::test]
async fn a_content_coding_is_refused_and_named() {
    for (codings, name) in [
        (&["gzip"][..], "gzip"),
        (&["GZIP"], "gzip"),
        (&["x-gzip"], "gzip"),
        (&["br"], "br"),
        (&["deflate"], "deflate"),
        (&["zstd"], "zstd"),
        (&["compress"], "compress"),
        (&["dcb"], "another"),
        (&["gzip-secret"], "another"),
        (&["identity, Br"], "br"),
        (&[",\t zstd"], "zstd"),
        (&["identity", "deflate"], "deflate"),
    ] {
        for endpoint in DOCUMENTS {
            let stage = Stage::new().await;
            stage.fake.fail(endpoint, coded(&stage, endpoint, codings));
            let authgear = stage.builder().build().unwrap();
            let api = api(&authgear);
            assert_unavailable(&get(&api, "/user", &stage.token()).await);
            assert_eq!(authgear.status().health(), Health::Down);
            let told = last_error(&authgear);
            assert!(told.ends_with(&format!("content coding {name}")), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }
}

#[tokio::test]
async fn identity_is_no_content_coding() {
    for codings in [
        &[][..],
        &[""],
        &["identity"],
        &["Identity"],
        &["identity, ,identity"],
        &["identity", ""],
    ] {
        for endpoint in DOCUMENTS {
            let stage = Stage::new().await;
            stage.fake.fail(endpoint, coded(&stage, endpoint, codings));
            let authgear = ready(stage.builder()).await;
            assert_eq!(authgear.status().health(), Health::Healthy, "{codings:?}");
        }
    }
}
