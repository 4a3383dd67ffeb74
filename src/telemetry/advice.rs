//! Mistakes in the program, and how to correct them. Each is logged once per process, so that no client can
//! fill a log with it.

use std::error::Error;
use std::sync::Once;

use super::TARGET;
use crate::error::{AuthError, AuthErrorKind, Causes, PerKind};

/// The page that explains all of these.
const HELP: &str = "https://docs.rs/axum-authgear/latest/axum_authgear/docs/troubleshooting/";

/// Makes a function for each text, which logs it once, at this level.
macro_rules! advice {
    ($($(#[$meaning:meta])* $level:ident $name:ident($($argument:ident: $type:ty)?): $text:literal;)+) => {$(
        $(#[$meaning])*
        pub(crate) fn $name($($argument: $type)?) {
            static SAID: Once = Once::new();
            // There can be no subscriber now, and one later.
            if tracing::enabled!(target: TARGET, tracing::Level::WARN) {
                SAID.call_once(|| tracing::$level!(target: TARGET, help = HELP, $text));
            }
        }
    )+};
}

advice! {
    /// The runtime of an `Authgear` has ended, so nothing can be fetched.
    error runtime_ended():
        "the runtime on which an Authgear was built has ended: call `build()` on the runtime that serves \
          requests (in tests: one Authgear for each #[tokio::test])";

    /// The environment names a proxy, and the builder does not.
    warn proxy_ignored(variable: &str):
        "{variable} is set but not used: pass the proxy to the builder's `proxy`, if Authgear is reached \
          through one";

    /// A browser's CORS preflight was refused.
    warn preflight_refused():
        "a CORS preflight was refused, because it has no token: add the CorsLayer after \
          `.layer(authgear.layer())`, so that it is outside and answers first";

    /// The layer removed the signature of a webhook from a request.
    warn webhook_inside():
        "a webhook came through the authentication layer, which removes its signature: add the webhook's \
          route after `.layer(authgear.layer())`, so that it is outside";

    /// `revoke_user` was called in a mode that verifies no token.
    warn revoked_nobody():
        "`revoke_user` has no effect here, because no token is verified: disable the user in Authgear, or \
          verify JWTs (with or without `live_sessions`)";

    /// `revoke_client` or `revoke_issued_before` was called in a mode that verifies no token.
    warn revoked_no_client():
        "`revoke_client` and `revoke_issued_before` have no effect here, because no token is verified: verify \
          JWTs (with or without `live_sessions`)";

    /// `revoke_token` was called for a user without a JWT.
    warn revoked_no_token():
        "`revoke_token` does nothing for a user who came without a JWT: end the session at Authgear";

    /// `invalidate_user` was called in a mode that caches no answers of the resolver.
    warn invalidated_nobody():
        "`invalidate_user` does nothing where the resolver is not asked: it is for `session_resolver` \
          and `live_sessions`; `revoke_user` ends a user's JWTs";
}

/// The layers are combined wrongly: every request of a route is a 500.
pub(crate) fn wired_wrongly(error: &AuthError) {
    static SAID: PerKind<()> = PerKind::new();
    SAID.with(
        error.kind(),
        |kind: AuthErrorKind| {
            tracing::error!(
                target: TARGET,
                kind = kind.as_str(),
                error = error.source().map(|source| tracing::field::display(Causes(source))),
                help = HELP,
                "{}",
                kind.description()
            );
        },
        |()| (),
    );
}

/// A source of revocations was configured behind a gateway.
#[cfg(any(feature = "redis", feature = "webhook"))]
pub(crate) fn gateway_decides(option: &str) {
    static SAID: [Once; 2] = [const { Once::new() }; 2];
    let said = &SAID[usize::from(option == "redis")];
    said.call_once(|| {
        tracing::warn!(
            target: TARGET,
            help = HELP,
            "`{option}` does nothing behind a gateway, because only the gateway decides who passes: use it in \
             the server that the gateway asks"
        );
    });
}
