//! The two connections that all projects share.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::log::LogError;
use super::super::retries::{REPLY_TIMEOUT, within};
use super::address::Address;
use super::connection::Connection;
use super::news::{News, watch};

/// One connection answers the commands of all projects in order, and none of these commands waits in the
/// server. The other connection only waits for new entries. Without it, each project still reads once a
/// second.
pub(super) struct Link {
    asking: Connection,
    pub(super) news: Arc<News>,
    opened: Instant,
    watcher: AbortHandle,
}

impl Link {
    /// The second connection is opened when the first project waits for new entries.
    pub(super) async fn open(address: &Arc<Address>) -> Result<Self, LogError> {
        let asking = Connection::open(address).await?;
        let news = Arc::new(News::default());
        let watching = watch(Arc::clone(address), Arc::clone(&news));
        Ok(Self {
            asking,
            news,
            opened: Instant::now(),
            watcher: tokio::spawn(watching).abort_handle(),
        })
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, LogError> {
        let answer = within(ANSWER_TIMEOUT, self.asking.ask(command)).await;
        answer.inspect_err(|error| self.doubt(error))
    }

    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<(), LogError> {
        let answer = within(ANSWER_TIMEOUT, self.asking.ask_all(commands)).await;
        answer.inspect_err(|error| self.doubt(error))
    }

    /// Closes the connections for all projects, if this error is a reason to.
    pub(super) fn doubt(&self, error: &LogError) {
        let is_over = match error {
            LogError::Closed | LogError::Timeout => true,
            error if error.is_answer() && !error.is_demotion() => false,
            // A project with this error again and again must not disturb the others.
            _ => self.opened.elapsed() >= MIN_AGE,
        };
        if is_over {
            self.news.end();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Shorter than the callers' timeout, so that a hanging connection is noticed here.
const ANSWER_TIMEOUT: Duration = REPLY_TIMEOUT.saturating_sub(Duration::from_millis(100));
const MIN_AGE: Duration = Duration::from_secs(1);
