//! `websocket`: a token as a subprotocol.

use std::time::{SystemTime, UNIX_EPOCH};

use axum_authgear::testkit::{FakeAuthgear, User};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::process::Example;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn start(fake: &FakeAuthgear) -> (Example, String) {
    let mut example = Example::start("websocket", &[("AUTHGEAR_ENDPOINT", fake.endpoint())]);
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    (example, url)
}

async fn connect(url: &str, protocols: &str) -> Result<(Socket, HeaderMap), Error> {
    let mut request = url.into_client_request()?;
    let field = protocols.parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", field);
    let (socket, response) = connect_async(request).await?;
    Ok((socket, response.headers().clone()))
}

#[tokio::test]
async fn the_token_is_one_of_the_subprotocols_and_not_the_one_that_is_taken() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let (_example, url) = start(&fake).await;
    let token = fake.token(&alice).sign();

    let (mut socket, headers) = connect(&url, &format!("echo, bearer.{token}"))
        .await
        .unwrap();
    assert_eq!(headers["sec-websocket-protocol"], "echo");
    let hello = socket.next().await.unwrap().unwrap();
    assert_eq!(hello, Message::text(format!("hello, {}", alice.id())));
    socket.send(Message::text("one, two")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("one, two")
    );

    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    for protocols in [
        "echo".to_owned(),
        format!("echo, bearer.{expired}"),
        "echo, bearer.x".to_owned(),
    ] {
        match connect(&url, &protocols).await {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 401);
                assert!(
                    response.headers()["www-authenticate"]
                        .to_str()
                        .unwrap()
                        .starts_with("Bearer")
                );
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}

#[tokio::test]
async fn the_connection_ends_with_the_token() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let (_example, url) = start(&fake).await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // Within the leeway of a minute, for another two seconds.
    let token = fake.token(&alice).expires_at(now - 58).sign();
    let (mut socket, _) = connect(&url, &format!("echo,bearer.{token}"))
        .await
        .unwrap();
    socket.next().await.unwrap().unwrap();
    match socket.next().await.unwrap().unwrap() {
        Message::Close(Some(frame)) => {
            assert_eq!(frame.code, CloseCode::from(4401));
            assert_eq!(frame.reason.as_str(), "the access token has expired");
        }
        other => panic!("{other:?}"),
    }
}
