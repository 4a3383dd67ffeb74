//! Gateway mode: a proxy in front has asked the resolver, and its headers are the user.

mod proof;

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

pub use self::proof::GatewayProof;
pub(crate) use self::proof::Proof;
use super::session_headers::{self, SessionHeaders};
use crate::error::{AuthError, AuthErrorKind};
use crate::macros::redacted_debug;
use crate::user::{AuthUser, Principal, Session, VerifiedUser};

/// Takes the word of a gateway that has proved itself.
pub(crate) struct GatewayVerifier<C> {
    pub(crate) proof: Proof,
    /// Whose users the gateway may name. The first is meant where it names none.
    pub(crate) issuers: Vec<String>,
    /// What there is of a user without a token.
    pub(crate) base: Arc<VerifiedUser<C>>,
}

/// What a gateway says of a request: `None` if it says nothing, or is not the gateway.
pub(crate) type GatewayIdentity = Option<Result<Arc<Session>, AuthErrorKind>>;

impl<C> GatewayVerifier<C> {
    /// The word of the gateway. It takes the proof out of the request; the identity headers are
    /// removed in every mode.
    pub(crate) fn take_gateway_identity(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
    ) -> GatewayIdentity {
        if !self.proof.holds(headers, peer) || !session_headers::names_session(headers) {
            return None;
        }
        Some(self.read(headers))
    }

    fn read(&self, headers: &HeaderMap) -> Result<Arc<Session>, AuthErrorKind> {
        let named = session_headers::issuer(headers)
            .map_err(|_| AuthErrorKind::MalformedIdentityHeaders)?;
        let issuer = match named {
            None => self.issuers.first(),
            Some(named) => self.issuers.iter().find(|own| *own == named),
        };
        let issuer = issuer.ok_or(AuthErrorKind::WrongIssuer)?;
        match session_headers::read(headers, issuer) {
            Ok(SessionHeaders::Valid(identity)) => Ok(Arc::new(Session {
                identity: Some(Arc::new(identity)),
                credential: None,
                confirmed_at: None,
            })),
            Ok(SessionHeaders::Invalid) => Err(AuthErrorKind::SessionInvalid),
            Ok(SessionHeaders::Absent | SessionHeaders::Nameless) | Err(_) => {
                Err(AuthErrorKind::MalformedIdentityHeaders)
            }
        }
    }

    pub(crate) fn verify(
        &self,
        gateway_identity: Result<Arc<Session>, AuthErrorKind>,
    ) -> Result<Principal<C>, AuthError> {
        let user = AuthUser::new(Arc::clone(&self.base));
        Ok(Principal::User(user.with_session(Some(gateway_identity?))))
    }
}

redacted_debug!(<C> GatewayVerifier<C> { proof });
