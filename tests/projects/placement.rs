//! Options in the wrong place, and projects that cannot stand beside others.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::{
    Algorithm, Authgear, AuthgearBuilder, GatewayProof, LiveSessions, SessionResolver,
};

fn project() -> AuthgearBuilder {
    Authgear::builder("https://one.example")
}

#[track_caller]
fn refuses(builder: AuthgearBuilder, option: &str) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.option(), Some(option), "{error}");
}

#[tokio::test]
async fn what_holds_for_all_projects_is_not_an_option_of_one() {
    let proof = || GatewayProof::secret("0123456789abcdef0123456789abcdef");
    for (builder, option) in vec![
        (project().token_cookie("at"), "token_cookie"),
        (
            project().trusted_origins(["https://app.example"]),
            "trusted_origins",
        ),
        (project().trusted_proxies(["10.0.0.0/8"]), "trusted_proxies"),
        (project().token_cache_capacity(5), "token_cache_capacity"),
        (project().realm("shop"), "realm"),
        (
            project().resource_metadata("https://api.example.com/m"),
            "resource_metadata",
        ),
        (
            project().scope_includes("write:orders", ["read:orders"]),
            "scope_includes",
        ),
        (project().trace_user_ids(), "trace_user_ids"),
        (project().keep_access_tokens(), "keep_access_tokens"),
        (project().audit_decisions(), "audit_decisions"),
        (project().audit_user_ids(), "audit_decisions"),
        (project().redis("redis://127.0.0.1"), "redis"),
        (project().dangerous().gateway(proof()), "gateway"),
        (
            project().dangerous().disable_csrf_protection(),
            "disable_csrf_protection",
        ),
        (project().dangerous().clock(Clock::frozen_at(1)), "clock"),
        (Authgear::any_of([project()]), "any_of"),
    ] {
        refuses(Authgear::any_of([builder]), option);
    }
    // The same beside the projects, all at once.
    let all = Authgear::any_of([project()])
        .token_cookie("at")
        .trusted_origins(["https://app.example"])
        .trusted_proxies(["10.0.0.0/8"])
        .token_cache_capacity(5)
        .realm("shop")
        .scope_includes("write:orders", ["read:orders"])
        .trace_user_ids()
        .keep_access_tokens()
        .audit_user_ids()
        .dangerous()
        .disable_csrf_protection()
        .dangerous()
        .clock(Clock::frozen_at(1));
    all.build().unwrap();
}

#[tokio::test]
async fn what_is_a_projects_own_is_not_an_option_of_all() {
    let all = || Authgear::any_of([project()]);
    let second = Duration::from_secs(7);
    for (builder, option) in vec![
        (all().audience("https://api.example.com"), "audience"),
        (all().client_ids(["web"]), "client_ids"),
        (all().algorithms([Algorithm::ES256]), "algorithms"),
        (all().leeway(second), "leeway"),
        (all().jwks_refresh_interval(second), "jwks_refresh_interval"),
        (all().jwks_cooldown(second), "jwks_cooldown"),
        (all().jwks_max_stale(second), "jwks_max_stale"),
        (all().jwks_uri("https://one.example/keys"), "jwks_uri"),
        (all().jwks_seed("{}", std::time::UNIX_EPOCH), "jwks_seed"),
        (all().key_dir("keys"), "key_dir"),
        (all().former_issuer("https://old.example"), "former_issuer"),
        (all().internal_url("https://inside.example"), "internal_url"),
        (all().revocation_retention(second), "revocation_retention"),
        (
            all().session_resolver(SessionResolver::new()),
            "session_resolver",
        ),
        (
            all().live_sessions(LiveSessions::within(second)),
            "live_sessions",
        ),
        (all().dangerous().allow_http(), "allow_http"),
    ] {
        refuses(builder, option);
    }
    let own = project()
        .audience("https://api.example.com")
        .client_ids(["web"])
        .algorithms([Algorithm::ES256])
        .leeway(second)
        .jwks_refresh_interval(second)
        .jwks_cooldown(second)
        .jwks_max_stale(second * 2)
        .jwks_uri("https://one.example/keys")
        .internal_url("http://inside.example")
        .revocation_retention(second * 10)
        .live_sessions(LiveSessions::within(second))
        .request_timeout(second)
        .dangerous()
        .allow_http();
    Authgear::any_of([own]).build().unwrap();
}

#[tokio::test]
async fn cookies_of_authgears_own_cannot_choose_a_project() {
    let second = Duration::from_secs(7);
    refuses(
        Authgear::any_of([project().session_resolver(SessionResolver::new())]),
        "session_resolver",
    );
    let live = |live: LiveSessions| Authgear::any_of([project().live_sessions(live)]);
    refuses(
        live(LiveSessions::within(second).session_cookies()),
        "session_cookies",
    );
    let resolver = SessionResolver::new().forward_set_cookie(true);
    let live_with = LiveSessions::within(second).session_resolver(resolver);
    refuses(live(live_with), "forward_set_cookie");
}

#[tokio::test]
async fn two_projects_have_two_issuers() {
    refuses(Authgear::any_of([project(), project()]), "endpoint");
    let with_slash = Authgear::builder("https://one.example/");
    refuses(Authgear::any_of([project(), with_slash]), "endpoint");
    let another = || Authgear::builder("https://one.example:8443");
    Authgear::any_of([project(), another()]).build().unwrap();
    // A former name of one is a name of no other.
    let moved = || project().former_issuer("https://old.example");
    let old = || Authgear::builder("https://old.example");
    refuses(Authgear::any_of([moved(), old()]), "endpoint");
    refuses(Authgear::any_of([old(), moved()]), "endpoint");
    let other = Authgear::builder("https://two.example").former_issuer("https://old.example");
    refuses(Authgear::any_of([moved(), other]), "endpoint");
    Authgear::any_of([moved(), another()]).build().unwrap();
    // A bad option of any of them is as bad as ever.
    let bad = Authgear::builder("https://two.example/path");
    refuses(Authgear::any_of([project(), bad]), "endpoint");
}

#[test]
fn without_a_runtime_nothing_is_built() {
    let error = Authgear::any_of([project()]).build().unwrap_err();
    assert_eq!(error.option(), None, "{error}");
}
