//! What is nearly a name that counts is another name.

use axum_authgear::AuthErrorKind::{
    AlgorithmNotAllowed, ClientNotAllowed, WrongAudience, WrongIssuer, WrongTokenType,
};
use serde_json::json;

use super::{World, bad, good};

/// What some reader or other strips from the ends of a text.
const AROUND: [&str; 14] = [
    " ", "\t", "\n", "\u{b}", "\0", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{200b}",
    "\u{2028}", "\u{3000}", "\u{feff}", "\"",
];

#[tokio::test]
async fn names_are_compared_letter_by_letter() {
    let world = World::with(|_| (), |builder| builder.client_ids(["spa"])).await;
    let token = || world.token().client_id("spa");
    let own = world.fake.endpoint();
    let mut cases = vec![good("as they are", token().sign())];
    for around in AROUND {
        for (place, near) in [
            (
                "before",
                &(|text: &str| format!("{around}{text}")) as &dyn Fn(&str) -> String,
            ),
            ("behind", &|text: &str| format!("{text}{around}")),
        ] {
            let name = |what| format!("{around:?} {place} the {what}");
            cases.extend([
                bad(
                    name("issuer"),
                    token().claim("iss", near(own)).sign(),
                    WrongIssuer,
                ),
                bad(
                    name("audience"),
                    token().claim("aud", json!([near(own)])).sign(),
                    WrongAudience,
                ),
                bad(
                    name("client"),
                    token().client_id(near("spa")).sign(),
                    ClientNotAllowed,
                ),
                bad(
                    name("type"),
                    token().header("typ", near("at+jwt")).sign(),
                    WrongTokenType,
                ),
                bad(
                    name("algorithm"),
                    token().header("alg", near("RS256")).sign(),
                    AlgorithmNotAllowed,
                ),
            ]);
        }
    }
    // The long s is an `s` where case is folded by Unicode; the last one is spelled in full width.
    for (what, token, kind) in [
        ("client", token().client_id("\u{17f}pa"), ClientNotAllowed),
        ("client", token().client_id("\u{ff53}pa"), ClientNotAllowed),
        (
            "type",
            token().header("typ", "at+jw\u{ff54}"),
            WrongTokenType,
        ),
        (
            "algorithm",
            token().header("alg", "R\u{17f}256"),
            AlgorithmNotAllowed,
        ),
        (
            "algorithm",
            token().header("alg", "rs256"),
            AlgorithmNotAllowed,
        ),
    ] {
        cases.push(bad(format!("nearly the {what}"), token.sign(), kind));
    }
    world.check(cases).await;
}
