//! Any token: it is accepted if the project's key signed these very bytes, and they follow the rules.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use super::*;
use crate::jwks::KeySnapshot;
use crate::property::cases::cases;
use crate::property::mutation::{any_bytes, any_json, recorded};
use crate::testkit::SigningKey;
use crate::user::NoClaims;

const ISSUER: &str = "https://auth.shop.example";
const LEEWAY: u64 = 60;

struct Project {
    verifier: JwtVerifier<NoClaims>,
    key: SigningKey,
    now: Timestamp,
    headers: Vec<Value>,
    claims: Vec<Value>,
}

/// One project, whose key is quick to sign with. Time stands still.
fn project() -> &'static Project {
    static PROJECT: LazyLock<Project> = LazyLock::new(|| {
        let key = SigningKey::ed25519().with_kid("the-key-of-the-project");
        let mut verifier = stub::verifier(ISSUER, Algorithm::EdDSA);
        verifier.validation.leeway = Duration::from_secs(LEEWAY);
        let now = verifier.clock.now();
        let text = json!({ "keys": [key.jwk()] }).to_string().into();
        let fetched_at = now.unix();
        let kept = KeySnapshot { text, fetched_at };
        verifier.keys.restore(&kept, &[Algorithm::EdDSA]).unwrap();
        let header = |name: &str| json!({ "alg": name, "typ": "at+jwt", "kid": key.kid() });
        Project {
            headers: vec![header("EdDSA"), header("Ed25519"), header("none")],
            claims: claims(now.unix().as_secs()),
            verifier,
            key,
            now,
        }
    });
    &PROJECT
}

/// What a real Authgear claims, at another time.
fn claims(now: u64) -> Vec<Value> {
    let tokens = recorded("tokens.json");
    let tokens = tokens["tokens"].as_array().unwrap().iter();
    let claims = tokens.filter_map(|token| {
        let token = token["token"].as_str()?;
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1)?);
        let mut claims: Value = serde_json::from_slice(&bytes.ok()?).ok()?;
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + 1_800);
        Some(claims)
    });
    let mut claims: Vec<_> = claims.collect();
    assert!(claims.len() > 5);
    for (name, value) in [
        ("exp", json!(now - LEEWAY)),
        ("exp", json!(now - LEEWAY + 1)),
        ("nbf", json!(now + LEEWAY)),
        ("iat", json!(now + LEEWAY + 1)),
        ("aud", json!(ISSUER)),
        ("cnf", json!({})),
        ("sub", json!("client_id_spa")),
        ("sub", json!("spa")),
        (
            "act",
            json!({ "sub": "support", "act": { "client_id": "spa" } }),
        ),
        (ROLES, json!(["a", "b"])),
    ] {
        let mut other = claims[0].clone();
        other[name] = value;
        claims.push(other);
    }
    claims
}

/// Members in their order, also those with the same name.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_any(All)
    }
}

/// `None` if one of these names is there twice.
fn unique(members: Vec<(String, Value)>, names: &[&str]) -> Option<BTreeMap<String, Value>> {
    let mut unique = BTreeMap::new();
    for (name, value) in members {
        let counts = names.is_empty() || names.contains(&&*name);
        if unique.insert(name, value).is_some() && counts {
            return None;
        }
    }
    Some(unique)
}

/// RFC 7515 §4, RFC 9068 §2.1: whether this header is right. Its members are readable values.
fn is_good_header(members: Vec<(String, Value)>) -> bool {
    let Some(header) = unique(members, &[]) else {
        return false;
    };
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let others = header
        .keys()
        .filter(|name| !["alg", "typ", "kid"].contains(&&***name));
    let typ = text("typ").map(str::to_ascii_lowercase);
    matches!(text("alg"), Some("EdDSA" | "Ed25519"))
        && matches!(typ.as_deref(), Some("at+jwt" | "application/at+jwt"))
        && text("kid") == Some(project().key.kid())
        && !["crit", "zip", "b64"]
            .iter()
            .any(|name| header.contains_key(*name))
        && others.count() <= 32
}

const ROLES: &str = "https://authgear.com/claims/user/roles";
const FLAGS: [&str; 3] = [
    "https://authgear.com/claims/user/is_anonymous",
    "https://authgear.com/claims/user/is_verified",
    "https://authgear.com/claims/user/can_reauthenticate",
];
const TEXTS: [&str; 5] = ["iss", "sub", "jti", "client_id", "scope"];
const DATES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];

