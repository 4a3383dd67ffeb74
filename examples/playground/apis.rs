//! The APIs: the same routes in each mode. Only the builder differs.

use std::error::Error;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::authorize::{all_scopes, has_role, not_anonymous, verified};
use axum_authgear::testkit::{Clock, FakeAuthgear};
use axum_authgear::{
    AuthClient, AuthUser, Authgear, AuthgearBuilder, LiveSessions, SessionResolver,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::gateway;

/// The audience of machines' tokens.
pub(crate) const RESOURCE: &str = "https://stock.example.com";
/// The maximum age of a live session's confirmation.
pub(crate) const BOUND: Duration = Duration::from_secs(5);
/// The leeway.
pub(crate) const LEEWAY: Duration = Duration::from_secs(2);
/// Small, because a few people use it, so that memory stays flat.
const CACHE: usize = 256;
/// The cookie with the token, in the modes with a JWT.
pub(crate) const COOKIE: &str = "access_token";

/// An API in one mode.
pub(crate) struct Api {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// When a disabled user is refused.
    pub(crate) promise: String,
    pub(crate) authgear: Authgear,
    pub(crate) url: String,
    /// The API behind a gateway.
    pub(crate) behind: Option<String>,
    /// Whether it verifies tokens itself.
    pub(crate) reads_tokens: bool,
}

pub(crate) const JWT: &str = "jwt";
pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const LIVE: &str = "live";
pub(crate) const PROJECTS: &str = "projects";
pub(crate) const RESOLVER: &str = "resolver";
pub(crate) const GATEWAY: &str = "gateway";

/// One API for each mode, all for the project `acme`; one also accepts `globex`.
pub(crate) async fn start(
    acme: &FakeAuthgear,
    globex: &FakeAuthgear,
    clock: &Clock,
) -> Result<Vec<Api>, Box<dyn Error>> {
    let in_all = |builder: AuthgearBuilder| {
        builder
            .token_cookie(COOKIE)
            .token_cache_capacity(CACHE)
            .dangerous()
            .clock(clock.clone())
    };
    let within = LiveSessions::within(BOUND)
        .cache_capacity(CACHE)
        .session_resolver(resolver());
    let mut apis = Vec::new();

    let authgear = in_all(project(acme)).build()?;
    let routes = routes(&authgear)?;
    apis.push(Api {
        id: JWT,
        title: "JWT alone",
        promise: "out when the token expires".to_owned(),
        reads_tokens: true,
        ..Api::serve(authgear, routes).await?
    });

    let authgear = in_all(project(acme)).build()?;
    let route = authgear.webhooks([acme.webhook_secret()])?;
    let routes = self::routes(&authgear)?.route("/authgear/webhook", route);
    let api = Api {
        id: WEBHOOK,
        title: "JWT + webhook",
        promise: "out at once, by webhook".to_owned(),
        reads_tokens: true,
        ..Api::serve(authgear, routes).await?
    };
    acme.send_webhooks_to(format!("{}/authgear/webhook", api.url));
    apis.push(api);

    let live = within.clone().grace_period(Duration::from_secs(60));
    let authgear = in_all(project(acme).live_sessions(live)).build()?;
    let routes = self::routes(&authgear)?;
    apis.push(Api {
        id: LIVE,
        title: "Live sessions",
        promise: format!("out within {} s, with a grace", BOUND.as_secs()),
        reads_tokens: true,
        ..Api::serve(authgear, routes).await?
    });

    let both = [acme, globex].map(|fake| project(fake).live_sessions(within.clone()));
    let authgear = in_all(Authgear::any_of(both)).build()?;
    let routes = self::routes(&authgear)?;
    apis.push(Api {
        id: PROJECTS,
        title: "Two projects",
        promise: format!("out within {} s; each by itself", BOUND.as_secs()),
        reads_tokens: true,
        ..Api::serve(authgear, routes).await?
    });

    let authgear =
        in_all(Authgear::builder(acme.endpoint()).session_resolver(resolver())).build()?;
    let routes = self::routes(&authgear)?;
    apis.push(Api {
        id: RESOLVER,
        title: "Resolver",
        promise: "out at the next request".to_owned(),
        ..Api::serve(authgear, routes).await?
    });

    let gateway = gateway::start(acme, clock).await?;
    apis.push(Api {
        id: GATEWAY,
        title: "Gateway",
        promise: "out at the next request".to_owned(),
        ..gateway
    });
    Ok(apis)
}

/// The APIs for a real project: its own clock, no cookies.
pub(crate) async fn of_a_real_project(
    endpoint: &str,
    client_id: &str,
) -> Result<Vec<Api>, Box<dyn Error>> {
    let jwt = || Authgear::builder(endpoint).client_ids([client_id]);
    let mut apis = Vec::new();
    for (id, title, builder) in [
        ("own-jwt", "JWT alone", jwt()),
        (
            "own-live",
            "Live sessions",
            jwt().live_sessions(LiveSessions::within(BOUND)),
        ),
        (
            "own-resolver",
            "Resolver",
            Authgear::builder(endpoint).session_resolver(SessionResolver::new()),
        ),
    ] {
        let authgear = support::project::build(builder)?;
        let routes = routes(&authgear)?;
        apis.push(Api {
            id,
            title,
            reads_tokens: id != "own-resolver",
            ..Api::serve(authgear, routes).await?
        });
    }
    Ok(apis)
}

impl Api {
    pub(crate) async fn serve(authgear: Authgear, routes: Router) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            id: "",
            title: "",
            promise: String::new(),
            url: serve(routes).await?,
            authgear,
            behind: None,
            reads_tokens: false,
        })
    }
}

