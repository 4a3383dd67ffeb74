//! tonic, with a real client and a real server over loopback.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum_authgear::authorize::has_role;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthRejection, AuthUser, Authgear, EmptyRejectionResponse};
use futures_util::Stream;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::ready;

/// Says of whoever asks by their own id that they are serving.
struct Mirror;

#[tonic::async_trait]
impl Health for Mirror {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let user: AuthUser = AuthUser::from_extensions(request.extensions()).map_err(status)?;
        let asked = &request.get_ref().service;
        if asked == "admin" {
            user.require(has_role("admin")).map_err(status)?;
        }
        let known = *asked == user.id();
        let status = if known {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn status(rejection: AuthRejection) -> Status {
    Status::new(
        Code::from(i32::from(rejection.grpc_code())),
        rejection.description(),
    )
}

struct Client(Channel);

impl Client {
    async fn to(address: SocketAddr) -> Self {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        Self(endpoint.connect().await.unwrap())
    }

    /// Asks for a service, with this `authorization`.
    async fn check(&self, service: &str, authorization: &[&str]) -> Result<ServingStatus, Status> {
        let mut request = Request::new(HealthCheckRequest {
            service: service.to_owned(),
        });
        for value in authorization {
            let value = value.parse().unwrap();
            request.metadata_mut().append("authorization", value);
        }
        request.set_timeout(Duration::from_secs(30));
        let answer = HealthClient::new(self.0.clone()).check(request).await?;
        Ok(answer.into_inner().status())
    }
}

/// A free port, and who connects to it.
async fn listen() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, TcpIncoming::from(listener))
}

#[tokio::test]
async fn a_service_of_tonic_sees_the_user() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").with_id("alice"));
    let admin = fake.add_user(User::new("admin").with_id("admin").roles(["admin"]));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let (address, incoming) = listen().await;
    let server = Server::builder()
        .layer(authgear.layer().grpc().respond_with(EmptyRejectionResponse))
        .add_service(HealthServer::new(Mirror));
    tokio::spawn(server.serve_with_incoming(incoming));
    let client = Client::to(address).await;
    let alice_bearer = format!("Bearer {}", fake.token(&alice).sign());
    let admin_bearer = format!("Bearer {}", fake.token(&admin).sign());
    let expired = format!(
        "Bearer {}",
        fake.token(&alice).expires_at(1_000_000_000).sign()
    );

    let refused = client.check("alice", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(
        refused
            .message()
            .starts_with("the request carries no access token")
    );
    let refused = client.check("alice", &[&expired]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(refused.message(), "the access token has expired");
    let refused = client
        .check("alice", &[&alice_bearer, &alice_bearer])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let seen = client.check("alice", &[&alice_bearer]).await.unwrap();
    assert_eq!(seen, ServingStatus::Serving);
    let seen = client.check("alice", &[&admin_bearer]).await.unwrap();
    assert_eq!(seen, ServingStatus::NotServing);

    // A requirement in a service.
    let seen = client.check("admin", &[&admin_bearer]).await.unwrap();
    assert_eq!(seen, ServingStatus::Serving);
    let refused = client.check("admin", &[&alice_bearer]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.message(), "the user lacks a required role");

    // Not a fault of the client's.
    fake.stop();
    let _ = fake.add_key();
    let stranger = fake.token(&alice).kid("unheard-of").sign();
    let refused = client
        .check("alice", &[&format!("Bearer {stranger}")])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_requirement_for_a_whole_server() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").with_id("alice"));
    let admin = fake.add_user(User::new("admin").with_id("admin").roles(["admin"]));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let (address, incoming) = listen().await;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::Serving)
        .await;
    let server = Server::builder()
        .layer(authgear.layer().grpc().respond_with(EmptyRejectionResponse))
        .layer(
            authgear
                .require(has_role("admin"))
                .respond_with(EmptyRejectionResponse)
                .grpc(),
        )
        .add_service(health);
    tokio::spawn(server.serve_with_incoming(incoming));
    let client = Client::to(address).await;

    let bearer = format!("Bearer {}", fake.token(&admin).sign());
    assert_eq!(
        client.check("shop", &[&bearer]).await.unwrap(),
        ServingStatus::Serving
    );
    let bearer = format!("Bearer {}", fake.token(&alice).sign());
    assert_eq!(
        client.check("shop", &[&bearer]).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        client.check("shop", &[]).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

/// A service that no layer covers does not take anyone for a user.
#[tokio::test]
async fn without_the_layer_it_is_an_internal_error() {
    let (address, incoming) = listen().await;
    let server = Server::builder().add_service(HealthServer::new(Mirror));
    tokio::spawn(server.serve_with_incoming(incoming));
    let refused = Client::to(address)
        .await
        .check("alice", &[])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert!(refused.message().starts_with("no authentication layer ran"));
}
