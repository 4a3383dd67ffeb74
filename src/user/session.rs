//! A session at Authgear: the resolver's last answer, and how to ask again.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::SHA256;

use super::identity::Identity;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The session of a user, in addition to a verified token or instead of one.
pub(crate) struct Session {
    /// The last answer about the session. `None`: no answer yet, and only the token counts.
    pub(crate) identity: Option<Arc<Identity>>,
    /// How to ask again. `None`: there is no resolver.
    pub(crate) credential: Option<Arc<SessionCredential>>,
    /// The start of the call that confirmed the session. `None`: it is not confirmed now.
    pub(crate) confirmed_at: Option<Timestamp>,
}

/// A credential for a call of the resolver.
pub(crate) struct SessionCredential {
    form: CredentialForm,
    value: Secret,
    digest: Digest,
}

/// SHA-256 of a credential and its form, as the resolver gets them: two different credentials never share a
/// digest.
pub(crate) type Digest = [u8; 32];

/// The form in which the resolver gets a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CredentialForm {
    /// `Authorization: Bearer`.
    Bearer,
    /// Authgear's own cookies: the value is the whole `Cookie` field, with the names.
    SessionCookies,
}

impl SessionCredential {
    /// `digest` must be the one of this form and value.
    pub(crate) fn new(form: CredentialForm, value: &str, digest: Digest) -> Self {
        Self {
            form,
            value: Secret::new(value),
            digest,
        }
    }

    pub(crate) fn form(&self) -> CredentialForm {
        self.form
    }

    pub(crate) fn value(&self) -> &str {
        self.value.expose()
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl CredentialForm {
    /// The digest of a credential of this form.
    pub(crate) fn digest(self, value: &str) -> Digest {
        let mut hash = aws_lc_rs::digest::Context::new(&SHA256);
        // Always one byte, so that the values of two forms cannot be equal.
        hash.update(&[self as u8]);
        hash.update(value.as_bytes());
        let mut bytes = Digest::default();
        // Both have 32 bytes.
        for (byte, hashed) in bytes.iter_mut().zip(hash.finish().as_ref()) {
            *byte = *hashed;
        }
        bytes
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredential")
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_in_another_form_is_another_credential() {
        let forms = [CredentialForm::Bearer, CredentialForm::SessionCookies];
        for (index, form) in forms.iter().enumerate() {
            for other in &forms[index + 1..] {
                assert_ne!(form.digest("a"), other.digest("a"));
            }
            assert_eq!(form.digest("a"), form.digest("a"));
            assert_ne!(form.digest("a"), form.digest("b"));
        }
    }
}
