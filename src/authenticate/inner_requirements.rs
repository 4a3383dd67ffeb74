//! What the layers further inside require: so that one refusal can name all of it.
//!
//! A layer knows the service that it is put around by its type alone, and a router hides that type. But
//! it can clone the service, and a clone of a service clones what is inside of it: there, each
//! requirement that belongs to a layer reports itself. No request is needed, and nothing is called.
//! Behind something whose clone shares what is inside of it (a whole router, a buffer) nothing is found;
//! a refusal then names the requirement of its own layer.

use std::any::Any;
use std::cell::RefCell;

use super::authentication::AuthgearId;

/// The requirement of a layer further inside.
pub(crate) struct InnerRequirement {
    pub(crate) authgear_id: AuthgearId,
    /// A `Requirement<C>` of the `Authgear`'s own `C`.
    pub(crate) requirement: Box<dyn Any>,
    /// What a client without a token should ask for.
    pub(crate) scopes: Vec<String>,
}

/// The requirements of all layers of this `Authgear` inside of the service, the outermost first.
pub(crate) fn inside<S: Clone>(service: &S, authgear_id: &AuthgearId) -> Vec<InnerRequirement> {
    // A search may be a part of another one.
    let search = Search(FOUND.replace(Some(Vec::new())));
    drop(service.clone());
    let found = FOUND.take().unwrap_or_default();
    drop(search);
    let is_ours = |inner: &InnerRequirement| inner.authgear_id.is(authgear_id);
    found.into_iter().filter(is_ours).collect()
}

/// Reports the requirement of a service that is being cloned, if somebody looks for it.
pub(crate) fn report(requirement: impl FnOnce() -> InnerRequirement) {
    // Where the thread is ending, nobody does.
    let _ = FOUND.try_with(|found| {
        if let Some(found) = &mut *found.borrow_mut() {
            found.push(requirement());
        }
    });
}

thread_local! {
    /// `Some` while the thread looks for requirements.
    static FOUND: RefCell<Option<Vec<InnerRequirement>>> = const { RefCell::new(None) };
}

/// What was found for an outer search. It is put back also where a service panics while it is cloned.
struct Search(Option<Vec<InnerRequirement>>);

impl Drop for Search {
    fn drop(&mut self) {
        FOUND.set(self.0.take());
    }
}
