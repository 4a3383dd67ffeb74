//! [`Table`]: finds the project of an issuer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::project::TrustedProject;

/// Projects by the issuers of their tokens, compared byte by byte. Replaced as a whole.
pub(super) struct Table<C> {
    by_issuer: HashMap<Box<str>, Arc<TrustedProject<C>>>,
    /// The only project, if there is exactly one.
    sole: Option<Arc<TrustedProject<C>>>,
    projects: usize,
}

impl<C> Table<C> {
    /// # Errors
    /// An issuer that another project in this table has.
    pub(super) fn insert(&mut self, project: &Arc<TrustedProject<C>>) -> Result<(), Box<str>> {
        let taken = project
            .issuers()
            .find(|issuer| self.by_issuer.contains_key(*issuer));
        if let Some(issuer) = taken {
            return Err(issuer.into());
        }
        for issuer in project.issuers() {
            self.by_issuer.insert(issuer.into(), Arc::clone(project));
        }
        self.count();
        Ok(())
    }

    /// Removes a project and all its issuers.
    pub(super) fn remove(&mut self, project: &Arc<TrustedProject<C>>) {
        self.by_issuer.retain(|_, own| !Arc::ptr_eq(own, project));
        self.count();
    }

    fn count(&mut self) {
        let count = self.projects().count();
        let first = self.projects().next().cloned();
        self.sole = first.filter(|_| count == 1);
        self.projects = count;
    }

    pub(super) fn find(&self, issuer: &str) -> Option<&Arc<TrustedProject<C>>> {
        self.by_issuer.get(issuer)
    }

    pub(super) fn sole(&self) -> Option<&Arc<TrustedProject<C>>> {
        self.sole.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.projects
    }

    /// All trusted issuers, in order.
    pub(super) fn issuers(&self) -> Vec<String> {
        let mut issuers: Vec<_> = self.by_issuer.keys().map(ToString::to_string).collect();
        issuers.sort();
        issuers
    }

    /// Each project once.
    fn projects(&self) -> impl Iterator<Item = &Arc<TrustedProject<C>>> {
        let entries = self.by_issuer.iter();
        let own = entries.filter(|(issuer, project)| ***issuer == *project.issuer());
        own.map(|(_, project)| project)
    }

    /// Each project once, in the order of their issuers.
    pub(super) fn all(&self) -> Vec<Arc<TrustedProject<C>>> {
        let mut all: Vec<_> = self.projects().cloned().collect();
        all.sort_by(|one, other| one.issuer().cmp(other.issuer()));
        all
    }
}

impl<C> Clone for Table<C> {
    fn clone(&self) -> Self {
        Self {
            by_issuer: self.by_issuer.clone(),
            sole: self.sole.clone(),
            projects: self.projects,
        }
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self {
            by_issuer: HashMap::new(),
            sole: None,
            projects: 0,
        }
    }
}

impl<C> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.all().iter().map(|project| (project.issuer(), project)))
            .finish()
    }
}
