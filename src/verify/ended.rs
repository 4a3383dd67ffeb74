//! Watches a long connection, and ends it when its user would be refused.

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
    /// Returns when the user would no longer be accepted.
    pub(crate) async fn ended(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> AuthError {
        match self {
            Self::Projects(projects) => loop {
                let Some(project) = projects.of_user(user) else {
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
                    // The cache is not used, because an outage can begin before it is noticed.
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
                // Counted from the start of that resolver call, however often its answer was reused.
                Ok(again) if again.is_confirmed() => confirmed_at = again.confirmed_at(),
                // By the token only.
                Ok(_) => {}
                Err(error) if error.kind() != AuthErrorKind::SessionUnavailable => return error,
                Err(error) => {
                    let age = confirmed_at
                        .zip(sessions)
                        .map(|(then, sessions)| sessions.clock().now().elapsed(then));
                    let is_asked = sessions.is_some_and(|own| own.check_runtime().is_ok());
                    // If no call is possible any more, there is nothing to wait for.
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
    /// The interval between checks.
    pause: Duration,
    /// How long it continues after its last confirmation while none can be had.
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

/// Waits, or returns earlier when the user was purged. The times are spread, so that connections that began
/// together, or belong to one user, do not call at the same moment.
async fn wait(pause: Duration, purges: Option<&mut PurgeWatch>) {
    let pause = sleep(spread(pause));
    match purges {
        None => pause.await,
        Some(purges) => tokio::select! {
            () = pause => {}
            () = purges.purged() => sleep(PURGE_SPREAD.mul_f64(fastrand::f64())).await,
        },
    }
}

/// The pause, less up to a fifth.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.2 * fastrand::f64())
}

/// The interval at which a long connection checks the time and the keys.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);
/// The interval of resolver calls for a long connection if only the resolver decides.
const RESOLVER_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection continues after its last confirmation while none can be had.
const MAX_TOLERANCE: Duration = Duration::from_secs(60);
const PURGE_SPREAD: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_shorter_by_a_fifth_at_most() {
        let pause = || spread(Duration::from_secs(1)).as_secs_f64();
        let pauses: Vec<f64> = (0..1_000).map(|_| pause()).collect();
        assert!(pauses.iter().all(|pause| (0.8..=1.0).contains(pause)));
        assert!(pauses.iter().any(|pause| (0.8..0.9).contains(pause)));
        assert!(pauses.iter().any(|pause| (0.9..1.0).contains(pause)));
    }
}
