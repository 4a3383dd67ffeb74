//! The deliveries that the fake sends by itself, and their faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::testkit::random;
use crate::testkit::state::accounts::Account;
use crate::testkit::webhook::{Webhook, WebhookEvent};

/// A delivery that the fake sent by itself.
#[derive(Clone, Debug)]
pub struct Delivery {
    webhook: Webhook,
    status: Option<u16>,
}

impl Delivery {
    /// The webhook that was to be delivered.
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// The status of the answer. `None` when the delivery was lost, or nothing answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}

/// The faults of webhook deliveries.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct WebhookFaults {
    lose: bool,
    repeat: usize,
    delay: Duration,
}

impl WebhookFaults {
    /// No fault.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether deliveries never arrive. Default: false.
    pub fn lose(mut self, lose: bool) -> Self {
        self.lose = lose;
        self
    }

    /// How many times each delivery is repeated. Default: 0.
    pub fn repeat(mut self, times: usize) -> Self {
        self.repeat = times;
        self
    }

    /// The delay of each delivery, in tokio's time. Default: 0.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// What the fake knows about webhooks.
pub(in crate::testkit) struct Webhooks {
    pub(in crate::testkit) secret: String,
    pub(in crate::testkit) url: Option<String>,
    pub(in crate::testkit) faults: WebhookFaults,
    seq: u64,
    queue: mpsc::UnboundedSender<Job>,
    pub(in crate::testkit) log: Arc<Log>,
}

impl Webhooks {
    /// Also starts the task that delivers. The handle ends it.
    pub(in crate::testkit) fn start(secret: Option<String>) -> (Self, AbortHandle) {
        let (queue, jobs) = mpsc::unbounded_channel();
        let log = Arc::new(Log::default());
        let worker = tokio::spawn(work(jobs, Arc::clone(&log)));
        let webhooks = Self {
            secret: secret.unwrap_or_else(random::token),
            url: None,
            faults: WebhookFaults::default(),
            seq: 0,
            queue,
            log,
        };
        (webhooks, worker.abort_handle())
    }

    /// The delivery of an event, with the next number. The numbers have gaps, because Authgear also
    /// counts events without a webhook.
    pub(in crate::testkit) fn next(
        &mut self,
        event: WebhookEvent,
        account: Account,
        now: Duration,
    ) -> Webhook {
        self.seq += 2;
        Webhook::new(self.secret.clone(), self.seq, event, account, now)
    }

    pub(in crate::testkit) fn send(&mut self, webhook: &Webhook) {
        let Some(url) = &self.url else { return };
        for _ in 0..=self.faults.repeat {
            let job = Job {
                webhook: webhook.clone(),
                url: Some(url.clone()).filter(|_| !self.faults.lose),
                due: Instant::now() + self.faults.delay,
            };
            self.log.pending.send_modify(|pending| *pending += 1);
            if self.queue.send(job).is_err() {
                // The runtime is shutting down.
                self.log.pending.send_modify(|pending| *pending -= 1);
            }
        }
    }
}

struct Job {
    webhook: Webhook,
    /// `None` for a delivery that is lost.
    url: Option<String>,
    due: Instant,
}

#[derive(Default)]
pub(in crate::testkit) struct Log {
    pub(in crate::testkit) pending: watch::Sender<usize>,
    done: Mutex<Vec<Delivery>>,
}

impl Log {
    pub(in crate::testkit) fn done(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(mut jobs: mpsc::UnboundedReceiver<Job>, log: Arc<Log>) {
    let mut client = None;
    while let Some(job) = jobs.recv().await {
        tokio::time::sleep_until(job.due).await;
        let status = match &job.url {
            Some(url) => {
                let client = client.get_or_insert_with(self::client);
                post(client, url, &job.webhook).await.ok()
            }
            None => None,
        };
        log.done().push(Delivery {
            webhook: job.webhook,
            status,
        });
        log.pending.send_modify(|pending| *pending -= 1);
    }
}

pub(in crate::testkit) async fn post(
    client: &reqwest::Client,
    url: &str,
    webhook: &Webhook,
) -> Result<u16, reqwest::Error> {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-authgear-body-signature", webhook.signature())
        .body(webhook.body());
    Ok(request.send().await?.status().as_u16())
}

/// For plain HTTP, and so without certificates.
pub(in crate::testkit) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("Go-http-client/1.1")
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client without certificates needs nothing of the system")
}
