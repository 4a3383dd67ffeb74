//! What a client names in `Connection`, for a proxy to remove it.

use super::stack::Gets::{Alice, Refused};
use super::stack::Stack;

impl Stack<'_> {
    /// A client does not remove a field from what the gateway says of it.
    pub(super) async fn removed_fields(&self) {
        let (bearer, cookie) = (self.bearer(), self.cookie());
        for credential in [&bearer, &cookie] {
            for removed in REMOVED {
                let headers = [&[&**credential], *removed].concat();
                let gets = if self.kind.refuses_connection {
                    Refused(400, "")
                } else {
                    Alice
                };
                self.expect("GET", "/me", &headers, gets).await;
            }
            for other in OTHER_OPTIONS {
                self.expect("GET", "/me", &[credential, other], Alice).await;
            }
        }
        let without_credential = Refused(
            if self.kind.refuses_connection {
                400
            } else {
                401
            },
            "",
        );
        for removed in REMOVED {
            self.expect("GET", "/me", removed, without_credential).await;
        }
    }
}

/// Requests that name identity headers in `Connection`: a proxy removes the fields that are named there.
const REMOVED: &[&[&str]] = &[
    &["Connection: close, x-authgear-issuer"],
    &["Connection: X-AUTHGEAR-Issuer,close"],
    &["Connection: close, x_authgear_issuer"],
    &["Connection: close,\tx-authgear-user-roles"],
    &["Connection: close", "Connection: x-authgear-issuer"],
    &["Connection: x-authgear-issuer", "Connection: close"],
    &["connection: close, x-authgear-issuer"],
    &[
        "Connection: close, x-authgear-user-id, x-authgear-session-valid, x-gateway-secret",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
    ],
];

/// They name no identity header.
const OTHER_OPTIONS: &[&str] = &[
    "Connection: close, x-trace",
    "Connection: close, x-auth, authgear",
];
