//! What developers send by mistake instead of an access token.

use super::reading::Reading;
use super::report::Likeness;
use crate::credential::is_placeholder;

/// Guesses what a text is. Only the words of a report depend on it.
pub(super) fn recognise(text: &str, reading: &Reading) -> Likeness {
    let trimmed = text.trim();
    outside(trimmed)
        .or_else(|| around(trimmed))
        .unwrap_or_else(|| inside(trimmed, reading))
}

/// Texts that are no token.
fn outside(text: &str) -> Option<Likeness> {
    let lower: String = text.chars().take(40).collect::<String>().to_lowercase();
    let starts = |starts: &[&str]| starts.iter().any(|start| lower.starts_with(start));
    if text.is_empty() {
        return Some(Likeness::Nothing);
    }
    if stands_for_token(text, &lower) {
        return Some(Likeness::Placeholder);
    }
    if starts(&["authorization:", "bearer ", "bearer%20", "bearer\t", "-h "]) || lower == "bearer" {
        return Some(Likeness::HeaderField);
    }
    if starts(&["http://", "https://"]) {
        return Some(Likeness::Url);
    }
    if text.starts_with("-----BEGIN") {
        return Some(Likeness::Pem);
    }
    if starts(&["basic ", "dpop "]) || API_KEYS.iter().any(|start| text.starts_with(start)) {
        return Some(Likeness::OtherCredential);
    }
    if text.starts_with(['{', '[']) {
        return Some(Likeness::Json);
    }
    None
}

/// Tokens that were changed in transit.
fn around(text: &str) -> Option<Likeness> {
    const QUOTES: [char; 7] = ['"', '\'', '`', '“', '”', '‘', '’'];
    if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
        return Some(Likeness::Quoted);
    }
    if text.contains('…') || text.contains("...") {
        return Some(Likeness::CutOff);
    }
    if text.contains(char::is_whitespace) {
        return Some(Likeness::Broken);
    }
    let is_escape = |(place, _)| {
        let digits = text.get(place + 1..place + 3);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_percent_encoded = text.match_indices('%').any(is_escape);
    let is_other_base64 = text.starts_with("eyJ") && text.contains(['+', '/', '=']);
    // base64 of `eyJ`.
    let is_encoded_twice = text.starts_with("ZXlK");
    (is_percent_encoded || is_other_base64 || is_encoded_twice).then_some(Likeness::Reencoded)
}

/// Decides by the parts of a token.
fn inside(text: &str, reading: &Reading) -> Likeness {
    if reading.header("enc").is_some() {
        return Likeness::EncryptedToken;
    }
    match (reading.parts, &reading.header, &reading.claims) {
        (3, Some(_), Some(_)) if reading.signature_length == 0 => Likeness::UnsignedToken,
        (3, Some(_), Some(_)) if has_short_signature(reading) => Likeness::CutOff,
        (3, Some(_), Some(_)) => jwt(reading),
        (2, None, _) if starts_with_uuid(text) => Likeness::RefreshToken,
        (1, None, _) if is_opaque(text) => Likeness::OpaqueToken,
        // base64url of `{"`: a header, but less than a token.
        (1..=3, _, _) if text.starts_with("eyJ") => Likeness::CutOff,
        _ => Likeness::Unknown,
    }
}

fn jwt(reading: &Reading) -> Likeness {
    let token_type = reading.header("typ").and_then(|typ| typ.as_str());
    let is_typed = token_type.is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    if is_typed && reading.is_of_machine() {
        return Likeness::ClientToken;
    }
    if is_typed {
        return Likeness::UserToken;
    }
    // OpenID Connect Core §2: it has an audience, but no scope.
    let is_access = reading.claim("scope").is_some() || reading.claim("client_id").is_some();
    let is_of_user = reading.claim("aud").is_some() && reading.claim("sub").is_some();
    if is_of_user && !is_access {
        Likeness::IdToken
    } else {
        Likeness::OtherJwt
    }
}

/// An RSA signature of 2,048 bits has 342 characters.
fn has_short_signature(reading: &Reading) -> bool {
    let algorithm = reading.header("alg").and_then(|alg| alg.as_str());
    algorithm.is_some_and(|alg| alg.starts_with("RS") || alg.starts_with("PS"))
        && reading.signature_length < 342
}

/// Authgear's opaque tokens have 32 characters; those of other servers are longer.
fn is_opaque(text: &str) -> bool {
    text.len() >= 20
        && !text.starts_with("eyJ")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_~+/=".contains(&byte))
}

/// Authgear's refresh tokens are the id of a grant, a dot, and a secret.
fn starts_with_uuid(text: &str) -> bool {
    let id = text.split('.').next().unwrap_or_default();
    id.len() == 36
        && id.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The text of an absent value in programs, and placeholders that people write.
fn stands_for_token(text: &str, lower: &str) -> bool {
    let surrounded = |start, end| text.starts_with(start) && text.ends_with(end);
    is_placeholder(text.as_bytes())
        || NAMES.contains(&lower)
        || text.starts_with('$')
        || surrounded("<", ">")
        || surrounded("{{", "}}")
        || surrounded("%", "%")
        || lower.starts_with("your")
        || lower.starts_with("[object ")
        || text
            .chars()
            .all(|char| matches!(char, 'x' | 'X' | '*' | '.' | '…'))
}

/// Names of a token.
const NAMES: [&str; 5] = ["token", "access_token", "accesstoken", "jwt", "test"];

/// Prefixes of the keys of well-known services.
const API_KEYS: [&str; 12] = [
    "sk_",
    "pk_",
    "sk-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "AIza",
    "ya29.",
];