/// RFC 7519 §4.1 and RFC 9068 §2.2: whose token it is, if these claims are right.
fn subject(members: Vec<(String, Value)>) -> Option<(String, bool)> {
    let names = [
        &TEXTS[..],
        &DATES,
        &FLAGS,
        &["aud", "amr", "cnf", "act", ROLES],
    ]
    .concat();
    let claims = unique(members, &names)?;
    let each = |names: &[&str], is_good: fn(&Value) -> bool| {
        names
            .iter()
            .all(|name| claims.get(*name).is_none_or(is_good))
    };
    let is_texts = |value: &Value| {
        value
            .as_array()
            .is_some_and(|all| all.iter().all(Value::is_string))
    };
    let types = each(&TEXTS, Value::is_string)
        && each(&DATES, Value::is_number)
        && each(&FLAGS, Value::is_boolean)
        && claims
            .get("aud")
            .is_none_or(|aud| aud.is_string() || is_texts(aud))
        && claims.get("amr").is_none_or(is_texts)
        && claims
            .get(ROLES)
            .is_none_or(|roles| roles.is_null() || is_texts(roles))
        && claims.get("act").is_none_or(|act| is_actor(act, 8));
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let date = |name: &str| claims.get(name).and_then(Value::as_f64);
    let is_ours = match claims.get("aud")? {
        Value::Array(all) => all.iter().any(|audience| audience == ISSUER),
        audience => audience == ISSUER,
    };
    let now = project().now.unix().as_secs_f64();
    let latest = now + 60.0;
    let in_time = date("exp")? + 60.0 > now
        && date("nbf").is_none_or(|from| from <= latest)
        && date("iat").is_none_or(|at| at <= latest);
    let (subject, client) = (text("sub")?, text("client_id").unwrap_or_default());
    let is_machine = subject == client || subject == format!("client_id_{client}");
    let is_whole = is_machine || !subject.starts_with("client_id_");
    let is_of_nobody = client.is_empty() && subject.starts_with("client_id_");
    let is_named = !subject.is_empty() && !is_of_nobody;
    let is_good = types && is_ours && in_time && is_named && is_whole;
    (is_good && text("iss") == Some(ISSUER) && !claims.contains_key("cnf"))
        .then(|| (subject.to_owned(), is_machine))
}

/// RFC 8693 §4.1. A member that is there twice is not seen here.
fn is_actor(act: &Value, left: usize) -> bool {
    let Some(act) = act.as_object().filter(|_| left > 0) else {
        return false;
    };
    let texts = ["sub", "iss", "client_id"].map(|name| act.get(name));
    let names = |value: Option<&Value>| value.is_some_and(|value| value != "");
    texts.iter().flatten().all(|value| value.is_string())
        && (names(texts[0]) || names(texts[2]))
        && act
            .get("act")
            .is_none_or(|earlier| is_actor(earlier, left - 1))
}

/// A signed header and claims, and what is sent.
fn any_token() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Option<Vec<u8>>)> {
    static TOKENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let tokens = recorded("tokens.json");
        let tokens = tokens["tokens"].as_array().unwrap().iter();
        tokens
            .map(|token| token["token"].as_str().unwrap().as_bytes().to_vec())
            .collect()
    });
    let header = prop_oneof![
        2 => Just(project().headers[0].to_string().into_bytes()),
        1 => any_json(&project().headers),
    ];
    let claims = any_json(&project().claims);
    let other = prop_oneof![5 => Just(None), 1 => any_bytes(&TOKENS).prop_map(Some)];
    (header, claims, other)
}

fn token(header: &[u8], claims: &[u8]) -> Vec<u8> {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode_to_string(part));
    let message = format!("{header}.{claims}");
    let signature = project().key.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature)).into_bytes()
}

fn verify(token: &[u8]) -> Result<Outcome<NoClaims>, AuthError> {
    let jws = Jws::split(token)?;
    project().verifier.verify(jws, None, None, project().now)
}

/// Whose token it is. Nothing secret is shown, whatever comes of it.
fn found(token: &[u8], claims: &[u8]) -> Result<Option<(String, bool)>, TestCaseError> {
    let end = token
        .get(token.len().saturating_sub(20)..)
        .unwrap_or_default();
    let end = String::from_utf8_lossy(end).into_owned();
    let shown;
    let found = match verify(token) {
        Ok(Outcome::Verified(verified)) => {
            shown = format!("{:?} {:?}", verified.principal, verified.key);
            let identity = verified.principal.identity();
            prop_assert_eq!(identity.issuer(), ISSUER);
            prop_assert!(verified.length <= claims.len().max(token.len()));
            let is_machine = matches!(verified.principal, Principal::Client(_));
            Some((identity.subject().to_owned(), is_machine))
        }
        Ok(Outcome::Waits { kid, .. }) => {
            prop_assert!(kid.expose() != project().key.kid());
            shown = format!("{kid:?}");
            None
        }
        Err(error) => {
            // What a client sends is never a failure of ours.
            prop_assert!(error.retry_after().is_none(), "{:?}", error);
            shown = format!("{error:?} {error}");
            None
        }
    };
    prop_assert!(end.len() < 20 || !shown.contains(&end), "{}", shown);
    prop_assert!(!shown.contains(project().key.kid()), "{}", shown);
    Ok(found)
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_token_is_judged_by_its_signature_and_its_text(
        (header, claims, other) in any_token(),
    ) {
        let token = token(&header, &claims);
        let found_here = found(&token, &claims)?;
        let header: Option<Members> = serde_json::from_slice(&header).ok();
        let members: Option<Members> = serde_json::from_slice(&claims).ok();
        // Text that this reader cannot hold, as 1e999, may stand in a member that is not read.
        if let (Some(header), Some(members)) = (header, members) {
            let wanted = subject(members.0).filter(|_| is_good_header(header.0));
            let text = String::from_utf8_lossy(&claims);
            // A member of `act` that is there twice is refused, and not seen here.
            let may_differ = text.contains("\"act\"") && found_here.is_none();
            prop_assert!(found_here == wanted || may_differ, "{found_here:?} {wanted:?} {text}");
        }
        // Bytes that the key has not signed.
        if let Some(other) = other {
            prop_assert_eq!(found(&other, &[])?, None);
            let mut changed = token.clone();
            let at = other.len() % changed.len();
            changed[at] = changed[at].wrapping_add(1 + other.first().copied().unwrap_or(0) % 255);
            prop_assert_eq!(found(&changed, &claims)?, None);
        }
    }
}
