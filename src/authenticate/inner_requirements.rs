//! The requirements of inner layers, so that one refusal can name all of them.
//!
//! A layer knows only the type of its inner service, and a router hides that type. But the layer can clone
//! the service, and the clone of a service clones its inner services. During this clone, each requirement of
//! a layer reports itself. No request is needed, and nothing is called. A service whose clone shares its
//! inner service (a whole router, a buffer) hides the requirements. Then a refusal names only the
//! requirement of its own layer.

use std::any::Any;
use std::cell::RefCell;

use super::authentication::AuthgearId;

/// The requirement of an inner layer.
pub(crate) struct InnerRequirement {
    pub(crate) authgear_id: AuthgearId,
    /// A `Requirement<C>` of the `Authgear`'s own `C`.
    pub(crate) requirement: Box<dyn Any>,
    /// What a client without a token should ask for.
    pub(crate) scopes: Vec<String>,
}

/// The requirements of all layers of this `Authgear` inside of the service, the outermost first.
pub(crate) fn inside<S: Clone>(service: &S, authgear_id: &AuthgearId) -> Vec<InnerRequirement> {
    // A search can be part of another search.
    let search = Search(FOUND.replace(Some(Vec::new())));
    drop(service.clone());
    let found = FOUND.take().unwrap_or_default();
    drop(search);
    let is_ours = |inner: &InnerRequirement| inner.authgear_id.is(authgear_id);
    found.into_iter().filter(is_ours).collect()
}

/// Reports the requirement of a service during a clone, if a search is running.
pub(crate) fn report(requirement: impl FnOnce() -> InnerRequirement) {
    // No search runs while the thread ends.
    let _ = FOUND.try_with(|found| {
        if let Some(found) = &mut *found.borrow_mut() {
            found.push(requirement());
        }
    });
}

thread_local! {
    /// `Some` during a search on this thread.
    static FOUND: RefCell<Option<Vec<InnerRequirement>>> = const { RefCell::new(None) };
}

/// The results of an outer search. They are restored even if a clone panics.
struct Search(Option<Vec<InnerRequirement>>);

impl Drop for Search {
    fn drop(&mut self) {
        FOUND.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::user::NoClaims;

    /// Calls the function when it is cloned.
    struct OnClone<F>(F);

    impl<F: Fn() + Clone> Clone for OnClone<F> {
        fn clone(&self) -> Self {
            (self.0)();
            Self(self.0.clone())
        }
    }

    fn id() -> AuthgearId {
        AuthgearId::new::<NoClaims>(None)
    }

    fn report_scope(authgear_id: &AuthgearId, scope: &str) {
        report(|| InnerRequirement {
            authgear_id: authgear_id.clone(),
            requirement: Box::new(()),
            scopes: vec![scope.to_owned()],
        });
    }

    fn scopes(found: Vec<InnerRequirement>) -> Vec<String> {
        found.into_iter().flat_map(|inner| inner.scopes).collect()
    }

    #[test]
    fn a_search_inside_of_a_search_takes_none_of_its_results() {
        let (ours, other) = (id(), id());
        let inner = OnClone(|| {
            report_scope(&ours, "inner");
            report_scope(&other, "other");
        });
        let outer = OnClone(|| {
            report_scope(&ours, "before");
            assert_eq!(scopes(inside(&inner, &ours)), ["inner"]);
            report_scope(&ours, "after");
        });
        assert_eq!(scopes(inside(&outer, &ours)), ["before", "after"]);
        assert!(inside(&outer, &other).is_empty());
    }

    #[test]
    fn a_search_ends_even_if_a_clone_panics() {
        let ours = id();
        let panics = OnClone(|| {
            report_scope(&ours, "before");
            panic!("on purpose");
        });
        let search = AssertUnwindSafe(|| inside(&panics, &ours));
        assert!(catch_unwind(search).is_err());
        report(|| panic!("no search is running"));
        let next = OnClone(|| report_scope(&ours, "next"));
        assert_eq!(scopes(inside(&next, &ours)), ["next"]);
    }
}
