//! The health of projects, and when they can verify.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use super::{ProjectSet, TrustedProject};
use crate::runtime::RuntimeEnded;
use crate::verify::verifier::{VerifierStatus, resolver_error};

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// Returns when credentials can be verified. With several projects, this is when the first key fetch of
    /// each has ended, and one of them can verify. Without projects it returns at once.
    ///
    /// # Errors
    /// Credentials cannot be verified, and never will be.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeEnded> {
        let projects = self.all();
        if let [project] = &projects[..] {
            return project.ready().await;
        }
        for project in &projects {
            project.jwt().keys().attempted().await;
        }
        if projects.is_empty() {
            return Ok(());
        }
        let mut waiting: Vec<_> = projects
            .iter()
            .map(|project| Box::pin(project.ready()))
            .collect();
        poll_fn(|context| {
            let mut outcome = Poll::Pending;
            for ready in &mut waiting {
                match ready.as_mut().poll(context) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                    // All projects have the same runtime: the others will not be ready either.
                    ended @ Poll::Ready(Err(_)) => outcome = ended,
                    Poll::Pending => {}
                }
            }
            outcome
        })
        .await
    }
}

impl<C: Send + Sync + 'static> TrustedProject<C> {
    /// Returns when its credentials can be verified.
    ///
    /// # Errors
    /// Its credentials cannot be verified, and never will be.
    async fn ready(&self) -> Result<(), RuntimeEnded> {
        let jwt = self.jwt();
        if !jwt.keys().status().usable {
            jwt.check_runtime()?;
        }
        jwt.keys().ready().await;
        match self.live() {
            Some(live) => live.sessions().ready().await,
            None => Ok(()),
        }
    }

    pub(crate) fn status(&self) -> VerifierStatus {
        let keys = self.jwt().keys().status();
        // Not every request needs the resolver.
        let resolver = self.live().and_then(|live| resolver_error(live.sessions()));
        let mut status = VerifierStatus {
            is_usable: keys.usable,
            key_age: keys.age,
            error: keys.error.map(|error| error as _).or(resolver),
        };
        // It is the reason for every other failure, now or later.
        if let Err(ended) = self.jwt().check_runtime() {
            status.error = Some(Arc::new(ended));
        }
        if let Some(outage) = self.jwt().revocations.store().outage() {
            status.is_usable &= !outage.refuses;
            status.error.get_or_insert(outage.error);
        }
        status
    }
}
