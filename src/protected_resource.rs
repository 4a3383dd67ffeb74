//! OAuth 2.0 Protected Resource Metadata (RFC 9728): shows a client that knows only the API's address where
//! to get a token.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use url::Url;

use crate::authorize::is_scope_token;
use crate::error::ConfigError;
use crate::rejection::ChallengeParameters;
use crate::user::{OFFLINE_ACCESS, ScopeInclusions, join_scopes};
use crate::verify::Audiences;

/// A protected resource: the audience of its tokens, its metadata and its challenges. For
/// [`Authgear::for_resource`](crate::Authgear::for_resource).
///
/// Its address sets the audience of its tokens, the route of its metadata (RFC 9728), and the challenges,
/// which name that route and the scopes to request.
///
/// ```
/// use axum::{Router, routing::get};
/// use axum_authgear::{Authgear, ProtectedResource};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), axum_authgear::ConfigError> {
/// // One set of keys, one cache of tokens.
/// let authgear = Authgear::builder("https://my-project.authgear.cloud").build()?;
/// let orders = authgear.for_resource(
///     ProtectedResource::new("https://api.example.com/orders").scopes(["read:orders"]),
/// )?;
/// let tools = authgear.for_resource(
///     ProtectedResource::new("https://api.example.com/tools")
///         // Users' tokens: their audience is the endpoint.
///         .project_audience(),
/// )?;
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "orders" }).route_layer(orders.layer()))
///     .route("/tools", get(|| async { "tools" }).route_layer(tools.layer()))
///     // Public, so outside of the layers.
///     .merge(orders.resource_metadata_router())
///     .merge(tools.resource_metadata_router());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is passed to `for_resource`"]
pub struct ProtectedResource {
    url: String,
    audiences: Vec<String>,
    project_audience: bool,
    scopes: Vec<String>,
    initial_scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
    names_all_issuers: bool,
}

impl ProtectedResource {
    /// The API with this address, such as `https://api.example.com` or `https://example.com/api/v1`,
    /// without query, fragment and trailing slash. The RFC demands https; plain http is accepted for
    /// private networks.
    ///
    /// Give the address that clients use. The `Host` of a request has no effect.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            audiences: Vec::new(),
            project_audience: false,
            scopes: Vec::new(),
            initial_scopes: Vec::new(),
            name: None,
            documentation: None,
            names_all_issuers: false,
        }
    }

    /// Accepts tokens for this audience. Call it several times to accept several audiences; a token needs
    /// one of them. Default: the resource's address (RFC 8707 §2), which no longer counts once an audience
    /// is named. The builder's audiences do not count here.
    ///
    /// Authgear issues tokens for a resource only to machines. The audience of a user's token is the
    /// endpoint: see [`project_audience`](Self::project_audience).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for the project's audience: the endpoint, or the audiences in
    /// [`AuthgearBuilder::audience`](crate::AuthgearBuilder::audience). This replaces the resource's own
    /// audience; [`audience`](Self::audience) in addition is an error.
    ///
    /// A resource needs this to accept users, whose tokens Authgear issues for the endpoint. Every API of
    /// the project accepts such a token, so name the clients with
    /// [`client_ids`](crate::AuthgearBuilder::client_ids).
    pub fn project_audience(mut self) -> Self {
        self.project_audience = true;
        self
    }

    /// The scopes that a client can request (`scopes_supported`). Default: none; the member is left out.
    pub fn scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes that a client should request first. A challenge names them if a request has no credential
    /// and its route requires no scope. Default: none; a client then requests all [`scopes`](Self::scopes).
    pub fn initial_scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.initial_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// A display name (`resource_name`). Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The address of a page for developers (`resource_documentation`). Default: none.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Names the issuers of all projects (`authorization_servers`), if there can be several. Default: they
    /// are left out, because a list of tenants should not be public. If there is one project, it is always
    /// named.
    pub fn name_all_issuers(mut self) -> Self {
        self.names_all_issuers = true;
        self
    }

    /// The accepted audiences; `None` for those of the project.
    pub(crate) fn into_audiences(self) -> Result<Option<Audiences>, ConfigError> {
        if self.audiences.iter().any(String::is_empty) {
            return Err(ConfigError::invalid("audience", "", "has an empty value"));
        }
        match (self.project_audience, self.audiences.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some([self.url].into())),
            (false, false) => Ok(Some(self.audiences.into())),
            (true, false) => Err(ConfigError::Conflict {
                option: "audience",
                reason: "the resource has the project's audience: remove one of the two options",
            }),
        }
    }

    /// The parameters of its challenges.
    pub(crate) fn challenge(
        &self,
        metadata: &ResourceMetadata,
        realm: Option<String>,
        scope_inclusions: Option<Arc<ScopeInclusions>>,
    ) -> Result<Option<ChallengeParameters>, ConfigError> {
        let initial: Vec<_> = self.initial_scopes.iter().map(String::as_str).collect();
        let challenge = ChallengeParameters {
            realm,
            resource_metadata: Some(metadata.url.clone()),
            initial_scope: join_scopes(&initial, scope_inclusions.as_deref()),
            scope_inclusions,
        };
        challenge.check()
    }

    /// The metadata, with the authorization server that issues the tokens. `None`: there can be several.
    pub(crate) fn metadata(&self, issuer: Option<&str>) -> Result<ResourceMetadata, ConfigError> {
        let url = self.check_url()?;
        self.check_scopes()?;
        if let Some(page) = &self.documentation
            && Url::parse(page).is_err()
        {
            return Err(invalid(page, "is not a URL"));
        }
        // RFC 9728 §3.1: between the host and the path.
        let path = format!("{WELL_KNOWN}{}", url.path().trim_end_matches('/'));
        Ok(ResourceMetadata {
            url: format!("{}{path}", url.origin().ascii_serialization()),
            path,
            document: match issuer {
                Some(issuer) => Document::Fixed(self.document(&[issuer.to_owned()])),
                None if self.names_all_issuers => Document::OfIssuers(Box::new(self.clone())),
                None => Document::Fixed(self.document(&[])),
            },
        })
    }

    fn document(&self, issuers: &[String]) -> Bytes {
        let members = Members {
            resource: &self.url,
            authorization_servers: issuers,
            scopes_supported: &self.scopes,
            bearer_methods_supported: ["header"],
            resource_name: self.name.as_deref(),
            resource_documentation: self.documentation.as_deref(),
        };
        // Strings and lists of strings can always be serialized.
        serde_json::to_vec(&members).unwrap_or_default().into()
    }

    fn check_scopes(&self) -> Result<(), ConfigError> {
        for scope in self.scopes.iter().chain(&self.initial_scopes) {
            if !is_scope_token(scope) {
                return Err(invalid(scope, "is no scope of RFC 6749 §3.3"));
            }
            if scope == OFFLINE_ACCESS {
                return Err(invalid(
                    scope,
                    "is for the client to request, not for the API",
                ));
            }
        }
        let unknown = |scope: &&String| !self.scopes.is_empty() && !self.scopes.contains(scope);
        match self.initial_scopes.iter().find(unknown) {
            Some(scope) => Err(invalid(
                scope,
                "is an initial scope, but is not among the scopes",
            )),
            None => Ok(()),
        }
    }

    fn check_url(&self) -> Result<Url, ConfigError> {
        let url = Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            // A value that cannot be parsed may contain a password.
            .ok_or_else(|| invalid("", "is not an http or https URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("", "must be given without user name and password"));
        }
        // Clients compare it byte by byte (RFC 9728 §3.3).
        if url.as_str().trim_end_matches('/') != self.url
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(invalid(
                &self.url,
                "must be in normal form, without query, fragment and trailing slash",
            ));
        }
        if url
            .path_segments()
            .is_some_and(|mut segments| segments.any(|segment| segment.starts_with([':', '*'])))
        {
            return Err(invalid(
                &self.url,
                "has a part of its path that begins with `:` or `*`, which axum does not route",
            ));
        }
        Ok(url)
    }
}

