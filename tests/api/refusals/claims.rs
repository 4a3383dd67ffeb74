//! The claims: which must be there, of which type, and what they may say.

use axum_authgear::AuthErrorKind::{
    self, ClientNotAllowed, Expired, IssuedInFuture, MalformedClaims, MissingAudience,
    MissingExpiry, MissingIssuer, MissingSubject, NotYetValid, SenderConstrainedToken,
    SubjectMismatch, UserRequired, WrongAudience, WrongIssuer,
};
use axum_authgear::testkit::User;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Case, NOW, World, bad, escaped, good, with_member};
use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::get;

const ANONYMOUS: &str = "https://authgear.com/claims/user/is_anonymous";
const VERIFIED: &str = "https://authgear.com/claims/user/is_verified";
const CAN_REAUTHENTICATE: &str = "https://authgear.com/claims/user/can_reauthenticate";
const ROLES: &str = "https://authgear.com/claims/user/roles";

/// Every claim that is read, with a value that is good.
fn read() -> Vec<(&'static str, Value)> {
    vec![
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", Value::Null),
        ("exp", json!(NOW + 100)),
        ("nbf", json!(NOW)),
        ("iat", json!(NOW)),
        ("jti", json!("id")),
        ("client_id", json!("spa")),
        ("scope", json!("openid")),
        ("auth_time", json!(NOW)),
        ("amr", json!(["pwd"])),
        (ANONYMOUS, json!(false)),
        (VERIFIED, json!(true)),
        (CAN_REAUTHENTICATE, json!(true)),
        (ROLES, json!(["admin"])),
    ]
}

#[tokio::test]
async fn four_claims_must_be_there_and_the_others_need_not() {
    let world = World::new().await;
    let without = |name: &str| world.token().remove_claim(name).sign();
    let mut cases = vec![
        good("all", world.token().sign()),
        bad("no iss", without("iss"), MissingIssuer),
        bad("no aud", without("aud"), MissingAudience),
        bad("no exp", without("exp"), MissingExpiry),
        bad("no sub", without("sub"), MissingSubject),
        bad(
            "an empty sub",
            world.token().claim("sub", "").sign(),
            MissingSubject,
        ),
        bad(
            "no claim at all",
            world.token().raw_claims("{}").sign(),
            MissingIssuer,
        ),
    ];
    for (name, _) in read() {
        if !["iss", "aud", "exp", "sub"].contains(&name) {
            cases.push(good(format!("no {name}"), without(name)));
        }
    }
    world.check(cases).await;
}

#[tokio::test]
async fn no_type_is_taken_for_another() {
    let world = World::new().await;
    let string = || json!("x");
    let number = || json!(1);
    let object = || json!({ "x": "x" });
    let strings = || json!(["x"]);
    let all = [
        json!(null),
        json!(true),
        string(),
        number(),
        object(),
        strings(),
        json!([1]),
        json!([["x"]]),
        json!([null]),
    ];
    let mut cases = Vec::new();
    for (name, _) in read() {
        let right: &[Value] = match name {
            // These are checked for what they say, too: see below.
            "iss" | "sub" | "jti" | "client_id" | "scope" => &[string()],
            "exp" | "nbf" | "iat" | "auth_time" => &[number()],
            "aud" => &[string(), strings()],
            "amr" => &[strings()],
            // No roles to tell.
            ROLES => &[strings(), json!(null)],
            _ => &[json!(true)],
        };
        for value in &all {
            let token = world.token().claim(name, value.clone()).sign();
            let what = format!("{name}: {value}");
            if !right.contains(value) {
                cases.push(bad(what, token, MalformedClaims));
            } else if !["iss", "sub", "aud", "exp"].contains(&name) {
                cases.push(good(what, token));
            }
        }
    }
    for date in ["exp", "nbf", "iat", "auth_time"] {
        for text in [
            json!((NOW + 10).to_string()),
            json!("2027-01-15T08:00:00Z"),
            json!(""),
        ] {
            let token = world.token().claim(date, text.clone()).sign();
            cases.push(bad(format!("{date}: {text}"), token, MalformedClaims));
        }
    }
    for (name, text) in [
        (ANONYMOUS, json!("false")),
        (VERIFIED, json!(1)),
        (ROLES, json!("admin")),
    ] {
        let token = world.token().claim(name, text.clone()).sign();
        cases.push(bad(format!("{name}: {text}"), token, MalformedClaims));
    }
    world.check(cases).await;
}

