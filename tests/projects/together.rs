//! What an API can do with one project, done with several: former names, resources, kept keys, tokens
//! that are kept, scopes that include others, and explanations.

use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use axum_authgear::authorize::all_scopes;
use axum_authgear::explain::{Check, CheckName, CheckStatus, Explanation, Verdict};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{
    AccessToken, AuthErrorKind, Authgear, LiveSessions, Principal, ProtectedResource,
};
use http::StatusCode;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::{Log, assert_refused, get as get_with, ready};

/// The first project has moved; a token from before.
async fn moved() -> (Stage, String) {
    let stage = Stage::new().await;
    let before = stage.one.token(&stage.alice).sign();
    stage
        .one
        .move_to(stage.one.url().replace("127.0.0.1", "localhost"));
    (stage, before)
}

#[tokio::test]
async fn a_former_issuer_is_a_further_name_of_its_project() {
    let (stage, before) = moved().await;
    let former = stage.one.former_endpoint().unwrap();
    let [one, other] = stage.builders();
    let authgear = ready(Authgear::any_of([one.former_issuer(former), other])).await;
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let after = stage.one.token(&stage.alice).sign();
    for token in [&before, &after, &before, &after] {
        assert_is(&ask(&api, token).await, &stage.one, &stage.alice);
    }
    let others = stage.other.token(&stage.other_alice);
    assert_is(
        &ask(&api, &others.sign()).await,
        &stage.other,
        &stage.other_alice,
    );
    // The name chooses keys, and the former name is no name of the other project.
    let forged = stage.one.token(&stage.alice);
    let forged = forged.claim("iss", former).claim("aud", former);
    let forged = forged
        .signed_by(&stage.other.signing_key())
        .kid(stage.one.signing_kid());
    let refused = ask(&api, &forged.sign()).await;
    assert_refused(&refused, 401, AuthErrorKind::BadSignature);
    // What ends a user ends the tokens of both names.
    let projects = authgear.projects();
    assert!(projects.get(former).is_none());
    let project = projects.get(stage.one.endpoint()).unwrap();
    project.revoke_user(stage.alice.id());
    for token in [&before, &after] {
        assert_refused(&ask(&api, token).await, 401, AuthErrorKind::Revoked);
    }
}

#[tokio::test]
async fn former_issuers_come_and_go_with_the_options_of_their_project() {
    let (stage, before) = moved().await;
    let former = stage.one.former_endpoint().unwrap().to_owned();
    let authgear = stage.authgear().await;
    let projects = authgear.projects();
    let api = api(&authgear);
    let one = || stage.builders().into_iter().next().unwrap();
    assert_refused(&ask(&api, &before).await, 401, AuthErrorKind::WrongIssuer);

    projects.replace(one().former_issuer(&former)).unwrap();
    let user = authgear.verify(&before).await.unwrap();
    assert_is(&ask(&api, &before).await, &stage.one, &stage.alice);
    // It is looked up by its name, not by its place.
    let several = one()
        .former_issuer("https://older.example")
        .former_issuer(&former);
    projects.replace(several).unwrap();
    authgear.recheck(&user).await.unwrap();
    assert_is(&ask(&api, &before).await, &stage.one, &stage.alice);

    let another = one().former_issuer("https://older.example");
    projects.replace(another).unwrap();
    assert_refused(&ask(&api, &before).await, 401, AuthErrorKind::WrongIssuer);
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongIssuer);
    assert_eq!(
        authgear.ended(&user).await.kind(),
        AuthErrorKind::WrongIssuer
    );

    // A name that is another project's can be neither added nor taken over.
    let taken = projects.replace(one().former_issuer(stage.other.endpoint()));
    assert_eq!(taken.unwrap_err().option(), Some("endpoint"));
    let taken = projects.add(Authgear::builder("https://older.example"));
    assert_eq!(taken.unwrap_err().option(), Some("endpoint"));
    assert_eq!(projects.issuers().len(), 2);
}

