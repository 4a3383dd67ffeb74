//! How long a user who was let in may stay: the watch over a long connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::jwt::Audiences;
use super::projects::TrustedProject;
use super::resolver::{PurgeWatch, ResolverClient};
use super::verifier::Verifier;
use crate::error::{AuthError, AuthErrorKind};
use crate::user::AuthUser;

impl<C: Send + Sync + 'static> Verifier<C> {
    /// Returns when the user would not be let in any more.
    pub(crate) async fn ended(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> AuthError {
        match self {
            Self::Projects(projects) => loop {
                let Some(project) = projects.find(user.issuer()) else {
                    return AuthErrorKind::WrongIssuer.into();
                };
                let ended = self.ended_by(user, audiences, Watch::of_project(&project));
                // Else it was removed or replaced meanwhile.
                if let Some(error) = project.while_in(ended).await {
                    return error;
                }
            },
            Self::Resolver(resolver) => {
                let watch = Watch {
                    sessions: Some(&resolver.resolver),
                    pause: RESOLVER_PAUSE,
                    // What is kept is not asked about: an outage may begin before it is noticed.
                    tolerance: resolver.max_age + MAX_TOLERANCE,
                };
                self.ended_by(user, audiences, watch).await
            }
            Self::Gateway(_) => std::future::pending().await,
        }
    }

    async fn ended_by(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
        watch: Watch<'_>,
    ) -> AuthError {
        let sessions = watch.sessions;
        let mut purges = sessions.map(|sessions| sessions.watch(user.id()));
        let mut confirmed_at = sessions.and_then(|sessions| {
            let credential = user.session()?.credential.as_ref()?;
            let last = sessions.confirmed_at(credential.digest());
            last.or(user.confirmed_at())
        });
        loop {
            match self.recheck(user, audiences).await {
                // Counted from when that question was sent, however often its answer is told.
                Ok(again) if again.is_confirmed() => confirmed_at = again.confirmed_at(),
                // By the token alone.
                Ok(_) => {}
                Err(error) if error.kind() != AuthErrorKind::SessionUnavailable => return error,
                Err(error) => {
                    let age = confirmed_at
                        .zip(sessions)
                        .map(|(then, sessions)| sessions.clock().now().elapsed(then));
                    let is_asked = sessions.is_some_and(|own| own.check_runtime().is_ok());
                    // Where nothing can be asked any more there is nothing to wait for.
                    if age.is_none_or(|age| age >= watch.tolerance) || !is_asked {
                        return error;
                    }
                }
            }
            wait(watch.pause, purges.as_mut()).await;
        }
    }
}

/// How a long connection is watched.
struct Watch<'s> {
    sessions: Option<&'s Arc<ResolverClient>>,
    /// How often it is looked at.
    pause: Duration,
    /// How long it goes on by its last confirmation while none can be had.
    tolerance: Duration,
}

impl<'s> Watch<'s> {
    fn of_project<C>(project: &'s TrustedProject<C>) -> Self
    where
        C: Send + Sync + 'static,
    {
        match project.live() {
            None => Self {
                sessions: None,
                pause: LOCAL_PAUSE,
                tolerance: Duration::ZERO,
            },
            Some(live) => Self {
                sessions: Some(live.sessions()),
                pause: live.half().min(LOCAL_PAUSE),
                tolerance: live.half() + live.bound.min(MAX_TOLERANCE),
            },
        }
    }
}

/// Waits, or returns earlier when the user was purged. Connections that began together do not go on
/// in step, and those of one user do not ask at the same moment.
async fn wait(pause: Duration, purges: Option<&mut PurgeWatch>) {
    let pause = sleep(pause.mul_f64(0.8 + 0.2 * fastrand::f64()));
    match purges {
        None => pause.await,
        Some(purges) => tokio::select! {
            () = pause => {}
            () = purges.purged() => sleep(PURGE_SPREAD.mul_f64(fastrand::f64())).await,
        },
    }
}

/// How often a long connection looks at the clock and at the keys.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);
/// How often the resolver is asked about a long connection where it alone decides.
const RESOLVER_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection goes on by its last confirmation while none can be had.
const MAX_TOLERANCE: Duration = Duration::from_secs(60);
const PURGE_SPREAD: Duration = Duration::from_millis(250);
