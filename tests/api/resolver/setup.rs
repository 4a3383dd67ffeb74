//! Options that cannot work together, and what the error says.

use std::time::Duration;

use axum_authgear::{
    Authgear, AuthgearBuilder, GatewayProof, LiveSessions, NoClaims, SessionResolver,
};

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
    let resolver = || builder().session_resolver(SessionResolver::new());
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
    let both = builder()
        .session_resolver(SessionResolver::new())
        .live_sessions(live());
    refused(both, "session_resolver", "LiveSessions::session_resolver");
    refused(
        gateway(builder().session_resolver(SessionResolver::new())),
        "session_resolver",
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
        (SessionResolver::new().url("ftp://x"), "url"),
        (
            SessionResolver::new().url("http://resolver.internal/resolve"),
            "url",
        ),
        (SessionResolver::new().cookie_prefix("a b"), "cookie_prefix"),
        (SessionResolver::new().cache_ttl(day), "cache_ttl"),
        (SessionResolver::new().timeout(zero), "timeout"),
        (SessionResolver::new().timeout(day), "timeout"),
        (SessionResolver::new().max_in_flight(3), "max_in_flight"),
        (SessionResolver::new().max_queued(0), "max_queued"),
        (SessionResolver::new().cache_capacity(0), "cache_capacity"),
    ] {
        refused(builder().session_resolver(resolver.clone()), option, "");
        // The cookies' prefix is checked where they are read.
        let through = live().session_cookies().session_resolver(resolver);
        refused(builder().live_sessions(through), option, "");
    }
    for (live, option) in [
        (LiveSessions::within(zero), "live_sessions"),
        (LiveSessions::within(day), "live_sessions"),
        (live().grace_period(day * 2), "grace_period"),
        (live().cache_capacity(0), "cache_capacity"),
        (
            live().session_resolver(SessionResolver::new().cache_ttl(Duration::from_secs(1))),
            "cache_ttl",
        ),
    ] {
        refused(builder().live_sessions(live), option, "");
    }
    refused(
        builder().trusted_proxies(["everyone"]),
        "trusted_proxies",
        "everyone",
    );
    let http =
        builder().session_resolver(SessionResolver::new().url("http://resolver.internal/resolve"));
    assert!(http.dangerous().allow_http().build().is_ok());
    let everyone = GatewayProof::networks(["0.0.0.0/0"]);
    refused(
        builder().dangerous().gateway(everyone),
        "gateway",
        "everyone",
    );
    let _: AuthgearBuilder<NoClaims> = builder();
}