/// The document, and its address.
#[derive(Clone, Debug)]
pub(crate) struct ResourceMetadata {
    /// For challenges (RFC 9728 §5.1).
    pub(crate) url: String,
    path: String,
    document: Document,
}

#[derive(Clone, Debug)]
enum Document {
    Fixed(Bytes),
    /// It names the issuers at the time of the request.
    OfIssuers(Box<ProtectedResource>),
}

impl ResourceMetadata {
    /// `issuers` returns the current issuers.
    pub(crate) fn router<S: Clone + Send + Sync + 'static>(
        self: &Arc<Self>,
        issuers: impl Fn() -> Vec<String> + Clone + Send + Sync + 'static,
    ) -> Router<S> {
        let metadata = Arc::clone(self);
        let answer = move || {
            let body = metadata.body(&issuers);
            async move { (HEADERS, body).into_response() }
        };
        Router::new().route(&self.path, get(answer).fallback(other_method))
    }

    fn body(&self, issuers: impl FnOnce() -> Vec<String>) -> Bytes {
        match &self.document {
            Document::Fixed(document) => document.clone(),
            Document::OfIssuers(resource) => resource.document(&issuers()),
        }
    }
}

/// A preflight of a page of any origin, or a method without a handler.
async fn other_method(method: Method, headers: HeaderMap) -> Response {
    if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        // axum adds `Allow`.
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let mut response = (StatusCode::NO_CONTENT, PREFLIGHT).into_response();
    // The requested names, because `*` does not include `Authorization`.
    if let Some(names) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

/// The metadata is public: clients in pages of every origin read it.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    ),
    ANY_ORIGIN,
];

const ANY_ORIGIN: (HeaderName, HeaderValue) = (
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    HeaderValue::from_static("*"),
);

const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    ANY_ORIGIN,
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD"),
    ),
    // A day: it does not change.
    (
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    ),
];

