//! Options that cannot work together, and what the error says.

use std::time::Duration;

use axum_authgear::{Authgear, AuthgearBuilder, GatewayProof, LiveSessions, NoClaims, Resolver};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn builder() -> AuthgearBuilder {
    Authgear::builder("https://auth.shop.example")
}

fn live() -> LiveSessions {
    LiveSessions::within(Duration::from_secs(10))
}

fn gateway(builder: AuthgearBuilder) -> AuthgearBuilder {
    builder.dangerous().gateway(GatewayProof::secret(SECRET))
}

#[track_caller]
fn refused<C: Send + Sync + 'static>(builder: AuthgearBuilder<C>, option: &str, word: &str) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.option(), Some(option), "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[tokio::test]
async fn what_a_mode_cannot_know_cannot_be_asked_of_it() {
    let resolver = || builder().resolver(Resolver::new());
    for make in [resolver, || gateway(builder())] {
        assert!(make().build().is_ok());
        refused(make().client_ids(["spa"]), "client_ids", "live_sessions");
        refused(
            make().audience("https://api.example"),
            "audience",
            "audience",
        );
        refused(make().claims::<serde_json::Value>(), "claims", "JWT");
    }
    let all = builder()
        .live_sessions(live())
        .client_ids(["spa"])
        .audience("https://api.example")
        .claims::<serde_json::Value>();
    assert!(all.build().is_ok());
    let cookies = builder().live_sessions(live().session_cookies());
    refused(cookies.claims::<serde_json::Value>(), "claims", "cookies");
    assert!(
        builder()
            .live_sessions(live().session_cookies())
            .build()
            .is_ok()
    );
}

#[tokio::test]
async fn there_is_one_mode() {
    let both = builder().resolver(Resolver::new()).live_sessions(live());
    refused(both, "resolver", "through");
    refused(
        gateway(builder().resolver(Resolver::new())),
        "resolver",
        "gateway",
    );
    refused(
        gateway(builder().live_sessions(live())),
        "live_sessions",
        "gateway",
    );
    refused(
        gateway(builder().token_cookie("t")),
        "token_cookie",
        "gateway",
    );
}

#[tokio::test]
async fn values_that_cannot_work_are_refused() {
    let zero = Duration::ZERO;
    let day = Duration::from_secs(86_400);
    for (resolver, option) in [
        (Resolver::new().url("ftp://x"), "url"),
        (
            Resolver::new().url("http://resolver.internal/resolve"),
            "url",
        ),
        (Resolver::new().cookie_prefix("a b"), "cookie_prefix"),
        (Resolver::new().cache(day), "cache"),
        (Resolver::new().timeout(zero), "timeout"),
        (Resolver::new().timeout(day), "timeout"),
        (Resolver::new().max_in_flight(3), "max_in_flight"),
        (Resolver::new().max_queued(0), "max_queued"),
        (Resolver::new().cache_capacity(0), "cache_capacity"),
    ] {
        refused(builder().resolver(resolver.clone()), option, "");
        // The cookies' prefix is checked where they are read.
        let through = live().session_cookies().through(resolver);
        refused(builder().live_sessions(through), option, "");
    }
    for (live, option) in [
        (LiveSessions::within(zero), "live_sessions"),
        (LiveSessions::within(day), "live_sessions"),
        (live().grace(day * 2), "grace"),
        (live().max_sessions(0), "max_sessions"),
        (
            live().through(Resolver::new().cache(Duration::from_secs(1))),
            "cache",
        ),
    ] {
        refused(builder().live_sessions(live), option, "");
    }
    refused(
        builder().trusted_proxies(["everyone"]),
        "trusted_proxies",
        "everyone",
    );
    let http = builder().resolver(Resolver::new().url("http://resolver.internal/resolve"));
    assert!(http.dangerous().allow_http().build().is_ok());
    let everyone = GatewayProof::networks(["0.0.0.0/0"]);
    refused(
        builder().dangerous().gateway(everyone),
        "gateway",
        "everyone",
    );
    let _: AuthgearBuilder<NoClaims> = builder();
}
