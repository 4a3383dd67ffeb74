//! Which cookie is a credential: its name byte by byte, and more than nothing in it.

use axum::Router;
use axum::body::Body;
use axum_authgear::AuthErrorKind::{
    CrossOriginRequest, MalformedToken, MissingCredential, MultipleCredentials,
};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear};
use http::{HeaderValue, Method, Request, header};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, optional_api, ready, send};

/// The user who is let in, or why the request is refused.
type Wanted = Result<&'static str, AuthErrorKind>;

const NAME: &str = "__Host-access_token";

struct World {
    required: Router,
    optional: Router,
    victim: String,
    attacker: String,
    _fake: FakeAuthgear,
}

/// Cookies in the order [`NAME`], `second`.
async fn world() -> World {
    let fake = FakeAuthgear::start().await;
    let [victim, attacker] = ["victim", "attacker"]
        .map(|name| fake.add_user(User::new(name).with_id(name)))
        .map(|user| fake.token(&user).sign());
    let builder = Authgear::builder(fake.endpoint())
        .token_cookie(NAME)
        .token_cookie("second");
    let authgear = ready(builder).await;
    World {
        required: api(&authgear),
        optional: optional_api(&authgear),
        victim,
        attacker,
        _fake: fake,
    }
}

fn request(path: &str, fields: &[&[u8]]) -> Request<Body> {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for field in fields {
        let value = HeaderValue::from_bytes(field).unwrap();
        request.headers_mut().append(header::COOKIE, value);
    }
    request
}

impl World {
    async fn assert(&self, fields: &[&[u8]], wanted: Wanted) {
        let shown: Vec<_> = fields
            .iter()
            .map(|field| field.escape_ascii().to_string())
            .collect();
        let shown = shown.join(" | ");
        let answer = send(&self.required, request("/user", fields)).await;
        match wanted {
            Ok(user) => assert_passed(&shown, &answer, user),
            Err(kind) => assert_refused(&shown, &answer, kind),
        }
        // Optional is about no credential, not about a bad one.
        let answer = send(&self.optional, request("/optional", fields)).await;
        match wanted {
            Ok(user) => assert_passed(&shown, &answer, user),
            Err(MissingCredential) => assert_passed(&shown, &answer, "nobody"),
            Err(kind) => assert_refused(&shown, &answer, kind),
        }
    }

    async fn assert_text(&self, field: String, wanted: Wanted) {
        self.assert(&[field.as_bytes()], wanted).await;
    }
}

#[tokio::test]
async fn an_emptied_cookie_is_no_credential() {
    let world = world().await;
    let good = format!("{NAME}={}", world.victim);
    let second = format!("second={}", world.victim);
    for empty in ["", "\"\"", "  ", "\t", " \"\"\t"] {
        let empty = format!("{NAME}={empty}");
        let bytes = empty.as_bytes();
        world.assert(&[bytes], Err(MissingCredential)).await;
        world.assert(&[bytes, bytes], Err(MissingCredential)).await;
        for field in [
            format!("{empty}; {empty}"),
            format!("a=1; {empty}; b=2"),
            format!("second=; {empty}"),
            format!("{empty}; {NAME}=; {NAME}=\"\""),
        ] {
            world.assert_text(field, Err(MissingCredential)).await;
        }
        for field in [
            format!("{empty}; {good}"),
            format!("{good}; {empty}"),
            format!("{empty}; {good}; {empty}; {good}"),
            format!("{empty}; {second}"),
            format!("{second}; {empty}"),
        ] {
            world.assert_text(field, Ok("victim")).await;
        }
        world.assert(&[bytes, good.as_bytes()], Ok("victim")).await;
        world.assert(&[good.as_bytes(), bytes], Ok("victim")).await;
        // Two others are two credentials all the same.
        let two = format!("{empty}; {good}; {NAME}={}", world.attacker);
        world.assert_text(two, Err(MultipleCredentials)).await;
    }
    // What is nearly empty is a bad credential.
    for value in [
        "\"", "\"\"\"", "\" \"", "''", "%22%22", "\u{a0}", "\u{3000}", "=", "\"\"x",
    ] {
        let bad = format!("{NAME}={value}");
        world.assert_text(bad.clone(), Err(MalformedToken)).await;
        let both = format!("{bad}; {second}");
        world.assert_text(both, Err(MalformedToken)).await;
    }
}

#[tokio::test]
async fn an_emptied_cookie_is_not_asked_where_it_comes_from() {
    let world = world().await;
    for (value, kind) in [
        ("", MissingCredential),
        ("\"\"", MissingCredential),
        ("x", CrossOriginRequest),
    ] {
        let mut request = request("/user", &[format!("{NAME}={value}").as_bytes()]);
        *request.method_mut() = Method::POST;
        let site = HeaderValue::from_static("cross-site");
        request.headers_mut().insert("sec-fetch-site", site);
        let answer = send(&world.required, request).await;
        assert_refused(value, &answer, kind);
    }
}

