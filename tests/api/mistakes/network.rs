//! The endpoint is dead, another one, or spelled in another way; the network is not what it seems; the
//! runtime is not there.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{
    AuthErrorKind, Authgear, AuthgearBuilder, ConfigError, LiveSessions, SessionResolver, reqwest,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::process::{alone, alone_with};
use super::{assert_brief, assert_calm, assert_names, lines, listen, look};
use crate::support::{api, with_bearer};

const PUBLIC: &str = "https://auth.shop.example";

/// The same words in the log, in the status (which a readiness probe shows), and in what `main` prints
/// that returns the error of `ready()`.
async fn assert_told(builder: AuthgearBuilder, words: &[&str]) -> Vec<String> {
    let (log, _listening) = listen();
    let authgear = builder.build().unwrap();
    let tried = async {
        while authgear.status().last_error().is_none() {
            let _ = authgear.ready(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tried)
        .await
        .unwrap();
    let status = authgear.status();
    let status = chain(status.last_error().unwrap());
    let error = authgear.ready(Duration::from_millis(20)).await.unwrap_err();
    let printed = format!("{error:?}");
    let (default_log, _) = lines(&log);
    assert_names(&default_log, words);
    assert_names(&default_log, &[" WARN ", "issuer="]);
    assert_names(&[&status], words);
    // Within a text, `Debug` escapes quotes.
    let unquoted: Vec<&str> = words.iter().map(|word| word.trim_matches('"')).collect();
    assert_names(&[&printed], &unquoted);
    for text in [&status, &printed] {
        assert!(
            !text.contains("127.0.0.1") && !text.contains("canary"),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }
    assert_brief(&default_log);
    default_log
}

fn chain(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_dead_endpoint() {
    let check = "check the address, and that this machine can reach it";
    let dead = closed_port().await;
    let builder = Authgear::builder(PUBLIC).internal_url(&dead);
    assert_told(builder, &[check, "Connection refused"]).await;
    let live = LiveSessions::within(Duration::from_secs(10));
    let builder = Authgear::builder(PUBLIC)
        .internal_url(&dead)
        .live_sessions(live);
    assert_told(builder, &["Connection refused"]).await;
    let builder = Authgear::builder(PUBLIC)
        .session_resolver(SessionResolver::new().url(format!("{dead}/resolve")));
    assert_told(builder, &[check, "Connection refused"]).await;
}

#[tokio::test]
async fn a_dead_endpoint_is_503_for_a_good_token() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    fake.stop();
    let (log, _listening) = listen();
    let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
    let token = fake.token(&alice).sign();
    let seen = look(&log, &api(&authgear), with_bearer("/user", &token)).await;
    assert_eq!(seen.answer.status, 503);
    assert_names(
        &[&seen.answer.body],
        &["keys to verify access tokens are unavailable"],
    );
    assert_names(
        &seen.default_log,
        &["keys could not be fetched", "Connection refused"],
    );
    assert_names(
        &seen.debug_log,
        &[
            "keys_unavailable",
            "`keys could not be fetched` gives the reason",
            "Connection refused",
        ],
    );
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    let builder =
        Authgear::builder("https://canary.invalid").connect_timeout(Duration::from_secs(1));
    let (log, _listening) = listen();
    let authgear = builder.build().unwrap();
    let tried = async {
        while authgear.status().last_error().is_none() {
            let _ = authgear.ready(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), tried)
        .await
        .unwrap();
    let status = chain(authgear.status().last_error().unwrap());
    // A machine without a name server waits until the timeout.
    let says = status.contains("check the address") || status.contains("can reach the address");
    assert!(says && !status.contains("canary"), "{status}");
    assert_names(&lines(&log).0, &["issuer=\"https://canary.invalid\""]);
}

#[tokio::test]
async fn not_an_authgear() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Discovery, Fault::Status(404));
    let cure = "is the endpoint that of an Authgear project?";
    assert_told(Authgear::builder(fake.endpoint()), &[cure, "404"]).await;
    fake.fail(
        Endpoint::Discovery,
        Fault::Body("<html>canary</html>".to_owned()),
    );
    assert_told(
        Authgear::builder(fake.endpoint()),
        &["discovery document is malformed"],
    )
    .await;
}

/// Another project, or the same one in capitals, with its port, with a final dot.
#[tokio::test]
async fn an_endpoint_that_is_not_the_issuer_letter_by_letter() {
    let fake = FakeAuthgear::builder().endpoint(PUBLIC).start().await;
    for endpoint in [
        "https://AUTH.shop.example",
        "HTTPS://auth.shop.example",
        "https://auth.shop.example:443",
        "https://auth.shop.example.",
        "https://other.shop.example",
    ] {
        let document = json!({ "issuer": PUBLIC, "jwks_uri": format!("{PUBLIC}/oauth2/jwks") });
        fake.fail(Endpoint::Discovery, Fault::Body(document.to_string()));
        let builder = Authgear::builder(endpoint).internal_url(fake.url());
        let found = format!("\"{endpoint}\"");
        let right = format!("\"{PUBLIC}\"");
        let words = [&*found, &*right, "write the endpoint exactly as the issuer"];
        assert_told(builder, &words).await;
    }
    // The near miss: a final slash is left out.
    fake.heal(Endpoint::Discovery);
    let builder = Authgear::builder(format!("{PUBLIC}/")).internal_url(fake.url());
    crate::support::ready(builder).await;
}

#[tokio::test]
async fn an_internal_name_over_http_is_refused_with_both_ways_out() {
    for endpoint in [
        "http://authgear:3000",
        "http://10.0.0.7",
        "http://auth.shop.example",
    ] {
        let error = Authgear::builder(endpoint).build().unwrap_err();
        assert_eq!(error.option(), Some("endpoint"));
        for text in [error.to_string(), format!("{error:?}")] {
            assert_names(
                &[&text],
                &[endpoint, "`internal_url`", "`.dangerous().allow_http()`"],
            );
            assert!(!text.contains('\n'), "{text}");
        }
        let error = Authgear::builder(PUBLIC)
            .internal_url(endpoint)
            .build()
            .unwrap_err();
        assert_eq!(error.option(), Some("internal_url"));
        assert_names(&[error.to_string()], &["`.dangerous().allow_http()`"]);
        let cured = Authgear::builder(PUBLIC)
            .internal_url(endpoint)
            .dangerous()
            .allow_http();
        assert!(cured.build().is_ok());
    }
}

#[tokio::test]
async fn an_internal_address_that_sends_to_the_public_one() {
    // Given as the endpoint.
    let fake = FakeAuthgear::builder().endpoint(PUBLIC).start().await;
    let builder = Authgear::builder(fake.url());
    assert_told(
        builder,
        &["307", "the project's public origin", "`internal_url`"],
    )
    .await;
    // Given as what it is, to a server that does not believe in `X-Forwarded-Proto`.
    let fake = FakeAuthgear::builder()
        .endpoint(PUBLIC)
        .trust_proxy(false)
        .start()
        .await;
    let builder = Authgear::builder(PUBLIC).internal_url(fake.url());
    assert_told(builder, &["307", "TRUST_PROXY=true"]).await;
}

#[tokio::test]
async fn a_bare_resolver_is_elsewhere() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Resolver, Fault::Status(404));
    let live = LiveSessions::within(Duration::from_secs(10));
    for builder in [
        Authgear::builder(fake.endpoint()).session_resolver(SessionResolver::new()),
        Authgear::builder(fake.endpoint()).live_sessions(live),
    ] {
        assert_told(
            builder,
            &["404", "a port of its own", "`SessionResolver::url`"],
        )
        .await;
    }
}