#[tokio::test]
async fn revocations_follow_a_project_to_its_new_name() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let projects = authgear.projects();
    let api = api(&authgear);
    let former = stage.one.endpoint();
    let bob = stage.one.add_user(User::new("bob").with_id("bob"));
    let carol = stage.one.add_user(User::new("carol").with_id("carol"));
    let [alices, bobs, carols] =
        [&stage.alice, &bob, &carol].map(|user| stage.one.token(user).sign());
    let handle = projects.get(former).unwrap();
    handle.revoke_user(stage.alice.id());
    assert_refused(&ask(&api, &alices).await, 401, AuthErrorKind::Revoked);

    // The same project under another name, with the same keys.
    stage.other.list_key(&stage.one.signing_key());
    let [one, other] = stage.builders();
    projects.remove(former).unwrap();
    projects.replace(other.former_issuer(former)).unwrap();
    assert_refused(&ask(&api, &alices).await, 401, AuthErrorKind::Revoked);
    for (token, user) in [(&bobs, &bob), (&carols, &carol)] {
        assert_is(&ask(&api, token).await, &stage.other, user);
    }
    // Who still knows the former name speaks of the same users.
    handle.revoke_user(bob.id());
    assert_refused(&ask(&api, &bobs).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &carols).await, &stage.other, &carol);

    // A project of its own again, it forgets nothing, and is another one from now on.
    let [_, other] = stage.builders();
    projects.replace(other).unwrap();
    projects.add(one).unwrap();
    for token in [&alices, &bobs] {
        assert_refused(&ask(&api, token).await, 401, AuthErrorKind::Revoked);
    }
    assert_is(&ask(&api, &carols).await, &stage.one, &carol);
    let namesake = stage.other.add_user(User::new("carol").with_id("carol"));
    let namesakes = stage.other.token(&namesake).sign();
    handle.revoke_user(carol.id());
    assert_refused(&ask(&api, &carols).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &namesakes).await, &stage.other, &namesake);
}

#[tokio::test]
async fn a_resource_takes_tokens_of_each_project_that_are_for_it() {
    const ORDERS: &str = "https://api.example.com/orders";
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let orders = authgear
        .for_resource(ProtectedResource::new(ORDERS))
        .unwrap();
    let users = ProtectedResource::new("https://api.example.com/users").project_audience();
    let users = authgear.for_resource(users).unwrap();
    for (fake, user, neighbour) in [
        (&stage.one, &stage.alice, &stage.other),
        (&stage.other, &stage.other_alice, &stage.one),
    ] {
        let of_user = fake.token(user).sign();
        let of_orders = fake.token(user).claim("aud", ORDERS).sign();
        // Whoever saw it first, and whoever has kept it.
        for _ in 0..2 {
            let refused = ask(&api(&orders), &of_user).await;
            assert_refused(&refused, 401, AuthErrorKind::WrongAudience);
            assert_is(&ask(&api(&users), &of_user).await, fake, user);
            assert_is(&ask(&api(&authgear), &of_user).await, fake, user);
            assert_is(&ask(&api(&orders), &of_orders).await, fake, user);
            for wrong in [&users, &authgear] {
                let refused = ask(&api(wrong), &of_orders).await;
                assert_refused(&refused, 401, AuthErrorKind::WrongAudience);
            }
        }
        let caller = orders.verify(&of_orders).await.unwrap();
        orders.recheck(&caller).await.unwrap();
        let error = users.recheck(&caller).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::WrongAudience);
        // The project's audience is that of the token's own project.
        let token = fake.token(user).claim("aud", neighbour.endpoint()).sign();
        let refused = ask(&api(&users), &token).await;
        assert_refused(&refused, 401, AuthErrorKind::WrongAudience);
    }
}

#[tokio::test]
async fn the_metadata_names_issuers_only_if_asked_and_those_of_the_moment() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let resource = || ProtectedResource::new("https://api.example.com");
    let body = async |authgear: &Authgear| {
        let router: Router = authgear.resource_metadata_router();
        let router = router.layer(authgear.seal());
        let path = "/.well-known/oauth-protected-resource";
        let answer = get_with(&router, path, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body
    };
    let quiet = authgear.for_resource(resource()).unwrap();
    assert!(!body(&quiet).await.contains("authorization_servers"));
    let open = authgear
        .for_resource(resource().name_all_issuers())
        .unwrap();
    let named = body(&open).await;
    assert!(named.contains(stage.one.endpoint()) && named.contains(stage.other.endpoint()));
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    let named = body(&open).await;
    assert!(!named.contains(stage.one.endpoint()) && named.contains(stage.other.endpoint()));
}

