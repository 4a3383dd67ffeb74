//! A WebSocket through a gateway.

use futures_util::StreamExt;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::stack::Stack;

impl Stack<'_> {
    pub(super) async fn websockets(&self) {
        let (bearer, cookie) = (self.bearer(), self.cookie());
        let own = format!("Origin: {}", self.gateway.origin());
        let rows: &[(&[&str], u16)] = &[
            (&[&bearer], 101),
            (&[&bearer, "Sec-Fetch-Site: cross-site"], 101),
            (&[&cookie, &own], 101),
            (&[&cookie, "Sec-Fetch-Site: same-origin"], 101),
            (&[&cookie, "Sec-Fetch-Site: cross-site"], 403),
            (&[&cookie, "Origin: https://evil.example"], 403),
            (&["Authorization: Bearer garbage"], 401),
            (&[], 401),
        ];
        for (headers, status) in rows {
            self.api.take();
            let got = match self.open_websocket(headers).await {
                Ok(hello) => {
                    assert_eq!(hello, format!("hello, {}", self.alice.id()));
                    101
                }
                Err(Error::Http(response)) => response.status().as_u16(),
                Err(error) => panic!("{headers:?}: {error}"),
            };
            assert_eq!(got, *status, "{headers:?}");
            self.assert_reached(got == 101, headers);
        }
    }

    /// The first message of the connection.
    async fn open_websocket(&self, headers: &[&str]) -> Result<String, Error> {
        let mut request = format!("ws://{}/ws", self.gateway.address).into_client_request()?;
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (mut socket, _) = connect_async(request).await?;
        match socket.next().await {
            Some(Ok(Message::Text(hello))) => Ok(hello.to_string()),
            other => panic!("{other:?}"),
        }
    }
}
