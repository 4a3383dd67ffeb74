//! The two connections that all projects have in common.

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

/// One connection answers the questions of all projects, in their order: none of these questions
/// waits in the server. The other one waits for news, which is all that it does: without it, each project
/// still looks once a second.
pub(super) struct Link {
    asking: Connection,
    pub(super) news: Arc<News>,
    opened: Instant,
    watcher: AbortHandle,
}

impl Link {
    /// The second connection is opened as soon as somebody waits for news.
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

    /// Gives the connections up for all, if this is a reason to.
    pub(super) fn doubt(&self, error: &LogError) {
        let is_over = match error {
            LogError::Closed | LogError::Timeout => true,
            error if error.is_answer() && !error.is_demotion() => false,
            // One project that hears this again and again must not keep the others busy.
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

/// Shorter than whoever asks would wait, so that it is here that a connection that hangs is noticed.
const ANSWER_TIMEOUT: Duration = REPLY_TIMEOUT.saturating_sub(Duration::from_millis(100));
const MIN_AGE: Duration = Duration::from_secs(1);