#[tokio::test]
async fn the_issuer_is_the_endpoint_letter_by_letter() {
    let world = World::new().await;
    let endpoint = world.fake.endpoint().to_owned();
    let mut cases = vec![good(
        "the endpoint",
        world.token().claim("iss", &*endpoint).sign(),
    )];
    for other in [
        format!("{endpoint}/"),
        endpoint.to_uppercase(),
        endpoint.replace("http:", "https:"),
        endpoint.replace("127.0.0.1", "localhost"),
        format!("{endpoint} "),
        format!("{endpoint}.evil.example"),
        endpoint[..endpoint.len() - 1].to_owned(),
        String::new(),
    ] {
        let token = world.token().claim("iss", &*other).sign();
        cases.push(bad(format!("iss {other:?}"), token, WrongIssuer));
    }
    world.check(cases).await;
}

#[tokio::test]
async fn one_of_the_audiences_is_ours() {
    let world = World::new().await;
    let own = world.fake.endpoint().to_owned();
    let to = |audience: Value| world.token().claim("aud", audience).sign();
    world
        .check([
            good("an array of one", to(json!([own]))),
            good("one string", to(json!(own))),
            good(
                "among others",
                to(json!(["https://other.example", own, "x"])),
            ),
            bad("another", to(json!("https://other.example")), WrongAudience),
            bad("none", to(json!([])), WrongAudience),
            bad("an empty string", to(json!("")), WrongAudience),
            bad(
                "the client, as in an ID token",
                to(json!(["spa"])),
                WrongAudience,
            ),
            bad(
                "a slash more",
                to(json!([format!("{own}/")])),
                WrongAudience,
            ),
            bad(
                "two in one string",
                to(json!(format!("{own} https://x.example"))),
                WrongAudience,
            ),
            bad(
                "a machine's resource",
                world
                    .fake
                    .client_token("worker", "https://api.example")
                    .sign(),
                WrongAudience,
            ),
        ])
        .await;

    let world = World::with(
        |_| (),
        |builder| {
            builder
                .audience("https://api.example")
                .audience("https://b.example")
        },
    )
    .await;
    let to = |audience: &str| world.token().claim("aud", audience).sign();
    world
        .check([
            good("the first", to("https://api.example")),
            good("the second", to("https://b.example")),
            bad(
                "the endpoint, which is not named",
                to(world.fake.endpoint()),
                WrongAudience,
            ),
        ])
        .await;
}

#[tokio::test]
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of this century are exact"
)]
async fn times_are_compared_with_a_minute_of_leeway() {
    let world = World::new().await;
    let now = NOW as f64;
    let raw = |claim: &str, number: &str| {
        let mut claims = world.claims();
        claims.remove(claim);
        let text = with_member(&claims, &format!("\"{claim}\""), number);
        world.token().raw_claims(&text).sign()
    };
    // An integer where there is no fraction.
    let at = |claim: &str, time: f64| raw(claim, &time.to_string());
    let mut cases = vec![
        good("exp a second ahead", at("exp", now + 1.0)),
        good(
            "exp a second before the leeway's end",
            at("exp", now - 59.0),
        ),
        good("exp half a second before", at("exp", now - 59.5)),
        bad("exp at the leeway's end", at("exp", now - 60.0), Expired),
        bad("exp half a second later", at("exp", now - 60.5), Expired),
        bad("exp in 1970", at("exp", 0.0), Expired),
        bad("exp before 1970", at("exp", -1.0), Expired),
        good("exp as 1.8e9 and a bit", raw("exp", "1.8000001e9")),
        good("exp in a far future", raw("exp", "1e300")),
        good("exp of 20 digits", raw("exp", "99999999999999999999")),
        bad(
            "exp that no number holds",
            raw("exp", "1e400"),
            MalformedClaims,
        ),
        bad("exp as NaN", raw("exp", "NaN"), MalformedClaims),
        bad("exp as hex", raw("exp", "0x7fffffff"), MalformedClaims),
    ];
    for (claim, kind) in [("nbf", NotYetValid), ("iat", IssuedInFuture)] {
        cases.extend([
            good(format!("{claim} now"), at(claim, now)),
            good(format!("{claim} a leeway ahead"), at(claim, now + 60.0)),
            bad(
                format!("{claim} half a second more"),
                at(claim, now + 60.5),
                kind,
            ),
            bad(
                format!("{claim} two seconds more"),
                at(claim, now + 62.0),
                kind,
            ),
            bad(
                format!("{claim} in milliseconds"),
                at(claim, now * 1000.0),
                kind,
            ),
            good(format!("{claim} before 1970"), at(claim, -1.0)),
        ]);
    }
    // When the user authenticated is for others to judge.
    cases.push(good("auth_time ahead", at("auth_time", now + 1000.0)));
    world.check(cases).await;
}

