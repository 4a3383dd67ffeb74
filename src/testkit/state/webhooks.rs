//! Deliveries that the fake makes by itself, and what can befall them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::testkit::random;
use crate::testkit::state::accounts::Account;
use crate::testkit::webhook::{Webhook, WebhookEvent};

/// A delivery that the fake made by itself.
#[derive(Clone, Debug)]
pub struct Delivery {
    webhook: Webhook,
    status: Option<u16>,
}

impl Delivery {
    /// What was to be delivered.
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// The status of the answer; none when it was lost, or nothing answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}

/// What befalls webhook deliveries.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct WebhookFaults {
    lose: bool,
    repeat: usize,
    delay: Duration,
    reorder: bool,
}

impl WebhookFaults {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether deliveries never arrive. Default: false.
    pub fn lose(mut self, lose: bool) -> Self {
        self.lose = lose;
        self
    }

    /// How often each one comes again. Default: 0.
    pub fn repeat(mut self, times: usize) -> Self {
        self.repeat = times;
        self
    }

    /// How late each one comes, in tokio's time. Default: 0.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Whether of two deliveries the second one comes first. Default: false.
    pub fn reorder(mut self, reorder: bool) -> Self {
        self.reorder = reorder;
        self
    }
}

/// The webhook side of what the fake knows.
pub(in crate::testkit) struct Webhooks {
    pub(in crate::testkit) secret: String,
    pub(in crate::testkit) url: Option<String>,
    pub(in crate::testkit) faults: WebhookFaults,
    seq: u64,
    held: Option<Webhook>,
    queue: mpsc::UnboundedSender<Job>,
    pub(in crate::testkit) log: Arc<Log>,
}

impl Webhooks {
    /// Also starts the task that delivers, which the handle ends.
    pub(in crate::testkit) fn start(secret: Option<String>) -> (Self, AbortHandle) {
        let (queue, jobs) = mpsc::unbounded_channel();
        let log = Arc::new(Log::default());
        let worker = tokio::spawn(work(jobs, Arc::clone(&log)));
        let webhooks = Self {
            secret: secret.unwrap_or_else(random::token),
            url: None,
            faults: WebhookFaults::default(),
            seq: 0,
            held: None,
            queue,
            log,
        };
        (webhooks, worker.abort_handle())
    }

    /// The numbers grow and have gaps, for Authgear counts events that no webhook tells of.
    pub(in crate::testkit) fn next_seq(&mut self) -> u64 {
        self.seq += 2;
        self.seq
    }

    /// The delivery of an event, with the next number.
    pub(in crate::testkit) fn next(
        &mut self,
        event: WebhookEvent,
        account: Account,
        now: Duration,
    ) -> Webhook {
        let seq = self.next_seq();
        Webhook::new(self.secret.clone(), seq, event, account, now)
    }

    pub(in crate::testkit) fn send(&mut self, webhook: Webhook) {
        if self.url.is_none() {
            return;
        }
        if self.faults.reorder && self.held.is_none() {
            self.held = Some(webhook);
            return;
        }
        self.enqueue(&webhook);
        self.release();
    }

    pub(in crate::testkit) fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.enqueue(&held);
        }
    }

    fn enqueue(&mut self, webhook: &Webhook) {
        let Some(url) = &self.url else { return };
        for _ in 0..=self.faults.repeat {
            let job = Job {
                webhook: webhook.clone(),
                url: url.clone(),
                due: Instant::now() + self.faults.delay,
                lost: self.faults.lose,
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
    url: String,
    due: Instant,
    lost: bool,
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
        let status = if job.lost {
            None
        } else {
            let client = client.get_or_insert_with(self::client);
            post(client, &job.url, &job.webhook).await.ok()
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
