//! What the texts show: no signature, nothing that controls a terminal, and nothing without bound.

use axum_authgear::explain::{Check, Explanation, Verdict};
use axum_authgear::testkit::SigningKey;
use tracing::Level;

use super::{World, assert_consistent, explain};
use crate::support::{Log, ready};

/// Every text of it.
fn texts(explanation: &Explanation) -> Vec<String> {
    let of_check = |check: &Check| {
        [check.expected(), check.found(), check.cure()].map(|text| text.map(str::to_owned))
    };
    let checks = explanation.checks().iter().flat_map(of_check).flatten();
    let notes = explanation.notes().iter().cloned();
    let whole = [explanation.to_string(), format!("{explanation:?}")];
    checks.chain(notes).chain(whole).collect()
}

#[tokio::test]
async fn the_signature_is_never_shown() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).sign();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let forged = world
        .fake
        .token(&world.alice)
        .signed_by(&SigningKey::rsa())
        .sign();
    let forged_signature = forged.rsplit_once('.').unwrap().1;
    for (text, secret) in [
        (token.clone(), signature),
        (forged.clone(), forged_signature),
        (
            world.fake.token(&world.alice).tamper_signature().sign(),
            signature,
        ),
        (format!("{header}.{signature}"), signature),
        (format!("{signature}.{claims}.{header}"), signature),
        (format!("{signature}.{signature}.{signature}"), signature),
        (
            format!("{header}.{claims}.{signature}.{signature}.{signature}"),
            signature,
        ),
        (format!("{}…", &token[..token.len() - 20]), signature),
        (format!("{}...", &token[..token.len() - 20]), signature),
        (token[..token.len() - 20].to_owned(), signature),
        (format!("Bearer {token}"), signature),
        (format!("a {token}"), signature),
        (format!("{token} b"), signature),
        (format!("\"{token}\""), signature),
        (format!("{token}\n"), signature),
        (signature.to_owned(), signature),
        (format!("{{\"access_token\":\"{token}\"}}"), signature),
    ] {
        let explanation = authgear.explain(&text).await;
        assert_consistent(&explanation);
        for shown in texts(&explanation) {
            for start in (0..secret.len() - 12).step_by(4) {
                let part = &secret[start..start + 12];
                assert!(!shown.contains(part), "{part} of {text} in {shown}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_controls_a_terminal_and_everything_is_bounded() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let hostile = "a\n\r\u{1b}[31mverdict: good\u{0}\u{7f}\u{9b}\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}";
    let long = "x".repeat(3_000);
    let many: Vec<_> = (0..300)
        .map(|number| format!("{number}{hostile}"))
        .collect();
    let token = || world.fake.token(&world.alice);
    let mut tokens = vec![
        token().claim("aud", many.clone()),
        token().claim("aud", vec![vec![hostile]]),
        token().header("alg", many.clone()),
    ];
    for text in [hostile, &*long] {
        for claim in [
            "iss",
            "aud",
            "sub",
            "client_id",
            "exp",
            "nbf",
            "iat",
            "cnf",
            "scope",
        ] {
            tokens.push(token().claim(claim, text));
        }
        for member in ["alg", "typ", "kid", "crit", text] {
            tokens.push(token().header(member, text));
        }
        tokens.push(token().client_id(text));
    }
    for token in tokens {
        let explanation = authgear.explain(&token.sign()).await;
        assert_consistent(&explanation);
        let lines = explanation.to_string();
        assert_eq!(
            lines.lines().count(),
            1 + explanation.notes().len()
                + explanation.checks().len()
                + usize::from(explanation.cure().is_some())
                + 1,
            "{lines}"
        );
        for shown in texts(&explanation) {
            let is_plain = |char: char| {
                char == '\n'
                    || (!char.is_control()
                        && !hostile[2..]
                            .replace(|char: char| char.is_ascii(), "")
                            .contains(char))
            };
            assert!(shown.chars().all(is_plain), "{shown:?}");
            assert!(shown.lines().all(|line| line.len() < 1_000), "{shown}");
        }
    }
}

#[tokio::test]
async fn debug_shows_no_claim_and_nothing_is_logged() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world
        .fake
        .token(&world.alice)
        .client_id("some-client")
        .sign();
    let wrong = world
        .fake
        .token(&world.alice)
        .claim("iss", "https://other.example")
        .sign();
    let (log, guard) = Log::of_this_thread(Level::TRACE);
    let good = authgear.explain(&token).await;
    let bad = authgear.explain(&wrong).await;
    drop(guard);
    assert_eq!(log.text(), "");
    assert!(good.to_string().contains(world.alice.id()));
    assert!(bad.to_string().contains("other.example"));
    for explanation in [&good, &bad] {
        let debug = format!("{explanation:#?} {:?}", explanation.checks());
        for secret in [
            world.alice.id(),
            "some-client",
            "other.example",
            &world.fake.signing_kid(),
            world.fake.endpoint(),
        ] {
            assert!(!debug.contains(secret), "{secret}: {debug}");
        }
        assert!(debug.contains("Issuer"));
    }
    // What the log of the layer says is as it was.
    assert_eq!(explain(&authgear, &token).await.verdict(), Verdict::Good);
}
