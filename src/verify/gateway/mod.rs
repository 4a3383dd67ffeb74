//! Gateway mode: a proxy in front has called the resolver, and its headers name the user.

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

/// Accepts the identity headers of a gateway that has proved its identity.
pub(crate) struct GatewayVerifier<C> {
    pub(crate) proof: Proof,
    /// The issuers that the gateway can name. If there are several, it must name one.
    pub(crate) issuers: Vec<String>,
    /// The data of a user without a token.
    pub(crate) base: Arc<VerifiedUser<C>>,
}

/// The gateway's statement about a request. `None` if there is none, or if the sender is not the gateway.
pub(crate) type GatewayIdentity = Option<Result<Arc<Session>, AuthErrorKind>>;

impl<C> GatewayVerifier<C> {
    /// Reads the gateway's statement, and removes the proof from the request. The identity headers are
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
            // A client can make a proxy remove a field, but may not choose a project by that.
            Ok(SessionHeaders::Valid(_)) if named.is_none() && self.issuers.len() > 1 => {
                Err(AuthErrorKind::MalformedIdentityHeaders)
            }
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
