//! Stage 5: the extractors of the caller.
//!
//! | parameter | no credential | user | machine |
//! |---|---|---|---|
//! | [`AuthUser`] | 401 | the user | 403 |
//! | `Option<AuthUser>` | `None` | the user | 403 |
//! | [`AuthClient`] | 401 | 403 | the machine |
//! | `Option<AuthClient>` | `None` | 403 | the machine |
//! | [`Principal`] | 401 | the user | the machine |
//! | `Option<Principal>` | `None` | the user | the machine |
//!
//! The layer refuses an *invalid* credential before these extractors run. Without the layer, or with one
//! for other custom claims, each extractor answers 500 and says what to change.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::Extensions;
use http::request::Parts;

use crate::authenticate::Authentication;
use crate::credential::AccessToken;
use crate::error::{AuthError, AuthErrorKind, ChallengeHints};
use crate::rejection::AuthRejection;
use crate::user::{AuthClient, AuthUser, Principal};

/// The caller, as a type that a handler can extract.
pub(crate) trait RequestPrincipal: Sized {
    fn find(authentication: &Authentication) -> Result<Option<Self>, AuthErrorKind>;
}

impl<C: Send + Sync + 'static> RequestPrincipal for Principal<C> {
    fn find(authentication: &Authentication) -> Result<Option<Self>, AuthErrorKind> {
        authentication.principal()
    }
}

impl<C: Send + Sync + 'static> RequestPrincipal for AuthUser<C> {
    fn find(authentication: &Authentication) -> Result<Option<Self>, AuthErrorKind> {
        match authentication.principal()? {
            None => Ok(None),
            Some(Principal::User(user)) => Ok(Some(user)),
            Some(Principal::Client(_)) => Err(AuthErrorKind::UserRequired),
        }
    }
}

impl RequestPrincipal for AuthClient {
    fn find(authentication: &Authentication) -> Result<Option<Self>, AuthErrorKind> {
        authentication.client()
    }
}

impl RequestPrincipal for AccessToken {
    fn find(authentication: &Authentication) -> Result<Option<Self>, AuthErrorKind> {
        authentication.access_token()
    }
}

fn optional<T: RequestPrincipal>(extensions: &Extensions) -> Result<Option<T>, AuthRejection> {
    let authentication = Authentication::of_request(extensions)
        .ok_or_else(|| AuthRejection::new(AuthErrorKind::LayerMissing, None))?;
    T::find(authentication).map_err(|kind| authentication.reject(kind))
}

pub(crate) fn required<T: RequestPrincipal>(extensions: &Extensions) -> Result<T, AuthRejection> {
    optional(extensions)?.ok_or_else(|| reject(extensions, AuthErrorKind::MissingCredential))
}

/// A refusal with the challenge of the layer that ran.
pub(crate) fn reject(extensions: &Extensions, error: impl Into<AuthError>) -> AuthRejection {
    match Authentication::of_request(extensions) {
        Some(authentication) => authentication.reject(error),
        None => AuthRejection::new(AuthErrorKind::LayerMissing, None),
    }
}

/// The hints of a challenge for this scope.
pub(crate) fn challenge_hints(extensions: &Extensions, scope: &str) -> Option<Arc<ChallengeHints>> {
    let authentication = Authentication::of_request(extensions)?;
    authentication.challenge_hints(scope)
}

macro_rules! extractor {
    ($type:ty $(, $claims:ident)?) => {
        impl$(<$claims: Send + Sync + 'static>)? $type {
            /// Reads the same from the extensions of a request behind the layer, for services without
            /// extractors, such as tonic's.
            ///
            /// # Errors
            /// The same refusals as the extractor's.
            pub fn from_extensions(extensions: &Extensions) -> Result<Self, AuthRejection> {
                required(extensions)
            }
        }

        impl<S: Sync $(, $claims: Send + Sync + 'static)?> FromRequestParts<S> for $type {
            type Rejection = AuthRejection;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
                required(&parts.extensions)
            }
        }

        impl<S: Sync $(, $claims: Send + Sync + 'static)?> OptionalFromRequestParts<S> for $type {
            type Rejection = AuthRejection;

            async fn from_request_parts(
                parts: &mut Parts,
                _: &S,
            ) -> Result<Option<Self>, AuthRejection> {
                optional(&parts.extensions)
            }
        }
    };
}

extractor!(AuthUser<C>, C);
extractor!(AuthClient);
extractor!(Principal<C>, C);
extractor!(AccessToken);
