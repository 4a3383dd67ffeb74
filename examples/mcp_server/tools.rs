//! The tools, and what they ask of their caller.

use axum::http::request::Parts;
use axum_authgear::authorize::all_scopes;
use axum_authgear::{AuthRejection, Principal};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ErrorData, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

use crate::ToolRefusal;

/// To read: what a client asks for first.
pub(crate) const READ: &str = "tools:read";
/// To publish, and to read.
pub(crate) const PUBLISH: &str = "tools:publish";

/// The server's tools. It keeps nothing between two requests.
pub(crate) struct Tools;

#[tool_router]
#[expect(clippy::unused_self, reason = "a tool is a method")]
impl Tools {
    #[tool(description = "Who is calling: the id of the user or machine, and its scopes.")]
    fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let caller = authorize(&parts, |_| Ok(()))?;
        Ok(describe(&caller))
    }

    #[tool(description = "Publishes what there is.")]
    fn publish(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let caller = authorize(&parts, |caller| caller.require(all_scopes([PUBLISH])?))?;
        Ok(format!("published by {}", describe(&caller)))
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// The caller, if it may do this. A refusal is left where the HTTP response is made of it.
fn authorize(
    parts: &Parts,
    check: impl FnOnce(&Principal) -> Result<(), AuthRejection>,
) -> Result<Principal, ErrorData> {
    let checked = Principal::from_extensions(&parts.extensions)
        .and_then(|caller| check(&caller).map(|()| caller));
    checked.map_err(|rejection| {
        let error = ErrorData::invalid_request(rejection.description(), None);
        if let Some(refusal) = parts.extensions.get::<ToolRefusal>() {
            // There is one tool call in a request, so this is the first.
            let _ = refusal.0.set(rejection);
        }
        error
    })
}

fn describe(caller: &Principal) -> String {
    let (id, scopes): (_, Vec<_>) = match caller {
        Principal::User(user) => (user.id(), user.scopes().collect()),
        Principal::Client(client) => (client.client_id(), client.scopes().collect()),
    };
    format!("{id}, scopes: {}", scopes.join(" "))
}
