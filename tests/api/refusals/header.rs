//! The header decides nothing but which of the allowed algorithms and known keys is meant.

use axum_authgear::Algorithm;
use axum_authgear::AuthErrorKind::{
    AlgorithmNotAllowed, BadSignature, KeyAlgorithmMismatch, MalformedClaims, MalformedToken,
    MalformedTokenHeader, MissingKeyId, UnknownKey, UnsupportedTokenHeader, WrongIssuer,
    WrongTokenType,
};
use axum_authgear::testkit::{Endpoint, FakeAuthgear, SigningKey};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{NOW, World, bad, escaped, good, with_member};

#[tokio::test]
async fn the_algorithm_is_one_of_the_list() {
    let world = World::new().await;
    let key = world.fake.signing_key();
    let jwk = key.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    let modulus = URL_SAFE_NO_PAD.decode_to_vec(modulus).unwrap();
    let mut cases = vec![good("RS256", world.token().sign())];
    for none in ["none", "None", "NONE", "nOnE"] {
        let token = world.token().header("alg", none);
        let unsigned = token.clone().unsigned().sign();
        cases.extend([
            bad(
                format!("{none}, unsigned"),
                unsigned.clone(),
                MalformedToken,
            ),
            bad(
                format!("{none}, a byte as signature"),
                unsigned + "AA",
                AlgorithmNotAllowed,
            ),
            bad(format!("{none}, signed"), token.sign(), AlgorithmNotAllowed),
        ]);
    }
    for (what, secret) in [
        ("modulus", modulus.clone()),
        ("JWK", jwk.to_string().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let token = world.token().hs256(&secret);
        cases.extend([
            bad(
                format!("HS256 with the {what}"),
                token.clone().sign(),
                AlgorithmNotAllowed,
            ),
            bad(
                format!("HS256 with the {what}, said to be RS256"),
                token.header("alg", "RS256").sign(),
                BadSignature,
            ),
        ]);
    }
    for other in ["rs256", "RS256 ", "", "ES256", "EdDSA", "PS256"] {
        let token = world.token().header("alg", other).sign();
        cases.push(bad(format!("alg {other:?}"), token, AlgorithmNotAllowed));
    }
    for stronger in ["RS384", "RS512", "PS256"] {
        let token = world
            .token()
            .signed_by(&key.clone().with_algorithm(stronger))
            .sign();
        cases.push(bad(stronger, token, AlgorithmNotAllowed));
    }
    cases.push(bad(
        "no alg",
        world.token().remove_header("alg").sign(),
        MalformedTokenHeader,
    ));
    for value in [
        json!(256),
        json!(null),
        json!(["RS256"]),
        json!({}),
        json!(true),
    ] {
        let token = world.token().header("alg", value.clone()).sign();
        cases.push(bad(format!("alg {value}"), token, MalformedTokenHeader));
    }
    world.check(cases).await;
}

#[tokio::test]
async fn ed25519_is_another_name_of_eddsa_with_such_a_key() {
    for listed_as in [Some("EdDSA"), Some("Ed25519"), None] {
        let key = SigningKey::ed25519();
        let mut jwk = key.jwk();
        match listed_as {
            Some(name) => jwk["alg"] = json!(name),
            None => drop(jwk.as_object_mut().unwrap().remove("alg")),
        }
        let world = World::with(
            |fake| fake.add_raw_jwk(jwk.clone()),
            |builder| builder.algorithms([Algorithm::RS256, Algorithm::EdDSA]),
        )
        .await;
        let token = |alg: &str| world.token().signed_by(&key).header("alg", alg);
        let mut cases = vec![
            good("EdDSA", token("EdDSA").sign()),
            good("Ed25519", token("Ed25519").sign()),
            bad(
                "Ed25519, tampered with",
                token("Ed25519").tamper_signature().sign(),
                BadSignature,
            ),
            bad(
                "Ed25519 by another key of that kind",
                token("Ed25519")
                    .signed_by(&SigningKey::ed25519())
                    .kid(key.kid())
                    .header("alg", "Ed25519")
                    .sign(),
                BadSignature,
            ),
            bad(
                "Ed25519 with a key of RSA",
                world.token().header("alg", "Ed25519").sign(),
                KeyAlgorithmMismatch,
            ),
            bad(
                "RS256 with that key",
                token("RS256").sign(),
                KeyAlgorithmMismatch,
            ),
        ];
        for near in [
            "ed25519",
            "ED25519",
            "Ed448",
            "EdDSA ",
            "Ed25519 ",
            " Ed25519",
            "eddsa",
            "Ed25519ph",
            "Ed25519\u{0}",
            "ES25519",
        ] {
            cases.push(bad(near, token(near).sign(), AlgorithmNotAllowed));
        }
        world.check(cases).await;
    }
}

#[tokio::test]
async fn ed25519_counts_only_where_eddsa_does_and_the_key_says_so() {
    let key = SigningKey::ed25519();
    let world = World::with(
        |fake| fake.add_raw_jwk(key.jwk()),
        |builder| builder.algorithms([Algorithm::RS256, Algorithm::ES256]),
    )
    .await;
    let token = world.token().signed_by(&key).header("alg", "Ed25519");
    world
        .check([bad("not configured", token.sign(), AlgorithmNotAllowed)])
        .await;

    for name in ["ed25519", "Ed448", "EdDSA ", "RS256", "ES256"] {
        let key = SigningKey::ed25519();
        let mut jwk = key.jwk();
        jwk["alg"] = json!(name);
        let world = World::with(
            |fake| fake.add_raw_jwk(jwk.clone()),
            |builder| builder.algorithms([Algorithm::RS256, Algorithm::EdDSA]),
        )
        .await;
        let cases = ["EdDSA", "Ed25519"].map(|alg| {
            let token = world.token().signed_by(&key).header("alg", alg);
            bad(
                format!("{alg} by a key for {name}"),
                token.sign(),
                KeyAlgorithmMismatch,
            )
        });
        world.check(cases).await;
    }
}

#[tokio::test]
async fn an_algorithm_needs_a_key_that_is_for_it() {
    let rs384 = SigningKey::rsa().with_algorithm("RS384");
    let es256 = SigningKey::es256();
    let world = World::with(
        |fake| {
            fake.list_key(&rs384);
            fake.list_key(&es256);
        },
        |builder| builder.algorithms([Algorithm::RS384, Algorithm::RS256, Algorithm::ES256]),
    )
    .await;
    let rs256 = world.fake.signing_key();
    world
        .check([
            good("RS256", world.token().sign()),
            good("RS384", world.token().signed_by(&rs384).sign()),
            good("ES256", world.token().signed_by(&es256).sign()),
            bad(
                "RS384 with the key for RS256",
                world
                    .token()
                    .signed_by(&rs256.clone().with_algorithm("RS384"))
                    .sign(),
                KeyAlgorithmMismatch,
            ),
            bad(
                "RS256 with the key for RS384",
                world
                    .token()
                    .signed_by(&rs384.clone().with_algorithm("RS256"))
                    .sign(),
                KeyAlgorithmMismatch,
            ),
            bad(
                "ES256 with an RSA key's name",
                world
                    .token()
                    .signed_by(&es256.clone().with_kid(rs256.kid()))
                    .sign(),
                KeyAlgorithmMismatch,
            ),
            bad(
                "RS256 with an EC key's name",
                world.token().kid(es256.kid()).sign(),
                KeyAlgorithmMismatch,
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_type_is_an_access_token() {
    let world = World::new().await;
    let with_type = |value: Value| world.token().header("typ", value).sign();
    let mut cases = Vec::new();
    for typ in [
        "at+jwt",
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "application/AT+JWT",
        "APPLICATION/at+jwt",
    ] {
        cases.push(good(typ, with_type(json!(typ))));
    }
    for typ in [
        "JWT",
        "jwt",
        "",
        "at+jwt ",
        "at-jwt",
        "application/jwt",
        "application/at+jwt; x=1",
        "x/at+jwt",
        "secevent+jwt",
        "logout+jwt",
    ] {
        cases.push(bad(typ, with_type(json!(typ)), WrongTokenType));
    }
    for typ in [json!(null), json!(1), json!(["at+jwt"]), json!({})] {
        cases.push(bad(typ.to_string(), with_type(typ), MalformedTokenHeader));
    }
    cases.extend([
        bad(
            "no typ",
            world.token().remove_header("typ").sign(),
            WrongTokenType,
        ),
        bad(
            "an ID token",
            world.fake.id_token(&world.alice).sign(),
            WrongTokenType,
        ),
        bad(
            "an ID token for the API",
            world
                .fake
                .id_token(&world.alice)
                .claim("aud", world.fake.endpoint())
                .claim("client_id", "spa")
                .sign(),
            WrongTokenType,
        ),
    ]);
    world.check(cases).await;
}

#[tokio::test]
async fn extensions_that_change_the_meaning_are_refused_and_others_ignored() {
    let world = World::new().await;
    let mut cases = Vec::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("crit", json!(["b64"])),
        ("zip", json!("DEF")),
        ("zip", json!(null)),
        ("b64", json!(true)),
        ("b64", json!(false)),
    ] {
        let token = world.token().header(name, value.clone()).sign();
        cases.push(bad(
            format!("{name} {value}"),
            token,
            UnsupportedTokenHeader,
        ));
    }
    let header = world.header();
    let spelled = with_member(&header, &escaped("crit"), r#"["exp"]"#);
    cases.push(bad(
        "crit with an escape",
        world.token().raw_header(&spelled).sign(),
        UnsupportedTokenHeader,
    ));
    for (name, value) in [
        ("cty", json!("JWT")),
        ("CRIT", json!(["exp"])),
        ("zip2", json!("DEF")),
        ("x", json!({ "crit": ["exp"] })),
    ] {
        let token = world.token().header(name, value.clone()).sign();
        cases.push(good(format!("{name} {value}"), token));
    }
    world.check(cases).await;
}

#[tokio::test]
async fn a_key_is_named() {
    let world = World::new().await;
    let with_kid = |value: Value| world.token().header("kid", value).sign();
    let kid = world.fake.signing_kid();
    let old = |kid: &str| world.token().issued_at(NOW - 100).kid(kid).sign();
    let mut cases = vec![
        good("the key's name", with_kid(json!(kid))),
        bad(
            "no kid",
            world.token().remove_header("kid").sign(),
            MissingKeyId,
        ),
        bad("empty kid", with_kid(json!("")), MissingKeyId),
        bad("another name", old("another"), UnknownKey),
        bad("in upper case", old(&kid.to_uppercase()), UnknownKey),
        bad("with a blank", old(&format!("{kid} ")), UnknownKey),
        bad("a path", old("../../etc/passwd"), UnknownKey),
        bad("an address", old("http://127.0.0.1/jwks"), UnknownKey),
        bad("as long as can be", old(&"k".repeat(5000)), UnknownKey),
    ];
    for value in [json!(null), json!(1), json!([kid]), json!({})] {
        cases.push(bad(
            format!("kid {value}"),
            with_kid(value),
            MalformedTokenHeader,
        ));
    }
    world.check(cases).await;
}

/// The members of a header that are not read are bounded, too: looking at them costs something, and
/// anybody can send them.
#[tokio::test]
async fn a_header_has_few_members() {
    let world = World::new().await;
    let with = |count: usize| {
        let token = (0..count).fold(world.token(), |token, index| {
            token.header(format!("x{index}"), index)
        });
        token.sign()
    };
    world
        .check([
            good("32 unknown members", with(32)),
            bad("33 unknown members", with(33), MalformedTokenHeader),
            bad("400 unknown members", with(400), MalformedTokenHeader),
        ])
        .await;
}

/// A token can bring its own key along in four ways. None of them is looked at: a good token stays
/// good, a forged one is of no use, and nothing is fetched.
#[tokio::test]
async fn a_key_in_the_token_is_never_used() {
    let world = World::new().await;
    let attacker = FakeAuthgear::start().await;
    let key = attacker.signing_key();
    let jwks = format!("{}/oauth2/jwks", attacker.url());
    let ours = world.fake.signing_kid();
    let mut cases = Vec::new();
    for (name, value) in [
        ("jwk", key.jwk()),
        ("jku", json!(jwks)),
        ("x5u", json!(jwks)),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!(1)),
    ] {
        let token = world.token().header(name, value.clone());
        cases.extend([
            good(format!("good, with {name}"), token.clone().sign()),
            bad(
                format!("forged, with {name}, under our key's name"),
                token.clone().signed_by(&key).kid(&*ours).sign(),
                BadSignature,
            ),
            bad(
                format!("forged, with {name}, under its own key's name"),
                token.issued_at(NOW - 100).signed_by(&key).sign(),
                UnknownKey,
            ),
        ]);
    }
    world.check(cases).await;
    assert_eq!(attacker.requests(Endpoint::Jwks), 0);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn a_json_object_with_each_member_once() {
    let world = World::new().await;
    let header = world.header();
    let text = Value::Object(header.clone()).to_string();
    let raw = |text: &str| world.token().raw_header(text).sign();
    let mut cases = vec![
        good("as it is", raw(&text)),
        good("with white space", raw(&format!(" \n{text}\t "))),
        bad(
            "with something behind",
            raw(&format!("{text}{{}}")),
            MalformedTokenHeader,
        ),
        bad(
            "a byte order mark",
            raw(&format!("\u{feff}{text}")),
            MalformedTokenHeader,
        ),
        bad(
            "a trailing comma",
            raw(&text.replace('}', ",}")),
            MalformedTokenHeader,
        ),
        bad(
            "cut short",
            raw(&text[..text.len() - 1]),
            MalformedTokenHeader,
        ),
        bad(
            "an array",
            raw(&json!([header["alg"], header["typ"], header["kid"], false]).to_string()),
            MalformedTokenHeader,
        ),
        bad(
            "an array of pairs",
            raw(&json!([header]).to_string()),
            MalformedTokenHeader,
        ),
        bad("a string", raw("\"RS256\""), MalformedTokenHeader),
        bad("a number", raw("1"), MalformedTokenHeader),
        bad("null", raw("null"), MalformedTokenHeader),
        bad("empty", raw("{}"), MalformedTokenHeader),
        bad("no JSON", raw("RS256"), MalformedTokenHeader),
        bad(
            "a lone surrogate",
            raw(&text.replace("at+jwt", r"\ud800")),
            MalformedTokenHeader,
        ),
    ];
    for name in ["alg", "typ", "kid"] {
        let value = header[name].to_string();
        let mut without = header.clone();
        without.remove(name);
        let once = |name: &str| with_member(&without, name, &value);
        cases.extend([
            good(format!("{name} once"), raw(&once(&format!("\"{name}\"")))),
            good(
                format!("{name} once, with an escape"),
                raw(&once(&escaped(name))),
            ),
            bad(
                format!("{name} twice"),
                raw(&with_member(&header, &format!("\"{name}\""), &value)),
                MalformedTokenHeader,
            ),
            bad(
                format!("{name} twice, with an escape"),
                raw(&with_member(&header, &escaped(name), &value)),
                MalformedTokenHeader,
            ),
        ]);
    }
    // RFC 7515 §4: all names must be unique.
    let mut twice = Map::clone(&header);
    twice.insert("x".to_owned(), json!(1));
    cases.extend([
        good(
            "an unknown member once",
            raw(&Value::Object(twice.clone()).to_string()),
        ),
        bad(
            "an unknown member twice",
            raw(&with_member(&twice, "\"x\"", "1")),
            MalformedTokenHeader,
        ),
        bad(
            "an unknown member twice, with an escape",
            raw(&with_member(&twice, &escaped("x"), "1")),
            MalformedTokenHeader,
        ),
    ]);
    for depth in [100, 2000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        cases.extend([
            good(
                format!("{depth} deep in an unknown member"),
                raw(&with_member(&header, "\"x\"", &nested)),
            ),
            bad(format!("{depth} deep"), raw(&nested), MalformedTokenHeader),
        ]);
    }
    world.check(cases).await;

    let token = world.token().sign();
    let (_, rest) = token.split_once('.').unwrap();
    let not_text = URL_SAFE_NO_PAD.encode_to_string(b"{\"alg\":\"\xff\"}");
    world
        .check([bad(
            "no UTF-8",
            format!("{not_text}.{rest}"),
            MalformedTokenHeader,
        )])
        .await;
}

#[tokio::test]
async fn a_header_that_was_good_before_vouches_for_nothing_else() {
    let world = World::new().await;
    let first = world.token().sign();
    let second = world.token().claim("extra", 1).sign();
    let [header, claims, signature] = parts(&first);
    let [_, other_claims, other_signature] = parts(&second);
    let stranger = SigningKey::rsa().with_kid(world.fake.signing_kid());
    world
        .check([
            good("the first one", first.clone()),
            good("another with the same header", second.clone()),
            bad(
                "the signature of another",
                format!("{header}.{claims}.{other_signature}"),
                BadSignature,
            ),
            bad(
                "the claims of another",
                format!("{header}.{other_claims}.{signature}"),
                BadSignature,
            ),
            bad(
                "signed by a stranger",
                world.token().signed_by(&stranger).sign(),
                BadSignature,
            ),
            bad(
                "of another issuer",
                world.token().claim("iss", "https://other.example").sign(),
                WrongIssuer,
            ),
            bad(
                "without claims",
                format!("{header}..{signature}"),
                MalformedClaims,
            ),
            bad(
                "without a signature",
                format!("{header}.{claims}."),
                MalformedToken,
            ),
            bad("alone", header.clone(), MalformedToken),
            bad(
                "cut short",
                format!("{}.{claims}.{signature}", &header[..header.len() - 1]),
                MalformedToken,
            ),
        ])
        .await;
}

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}
