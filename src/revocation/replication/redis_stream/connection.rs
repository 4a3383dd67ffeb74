//! One connection to the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, ServerError, Value,
    cmd, from_redis_value, pipe,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::super::log::{Entry, LogConnection, LogError, LogPosition};
use super::entry;
use crate::revocation::record::Record;

pub(crate) struct RedisConnection {
    connection: MultiplexedConnection,
    key: String,
    page: Arc<PageSize>,
    driver: AbortHandle,
}

impl RedisConnection {
    pub(super) async fn new<S>(
        info: &RedisConnectionInfo,
        stream: S,
        key: &str,
        page: &Arc<PageSize>,
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
            page: Arc::clone(page),
            driver: tokio::spawn(driver).abort_handle(),
        })
    }

    /// The answer as it is: the library's own types of answers refuse all of it for one part that
    /// is not as they expect.
    async fn ask(&mut self, command: &Cmd) -> Result<Value, LogError> {
        match self.connection.req_packed_command(command).await? {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(answer),
        }
    }
}

impl Drop for RedisConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl LogConnection for RedisConnection {
    async fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> Result<Vec<Entry>, LogError> {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(self.page.take());
        if let Some(wait) = wait {
            // 0 would be for ever.
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            command.arg("BLOCK").arg(millis);
        }
        command.arg("STREAMS").arg(&self.key).arg(entry::id(after));
        let answer = self.ask(&command).await?;
        let (entries, bytes) =
            entry::page(&answer, &self.key, after).ok_or(LogError::Unreadable)?;
        self.page.was(entries.len(), bytes);
        Ok(entries)
    }

    async fn has(&mut self, position: LogPosition) -> Result<bool, LogError> {
        let id = entry::id(position);
        let mut command = cmd("XRANGE");
        command.arg(&self.key).arg(&id).arg(&id);
        let answer = self.ask(&command).await?;
        entry::has(&answer, position).ok_or(LogError::Unreadable)
    }

    async fn append(&mut self, records: &[Record], keep: LogPosition) -> Result<(), LogError> {
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
        }
        let answers = self
            .connection
            .req_packed_commands(&pipeline, 0, records.len());
        for answer in answers.await? {
            if let Value::ServerError(error) = answer {
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn trim(&mut self, keep: LogPosition) -> Result<(), LogError> {
        let mut command = cmd("XTRIM");
        command.arg(&self.key).arg("MINID").arg(entry::id(keep));
        self.ask(&command).await.map(|_| ())
    }

    async fn now(&mut self) -> Result<u64, LogError> {
        let answer = self.ask(&cmd("TIME")).await?;
        let (seconds, micros): (u64, u64) =
            from_redis_value(answer).map_err(|_| LogError::Unreadable)?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }
}

/// How many entries are asked for at one time: few where they are large, since an answer is in
/// memory as a whole, and must come in time.
pub(super) struct PageSize(AtomicUsize);

impl PageSize {
    const FIRST: usize = 8;
    const MOST: usize = 1000;
    /// How many bytes an answer should have at most.
    const BYTES: usize = 1024 * 1024;

    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(Self::FIRST))
    }

    /// How many to ask for. Where no answer comes, the next time it is fewer.
    fn take(&self) -> usize {
        let count = self.0.load(Ordering::Relaxed);
        self.0.store((count / 8).max(1), Ordering::Relaxed);
        count
    }

    /// So many came, with so many bytes.
    fn was(&self, entries: usize, bytes: usize) {
        let fitting = match bytes.checked_div(entries) {
            None => Self::FIRST,
            Some(each) => (Self::BYTES / each.max(1)).clamp(1, Self::MOST),
        };
        // The next ones may be larger than these.
        let most = entries.max(Self::FIRST).saturating_mul(4);
        self.0.store(fitting.min(most), Ordering::Relaxed);
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
            _ => refused(error.code().unwrap_or_default()),
        }
    }
}

impl From<ServerError> for LogError {
    fn from(error: ServerError) -> Self {
        // The server has no code of its own for this.
        if error.code() == "ERR" && error.details().is_some_and(|text| text.contains(EXHAUSTED)) {
            return Self::Exhausted;
        }
        refused(error.code())
    }
}

/// In Redis since 6.0, and in Valkey.
const EXHAUSTED: &str = "exhausted the last possible ID";

fn refused(code: &str) -> LogError {
    match code {
        "NOAUTH" | "WRONGPASS" => LogError::Authentication,
        code => LogError::Refused {
            code: if is_code(code) { code } else { "ERR" }.to_owned(),
        },
    }
}

fn is_code(code: &str) -> bool {
    (1..=20).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_small_where_entries_are_large() {
        let page = PageSize::new();
        assert_eq!(page.take(), PageSize::FIRST);
        // No answer came.
        assert_eq!(page.take(), 1);
        assert_eq!(page.take(), 1);
        // Small ones: more and more.
        page.was(1, 200);
        let mut asked = Vec::new();
        while asked.last() != Some(&PageSize::MOST) {
            asked.push(page.take());
            page.was(asked[asked.len() - 1], 200 * asked[asked.len() - 1]);
        }
        assert_eq!(asked, [32, 128, 512, 1000]);
        page.was(1000, 1000 * 100 * 1024);
        assert_eq!(page.take(), 10);
        page.was(10, 10 * 100 * 1024 * 1024);
        assert_eq!(page.take(), 1);
        // Nothing new.
        page.was(0, 0);
        assert_eq!(page.take(), PageSize::FIRST);
    }
}
