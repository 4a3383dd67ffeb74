//! One connection to the server.

use std::io;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::streams::{StreamRangeReply, StreamReadReply};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisConnectionInfo, RedisError, cmd,
    pipe,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::super::log::{Entry, LogConnection, LogError, Place};
use super::entry;
use crate::revocation::record::Record;

/// How many entries are read at one time.
const PAGE: usize = 1000;

pub(crate) struct RedisConnection {
    connection: MultiplexedConnection,
    key: String,
    driver: AbortHandle,
}

impl RedisConnection {
    pub(super) async fn new<S>(
        info: &RedisConnectionInfo,
        stream: S,
        key: &str,
    ) -> Result<Self, LogError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Whoever asks does not wait for ever; a time of the library's own would end reads that
        // wait for something new.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(info, stream, config).await?;
        Ok(Self {
            connection,
            key: key.to_owned(),
            driver: tokio::spawn(driver).abort_handle(),
        })
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, LogError> {
        Ok(command.query_async(&mut self.connection).await?)
    }
}

impl Drop for RedisConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl LogConnection for RedisConnection {
    async fn read(&mut self, after: Place, wait: Option<Duration>) -> Result<Vec<Entry>, LogError> {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(PAGE);
        if let Some(wait) = wait {
            // 0 would be for ever.
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            command.arg("BLOCK").arg(millis);
        }
        command.arg("STREAMS").arg(&self.key).arg(entry::id(after));
        let reply: Option<StreamReadReply> = self.ask(&command).await?;
        reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|stream| stream.ids)
            .map(|id| entry::read(&id).ok_or(LogError::Unreadable))
            .collect()
    }

    async fn has(&mut self, place: Place) -> Result<bool, LogError> {
        let id = entry::id(place);
        let mut command = cmd("XRANGE");
        command.arg(&self.key).arg(&id).arg(&id);
        let reply: StreamRangeReply = self.ask(&command).await?;
        Ok(!reply.ids.is_empty())
    }

    async fn append(&mut self, records: &[Record], keep: Place) -> Result<(), LogError> {
        let mut pipeline = pipe();
        for (number, record) in records.iter().enumerate() {
            let command = pipeline.cmd("XADD").arg(&self.key);
            if number == 0 {
                // About: as far as it costs nothing.
                command.arg("MINID").arg("~").arg(entry::id(keep));
            }
            command.arg("*");
            entry::write(record, |name, value| {
                command.arg(name).arg(value);
            });
            command.ignore();
        }
        let () = pipeline.query_async(&mut self.connection).await?;
        Ok(())
    }

    async fn trim(&mut self, keep: Place) -> Result<(), LogError> {
        let mut command = cmd("XTRIM");
        command.arg(&self.key).arg("MINID").arg(entry::id(keep));
        let _: u64 = self.ask(&command).await?;
        Ok(())
    }

    async fn now(&mut self) -> Result<u64, LogError> {
        let (seconds, micros): (u64, u64) = self.ask(&cmd("TIME")).await?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }
}

impl From<RedisError> for LogError {
    /// What the server says besides its code is left out: it may quote what it was sent.
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Authentication,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Unreadable,
            ErrorKind::Io if error.is_timeout() => Self::Timeout,
            ErrorKind::Io if error.is_connection_refusal() => {
                Self::Unreachable(io::ErrorKind::ConnectionRefused.into())
            }
            ErrorKind::Io => Self::Closed,
            _ => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Authentication,
                Some(code) if is_code(code) => Self::Refused(code.to_owned()),
                _ => Self::Refused("ERR".to_owned()),
            },
        }
    }
}

fn is_code(code: &str) -> bool {
    code.len() <= 20 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
