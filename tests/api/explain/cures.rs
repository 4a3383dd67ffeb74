//! What people really send: each with what it is, the check that fails, and the cure.

use axum_authgear::AuthErrorKind::{self, *};
use axum_authgear::explain::{CheckName, Likeness, Verdict};

use super::{RESOURCE, World, assert_refused, explain};
use crate::support::ready;

type Case = (String, Likeness, AuthErrorKind, CheckName, &'static str);

#[tokio::test]
async fn good_tokens_of_every_kind_are_good() {
    let world = World::new().await;
    let fake = &world.fake;
    let builder = world.builder().audience(fake.endpoint()).audience(RESOURCE);
    let authgear = ready(builder).await;
    for (token, likeness) in [
        (fake.token(&world.alice).sign(), Likeness::UserToken),
        (
            fake.token(&world.alice).third_party().sign(),
            Likeness::UserToken,
        ),
        (
            fake.token(&world.alice).refreshed().sign(),
            Likeness::UserToken,
        ),
        (
            fake.client_token("job", RESOURCE).sign(),
            Likeness::ClientToken,
        ),
        (
            // RFC 9068 §2.2.
            fake.client_token("job", RESOURCE)
                .claim("sub", "job")
                .sign(),
            Likeness::ClientToken,
        ),
    ] {
        let explanation = explain(&authgear, &token).await;
        assert_eq!(explanation.verdict(), Verdict::Good, "{explanation}");
        assert_eq!(explanation.likeness(), likeness, "{explanation}");
        assert_eq!(explanation.cure(), None);
    }
    // A machine is good, and a route for users still refuses it: said beside the verdict.
    let machine = fake.client_token("job", RESOURCE).sign();
    let explanation = explain(&authgear, &machine).await;
    assert!(explanation.notes().iter().any(|note| note.contains("403")));
    let user = explain(&authgear, &fake.token(&world.alice).sign()).await;
    assert!(!user.notes().iter().any(|note| note.contains("403")));
    assert!(user.notes().iter().any(|note| note.contains("client_ids")));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a line for each case")]
async fn what_people_send_in_the_place_of_a_token_is_recognised() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let fake = &world.fake;
    let good = fake.token(&world.alice).sign();
    let id_token = fake.id_token(&world.alice).sign();
    let opaque = fake.sign_in(&world.alice).opaque_token();
    let (message, _) = good.rsplit_once('.').unwrap();
    let encrypted = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d";
    let shape = |text: &str, likeness, kind, cure| -> Case {
        (text.to_owned(), likeness, kind, CheckName::Shape, cure)
    };
    let malformed = MalformedAuthorizationHeader;
    let refresh = format!("c54cc5ca-d0ee-43ac-aac4-13c2c96ff56d.{opaque}");
    let cases: Vec<Case> = vec![
        (
            id_token,
            Likeness::IdToken,
            WrongTokenType,
            CheckName::Header,
            "`access_token`",
        ),
        shape(
            &opaque,
            Likeness::OpaqueToken,
            OpaqueToken,
            "Issue JWT as access token",
        ),
        shape(
            &refresh,
            Likeness::RefreshToken,
            MalformedToken,
            "access token; a refresh token",
        ),
        shape(
            "undefined",
            Likeness::Placeholder,
            PlaceholderToken,
            "sign in first",
        ),
        shape(
            "null",
            Likeness::Placeholder,
            PlaceholderToken,
            "sign in first",
        ),
        shape(
            "$ACCESS_TOKEN",
            Likeness::Placeholder,
            malformed,
            "sign in first",
        ),
        shape("<token>", Likeness::Placeholder, malformed, "sign in first"),
        shape(
            "[object Object]",
            Likeness::Placeholder,
            malformed,
            "sign in first",
        ),
        shape("", Likeness::Nothing, malformed, "no token"),
        shape(
            &format!("Bearer {good}"),
            Likeness::HeaderField,
            malformed,
            "follows `Bearer `",
        ),
        shape(
            &format!("bearer {good}"),
            Likeness::HeaderField,
            malformed,
            "follows `Bearer `",
        ),
        shape(
            &format!("Authorization: Bearer {good}"),
            Likeness::HeaderField,
            malformed,
            "follows `Bearer `",
        ),
        shape(
            &format!("\"{good}\""),
            Likeness::Quoted,
            malformed,
            "quotes",
        ),
        shape(&format!("'{good}'"), Likeness::Quoted, malformed, "quotes"),
        shape(
            &format!("{good},"),
            Likeness::UserToken,
            malformed,
            "copy it again",
        ),
        shape(
            &format!("{}…", &good[..60]),
            Likeness::CutOff,
            malformed,
            "whole token",
        ),
        shape(
            &format!("{}...", &good[..60]),
            Likeness::CutOff,
            MalformedToken,
            "whole token",
        ),
        shape(&good[..60], Likeness::CutOff, MalformedToken, "whole token"),
        shape(message, Likeness::CutOff, MalformedToken, "whole token"),
        shape(
            &format!("{message}."),
            Likeness::UnsignedToken,
            MalformedToken,
            "second dot",
        ),
        (
            good[..good.len() - 10].to_owned(),
            Likeness::CutOff,
            BadSignature,
            CheckName::Signature,
            "whole token",
        ),
        (
            encrypted.to_owned(),
            Likeness::EncryptedToken,
            AlgorithmNotAllowed,
            CheckName::Header,
            "encrypted",
        ),
        shape(
            &format!("{} {}", &good[..60], &good[60..]),
            Likeness::Broken,
            malformed,
            "blanks",
        ),
        shape(
            &good.replace('.', "%2E"),
            Likeness::Reencoded,
            malformed,
            "a second time",
        ),
        shape(
            "https://api.example.com/?token=1",
            Likeness::Url,
            malformed,
            "an address",
        ),
        shape(
            "-----BEGIN PRIVATE KEY-----",
            Likeness::Pem,
            malformed,
            "this is a key",
        ),
        shape(
            "sk_live_0123456789",
            Likeness::OtherCredential,
            OpaqueToken,
            "another service",
        ),
        shape(
            "Basic YTpi",
            Likeness::OtherCredential,
            malformed,
            "another service",
        ),
        shape(
            &format!(r#"{{"access_token":"{good}"}}"#),
            Likeness::Json,
            malformed,
            "the member",
        ),
        shape("é", Likeness::Unknown, malformed, "letters, digits"),
        shape(
            &"a".repeat(9_000),
            Likeness::OpaqueToken,
            TokenTooLong,
            "Issue JWT",
        ),
    ];
    for (text, likeness, kind, check, cure) in cases {
        let explanation = explain(&authgear, &text).await;
        assert_eq!(explanation.likeness(), likeness, "{text}\n{explanation}");
        assert_refused(&explanation, kind, check, cure);
    }
    // What a header cannot carry.
    for text in [
        "\n",
        "a\u{0}b",
        &format!("{}\n{}", &good[..60], &good[60..]),
    ] {
        let explanation = authgear.explain(text).await;
        super::assert_consistent(&explanation);
        assert_eq!(explanation.verdict(), Verdict::Refused(malformed));
    }
}