/// A server with a certificate that nobody signed, for another name. It ends with the runtime.
async fn tls_server() -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    format!("https://{address}")
}

const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_name() {
    let url = tls_server().await;
    let cure = ["certificate is not trusted", "`root_certificate`"];
    let builder = || Authgear::builder(PUBLIC).internal_url(&url);
    // The system's roots, and then another one.
    assert_told(builder(), &cure).await;
    let own = reqwest::Certificate::from_pem(CERTIFICATE).unwrap();
    let log = assert_told(
        builder().root_certificate(own),
        &["certificate is not trusted", "for the host that is asked"],
    )
    .await;
    // The names in a certificate are addresses.
    let named = |line: &String| line.contains("canary") || line.contains("10.11.12.13");
    assert!(!log.iter().any(named), "{log:?}");
}

#[tokio::test]
async fn http_where_tls_is_spoken_and_the_other_way_around() {
    let fake = FakeAuthgear::builder().endpoint(PUBLIC).start().await;
    let builder = Authgear::builder(PUBLIC).internal_url(fake.url().replace("http:", "https:"));
    assert_told(builder, &["check the address"]).await;
    let builder =
        Authgear::builder(PUBLIC).internal_url(tls_server().await.replace("https:", "http:"));
    assert_told(builder, &["could not be fetched"]).await;
}

