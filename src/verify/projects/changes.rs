//! [`ProjectChange`]: adds, removes or replaces a project while requests run.

use std::sync::{Arc, MutexGuard};

use super::{ProjectSet, TrustedProject};
use crate::lock::lock;

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// Begins a change. Other changes wait for its end, but no request does.
    pub(crate) fn begin_change(&self) -> ProjectChange<'_, C> {
        ProjectChange {
            set: self,
            _turn: lock(&self.changing),
        }
    }
}

/// The right to change the table.
pub(crate) struct ProjectChange<'s, C> {
    set: &'s ProjectSet<C>,
    _turn: MutexGuard<'s, ()>,
}

impl<C: Send + Sync + 'static> ProjectChange<'_, C> {
    /// The project with this endpoint.
    pub(crate) fn project(&self, endpoint: &str) -> Option<Arc<TrustedProject<C>>> {
        self.set
            .find(endpoint)
            .filter(|project| project.issuer() == endpoint)
    }

    /// Checks that no project other than `own` has one of these issuers. Call it before anything of the new
    /// project is started.
    ///
    /// # Errors
    /// The issuer of another project.
    pub(crate) fn check_free<'i>(
        &self,
        mut issuers: impl Iterator<Item = &'i str>,
        own: Option<&Arc<TrustedProject<C>>>,
    ) -> Result<(), Box<str>> {
        let is_taken = |issuer: &&str| {
            let project = self.set.find(issuer);
            project.is_some_and(|found| own.is_none_or(|own| !Arc::ptr_eq(own, &found)))
        };
        match issuers.find(is_taken) {
            Some(issuer) => Err(issuer.into()),
            None => Ok(()),
        }
    }

    /// Adds a project, and removes another one at the same time.
    ///
    /// # Errors
    /// The issuer that another project has too. Then nothing has changed.
    pub(crate) fn finish(
        &self,
        out: Option<&Arc<TrustedProject<C>>>,
        into: Option<TrustedProject<C>>,
    ) -> Result<(), Box<str>> {
        let mut table = (**self.set.table.load()).clone();
        if let Some(out) = out {
            table.remove(out);
        }
        if let Some(project) = into {
            table.insert(&Arc::new(project))?;
        }
        let projects = table.len();
        self.set.table.store(Arc::new(table));
        // Only now, so that a verification that begins again finds the new table.
        if let Some(out) = out {
            out.take_out();
        }
        if let Some(cache) = &self.set.cache {
            cache.divide_among(projects);
            if let Some(out) = out {
                cache.remove_all_of(out);
            }
        }
        Ok(())
    }
}
