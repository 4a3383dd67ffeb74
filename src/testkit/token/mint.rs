//! How a token is put together.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::signing_key::SigningKey;
use super::{Change, Kind, Signer, Source, TokenBuilder};
use crate::testkit::random;
use crate::testkit::state::sessions::{Grant, SessionState};

impl TokenBuilder {
    pub(in crate::testkit) fn typ(&self) -> &'static str {
        match self.kind {
            Kind::Access | Kind::Machine { .. } => "at+jwt",
            Kind::Id => "JWT",
        }
    }

    fn current_key(&self) -> SigningKey {
        let key = self.shared.state().keys.signing().cloned();
        key.expect("a key is listed: add one before tokens are signed")
    }

    /// The key that the header names, whether or not it signs.
    pub(in crate::testkit) fn named_key(&self) -> SigningKey {
        match &self.signer {
            Signer::Key(key) => key.clone(),
            Signer::Current | Signer::Hs256(_) | Signer::Nobody => self.current_key(),
        }
    }

    pub(in crate::testkit) fn header_text(&self, named: &SigningKey) -> String {
        let algorithm = match self.signer {
            Signer::Hs256(_) => "HS256",
            Signer::Current | Signer::Key(_) | Signer::Nobody => named.algorithm(),
        };
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(algorithm));
        let kid = self.kid.as_deref().unwrap_or(named.kid());
        header.insert("kid".to_owned(), json!(kid));
        header.insert("typ".to_owned(), json!(self.typ()));
        json_text(apply(header, &self.header))
    }

    pub(in crate::testkit) fn signature(&self, named: &SigningKey, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Current | Signer::Key(_) => named.sign(message),
            Signer::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
            Signer::Nobody => Vec::new(),
        }
    }

    /// The claims' bytes; the session and the token in it are known from here on.
    pub(in crate::testkit) fn claims_text(&self) -> String {
        let mut claims = self.plain_claims();
        let session = self.session();
        if let Some((_, session)) = &session {
            self.user_claims(&mut claims, session);
        }
        let claims = apply(claims, &self.claims);
        let text = self.raw_claims.clone().unwrap_or_else(|| json_text(claims));
        if let (Kind::Access, Some((id, _))) = (&self.kind, session) {
            self.register(&id, &text);
        }
        text
    }

    /// What every token has, and what a client's has.
    fn plain_claims(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", json!(self.shared.endpoint()));
        set("iat", json!(self.issued_at));
        let expires_at = self
            .expires_at
            .unwrap_or(self.issued_at.saturating_add(self.lifetime));
        set("exp", json!(expires_at));
        match &self.kind {
            Kind::Access => set("aud", json!([self.shared.endpoint()])),
            Kind::Machine { resource } => {
                set("sub", json!(format!("client_id_{}", self.client_id)));
                set("aud", json!([resource]))
            }
            Kind::Id => set("aud", json!([self.client_id])),
        };
        if let Kind::Access | Kind::Machine { .. } = self.kind {
            set("client_id", json!(self.client_id));
            set("jti", json!(random::hash(&random::token())));
            set("scope", json!(self.scope));
        }
        claims
    }

    fn user_claims(&self, claims: &mut Map<String, Value>, session: &SessionState) {
        let state = self.shared.state();
        let account = state.accounts.get(session.user.id());
        let user = account.map_or(&session.user, |account| &account.user);
        let updated_at = account.map_or(self.issued_at, |account| account.updated_at.as_secs());
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("sub", json!(user.id()));
        let auth_time = self.auth_time.or(session.authenticated_at);
        if let Some(auth_time) = auth_time {
            set("auth_time", json!(auth_time));
        }
        let amr = match &self.amr {
            Some(amr) => amr.clone(),
            None if user.anonymous => Vec::new(),
            None => vec!["pwd".to_owned(), "x_primary_password".to_owned()],
        };
        if !amr.is_empty() {
            set("amr", json!(amr));
        }
        if let Kind::Id = self.kind {
            let sid = format!("offline_grant:{}", session.grant_id);
            set("sid", json!(URL_SAFE_NO_PAD.encode_to_string(sid)));
        }
        claims.extend(user.claims());
        if self.profile {
            claims.extend(user.standard_attributes(updated_at));
        }
    }

    /// The session of the token, opened here if it is to have its own.
    fn session(&self) -> Option<(String, SessionState)> {
        let mut state = self.shared.state();
        let id = match &self.source {
            Source::Nobody => return None,
            Source::Session(id) => id.clone(),
            Source::NewSession(user) => {
                let auth_time = self.auth_time.unwrap_or(self.issued_at);
                state
                    .sessions
                    .open(SessionState::new(user.clone(), Some(auth_time)))
            }
        };
        let session = state.sessions.find(&id).clone();
        Some((id, session))
    }

    /// From now on the resolver knows the token, if its claims are whole.
    fn register(&self, session: &str, claims: &str) {
        let claims: Value = serde_json::from_str(claims).unwrap_or_default();
        if let (Some(jti), Some(end)) = (claims["jti"].as_str(), claims["exp"].as_u64()) {
            let grant = Grant {
                session: session.to_owned(),
                expires_at: Some(end),
            };
            let grants = &mut self.shared.state().sessions.grants;
            grants.insert(jti.to_owned(), grant);
        }
    }
}

fn apply(mut members: Map<String, Value>, changes: &[Change]) -> Map<String, Value> {
    for change in changes {
        match &change.value {
            Some(value) => members.insert(change.name.clone(), value.clone()),
            None => members.remove(&change.name),
        };
    }
    members
}

fn json_text(members: Map<String, Value>) -> String {
    Value::Object(members).to_string()
}
