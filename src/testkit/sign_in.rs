//! A layer that signs requests in without a token.

use std::fmt;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use crate::authenticate::{Authentication, AuthgearId, RequestRecord};
use crate::credential::{AccessToken, KeptToken};
use crate::user::{AuthClient, AuthUser, NoClaims, Principal};

/// Replaces [`Authgear::layer`](crate::Authgear::layer) in a test of handlers: every request is from this
/// caller, and no credential is read.
///
/// A requirement inside of it, such as [`authgear.require(…)`](crate::Authgear::require), accepts the
/// caller. A real authentication layer inside of it does not, and asks for a credential: to test a whole
/// application, use a [`FakeAuthgear`](super::FakeAuthgear).
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use axum_authgear::{AuthUser, testkit::{self, SignInLayer}};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = Router::new().route("/me", get(|user: AuthUser| async move { user.id().to_owned() }));
/// let request = || Request::get("/me").body(Body::empty()).unwrap();
///
/// let as_alice = app.clone().layer(SignInLayer::user(testkit::auth_user("alice").build()));
/// assert_eq!(as_alice.oneshot(request()).await.unwrap().status(), StatusCode::OK);
///
/// let as_nobody = app.layer(SignInLayer::unauthenticated());
/// assert_eq!(as_nobody.oneshot(request()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct SignInLayer {
    authentication: Authentication,
}

impl SignInLayer {
    /// Every request is from this user. `C` is the type of the custom claims that the handlers extract.
    pub fn user<C: Send + Sync + 'static>(user: AuthUser<C>) -> Self {
        Self::caller(Some(Principal::User(user)))
    }

    /// Every request is from this client.
    pub fn client(client: AuthClient) -> Self {
        Self::caller(Some(Principal::<NoClaims>::Client(client)))
    }

    /// No request carries a credential, as behind an optional layer.
    pub fn unauthenticated() -> Self {
        Self::caller(None::<Principal>)
    }

    /// Every request is from this caller. Use `SignInLayer::caller(None::<Principal<Shop>>)` for requests
    /// without a credential to handlers that extract custom claims `Shop`.
    pub fn caller<C: Send + Sync + 'static>(caller: Option<Principal<C>>) -> Self {
        let authgear_id = AuthgearId::of_testkit::<C>();
        Self {
            authentication: match caller {
                Some(principal) => Authentication::of(principal, authgear_id, KeptToken::Off),
                None => Authentication::unauthenticated(authgear_id, KeptToken::Off),
            },
        }
    }

    /// The token that handlers extract as an [`AccessToken`]. Default: none, and such a handler rejects
    /// the request.
    pub fn access_token(mut self, token: AccessToken) -> Self {
        self.authentication = self.authentication.with_token(KeptToken::Token(token));
        self
    }

    /// Signs one request in, for a test that calls an extractor or a service directly.
    pub fn request<B>(&self, mut request: Request<B>) -> Request<B> {
        RequestRecord::sign_in(request.extensions_mut(), self.authentication.clone());
        request
    }
}

impl<S> Layer<S> for SignInLayer {
    type Service = SignIn<S>;

    fn layer(&self, inner: S) -> SignIn<S> {
        SignIn {
            inner,
            sign_in: self.clone(),
        }
    }
}

/// The service that [`SignInLayer`] wraps around another.
#[derive(Clone)]
#[must_use = "a service does nothing until it is called"]
pub struct SignIn<S> {
    inner: S,
    sign_in: SignInLayer,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SignIn<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(self.sign_in.request(request))
    }
}

impl<S> fmt::Debug for SignIn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}