#[tokio::test]
async fn a_proxy_that_only_the_environment_names() {
    let environment = [
        ("HTTPS_PROXY", "http://canary.example:3128"),
        ("NO_PROXY", "inside.example,.local"),
        ("HTTP_PROXY", ""),
        ("http_proxy", ""),
        ("ALL_PROXY", ""),
        ("all_proxy", ""),
        ("https_proxy", ""),
        ("no_proxy", ""),
    ];
    let name = "mistakes::network::a_proxy_that_only_the_environment_names";
    if !alone_with(name, &environment) {
        return;
    }
    let (log, _listening) = listen();
    let proxy = || reqwest::Proxy::all("http://127.0.0.1:9").unwrap();
    for calm in [
        Authgear::builder(PUBLIC).proxy(proxy()),
        Authgear::builder("https://auth.inside.example"),
        Authgear::builder("https://127.0.0.1:9"),
        Authgear::builder("http://localhost:9"),
        Authgear::builder(PUBLIC).internal_url("http://127.0.0.1:9"),
    ] {
        calm.build().unwrap();
    }
    assert_calm(&lines(&log).0);
    for _ in 0..3 {
        Authgear::builder(PUBLIC).build().unwrap();
    }
    let (default_log, _) = lines(&log);
    assert_names(
        &default_log,
        &[" WARN ", "HTTPS_PROXY", "the builder's `proxy`"],
    );
    let told = default_log.iter().filter(|line| line.contains("_PROXY"));
    assert_eq!(told.count(), 1);
    assert!(!log.text().contains("canary"));
}

#[test]
fn build_outside_of_tokio() {
    let error = Authgear::builder(PUBLIC).build().unwrap_err();
    assert!(matches!(error, ConfigError::NoRuntime));
    // What `main` prints that returns it, too.
    for text in [error.to_string(), format!("{error:?}")] {
        assert_names(&[text], &["within a tokio runtime", "#[tokio::main]"]);
    }
}

#[test]
fn a_runtime_that_ended() {
    if !alone("mistakes::network::a_runtime_that_ended") {
        return;
    }
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (log, _listening) = listen();
    let server = tokio::runtime::Runtime::new().unwrap();
    let fake = server.block_on(FakeAuthgear::start());
    let alice = fake.add_user(User::new("alice"));
    let first = runtime();
    let authgear =
        first.block_on(async { crate::support::ready(Authgear::builder(fake.endpoint())).await });
    drop(first);
    // That a runtime ends is no news: programs end.
    assert_calm(&lines(&log).0);
    runtime().block_on(async {
        let _ = fake.rotate();
        let token = fake.token(&alice).sign();
        let api = api(&authgear);
        let seen = look(&log, &api, with_bearer("/user", &token)).await;
        assert_eq!(
            (seen.answer.status.as_u16(), seen.answer.kind),
            (503, Some(AuthErrorKind::KeysUnavailable))
        );
        let cure = "call `build()` on the runtime that serves requests";
        assert_names(&seen.default_log, &[" ERROR ", "has ended", cure]);
        assert_names(&seen.debug_log, &["keys_unavailable", "has ended", cure]);
        let again = look(&log, &api, with_bearer("/user", &token)).await;
        assert_eq!(again.default_log, seen.default_log);
        assert_names(
            &[chain(authgear.status().last_error().unwrap())],
            &["has ended", cure],
        );
    });
}

/// The status alone, which a probe asks for, says it as well.
#[test]
fn a_runtime_that_ended_while_its_keys_serve() {
    if !alone("mistakes::network::a_runtime_that_ended_while_its_keys_serve") {
        return;
    }
    let (log, _listening) = listen();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let guard = runtime.enter();
    let authgear = Authgear::builder(PUBLIC)
        .internal_url("http://127.0.0.1:9")
        .build()
        .unwrap();
    drop(guard);
    drop(runtime);
    let _ = authgear.status();
    assert_names(&lines(&log).0, &[" ERROR ", "has ended", "call `build()`"]);
}