#[derive(Serialize)]
struct Members<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authorization_servers: &'a [String],
    /// RFC 9728 §3.2: a member without values is left out.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'a [String],
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn invalid(value: &str, reason: &'static str) -> ConfigError {
    ConfigError::invalid("protected_resource", value, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(resource: &ProtectedResource) -> Result<ResourceMetadata, ConfigError> {
        resource.metadata(Some("https://auth.example"))
    }

    fn body(read: &ResourceMetadata) -> Bytes {
        read.body(Vec::new)
    }

    #[test]
    fn issuers_of_several_projects_are_named_only_where_that_is_asked_for() {
        let issuers = ["https://a.example", "https://b.example"].map(str::to_owned);
        let resource = ProtectedResource::new("https://api.example.com");
        let quiet = resource.metadata(None).unwrap();
        let quiet = quiet.body(|| issuers.to_vec());
        assert_eq!(
            quiet,
            "{\"resource\":\"https://api.example.com\",\"bearer_methods_supported\":[\"header\"]}"
        );
        let open = resource.name_all_issuers().metadata(None).unwrap();
        let open = open.body(|| issuers.to_vec());
        assert_eq!(
            open,
            "{\"resource\":\"https://api.example.com\",\
             \"authorization_servers\":[\"https://a.example\",\"https://b.example\"],\
             \"bearer_methods_supported\":[\"header\"]}"
        );
    }

    #[test]
    fn the_document_says_what_is_configured_and_leaves_out_the_rest() {
        let resource = ProtectedResource::new("https://api.example.com");
        let read = metadata(&resource).unwrap();
        assert_eq!(read.path, "/.well-known/oauth-protected-resource");
        assert_eq!(
            read.url,
            "https://api.example.com/.well-known/oauth-protected-resource"
        );
        assert_eq!(
            body(&read),
            "{\"resource\":\"https://api.example.com\",\
             \"authorization_servers\":[\"https://auth.example\"],\
             \"bearer_methods_supported\":[\"header\"]}"
        );

        let resource = ProtectedResource::new("https://example.com:8443/api/v1")
            .scopes(["read:orders", "write:orders"])
            .name("Orders")
            .documentation("https://docs.example.com");
        let read = metadata(&resource).unwrap();
        assert_eq!(read.path, "/.well-known/oauth-protected-resource/api/v1");
        assert_eq!(
            read.url,
            "https://example.com:8443/.well-known/oauth-protected-resource/api/v1"
        );
        assert_eq!(
            body(&read),
            "{\"resource\":\"https://example.com:8443/api/v1\",\
             \"authorization_servers\":[\"https://auth.example\"],\
             \"scopes_supported\":[\"read:orders\",\"write:orders\"],\
             \"bearer_methods_supported\":[\"header\"],\
             \"resource_name\":\"Orders\",\
             \"resource_documentation\":\"https://docs.example.com\"}"
        );
    }

    #[test]
    fn an_address_that_clients_could_not_compare_is_refused() {
        for bad in [
            "",
            "api.example.com",
            "ftp://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1/",
            "https://api.example.com?x=1",
            "https://api.example.com/#x",
            "https://API.example.com",
            "https://api.example.com:443",
            "https://user:pass@api.example.com",
            "https://user:pass@[api",
            "https://api.example.com/a b",
            "https://api.example.com/a\"b",
            "https://api.example.com/{id}",
            "https://api.example.com/:id",
            "https://api.example.com/v1/*rest",
            "https://api.example.com/a/../b",
        ] {
            let error = metadata(&ProtectedResource::new(bad)).unwrap_err();
            assert_eq!(error.option(), Some("protected_resource"), "{bad}");
            assert!(!error.to_string().contains("pass@"), "{error}");
        }
        for good in [
            "http://127.0.0.1:3000",
            "http://api.test",
            "https://a.example/b~c",
        ] {
            assert!(metadata(&ProtectedResource::new(good)).is_ok(), "{good}");
        }
        let odd = ProtectedResource::new("https://a.example").scopes(["a\"b"]);
        assert!(metadata(&odd).is_err());
        let odd = ProtectedResource::new("https://a.example").documentation("nowhere");
        assert!(metadata(&odd).is_err());
        let plain = || ProtectedResource::new("https://a.example");
        for odd in [
            plain().scopes(["offline_access"]),
            plain().initial_scopes(["offline_access"]),
            plain().initial_scopes(["a b"]),
            plain().scopes(["read"]).initial_scopes(["write"]),
        ] {
            let error = metadata(&odd).unwrap_err();
            assert_eq!(error.option(), Some("protected_resource"), "{odd:?}");
        }
        assert!(metadata(&plain().scopes(["read"]).initial_scopes(["read"])).is_ok());
        assert!(metadata(&plain().initial_scopes(["read"])).is_ok());
        assert!(plain().audience("").into_audiences().is_err());
        let both = plain().audience("https://b.example").project_audience();
        assert_eq!(
            both.into_audiences().unwrap_err().option(),
            Some("audience")
        );
    }
}
