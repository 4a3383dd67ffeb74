//! Stage 4: who may do what.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use axum_authgear::authorize::{
    HasRole, HasScope, Requirement, RoleKey, ScopeName, all_scopes, amr, any_role, any_scope,
    authenticated_within, has_role, not_anonymous, satisfies, scopes, verified,
};
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{self, FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, AuthRejection, AuthUser, Authgear, Principal};
use http::{Request, StatusCode, header};

use crate::support::{Answer, ready, send};

const NOW: u64 = 1_800_000_000;
const RESOURCE: &str = "https://api.example.com";
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// What a caller is told.
#[derive(Clone, Copy, Debug)]
enum Told {
    Pass,
    /// 403 `forbidden`.
    Forbidden(AuthErrorKind, &'static str),
    /// 403 `insufficient_scope` with these scopes.
    Scope(&'static str),
    /// 401 `insufficient_user_authentication` with these parameters.
    SignInLayer(AuthErrorKind, &'static str),
    /// 401 `missing_credential`.
    WhoAreYou,
    /// The same where it is known which scopes to ask for: by a layer, not by a call.
    Asked(&'static str),
}

use Told::{Asked, Forbidden, Pass, Scope, SignInLayer, WhoAreYou};

const NO_ROLE: Told = Forbidden(AuthErrorKind::RoleMissing, "the user lacks a required role");
const NOT_VERIFIED: Told = Forbidden(AuthErrorKind::NotVerified, "the user is not verified");
const ANONYMOUS: Told = Forbidden(AuthErrorKind::AnonymousUser, "the user is anonymous");
const NOT_YOU: Told = Forbidden(AuthErrorKind::ConditionNotMet, "the user may not do this");
const MACHINE: Told = Forbidden(AuthErrorKind::UserRequired, "a user is required");
const TOO_OLD: Told = SignInLayer(AuthErrorKind::AuthenticationTooOld, r#", max_age="300""#);
/// One is missing that no challenge asks for.
const NO_SCOPE: Told = Scope("");
const TOO_WEAK: Told = SignInLayer(AuthErrorKind::AuthenticationTooWeak, "");

impl Told {
    fn status(self) -> StatusCode {
        match self {
            Pass => StatusCode::OK,
            Forbidden(..) | Scope(_) => StatusCode::FORBIDDEN,
            SignInLayer(..) | WhoAreYou | Asked(_) => StatusCode::UNAUTHORIZED,
        }
    }

    fn challenge(self) -> Option<String> {
        Some(match self {
            Pass | Forbidden(..) => return None,
            Scope("") => r#"Bearer realm="shop", error="insufficient_scope""#.to_owned(),
            Scope(scope) => {
                format!(r#"Bearer realm="shop", error="insufficient_scope", scope="{scope}""#)
            }
            SignInLayer(_, parameters) => format!(
                r#"Bearer realm="shop", error="insufficient_user_authentication"{parameters}"#
            ),
            WhoAreYou => r#"Bearer realm="shop""#.to_owned(),
            Asked(scope) => format!(r#"Bearer realm="shop", scope="{scope}""#),
        })
    }

    fn body(self) -> String {
        let (error, description) = match self {
            Pass => return "done".to_owned(),
            Forbidden(_, description) => ("forbidden", description),
            Scope(_) => (
                "insufficient_scope",
                "the access token lacks a required scope",
            ),
            SignInLayer(AuthErrorKind::AuthenticationTooOld, _) => (
                "insufficient_user_authentication",
                "the user must authenticate again",
            ),
            SignInLayer(..) => (
                "insufficient_user_authentication",
                "the user must authenticate in another way",
            ),
            WhoAreYou | Asked(_) => (
                "missing_credential",
                "the request carries no access token: send it in the field `Authorization: Bearer TOKEN`",
            ),
        };
        format!(r#"{{"error":"{error}","error_description":"{description}"}}"#)
    }

    fn kind(self) -> Option<AuthErrorKind> {
        match self {
            Pass => None,
            Forbidden(kind, _) | SignInLayer(kind, _) => Some(kind),
            Scope(_) => Some(AuthErrorKind::InsufficientScope),
            WhoAreYou | Asked(_) => Some(AuthErrorKind::MissingCredential),
        }
    }
}

struct World {
    fake: FakeAuthgear,
    authgear: Authgear,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::frozen_at(NOW);
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        let builder = Authgear::builder(fake.endpoint())
            .audience(fake.endpoint())
            .audience(RESOURCE)
            .realm("shop")
            .dangerous()
            .clock(clock);
        let authgear = ready(builder).await;
        Self { fake, authgear }
    }

    /// Right after a sign-in with password and second factor, by an application of our own.
    fn alice(&self) -> String {
        let alice = User::new("alice")
            .with_id("alice")
            .roles(["admin", "editor"])
            .verified(true);
        let alice = self.fake.add_user(alice);
        self.fake.token(&alice).amr(["pwd", "mfa"]).sign()
    }

    /// Signed in 301 s ago, refreshed since; no roles, not verified.
    fn bob(&self) -> String {
        let bob = self.fake.add_user(User::new("bob").with_id("bob"));
        let token = self.fake.token(&bob).auth_time(NOW - 301).refreshed();
        token.scope("read:orders").sign()
    }

    /// Signed in exactly 300 s ago, by a third party's application, which has her roles all the same.
    fn carol(&self) -> String {
        let carol = User::new("carol")
            .with_id("carol")
            .roles(["editor"])
            .verified(true);
        let carol = self.fake.add_user(carol);
        let token = self.fake.token(&carol).auth_time(NOW - 300);
        token.third_party().sign()
    }

    /// Anonymous, right after being created.
    fn dora(&self) -> String {
        let dora = self
            .fake
            .add_user(User::new("dora").with_id("dora").anonymous(true));
        self.fake.token(&dora).scope("").sign()
    }

    /// A machine that may read and write orders.
    fn robot(&self) -> String {
        let token = self.fake.client_token("robot", RESOURCE);
        token.scope("read:orders write:orders").sign()
    }

    /// A machine that may do nothing.
    fn drone(&self) -> String {
        self.fake.client_token("drone", RESOURCE).sign()
    }

    /// One route that asks by a layer, one that asks in its handler.
    fn api(&self, requirement: &Requirement) -> Router {
        let own = requirement.clone();
        let ask = move |caller: Principal| async move {
            caller.require(&own)?;
            Ok::<_, AuthRejection>("done")
        };
        Router::new()
            .route(
                "/layer",
                get(|| async { "done" }).route_layer(self.authgear.require(requirement.clone())),
            )
            .route("/call", get(ask))
            .layer(self.authgear.layer().optional())
    }
}

fn request(path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

fn assert_told(answer: &Answer, told: Told, row: &str) {
    assert_eq!(answer.status, told.status(), "{row}");
    assert_eq!(answer.challenge(), told.challenge().as_deref(), "{row}");
    assert_eq!(answer.body, told.body(), "{row}");
    assert_eq!(answer.kind, told.kind(), "{row}");
}

#[tokio::test]
async fn requirements_by_callers() {
    let world = World::new().await;
    let callers = [
        ("alice", Some(world.alice())),
        ("bob", Some(world.bob())),
        ("carol", Some(world.carol())),
        ("dora", Some(world.dora())),
        ("robot", Some(world.robot())),
        ("drone", Some(world.drone())),
        ("nobody", None),
    ];
    let full = "https://authgear.com/scopes/full-access";
    let info = "https://authgear.com/scopes/full-userinfo";
    let openid_info = "openid https://authgear.com/scopes/full-userinfo";
    let orders = || all_scopes(["read:orders"]).unwrap();
    let recent = || authenticated_within(FIVE_MINUTES);

    #[rustfmt::skip]
    let table: Vec<(Requirement, [Told; 7])> = vec![
        //                     alice   bob            carol          dora           robot          drone          nobody
        (has_role("admin"),   [Pass,   NO_ROLE,       NO_ROLE,       NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (has_role("Admin"),   [NO_ROLE, NO_ROLE,      NO_ROLE,       NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (any_role(["admin", "editor"]),
                              [Pass,   NO_ROLE,       Pass,          NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (any_role([""; 0]),   [NO_ROLE, NO_ROLE,      NO_ROLE,       NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (verified(),          [Pass,   NOT_VERIFIED,  Pass,          NOT_VERIFIED,  MACHINE,       MACHINE,       WhoAreYou]),
        (not_anonymous(),     [Pass,   Pass,          Pass,          ANONYMOUS,     MACHINE,       MACHINE,       WhoAreYou]),
        (satisfies(|user: &AuthUser| user.id() == "alice"),
                              [Pass,   NOT_YOU,       NOT_YOU,       NOT_YOU,       MACHINE,       MACHINE,       WhoAreYou]),
        (amr("mfa"),          [Pass,   TOO_WEAK,      TOO_WEAK,      TOO_WEAK,      MACHINE,       MACHINE,       WhoAreYou]),
        (recent(),            [Pass,   TOO_OLD,       Pass,          Pass,          MACHINE,       MACHINE,       WhoAreYou]),

        // Scopes: machines have them, too.
        (orders(),            [Scope("read:orders"), Pass, Scope("read:orders"), Scope("read:orders"), Pass, Scope("read:orders"), Asked("read:orders")]),
        (all_scopes(["write:orders", "read:orders"]).unwrap(),
                              [Scope("write:orders read:orders"), Scope("write:orders"), Scope("write:orders read:orders"), Scope("write:orders read:orders"), Pass, Scope("write:orders read:orders"), Asked("write:orders read:orders")]),
        (any_scope(["write:orders", "read:orders"]).unwrap(),
                              [Scope("write:orders"), Pass, Scope("write:orders"), Scope("write:orders"), Pass, Scope("write:orders"), Asked("write:orders")]),
        (all_scopes([scopes::FULL_ACCESS]).unwrap(),
                              [Pass, Scope(full), Scope(full), Scope(full), Scope(full), Scope(full), Asked(full)]),
        (all_scopes([scopes::OPENID, scopes::FULL_USERINFO]).unwrap(),
                              [Scope(info), Scope(openid_info), Pass, Scope(openid_info), Scope(openid_info), Scope(openid_info), Asked(openid_info)]),
        // What is a client's own to ask for is never asked for.
        (all_scopes([scopes::OFFLINE_ACCESS, "read:orders"]).unwrap(),
                              [Scope("read:orders"), NO_SCOPE, Scope("read:orders"), Scope("read:orders"), NO_SCOPE, Scope("read:orders"), Asked("read:orders")]),
        (all_scopes([scopes::OFFLINE_ACCESS]).unwrap(),
                              [Pass, NO_SCOPE,        Pass,          NO_SCOPE,      NO_SCOPE,      NO_SCOPE,      WhoAreYou]),

        // Both: what the caller can do less about is told, whichever stands first.
        (verified().and(not_anonymous()),
                              [Pass,   NOT_VERIFIED,  Pass,          NOT_VERIFIED,  MACHINE,       MACHINE,       WhoAreYou]),
        (not_anonymous().and(verified()),
                              [Pass,   NOT_VERIFIED,  Pass,          ANONYMOUS,     MACHINE,       MACHINE,       WhoAreYou]),
        (recent().and(has_role("admin")),
                              [Pass,   NO_ROLE,       NO_ROLE,       NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (has_role("admin").and(recent()),
                              [Pass,   NO_ROLE,       NO_ROLE,       NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (recent().and(orders()),
                              [Scope("read:orders"), TOO_OLD, Scope("read:orders"), Scope("read:orders"), MACHINE, MACHINE, Asked("read:orders")]),
        (recent().and(not_anonymous()),
                              [Pass,   TOO_OLD,       Pass,          ANONYMOUS,     MACHINE,       MACHINE,       WhoAreYou]),
        // What is there is not asked for: a client asks for what it has, and for this.
        (orders().and(all_scopes(["write:orders"]).unwrap()),
                              [Scope("read:orders write:orders"), Scope("write:orders"), Scope("read:orders write:orders"), Scope("read:orders write:orders"), Pass, Scope("read:orders write:orders"), Asked("read:orders write:orders")]),
        // Two reasons to sign in again are one.
        (amr("mfa").and(recent()),
                              [Pass,   SignInLayer(AuthErrorKind::AuthenticationTooWeak, r#", max_age="300""#), TOO_WEAK, TOO_WEAK, MACHINE, MACHINE, WhoAreYou]),
        (authenticated_within(Duration::from_secs(200)).and(recent()),
                              [Pass,   SignInLayer(AuthErrorKind::AuthenticationTooOld, r#", max_age="200""#), SignInLayer(AuthErrorKind::AuthenticationTooOld, r#", max_age="200""#), Pass, MACHINE, MACHINE, WhoAreYou]),

        // Either: what the caller can do more about is told, and else the first.
        (has_role("admin").or(orders()),
                              [Pass,   Pass,          Scope("read:orders"), Scope("read:orders"), Pass, Scope("read:orders"), WhoAreYou]),
        (has_role("admin").or(recent()),
                              [Pass,   TOO_OLD,       Pass,          Pass,          MACHINE,       MACHINE,       WhoAreYou]),
        (orders().or(amr("mfa")),
                              [Pass,   Pass,          TOO_WEAK,      TOO_WEAK,      Pass,          Scope("read:orders"), WhoAreYou]),
        (has_role("owner").or(verified()),
                              [Pass,   NO_ROLE,       Pass,          NO_ROLE,       MACHINE,       MACHINE,       WhoAreYou]),
        (verified().or(has_role("owner")),
                              [Pass,   NOT_VERIFIED,  Pass,          NOT_VERIFIED,  MACHINE,       MACHINE,       WhoAreYou]),
        (all_scopes(["a"]).unwrap().or(all_scopes(["b"]).unwrap()),
                              [Scope("a"), Scope("a"), Scope("a"),   Scope("a"),    Scope("a"),    Scope("a"),    Asked("a")]),

        // Context classes are named only where signing in again helps.
        (recent().acr_values(["urn:a", "urn:b"]).unwrap(),
                              [Pass, SignInLayer(AuthErrorKind::AuthenticationTooOld, r#", max_age="300", acr_values="urn:a urn:b""#), Pass, Pass, MACHINE, MACHINE, WhoAreYou]),
        (amr("mfa").acr_values(["phr"]).unwrap().and(orders()),
                              [Scope("read:orders"), SignInLayer(AuthErrorKind::AuthenticationTooWeak, r#", acr_values="phr""#), Scope("read:orders"), Scope("read:orders"), MACHINE, MACHINE, Asked("read:orders")]),
    ];

    let mut rows = 0;
    for (requirement, outcomes) in table {
        let api = world.api(&requirement);
        for ((name, token), told) in callers.iter().zip(outcomes) {
            for path in ["/layer", "/call"] {
                let row = format!("{path} {requirement:?}: {name}");
                let answer = send(&api, request(path, token.as_deref())).await;
                let told = match told {
                    Asked(_) if path == "/call" => WhoAreYou,
                    told => told,
                };
                assert_told(&answer, told, &row);
            }
            rows += 1;
        }
    }
    assert!(rows >= 60, "{rows}");
}

/// A separator or a blank that another reader knows makes no other role or scope.
#[tokio::test]
async fn roles_and_scopes_are_compared_letter_by_letter() {
    let world = World::new().await;
    let alice = world.fake.add_user(User::new("alice"));
    let role = world.api(&has_role("admin"));
    let scope = world.api(&all_scopes(["read:orders"]).unwrap());
    let with_role = |role: &str| {
        let token = world.fake.token(&alice);
        let claim = "https://authgear.com/claims/user/roles";
        token.claim(claim, serde_json::json!([role])).sign()
    };
    let with_scope = |scope: &str| world.fake.token(&alice).scope(scope).sign();
    let told = async |api: &Router, token: String, told: Told, row: &str| {
        for path in ["/layer", "/call"] {
            assert_told(&send(api, request(path, Some(&token))).await, told, row);
        }
    };
    told(&role, with_role("admin"), Pass, "the role").await;
    for near in [
        "Admin",
        "admin,admin",
        "admin admin",
        "\u{ff41}dmin",
        "adm\u{131}n",
    ] {
        told(&role, with_role(near), NO_ROLE, near).await;
    }
    for good in ["read:orders", " read:orders ", "a  read:orders b"] {
        told(&scope, with_scope(good), Pass, good).await;
    }
    let lacking = Scope("read:orders");
    for near in [
        "Read:orders",
        "read:order\u{17f}",
        "a,read:orders",
        "a+read:orders",
        "a%20read:orders",
    ] {
        told(&scope, with_scope(near), lacking, near).await;
    }
    for blank in [
        "\t", "\n", "\u{b}", "\0", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{200b}",
        "\u{2028}", "\u{3000}", "\u{feff}",
    ] {
        for (name, other) in [
            ("before", format!("{blank}admin")),
            ("behind", format!("admin{blank}")),
            ("between", format!("a{blank}admin")),
        ] {
            let row = format!("{blank:?} {name}");
            told(&role, with_role(&other), NO_ROLE, &row).await;
            let other = other.replace("admin", "read:orders");
            told(&scope, with_scope(&other), lacking, &row).await;
        }
    }
    for spaced in [" admin", "admin ", "a admin"] {
        told(&role, with_role(spaced), NO_ROLE, spaced).await;
    }
}

#[test]
fn a_requirement_shows_as_the_expression_that_makes_it() {
    let requirement: Requirement = has_role("admin")
        .and(all_scopes(["a", "b"]).unwrap())
        .or(authenticated_within(Duration::from_secs(300)));
    assert_eq!(
        format!("{requirement:?}"),
        r#"has_role("admin").and(all_scopes(["a", "b"])).or(authenticated_within(300s))"#
    );
}

#[tokio::test]
async fn the_time_of_authentication() {
    let world = World::new().await;
    let user = world.fake.add_user(User::new("alice"));
    let token = || world.fake.token(&user);
    let too_old = |max_age: u64| {
        let parameters = format!(r#", max_age="{max_age}""#);
        SignInLayer(AuthErrorKind::AuthenticationTooOld, parameters.leak())
    };
    let five = FIVE_MINUTES;
    let rows = vec![
        (five, token().auth_time(NOW - 300), Pass),
        (five, token().auth_time(NOW - 301), too_old(300)),
        (five, token().remove_claim("auth_time"), too_old(300)),
        // The issuer's clock may be ahead by the leeway.
        (five, token().auth_time(NOW + 60), Pass),
        (five, token().auth_time(NOW + 61), too_old(300)),
        (five, token().claim("auth_time", -1), too_old(300)),
        (five, token().claim("auth_time", 1e300), too_old(300)),
        (five, token().claim("auth_time", 1_799_999_700.5), Pass),
        (Duration::ZERO, token().auth_time(NOW), Pass),
        (Duration::ZERO, token().auth_time(NOW - 1), too_old(0)),
        (
            Duration::from_millis(1_999),
            token().auth_time(NOW - 2),
            too_old(1),
        ),
        (Duration::MAX, token().auth_time(1), Pass),
        (
            Duration::MAX,
            token().remove_claim("auth_time"),
            too_old(u64::MAX),
        ),
    ];
    for (index, (age, token, told)) in rows.into_iter().enumerate() {
        let api = world.api(&authenticated_within(age));
        let token = token.sign();
        for path in ["/layer", "/call"] {
            let answer = send(&api, request(path, Some(&token))).await;
            assert_told(&answer, told, &format!("row {index}, {path}"));
        }
    }
}

/// The same values, without HTTP.
#[tokio::test]
async fn a_requirement_is_asked_about_a_user_that_it_borrows() {
    let world = World::new().await;
    let alice = world.authgear.verify(&world.alice()).await.unwrap();
    let bob = world.authgear.verify(&world.bob()).await.unwrap();

    let admin = has_role("admin");
    alice.require(&admin).unwrap();
    let rejection = bob.require(&admin).unwrap_err();
    assert_eq!(rejection.kind(), AuthErrorKind::RoleMissing);
    assert_eq!(rejection.status(), StatusCode::FORBIDDEN);

    let error = alice.require(all_scopes(["a", "b"]).unwrap()).unwrap_err();
    assert_eq!(error.error().required_scope(), Some("a b"));
    assert_eq!(error.error().max_age(), None);
    let old = authenticated_within(FIVE_MINUTES)
        .acr_values(["phr"])
        .unwrap();
    let error = bob.require(old).unwrap_err();
    assert_eq!(error.error().max_age(), Some(FIVE_MINUTES));
    assert_eq!(error.error().acr_values(), Some("phr"));

    let machine = world
        .authgear
        .verify_principal(&world.robot())
        .await
        .unwrap();
    let machine = machine.client().unwrap();
    machine
        .require(all_scopes(["write:orders"]).unwrap())
        .unwrap();
    let rejection = machine.require(verified()).unwrap_err();
    assert_eq!(rejection.kind(), AuthErrorKind::UserRequired);
}

/// As the clock goes on, a user that was verified before grows older.
#[tokio::test]
async fn a_user_that_is_kept_grows_older() {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let builder = Authgear::builder(fake.endpoint())
        .dangerous()
        .clock(clock.clone());
    let authgear = ready(builder).await;
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let user = authgear.verify(&token).await.unwrap();
    clock.shift_millis(300_000);
    user.require(authenticated_within(FIVE_MINUTES)).unwrap();
    clock.shift_millis(1_000);
    assert!(user.require(authenticated_within(FIVE_MINUTES)).is_err());
}

/// A user made by hand stands before the layer of any project, so that a router can be tested as it
/// is.
#[tokio::test]
async fn a_requirement_takes_a_user_made_by_hand() {
    let world = World::new().await;
    let api = Router::new()
        .route("/", get(|| async { "done" }))
        .route_layer(world.authgear.require(has_role("admin")));
    let admin = testkit::SignInLayer::user(testkit::auth_user("alice").role("admin").build());
    let answer = send(&api.clone().layer(admin), request("/", None)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let other = testkit::SignInLayer::user(testkit::auth_user("bob").build());
    let answer = send(&api.clone().layer(other), request("/", None)).await;
    assert_eq!(answer.kind, Some(AuthErrorKind::RoleMissing));
    let answer = send(
        &api.layer(testkit::SignInLayer::unauthenticated()),
        request("/", None),
    )
    .await;
    assert_eq!(answer.kind, Some(AuthErrorKind::MissingCredential));
}

struct Admin;

impl RoleKey for Admin {
    const KEY: &str = "admin";
}

struct ReadOrders;

impl ScopeName for ReadOrders {
    const NAME: &str = "read:orders";
}

fn typed_routes() -> Router {
    Router::new()
        .route(
            "/role",
            get(|user: HasRole<Admin>| async move { user.id().to_owned() }),
        )
        .route(
            "/scope",
            get(|caller: HasScope<ReadOrders>| async move {
                caller.client_id().unwrap_or_default().to_owned()
            }),
        )
}

#[tokio::test]
async fn roles_and_scopes_as_types() {
    let world = World::new().await;
    let api = typed_routes().layer(world.authgear.layer().optional());
    let (alice, bob, robot, drone) = (world.alice(), world.bob(), world.robot(), world.drone());
    for (path, token, body) in [
        ("/role", &alice, "alice"),
        ("/scope", &bob, "spa"),
        ("/scope", &robot, "robot"),
    ] {
        let answer = send(&api, request(path, Some(token))).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, body)
        );
    }
    for (path, token, told) in [
        ("/role", Some(&bob), NO_ROLE),
        ("/role", Some(&robot), MACHINE),
        ("/role", None, WhoAreYou),
        ("/scope", Some(&alice), Scope("read:orders")),
        ("/scope", Some(&drone), Scope("read:orders")),
        ("/scope", None, Asked("read:orders")),
    ] {
        let answer = send(&api, request(path, token.map(String::as_str))).await;
        assert_told(&answer, told, path);
    }
}

#[tokio::test]
async fn what_cannot_stand_in_a_challenge_cannot_be_configured() {
    for bad in ["a\"b", "a\\b", "a b", "a\nb", "a\u{0}", "\u{e9}", ""] {
        assert!(all_scopes::<(), _>(["fine", bad]).is_err(), "{bad:?}");
        assert!(any_scope::<(), _>([bad]).is_err(), "{bad:?}");
        assert!(verified::<()>().acr_values([bad]).is_err(), "{bad:?}");
    }
    for bad in ["a\"b", "a\\b", "a\nb", "\u{e9}"] {
        let error = Authgear::builder("https://a.example")
            .realm(bad)
            .build()
            .unwrap_err();
        assert_eq!(error.option(), Some("realm"), "{bad:?}");
    }
    assert!(all_scopes::<(), _>([""; 0]).is_err());
    assert!(all_scopes::<(), _>(["a/b", "c:d"]).is_ok());

    // In a handler it is a 500, and no pass.
    let world = World::new().await;
    let handler = |user: AuthUser| async move {
        user.require(all_scopes(["a\"b"])?)?;
        Ok::<_, AuthRejection>("done")
    };
    let api = Router::new()
        .route("/", get(handler))
        .layer(world.authgear.layer());
    let answer = send(&api, request("/", Some(&world.alice()))).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.kind, Some(AuthErrorKind::InvalidRequirement));
    assert_eq!(answer.challenge(), None);
    assert_eq!(
        answer.body,
        r#"{"error":"server_error","error_description":"the requirement is invalid: use only scopes that RFC 6749 allows"}"#
    );
}

/// Each wrong wiring: no panic, no pass, and a sentence that says what to change.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn wrong_wirings_are_a_500_that_names_the_cure() {
    const MISSING: &str = "no authentication layer ran before this: add `.layer(authgear.layer())` after the route, and after any `require` or `from_fn` layer that needs the user (axum runs the layer that is added last first)";
    const ANOTHER: &str = "the authentication layer belongs to another `Authgear`: make the layer and the requirement with the same one";
    const CLAIMS: &str = "the authentication layer reads other custom claims: extract the type that the builder's `claims` names";

    #[derive(serde::Deserialize)]
    struct Shop {}

    let world = World::new().await;
    let authgear = &world.authgear;
    let admin = || authgear.require(has_role("admin"));
    let hello = || get(|| async { "hello" });
    // The same project, the same keys, and yet not the same configuration.
    let twin = Authgear::builder(world.fake.endpoint()).build().unwrap();
    let typed = Authgear::builder(world.fake.endpoint())
        .claims::<Shop>()
        .dangerous()
        .clock(Clock::frozen_at(NOW));
    let typed = ready(typed).await;
    let of_user = get(|user: AuthUser| async move { user.id().to_owned() });
    let by_call = get(|user: AuthUser| async move {
        user.require(has_role("admin"))?;
        Ok::<_, AuthRejection>("hello")
    });

    let wirings: Vec<(&str, Router, AuthErrorKind, &str)> = vec![
        (
            "a requirement alone",
            Router::new().route("/", hello()).route_layer(admin()),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "a requirement around the authentication instead of inside",
            Router::new()
                .route("/", hello())
                .layer(authgear.layer())
                .layer(admin()),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "the same in a ServiceBuilder, whose order is the other one",
            Router::new().route("/", hello()).layer(
                tower::ServiceBuilder::new()
                    .layer(admin())
                    .layer(authgear.layer()),
            ),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "authentication on another route",
            Router::new()
                .route("/other", hello().layer(authgear.layer()))
                .merge(Router::new().route("/", hello().route_layer(admin()))),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "the route is added after the layer",
            Router::new()
                .layer(authgear.layer())
                .route("/", hello().route_layer(admin())),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "a call in a handler that no layer covers",
            Router::new().route("/", by_call),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "a typed role that no layer covers",
            Router::new().route("/", get(|_: HasRole<Admin>| async { "hello" })),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "a typed scope that no layer covers",
            Router::new().route("/", get(|_: HasScope<ReadOrders>| async { "hello" })),
            AuthErrorKind::LayerMissing,
            MISSING,
        ),
        (
            "a requirement of another Authgear",
            Router::new()
                .route("/", hello())
                .route_layer(twin.require(has_role("admin")))
                .layer(authgear.layer()),
            AuthErrorKind::AuthgearMismatch,
            ANOTHER,
        ),
        (
            "a requirement of an Authgear with other claims",
            Router::new()
                .route("/", hello())
                .route_layer(typed.require(has_role("admin")))
                .layer(authgear.layer()),
            AuthErrorKind::AuthgearMismatch,
            ANOTHER,
        ),
        (
            "a user with other claims",
            Router::new().route("/", of_user).layer(typed.layer()),
            AuthErrorKind::ClaimsTypeMismatch,
            CLAIMS,
        ),
        (
            "a typed role with other claims",
            Router::new()
                .route("/", get(|_: HasRole<Admin>| async { "hello" }))
                .layer(typed.layer()),
            AuthErrorKind::ClaimsTypeMismatch,
            CLAIMS,
        ),
        (
            "an optional role with other claims",
            Router::new()
                .route("/", get(|_: Option<Principal>| async { "hello" }))
                .layer(typed.layer()),
            AuthErrorKind::ClaimsTypeMismatch,
            CLAIMS,
        ),
    ];
    let token = world.alice();
    for (wiring, router, kind, sentence) in wirings {
        let answer = send(&router, request("/", Some(&token))).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{wiring}");
        assert_eq!(answer.kind, Some(kind), "{wiring}");
        assert_eq!(answer.challenge(), None, "{wiring}");
        assert_eq!(
            answer.body,
            format!(r#"{{"error":"server_error","error_description":"{sentence}"}}"#),
            "{wiring}"
        );
    }

    // And the right one of each sort.
    let right = Router::new()
        .route("/", hello())
        .route_layer(admin())
        .layer(authgear.layer());
    let answer = send(&right, request("/", Some(&token))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "hello")
    );
    let right = Router::new().route("/", hello()).layer(
        tower::ServiceBuilder::new()
            .layer(authgear.layer())
            .layer(admin()),
    );
    let answer = send(&right, request("/", Some(&token))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "hello")
    );
}

fn grpc_request(token: Option<&str>) -> Request<Body> {
    let mut request = request("/", token);
    let value = header::HeaderValue::from_static("application/grpc+proto");
    request.headers_mut().insert(header::CONTENT_TYPE, value);
    request
}

#[tokio::test]
async fn refusals_as_trailers_only() {
    let world = World::new().await;
    let hello = || get(|| async { "hello" });
    let admin = || world.authgear.require(has_role("admin"));
    let recent = || world.authgear.require(authenticated_within(FIVE_MINUTES));
    // The outer layer speaks for the inner one; an inner one may speak for itself.
    let outer = |layer| {
        Router::new()
            .route("/", hello())
            .route_layer(layer)
            .layer(world.authgear.layer().grpc())
    };
    let inner = |layer| {
        Router::new()
            .route("/", hello())
            .route_layer(layer)
            .layer(world.authgear.layer())
    };
    let bob = world.bob();
    for (router, status, message) in [
        (outer(admin()), "7", "the user lacks a required role"),
        (inner(admin().grpc()), "7", "the user lacks a required role"),
        (outer(recent()), "16", "the user must authenticate again"),
    ] {
        let answer = send(&router, grpc_request(Some(&bob))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["grpc-status"], status);
        assert_eq!(answer.headers["grpc-message"], message);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/grpc");
        assert_eq!(answer.body, "");
        // Another content type, another language.
        let answer = send(&router, request("/", Some(&bob))).await;
        assert!(matches!(answer.status.as_u16(), 401 | 403));
        assert!(answer.headers.get("grpc-status").is_none());
    }
    // It is opt-in.
    let answer = send(&inner(admin()), grpc_request(Some(&bob))).await;
    assert_told(&answer, NO_ROLE, "without .grpc()");
}

#[tokio::test]
async fn each_layer_has_its_own_response() {
    let world = World::new().await;
    let named = |name: &'static str| {
        move |rejection: &AuthRejection| (rejection.status(), name).into_response()
    };
    let hello = || get(|| async { "hello" });
    let by_call = || {
        get(|user: AuthUser| async move {
            user.require(has_role("owner"))?;
            Ok::<_, AuthRejection>("hello")
        })
    };
    let admin = || world.authgear.require(has_role("admin"));
    let editor = || world.authgear.require(has_role("editor"));
    let authenticate = || world.authgear.layer().respond_with(named("outer"));
    let (alice, bob) = (world.alice(), world.bob());

    let cases = [
        (
            "the outer layer answers for the inner one",
            Router::new()
                .route("/", hello())
                .route_layer(admin())
                .layer(authenticate()),
            &bob,
            "outer",
        ),
        (
            "unless that has an answer of its own",
            Router::new()
                .route("/", hello())
                .route_layer(admin().respond_with(named("inner")))
                .layer(authenticate()),
            &bob,
            "inner",
        ),
        (
            "the innermost that refuses",
            Router::new()
                .route("/", hello())
                .route_layer(admin().respond_with(named("first")))
                .route_layer(editor().respond_with(named("second")))
                .layer(authenticate()),
            &bob,
            "second",
        ),
        (
            "a call in a handler",
            Router::new()
                .route("/", by_call())
                .route_layer(admin())
                .layer(authenticate()),
            &alice,
            "outer",
        ),
        (
            "a call in a handler, inside of a layer with an answer",
            Router::new()
                .route("/", by_call())
                .route_layer(admin().respond_with(named("inner")))
                .layer(authenticate()),
            &alice,
            "inner",
        ),
    ];
    for (case, router, token, body) in cases {
        let answer = send(&router, request("/", Some(token))).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::FORBIDDEN, body),
            "{case}"
        );
        assert_eq!(answer.kind, Some(AuthErrorKind::RoleMissing), "{case}");
    }
}
