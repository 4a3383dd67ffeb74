//! Why a token is accepted or refused, for developers.
//!
//! [`Authgear::explain`] reports what the layer does with a token. For each check it shows the expected
//! value, the token's value, and the fix.
//!
//! # Example
//!
//! ```
//! use axum_authgear::Authgear;
//! use axum_authgear::explain::{CheckName, Verdict};
//! use axum_authgear::testkit::{FakeAuthgear, User};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fake = FakeAuthgear::start().await;
//! let authgear = Authgear::builder(fake.endpoint()).build()?;
//! let id_token = fake.id_token(&User::new("alice")).sign();
//!
//! let explanation = authgear.explain(&id_token).await;
//! assert_ne!(explanation.verdict(), Verdict::Good);
//! println!("{explanation}");
//! # assert!(explanation.to_string().contains("not the `id_token`"));
//! # Ok(())
//! # }
//! ```
//!
//! # As data
//!
//! ```
//! # use axum_authgear::explain::{CheckStatus, Explanation};
//! fn failed_checks(explanation: &Explanation) -> Vec<String> {
//!     explanation
//!         .checks()
//!         .iter()
//!         .filter(|check| check.status() == CheckStatus::Failed)
//!         .map(|check| format!("{}: {}", check.name().as_str(), check.found().unwrap_or("-")))
//!         .collect()
//! }
//! ```
//!
//! # What is trusted
//!
//! Nothing in the token. The verdict comes from the verifier that the layer uses. The other texts show
//! unverified values of the token, and decide nothing. They contain claims: show them only to a developer
//! who has the token, and do not log them or send them to a client. `Debug` of an [`Explanation`] shows
//! only the verdict and the state of each check. No text contains the signature or a terminal control
//! character.

mod cure;
mod display;
mod facts;
mod kinds;
mod likeness;
mod reading;
mod report;
mod rows;
mod text;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tracing::dispatcher::{Dispatch, with_default};
use tracing::instrument::WithSubscriber;

use self::cure::is_spelled_alike;
use self::facts::{Facts, Rules};
use self::likeness::recognise;
use self::reading::Reading;
pub use self::report::{Check, CheckName, CheckStatus, Explanation, Likeness, Verdict};
use crate::authgear::Authgear;
use crate::credential::Sources;
use crate::error::{AuthError, AuthErrorKind};
use crate::user::{NoClaims, Principal};
use crate::verify::{Audiences, ProjectSet, TrustedProject, Verification, Verifier};

impl<C: Send + Sync + 'static> Authgear<C> {
    /// Reports what the layer does with a request that carries `Authorization: Bearer {token}`, and why.
    ///
    /// It is for developers: an administrator's page, a command, a test. The layer never uses it, and
    /// nothing is logged. Its text contains claims of the token.
    ///
    /// It waits as long as a request: for an unknown key, and for the resolver in modes with it. It uses
    /// the caches, but adds neither this token nor its session to them. See [`explain`](crate::explain).
    pub async fn explain(&self, token: &str) -> Explanation {
        let outcome = self.try_bearer(token).await;
        // More than one space can follow the scheme.
        let token = token.trim_start_matches(' ');
        let verifier = self.authenticator().verifier();
        let reading = Reading::of(token);
        let candidate = verifier
            .projects()
            .map(|projects| Candidate::of(projects, token, &reading));
        let project = candidate.as_ref().and_then(|own| own.project.as_ref());
        let facts = Facts {
            likeness: recognise(token, &reading),
            is_signed_by_project: with_default(&Dispatch::none(), || {
                project.is_some_and(|project| project.jwt().is_signed_by_project(token.as_bytes()))
            }),
            rules: candidate
                .as_ref()
                .map(|own| own.rules(self.authenticator().audiences())),
            has_session: match verifier {
                Verifier::Projects(_) => project.is_some_and(|own| own.live().is_some()),
                Verifier::Resolver(_) => true,
                Verifier::Gateway(_) => false,
            },
            has_custom_claims: std::any::TypeId::of::<C>() != std::any::TypeId::of::<NoClaims>(),
            now: self.authenticator().now().unix(),
            outcome: outcome.into(),
            reading,
        };
        rows::explanation(&facts)
    }

    /// The verifier's outcome for this bearer.
    async fn try_bearer(&self, token: &str) -> Result<Principal<C>, AuthError> {
        let mut headers = HeaderMap::new();
        let field = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| AuthErrorKind::MalformedAuthorizationHeader)?;
        headers.insert(AUTHORIZATION, field);
        // The verifier logs refused requests, but this is no request.
        let silence = Dispatch::none();
        let pending = {
            let credential = Sources::default().find(&headers)?;
            let credential = credential.ok_or(AuthErrorKind::MissingCredential)?;
            let authenticator = self.authenticator();
            let now = authenticator.now();
            let verifier = authenticator.verifier();
            match with_default(&silence, || {
                verifier.verify_without_keeping(&credential, now, authenticator.audiences())
            }) {
                Verification::Ready(outcome) => return outcome,
                Verification::Pending(pending) => pending,
            }
        };
        pending.with_subscriber(silence).await
    }
}

/// The project for the checks of a token.
struct Candidate<C> {
    /// `None`: it is none of several projects.
    project: Option<Arc<TrustedProject<C>>>,
    all: Vec<Arc<TrustedProject<C>>>,
}

impl<C: Send + Sync + 'static> Candidate<C> {
    /// The project whose rules apply, or else the only possible one.
    fn of(projects: &ProjectSet<C>, token: &str, reading: &Reading) -> Self {
        let named = reading.text("iss").unwrap_or_default();
        let all = projects.all();
        let signs =
            |own: &&Arc<TrustedProject<C>>| own.jwt().is_signed_by_project(token.as_bytes());
        let is_meant =
            |own: &&Arc<TrustedProject<C>>| is_spelled_alike(named, &own.jwt().validation.issuer);
        let project = match &all[..] {
            [sole] => Some(Arc::clone(sole)),
            _ => projects
                .find(named)
                .or_else(|| all.iter().find(signs).cloned())
                .or_else(|| all.iter().find(is_meant).cloned()),
        };
        Self { project, all }
    }

    fn rules(&self, audiences: Option<&Audiences>) -> Rules {
        let each = self.all.iter().map(|own| &own.jwt().validation);
        let project = self.project.as_ref().map(|own| &own.jwt().validation);
        Rules::of(project, each, audiences)
    }
}
