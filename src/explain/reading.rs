//! The values in a token, read without verification, only for display.

use std::borrow::Cow;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The readable parts of a text. The last member of a name counts, as in most JSON parsers; the verifier
/// refuses a duplicate.
pub(super) struct Reading {
    /// In bytes.
    pub(super) length: usize,
    /// The number of parts between dots.
    pub(super) parts: usize,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
    /// The length of the last part.
    pub(super) signature_length: usize,
}

impl Reading {
    pub(super) fn of(text: &str) -> Self {
        let parts = text.split('.').count();
        let mut each = text.split('.');
        // A longer text is refused before it is read.
        let is_short = text.len() <= MAX_READ;
        let mut object = || each.next().filter(|_| is_short).and_then(object);
        Self {
            length: text.len(),
            parts,
            header: object(),
            claims: object(),
            signature_length: text.rsplit('.').next().map_or(0, str::len),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&Value> {
        self.header.as_ref()?.get(name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claim(claim)?.as_str()
    }

    pub(super) fn seconds(&self, claim: &str) -> Option<f64> {
        self.claim(claim)?.as_f64()
    }

    /// The audiences that are strings.
    pub(super) fn audiences(&self) -> Vec<Cow<'_, str>> {
        match self.claim("aud") {
            Some(Value::String(one)) => vec![one.into()],
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(|one| one.as_str().map(Into::into))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The first claim with another type than the verifier expects.
    pub(super) fn wrong_type(&self) -> Option<String> {
        let claims = self.claims.as_ref()?;
        let is_text = |value: &Value| value.is_string();
        let are_texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(is_text));
        let (name, value) = claims.iter().find(|(name, value)| match name.as_str() {
            "iss" | "sub" | "jti" | "client_id" | "scope" => !is_text(value),
            "exp" | "nbf" | "iat" | "auth_time" => !value.is_number(),
            "aud" => !(is_text(value) || are_texts(value)),
            "amr" => !are_texts(value),
            "act" => !value.is_object(),
            name => match name.strip_prefix("https://authgear.com/claims/user/") {
                Some("roles") => !(value.is_null() || are_texts(value)),
                Some("is_anonymous" | "is_verified" | "can_reauthenticate") => !value.is_boolean(),
                _ => false,
            },
        })?;
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array with another type in it",
            Value::Object(_) => "an object",
        };
        Some(format!("{name} is {found}"))
    }

    /// Whether the token claims to be a machine's.
    pub(super) fn is_of_machine(&self) -> bool {
        let subject = self.text("sub").unwrap_or_default();
        subject.starts_with("client_id_")
            || (!subject.is_empty() && self.text("client_id") == Some(subject))
    }
}

/// A JSON object in base64url. A signature is never one.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD
        .decode_to_vec(part.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

const MAX_READ: usize = 64 * 1024;
