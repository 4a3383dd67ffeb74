//! The outcome of a verification, which all modes share: available at once, or later.

use std::future::Future;
use std::pin::Pin;

use crate::error::AuthError;
use crate::user::Principal;

/// The outcome of a verification, now or later.
pub(crate) enum Verification<C> {
    Ready(Result<Principal<C>, AuthError>),
    Pending(PendingVerification<C>),
}

/// A verification that waits for something outside of this process.
pub(crate) type PendingVerification<C> =
    Pin<Box<dyn Future<Output = Result<Principal<C>, AuthError>> + Send>>;