#[tokio::test]
async fn the_leeway_is_the_configured_one() {
    let world = World::with(|_| (), |builder| builder.leeway(std::time::Duration::ZERO)).await;
    let at = |claim: &str, time: u64| world.token().claim(claim, time).sign();
    world
        .check([
            good("exp ahead", at("exp", NOW + 1)),
            bad("exp now", at("exp", NOW), Expired),
            good("nbf now", at("nbf", NOW)),
            bad("nbf ahead", at("nbf", NOW + 1), NotYetValid),
            good("iat now", at("iat", NOW)),
            bad("iat ahead", at("iat", NOW + 1), IssuedInFuture),
        ])
        .await;
}

/// RFC 8725 §2.4: two parsers that take another one of two members read two different tokens.
#[tokio::test]
async fn a_claim_that_is_read_comes_once() {
    let world = World::new().await;
    let claims = world.claims();
    let raw = |text: &str| world.token().raw_claims(text).sign();
    let mut cases = Vec::new();
    for (name, value) in read() {
        let value = claims.get(name).unwrap_or(&value).to_string();
        let mut without = claims.clone();
        without.remove(name);
        let quoted = format!("\"{name}\"");
        let once = with_member(&without, &quoted, &value);
        let twice = |second: &str| {
            let once = once.strip_suffix('}').unwrap();
            format!("{once},{second}:{value}}}")
        };
        cases.extend([
            good(format!("{name} once"), raw(&once)),
            good(
                format!("{name} once, with an escape"),
                raw(&with_member(&without, &escaped(name), &value)),
            ),
            bad(
                format!("{name} twice"),
                raw(&twice(&quoted)),
                MalformedClaims,
            ),
            bad(
                format!("{name} twice, with an escape"),
                raw(&twice(&escaped(name))),
                MalformedClaims,
            ),
        ]);
    }
    let text = Value::Object(claims.clone()).to_string();
    let confirmed = text.replacen('{', r#"{"cnf":{},"cnf":{},"#, 1);
    cases.push(bad("cnf twice", raw(&confirmed), MalformedClaims));
    let unknown = text.replacen('{', r#"{"x":1,"x":2,"#, 1);
    cases.push(good("a member that is not read, twice", raw(&unknown)));
    world.check(cases).await;
}

#[tokio::test]
async fn the_claims_are_a_json_object() {
    let world = World::new().await;
    let claims = world.claims();
    let text = Value::Object(claims.clone()).to_string();
    let raw = |text: &str| world.token().raw_claims(text).sign();
    let values: Vec<_> = claims.values().collect();
    let mut cases = vec![
        good("as they are", raw(&text)),
        good("with white space", raw(&format!(" \n{text}\t "))),
        bad(
            "an array of the values",
            raw(&json!(values).to_string()),
            MalformedClaims,
        ),
        bad(
            "an array of the object",
            raw(&json!([claims]).to_string()),
            MalformedClaims,
        ),
        bad(
            "in a string",
            raw(&json!(text).to_string()),
            MalformedClaims,
        ),
        bad("null", raw("null"), MalformedClaims),
        bad("a number", raw("1"), MalformedClaims),
        bad("no JSON", raw("iss=x"), MalformedClaims),
        bad(
            "something behind",
            raw(&format!("{text},")),
            MalformedClaims,
        ),
        bad(
            "two objects",
            raw(&format!("{text}{text}")),
            MalformedClaims,
        ),
        bad("a comment", raw(&format!("{text}//")), MalformedClaims),
        bad(
            "a byte order mark",
            raw(&format!("\u{feff}{text}")),
            MalformedClaims,
        ),
        bad("a NUL behind", raw(&format!("{text}\0")), MalformedClaims),
        bad("cut short", raw(&text[..text.len() - 1]), MalformedClaims),
        bad(
            "a lone surrogate",
            raw(&text.replace(r#""spa""#, r#""\ud800""#)),
            MalformedClaims,
        ),
    ];
    for depth in [100, 2000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        cases.extend([
            good(
                format!("{depth} deep in a claim that is not read"),
                raw(&with_member(&claims, "\"x\"", &nested)),
            ),
            bad(
                format!("{depth} deep in a claim that is read"),
                raw(&with_member(&claims, "\"nbf\"", &nested)),
                MalformedClaims,
            ),
            bad(format!("{depth} deep"), raw(&nested), MalformedClaims),
        ]);
    }
    world.check(cases).await;

    let token = world.token().sign();
    let (header, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let not_text = URL_SAFE_NO_PAD.encode_to_string(b"{\"iss\":\"\xff\"}");
    world
        .check([bad(
            "no UTF-8",
            format!("{header}.{not_text}.{signature}"),
            MalformedClaims,
        )])
        .await;
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token() {
    let world = World::new().await;
    let mut cases = Vec::new();
    for value in [
        json!({"jkt": "x"}),
        json!({"x5t#S256": "x"}),
        json!({}),
        json!(null),
        json!(1),
    ] {
        let token = world.token().claim("cnf", value.clone()).sign();
        cases.push(bad(format!("cnf {value}"), token, SenderConstrainedToken));
    }
    cases.push(good(
        "cnf2",
        world.token().claim("cnf2", json!({"jkt": "x"})).sign(),
    ));
    world.check(cases).await;
}

#[tokio::test]
async fn the_client_is_one_of_the_list() {
    let world = World::with(|_| (), |builder| builder.client_ids(["spa", "mobile"])).await;
    let of = |client: &str| world.token().client_id(client).sign();
    world
        .check([
            good("the first", of("spa")),
            good("the second", of("mobile")),
            bad("another", of("other"), ClientNotAllowed),
            bad("in another case", of("SPA"), ClientNotAllowed),
            bad("both at once", of("spa mobile"), ClientNotAllowed),
            bad(
                "none",
                world.token().remove_claim("client_id").sign(),
                ClientNotAllowed,
            ),
            bad("empty", of(""), ClientNotAllowed),
            bad(
                "a third party's",
                world.token().third_party().sign(),
                ClientNotAllowed,
            ),
        ])
        .await;

    let anyone = World::new().await;
    anyone
        .check([good(
            "a third party's where none is named",
            anyone.token().third_party().sign(),
        )])
        .await;
}

/// What a token is on the routes of a user, of maybe a user, of a machine, and of either.
#[tokio::test]
async fn a_machine_is_no_user_and_a_user_no_machine() {
    use AuthErrorKind::ClientRequired;

    let world = World::with(|_| (), |builder| builder.audience("https://api.example")).await;
    let alice = world.alice.id().to_owned();
    let machine = || world.fake.client_token("worker", "https://api.example");
    let user = || world.token().claim("aud", "https://api.example");
    let machines = [
        ("as Authgear has it", machine()),
        ("as RFC 9068 has it", machine().claim("sub", "worker")),
        (
            "with the prefix in both",
            machine()
                .client_id("client_id_worker")
                .claim("sub", "client_id_worker"),
        ),
    ];
    for (name, token) in machines {
        let client = if name.contains("both") {
            "client_id_worker"
        } else {
            "worker"
        };
        let token = token.sign();
        for api in [&world.required, &world.optional] {
            for path in ["/user", "/optional"] {
                assert_refused(name, &get(api, path, &token).await, UserRequired);
            }
            for path in ["/client", "/principal"] {
                assert_passed(name, &get(api, path, &token).await, client);
            }
        }
        let error = world.authgear.verify(&token).await.unwrap_err();
        assert_eq!(error.kind(), UserRequired);
    }

    let bob = world.fake.add_user(User::new("bob").with_id("client_idx"));
    let users = [
        ("a user", user(), &*alice, "spa"),
        (
            "a user whose id begins alike",
            world.fake.token(&bob).claim("aud", "https://api.example"),
            "client_idx",
            "spa",
        ),
        (
            "a user without client",
            user().remove_claim("client_id"),
            &*alice,
            "",
        ),
    ];
    for (name, token, id, client) in users {
        let token = token.sign();
        for path in ["/user", "/optional"] {
            assert_passed(name, &get(&world.required, path, &token).await, id);
        }
        assert_refused(
            name,
            &get(&world.required, "/client", &token).await,
            ClientRequired,
        );
        assert_passed(
            name,
            &get(&world.required, "/principal", &token).await,
            client,
        );
    }

    let mismatches: [Case; 5] = [
        bad(
            "the id of another client",
            machine().claim("sub", "client_id_a").client_id("b").sign(),
            SubjectMismatch,
        ),
        bad(
            "a user's token under a client's id",
            user().claim("sub", "client_id_other").sign(),
            SubjectMismatch,
        ),
        bad(
            "no client",
            machine().remove_claim("client_id").sign(),
            SubjectMismatch,
        ),
        bad(
            "nothing behind the prefix",
            machine().client_id("").sign(),
            SubjectMismatch,
        ),
        bad(
            "nothing at all",
            machine().claim("sub", "").client_id("").sign(),
            MissingSubject,
        ),
    ];
    world.check(mismatches).await;
}