#[tokio::test]
async fn each_project_has_its_kept_keys() {
    let stage = Stage::new().await;
    let folder = TempDir::new().unwrap();
    let keeping = || {
        let builders = stage.builders().map(|own| own.key_dir(folder.path()));
        Authgear::any_of(builders)
    };
    let seeds = [&stage.one, &stage.other].map(|fake| fake.jwks().to_string());
    let fetched_at = UNIX_EPOCH.elapsed().unwrap();
    let authgear = ready(keeping()).await;
    all_have_keys(&authgear).await;
    let tokens = [
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    ];
    let kept = || {
        let files = std::fs::read_dir(folder.path().join("axum-authgear"));
        let names = files
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with(".keys"))
            .count()
    };
    let both = async {
        while kept() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), both).await.unwrap();
    drop(authgear);
    stage.one.stop();
    stage.other.stop();
    let [one, other] = stage.builders();
    let [seed, other_seed] = seeds;
    let at = UNIX_EPOCH + fetched_at;
    let seeded = [one.jwks_seed(seed, at), other.jwks_seed(other_seed, at)];
    for builder in [Authgear::any_of(seeded), keeping()] {
        let api = api(&builder.build().unwrap());
        assert_is(&ask(&api, &tokens[0]).await, &stage.one, &stage.alice);
        assert_is(
            &ask(&api, &tokens[1]).await,
            &stage.other,
            &stage.other_alice,
        );
        let forged = stage.other.token(&stage.other_alice);
        let forged = forged
            .claim("iss", stage.one.endpoint())
            .claim("aud", stage.one.endpoint());
        assert_ne!(ask(&api, &forged.sign()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn tokens_are_kept_and_scopes_include_others_in_each_project() {
    let stage = Stage::new().await;
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one])
        .scope_includes("write:orders", ["read:orders"])
        .keep_access_tokens();
    let authgear = ready(authgear).await;
    // Of one that comes later, too.
    authgear.projects().add(other).unwrap();
    all_have_keys(&authgear).await;
    let reads = all_scopes(["read:orders"]).unwrap();
    let shown = get(|caller: Principal, token: AccessToken| async move {
        assert!(caller.has_scope("read:orders"));
        token.expose().to_owned()
    });
    let api = Router::new()
        .route("/orders", shown.route_layer(authgear.require(reads)))
        .layer(authgear.layer());
    for (fake, user) in [
        (&stage.one, &stage.alice),
        (&stage.other, &stage.other_alice),
    ] {
        let token = fake.token(user).scope("write:orders").sign();
        for _ in 0..2 {
            let answer = get_with(&api, "/orders", &token).await;
            assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &*token));
        }
        let token = fake.token(user).scope("read:others").sign();
        let refused = get_with(&api, "/orders", &token).await;
        assert_eq!(refused.kind, Some(AuthErrorKind::InsufficientScope));
    }
}

fn check(explanation: &Explanation, name: CheckName) -> &Check {
    let mut checks = explanation.checks().iter();
    checks.find(|check| check.name() == name).unwrap()
}

#[tokio::test]
async fn a_token_is_explained_by_the_rules_of_its_own_project() {
    let stage = Stage::new().await;
    let [one, other] = stage.builders();
    let authgear = ready(Authgear::any_of([one.client_ids(["web"]), other])).await;
    all_have_keys(&authgear).await;
    let explanation = authgear
        .explain(&stage.other.token(&stage.other_alice).sign())
        .await;
    assert_eq!(explanation.verdict(), Verdict::Good, "{explanation}");
    let token = stage.one.token(&stage.alice).client_id("other");
    let explanation = authgear.explain(&token.sign()).await;
    let kind = AuthErrorKind::ClientNotAllowed;
    assert_eq!(
        explanation.verdict(),
        Verdict::Refused(kind),
        "{explanation}"
    );
    let client = check(&explanation, CheckName::Client);
    assert!(client.expected().unwrap().contains("web"), "{explanation}");
    let audience = check(&explanation, CheckName::Audience);
    let expected = audience.expected().unwrap();
    assert!(expected.contains(stage.one.endpoint()), "{explanation}");
    assert!(!expected.contains(stage.other.endpoint()), "{explanation}");
}

