//! Appends local records to the log.
//!
//! If the log refuses writes (it is out of memory, or read-only), the appender tries again at growing
//! intervals over the same connection. Reading continues: records of other replicas still arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::log::{Log, LogConnection, LogError};
use super::log_time::LogTime;
use super::outbox::Outbox;
use super::retries::{REPLY_TIMEOUT, Retries, within};
use crate::revocation::RevocationStore;
use crate::telemetry;

/// The maximum number of records of one append.
const BATCH: usize = 512;
/// The interval at which outdated entries are removed from the log, besides at each append.
const TRIM_INTERVAL: Duration = Duration::from_secs(10 * 60);

pub(in crate::revocation) struct Appender<L: Log> {
    log: Arc<L>,
    store: Arc<RevocationStore>,
    outbox: Arc<Outbox>,
    writer: Option<L::Connection>,
    retries: Retries,
    /// The number of records of the next append: small after a failure.
    batch: usize,
    is_trim_due: bool,
}

impl<L: Log> Appender<L> {
    pub(in crate::revocation) fn new(
        log: Arc<L>,
        store: Arc<RevocationStore>,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self {
            log,
            store,
            outbox,
            writer: None,
            retries: Retries::new(),
            batch: BATCH,
            is_trim_due: false,
        }
    }

    /// Appends pending records. Returns if another server may have taken over: then the reader should
    /// reconnect, too.
    pub(in crate::revocation) async fn tell(&mut self, time: LogTime) {
        self.writer = None;
        loop {
            let is_new = self.writer.is_none();
            let Err(error) = self.step(time).await else {
                continue;
            };
            if matches!(error, LogError::Closed) && !is_new {
                // Servers close idle connections.
                self.writer = None;
                self.outbox.send_again();
            } else if self.failed(error).await {
                return;
            }
        }
    }

    /// Appends once, or waits until there is something to append.
    async fn step(&mut self, time: LogTime) -> Result<(), LogError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self
                .writer
                .insert(within(REPLY_TIMEOUT, self.log.connect()).await?),
        };
        let keep = time.keep_from(self.store.retention);
        let batch = self.outbox.unsent(self.batch);
        if !batch.is_empty() {
            within(REPLY_TIMEOUT, writer.append(&batch, keep)).await?;
            self.batch = (self.batch * 8).min(BATCH);
        } else if self.is_trim_due {
            within(REPLY_TIMEOUT, writer.trim(keep)).await?;
            self.is_trim_due = false;
        } else {
            self.retries = Retries::new();
            if self.outbox.taken() {
                telemetry::revocation_log_takes(self.log.name());
            }
            tokio::select! {
                () = self.outbox.news() => {}
                () = sleep(TRIM_INTERVAL) => self.is_trim_due = true,
            }
        }
        Ok(())
    }

    /// Waits before the next attempt. Returns whether another server may have taken over.
    async fn failed(&mut self, error: LogError) -> bool {
        let (is_answer, is_demotion) = (error.is_answer(), error.is_demotion());
        let error = Arc::new(error);
        if self.outbox.refused(Arc::clone(&error)) {
            telemetry::revocation_log_refuses(self.log.name(), &*error);
        }
        if !is_answer {
            self.writer = None;
        }
        self.batch = 1;
        sleep(self.retries.next()).await;
        // Not earlier: records that did reach the log have been read back by now.
        self.outbox.send_again();
        is_demotion
    }
}