/// Serves on a free loopback port, and returns the URL.
pub(crate) async fn serve(routes: Router) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, routes).into_future());
    Ok(url)
}

/// Short times, so that their effect is visible soon.
fn project(fake: &FakeAuthgear) -> AuthgearBuilder {
    Authgear::builder(fake.endpoint())
        .client_ids(["spa", "robot"])
        .audience(fake.endpoint())
        .audience(RESOURCE)
        .leeway(LEEWAY)
        .jwks_refresh_interval(Duration::from_secs(15))
        .jwks_cooldown(Duration::from_secs(2))
}

/// How the resolver is called: with a short timeout, so that an outage is visible.
pub(crate) fn resolver() -> SessionResolver {
    SessionResolver::new().timeout(Duration::from_secs(1))
}

pub(crate) fn routes(authgear: &Authgear) -> Result<Router, Box<dyn Error>> {
    let is_editor = authgear.require(has_role("editor"));
    let is_known = authgear.require(verified().and(not_anonymous()));
    let may_read = authgear.require(all_scopes(["read:stock"])?);
    Ok(Router::new()
        .route("/me", get(me).post(me))
        .route("/edit", get(me).route_layer(is_editor))
        .route("/checkout", get(me).route_layer(is_known))
        .route("/stock", get(stock).route_layer(may_read))
        .route_layer(authgear.layer())
        .layer(authgear.seal()))
}

async fn me(user: AuthUser) -> Json<Value> {
    Json(json!({
        "user_id": user.id(),
        "roles": user.roles().collect::<Vec<_>>(),
        "is_anonymous": user.is_anonymous(),
        "is_verified": user.is_verified(),
        "client_id": user.client_id(),
        "scopes": user.scopes().collect::<Vec<_>>(),
        "amr": user.amr().collect::<Vec<_>>(),
        "auth_time": user.auth_time(),
        "expires_at": user.expires_at(),
        "issuer": user.issuer(),
        "verified_by": user.verified_by(),
    }))
}

async fn stock(client: AuthClient) -> Json<Value> {
    Json(json!({
        "client_id": client.client_id(),
        "scopes": client.scopes().collect::<Vec<_>>(),
        "expires_at": client.expires_at(),
    }))
}
