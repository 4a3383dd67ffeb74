//! [`ProjectChange`]: a project comes, goes, or is set up in another way, while requests run.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::{ProjectSet, TrustedProject};

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// Begins a change. Others who want one wait for its end; no request does.
    pub(crate) fn begin_change(&self) -> ProjectChange<'_, C> {
        ProjectChange {
            set: self,
            _turn: self.changing.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The right to change the table.
pub(crate) struct ProjectChange<'s, C> {
    set: &'s ProjectSet<C>,
    _turn: MutexGuard<'s, ()>,
}

impl<C: Send + Sync + 'static> ProjectChange<'_, C> {
    /// The project whose endpoint this is.
    pub(crate) fn project(&self, endpoint: &str) -> Option<Arc<TrustedProject<C>>> {
        self.set
            .find(endpoint)
            .filter(|project| project.issuer() == endpoint)
    }

    /// Sees that none of these issuers is another project's than `own`. To be asked before anything of the
    /// new project is started.
    ///
    /// # Errors
    /// The issuer that is another project's.
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

    /// Puts a project in, and takes another one out in the same moment.
    ///
    /// # Errors
    /// The issuer that another project has too: nothing has changed then.
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
        // Only now, so that whoever begins again finds the new table.
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
