//! How a token is made.

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::signing_key::SigningKey;
use super::{Change, Kind, Source, TokenBuilder};
use crate::testkit::random;
use crate::testkit::state::sessions::{Grant, SessionState};

impl TokenBuilder {
    pub(super) fn typ(&self) -> &'static str {
        match self.kind {
            Kind::Access | Kind::Machine { .. } => "at+jwt",
            Kind::Id => "JWT",
        }
    }

    pub(super) fn header_text(&self, key: &SigningKey) -> String {
        let kid = self.kid.as_deref().unwrap_or(key.kid());
        let members = [("alg", key.algorithm()), ("kid", kid), ("typ", self.typ())];
        let members = members.map(|(name, value)| (name.to_owned(), json!(value)));
        let written = || written(Map::from_iter(members), &self.header);
        self.raw_header.clone().unwrap_or_else(written)
    }

    /// The claims as text. From here on the resolver knows the session and the token.
    pub(super) fn claims_text(&self) -> String {
        let mut claims = self.plain_claims();
        let session = self.session();
        if let Some((_, session)) = &session {
            self.user_claims(&mut claims, session);
        }
        let written = || written(claims, &self.claims);
        let text = self.raw_claims.clone().unwrap_or_else(written);
        if let (Kind::Access, Some((id, _))) = (&self.kind, session) {
            self.register(&id, &text);
        }
        text
    }

    /// The claims that every token has, and those of a client.
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

    /// The session of the token, opened here for a token that has its own.
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

fn written(mut members: Map<String, Value>, changes: &[Change]) -> String {
    for (name, value) in changes {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
    Value::Object(members).to_string()
}
