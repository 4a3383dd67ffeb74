//! A token is three parts of unpadded base64url, and 8 KiB at most.

use axum_authgear::AuthErrorKind::{
    BadSignature, MalformedAuthorizationHeader, MalformedClaims, MalformedToken,
    MalformedTokenHeader, OpaqueToken, TokenTooLong,
};

use super::{World, bad, good};
use crate::refusal_table::assert_refused;
use crate::support::get;

const MAX_TOKEN: usize = 8 * 1024;

#[tokio::test]
async fn three_parts_and_no_other_number() {
    let world = World::new().await;
    let token = world.token().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts");
    };
    world
        .check([
            good("as signed", &*token),
            bad("one part", header, MalformedToken),
            bad("two parts", format!("{header}.{claims}"), MalformedToken),
            bad("four parts", format!("{token}.{signature}"), MalformedToken),
            bad(
                "five parts, as of a JWE",
                format!("{token}.{claims}.{signature}"),
                MalformedToken,
            ),
            bad("a dot before", format!(".{token}"), MalformedTokenHeader),
            bad("a dot behind", format!("{token}."), MalformedToken),
            bad(
                "no header",
                format!(".{claims}.{signature}"),
                MalformedTokenHeader,
            ),
            bad(
                "no claims",
                format!("{header}..{signature}"),
                MalformedClaims,
            ),
            bad(
                "no signature",
                format!("{header}.{claims}."),
                MalformedToken,
            ),
            bad("dots alone", "..", MalformedToken),
            bad("dots without end", ".".repeat(MAX_TOKEN), MalformedToken),
            bad(
                "an opaque token",
                "wDflpJg2pHtFsjuX3aYgtVees2Fx7514",
                OpaqueToken,
            ),
        ])
        .await;
}

#[tokio::test]
async fn base64url_without_padding_and_without_bits_left_over() {
    let world = World::new().await;
    let token = world.token().sign();
    // 256 bytes: the last of 342 characters holds four bits that must be zero.
    let last = token.chars().last().unwrap();
    assert!("AQgw".contains(last), "{last}");
    let body = &token[..token.len() - 1];
    for (other, kind) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .filter(|other| *other != last)
        .map(|other| {
            let is_clean = "AQgw".contains(other);
            (
                other,
                if is_clean {
                    BadSignature
                } else {
                    MalformedToken
                },
            )
        })
    {
        let name = format!("the last character is {other}");
        world
            .check([bad(name, format!("{body}{other}"), kind)])
            .await;
    }

    // A signature that has both letters in which the alphabets differ.
    let token = std::iter::repeat_with(|| world.token().sign())
        .find(|token| {
            let signature = token.rsplit('.').next().unwrap();
            signature.contains('-') && signature.contains('_')
        })
        .unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let in_signature = |from: &str, to: &str| format!("{message}.{}", signature.replace(from, to));
    world
        .check([
            good("- and _", &*token),
            bad("+ for -", in_signature("-", "+"), MalformedToken),
            bad("/ for _", in_signature("_", "/"), MalformedToken),
            bad("one =", format!("{token}="), MalformedToken),
            bad("two =", format!("{token}=="), MalformedToken),
            bad("a tilde", format!("{token}~"), MalformedToken),
            bad("a third of a byte", format!("{token}AAA"), MalformedToken),
            bad(
                "longer than any signature",
                format!("{token}{}", "A".repeat(2000)),
                MalformedToken,
            ),
            bad(
                "three bytes more",
                format!("{message}.AAAA{signature}"),
                BadSignature,
            ),
            bad(
                "three bytes less",
                format!("{message}.{}", &signature[4..]),
                BadSignature,
            ),
        ])
        .await;
    // Within a token, `=` already spoils the header's grammar; so does what is not ASCII.
    let (header, rest) = token.split_once('.').unwrap();
    for inside in [
        format!("{header}=.{rest}"),
        format!("{token} "),
        format!("{token}\u{e9}"),
    ] {
        let verified = world.authgear.verify(&inside).await.unwrap_err();
        assert_eq!(verified.kind(), MalformedToken, "{inside}");
        let answer = get(&world.required, "/user", &inside).await;
        assert_refused(&inside, &answer, MalformedAuthorizationHeader);
    }
    let answer = get(&world.optional, "/optional", "").await;
    assert_refused(
        "nothing after Bearer",
        &answer,
        MalformedAuthorizationHeader,
    );
}

#[tokio::test]
async fn eight_kib_and_not_one_byte_more() {
    let world = World::new().await;
    let of_length = |length: usize| {
        let base = world.token().header("x", "").claim("x", "").sign().len();
        (0..4)
            .flat_map(|inside| (0..8).map(move |slack| (inside, slack)))
            .map(|(inside, slack)| {
                let filler = (length - base) * 3 / 4 - slack;
                world
                    .token()
                    .header("x", "y".repeat(inside))
                    .claim("x", "y".repeat(filler))
                    .sign()
            })
            .find(|token| token.len() == length)
            .expect("a token of that length")
    };
    world
        .check([
            good("8 KiB", of_length(MAX_TOKEN)),
            bad("8 KiB and one byte", of_length(MAX_TOKEN + 1), TokenTooLong),
            bad("1 MiB", "a".repeat(1 << 20), TokenTooLong),
        ])
        .await;
}