/// What some library or other takes for a blank, a hyphen, or nothing at all.
fn invisible() -> Vec<Vec<u8>> {
    let chars = [
        '\u{80}', '\u{85}', '\u{a0}', '\u{ad}', '\u{1680}', '\u{180e}', '\u{2028}', '\u{2029}',
        '\u{202f}', '\u{205f}', '\u{2060}', '\u{3000}', '\u{feff}',
    ];
    let chars = chars.into_iter().chain('\u{2000}'..='\u{200f}');
    let mut all: Vec<Vec<u8>> = chars.map(|char| char.to_string().into_bytes()).collect();
    // The same in Latin-1, and cut short.
    all.extend([vec![0x85], vec![0xa0], vec![0xe2, 0x80], vec![0xff]]);
    // What a form or a URL writes for them.
    all.extend([
        b"%20".to_vec(),
        b"+".to_vec(),
        b"$".to_vec(),
        b"\"".to_vec(),
    ]);
    all
}

/// A sibling subdomain can set each of these, and not the cookie itself: `__Host-` forbids it.
#[tokio::test]
async fn the_name_of_a_cookie_is_compared_byte_by_byte() {
    let world = world().await;
    let (name, evil) = (NAME.as_bytes(), world.attacker.as_bytes());
    let own = format!("{NAME}={}", world.victim).into_bytes();
    let mut others: Vec<Vec<u8>> = Vec::new();
    for blank in invisible() {
        others.push([&blank, name].concat());
        others.push([name, &blank].concat());
        others.push([b" ", &*blank, b" ", name].concat());
        others.push([&name[..6], &blank, &name[6..]].concat());
    }
    for other in [
        "__host-access_token",
        "__HOST-ACCESS_TOKEN",
        "__Host-access_toKen",
        "__Host-acce\u{17f}s_to\u{212a}en",
        "__Host%2Daccess_token",
        "__Host-access%5Ftoken",
        "__Host\u{2010}access_token",
        "__Host-access-token",
        "__Host-access_token[0]",
        "$__Host-access_token",
        "x__Host-access_token",
        "access_token",
        "\"__Host-access_token\"",
        "__Host- access_token",
        "x,__Host-access_token",
        "x __Host-access_token",
    ] {
        others.push(other.as_bytes().to_vec());
    }
    for other in others {
        let pair = [&other, &b"="[..], evil].concat();
        world.assert(&[&pair], Err(MissingCredential)).await;
        // Nor does it stand beside the victim's own, as a second one of the name.
        let first = [&pair, &b"; "[..], &own].concat();
        world.assert(&[&first], Ok("victim")).await;
        let last = [&own, &b";"[..], &pair].concat();
        world.assert(&[&last], Ok("victim")).await;
        world.assert(&[&pair, &own], Ok("victim")).await;
    }
    // Nothing but spaces and tabs is around a name, and they are no part of it.
    for around in [" ", "\t", "  \t "] {
        let text = format!(
            "a=1;{around}{NAME}{around}={around}{}{around};",
            world.victim
        );
        world.assert_text(text, Ok("victim")).await;
        let two = format!(
            "{around}{NAME}{around}={}; {NAME}={}",
            world.attacker, world.victim
        );
        world.assert_text(two, Err(MultipleCredentials)).await;
    }
}

#[tokio::test]
async fn the_value_of_a_cookie_is_taken_as_it_came() {
    let world = world().await;
    let token = &world.victim;
    for blank in invisible().into_iter().filter(|blank| blank != b"$") {
        for value in [
            [&blank, token.as_bytes()].concat(),
            [token.as_bytes(), &blank].concat(),
        ] {
            let pair = [NAME.as_bytes(), b"=", &value].concat();
            let other = format!("second={token}");
            world.assert(&[&pair], Err(MalformedToken)).await;
            // It is not lost: what comes after it is not taken in its place.
            world
                .assert(&[&pair, other.as_bytes()], Err(MalformedToken))
                .await;
        }
    }
    let escaped = token.replacen('.', "%2E", 1);
    for value in [format!("\"{token}\""), escaped, format!("{token}=")] {
        world
            .assert_text(format!("{NAME}={value}"), Err(MalformedToken))
            .await;
    }
    // A quoted value and a bare one are two.
    let two = format!("{NAME}={token}; {NAME}=\"{token}\"");
    world.assert_text(two, Err(MultipleCredentials)).await;
    // A pair without `=` has no name, and one with nothing before it an empty one.
    for nameless in [NAME.to_owned(), format!("={NAME}={token}"), token.clone()] {
        world
            .assert_text(nameless.clone(), Err(MissingCredential))
            .await;
        let both = format!("{nameless}; {NAME}={token}");
        world.assert_text(both, Ok("victim")).await;
    }
    // Quotes hold nothing together: `;` ends a pair wherever it stands.
    let torn = format!("a=\"b; {NAME}={token}");
    world.assert_text(torn, Ok("victim")).await;
}