#[tokio::test]
async fn a_token_of_none_of_the_projects_is_explained_with_all_their_issuers() {
    let (stage, before) = moved().await;
    let former = stage.one.former_endpoint().unwrap();
    let authgear = stage.authgear().await;
    let stranger = FakeAuthgear::start().await;
    let eve = stranger.add_user(User::new("eve"));
    // The header is not looked at before the issuer, and says nothing yet.
    for token in [
        stranger.token(&eve),
        stranger.token(&eve).header("typ", "JWT"),
    ] {
        let explanation = authgear.explain(&token.sign()).await;
        let kind = AuthErrorKind::WrongIssuer;
        assert_eq!(
            explanation.verdict(),
            Verdict::Refused(kind),
            "{explanation}"
        );
        let issuer = check(&explanation, CheckName::Issuer);
        for endpoint in [stage.one.endpoint(), stage.other.endpoint()] {
            assert!(
                issuer.expected().unwrap().contains(endpoint),
                "{explanation}"
            );
        }
        assert!(issuer.cure().unwrap().contains(stranger.endpoint()));
        let header = check(&explanation, CheckName::Header);
        assert_eq!(header.status(), CheckStatus::NotReached, "{explanation}");
    }
    // A former name that nobody has configured is told by the signature.
    let explanation = authgear.explain(&before).await;
    let cure = explanation.cure().unwrap();
    assert!(
        cure.contains("former_issuer") && cure.contains(former),
        "{explanation}"
    );
    let nobody = Authgear::any_of([]).build().unwrap();
    let explanation = nobody.explain(&before).await;
    let kind = AuthErrorKind::WrongIssuer;
    assert_eq!(
        explanation.verdict(),
        Verdict::Refused(kind),
        "{explanation}"
    );
}

#[tokio::test]
async fn an_explanation_reads_the_one_cache_and_keeps_nothing() {
    let stage = Stage::new().await;
    let live = LiveSessions::within(Duration::from_secs(60));
    let [one, other] = stage.builders();
    let authgear = ready(Authgear::any_of([one, other.live_sessions(live)])).await;
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let entries = |count: usize| {
        let shown = format!("{authgear:?}");
        assert!(shown.contains(&format!("entries: {count}")), "{shown}");
    };
    let token = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();
    entries(0);
    for token in [&token, &others] {
        let explanation = authgear.explain(token).await;
        assert_eq!(explanation.verdict(), Verdict::Good, "{explanation}");
    }
    entries(0);
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    entries(1);
    assert_eq!(authgear.explain(&token).await.verdict(), Verdict::Good);
    let project = authgear.projects().get(stage.one.endpoint()).unwrap();
    project.revoke_user(stage.alice.id());
    let revoked = Verdict::Refused(AuthErrorKind::Revoked);
    assert_eq!(authgear.explain(&token).await.verdict(), revoked);
    entries(1);
}

#[tokio::test]
async fn accounts_name_the_callers_project_and_the_log_the_issuers_that_are_trusted() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::DEBUG);
    let stage = Stage::new().await;
    let authgear = ready(Authgear::any_of(stage.builders()).audit_user_ids()).await;
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let line = |part: &str| {
        let text = log.text();
        let line = text.lines().rfind(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no {part:?} in {text}"))
            .to_owned()
    };
    for (fake, user) in [
        (&stage.one, &stage.alice),
        (&stage.other, &stage.other_alice),
    ] {
        assert_is(&ask(&api, &fake.token(user).sign()).await, fake, user);
        let account = line("request decided");
        assert!(
            account.contains(&format!("issuer=\"{}\"", fake.endpoint())),
            "{account}"
        );
        assert!(account.contains("user_id=\"alice\""), "{account}");
    }
    let stranger = FakeAuthgear::start().await;
    let eve = stranger.add_user(User::new("eve"));
    let refused = ask(&api, &stranger.token(&eve).sign()).await;
    assert_refused(&refused, 401, AuthErrorKind::WrongIssuer);
    let account = line("request decided");
    assert!(!account.contains("issuer=\""), "{account}");
    let expectation = line("token refused");
    for endpoint in [stage.one.endpoint(), stage.other.endpoint()] {
        assert!(expectation.contains(endpoint), "{expectation}");
    }
    assert!(!log.text().contains(stranger.endpoint()));

    // An attempt on another tenant's route is what an audit looks for.
    let only_other = stage.other.endpoint().to_owned();
    let narrow = crate::support::routes().layer(
        authgear
            .layer()
            .issuers(move |_, issuer| issuer == only_other),
    );
    let token = stage.one.token(&stage.alice).sign();
    assert_refused(
        &ask(&narrow, &token).await,
        403,
        AuthErrorKind::IssuerNotAllowed,
    );
    let account = line("request decided");
    for part in [
        &*format!("issuer=\"{}\"", stage.one.endpoint()),
        "user_id=\"alice\"",
        "kind=\"issuer_not_allowed\"",
        "outcome=\"refused\"",
    ] {
        assert!(account.contains(part), "{part} is not in {account}");
    }
}
