//! Deliveries that the fake makes by itself, and what can befall them.

use super::FakeAuthgear;
use crate::testkit::state::accounts::{Account, User};
use crate::testkit::state::webhooks::{Delivery, WebhookFaults, client, post};
use crate::testkit::webhook::{Webhook, WebhookEvent};

impl FakeAuthgear {
    /// Delivers the webhooks of what happens to users from now on to this URL, one after the
    /// other and in the background; `None` ends that. Default: none.
    ///
    /// As Authgear does, it makes one attempt. [`webhooks_settled`](Self::webhooks_settled) waits.
    pub fn send_webhooks_to(&self, url: impl Into<Option<String>>) {
        self.shared().state().webhooks.url = url.into();
    }

    /// What befalls the deliveries from now on. Default: nothing.
    pub fn webhook_faults(&self, faults: WebhookFaults) {
        self.shared().state().webhooks.faults = faults;
    }

    /// Sends what [`WebhookFaults::reorder`] still holds back, and waits until no delivery is
    /// under way.
    pub async fn webhooks_settled(&self) {
        let mut pending = {
            let mut state = self.shared().state();
            state.webhooks.release();
            state.webhooks.log.pending.subscribe()
        };
        // The sender lives as long as `self`.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }

    /// What was delivered by itself so far, or lost, in the order of the attempts.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared().state().webhooks.log.done().clone()
    }

    /// Sends a delivery as an event's own: to the URL of
    /// [`send_webhooks_to`](Self::send_webhooks_to), under the faults of
    /// [`webhook_faults`](Self::webhook_faults), in the background. Without a URL it does nothing.
    pub fn send_webhook(&self, webhook: Webhook) {
        self.shared().state().webhooks.send(webhook);
    }

    /// The delivery of an event about the user, with the next `seq`, signed with the fake's
    /// secret. The user itself is not changed by it: [`disable`](Self::disable) and the like do
    /// that.
    pub fn webhook(&self, event: WebhookEvent, user: &User) -> Webhook {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        let known = state.accounts.get(user.id()).cloned();
        let account = known.unwrap_or_else(|| Account::new(user.clone(), now));
        state.webhooks.next(event, account, now)
    }

    /// The secret that signs deliveries: see
    /// [`FakeAuthgearBuilder::webhook_secret`](super::FakeAuthgearBuilder::webhook_secret).
    #[must_use]
    pub fn webhook_secret(&self) -> String {
        self.shared().state().webhooks.secret.clone()
    }
}

impl Webhook {
    /// Posts this delivery, and returns the status of the answer. Plain HTTP alone.
    ///
    /// # Panics
    ///
    /// When no HTTP answer comes.
    pub async fn deliver(&self, url: &str) -> u16 {
        match post(&client(), url, self).await {
            Ok(status) => status,
            Err(error) => panic!("the webhook got no answer: {error}"),
        }
    }
}
