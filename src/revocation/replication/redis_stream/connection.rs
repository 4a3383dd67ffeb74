//! One connection to the server.

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::super::log::LogError;
use super::address::Address;

/// It answers commands in order, and closes when this is dropped.
pub(super) struct Connection {
    connection: MultiplexedConnection,
    driver: AbortHandle,
}

impl Connection {
    pub(super) async fn open(address: &Address) -> Result<Self, LogError> {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(LogError::Unreachable)?;
        stream.set_nodelay(true).map_err(LogError::Unreachable)?;
        match &address.tls {
            None => Self::over(stream, address).await,
            Some(tls) => {
                let stream = tls.connect(stream).await.map_err(LogError::Unreachable)?;
                Self::over(stream, address).await
            }
        }
    }

    async fn over<S>(stream: S, address: &Address) -> Result<Self, LogError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The caller sets the timeout. A timeout of the library would end the command that waits for new
        // entries.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&address.info, stream, config).await?;
        Ok(Self {
            connection,
            driver: tokio::spawn(driver).abort_handle(),
        })
    }

    /// The raw response, because the library's own types refuse the whole response if one part is
    /// unexpected.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, LogError> {
        match self.connection.clone().req_packed_command(command).await? {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(answer),
        }
    }

    /// Sends all of these commands together. The first error counts.
    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<(), LogError> {
        let mut connection = self.connection.clone();
        let answers = connection.req_packed_commands(commands, 0, commands.len());
        for answer in answers.await? {
            if let Value::ServerError(error) = answer {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
