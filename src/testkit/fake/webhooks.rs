//! The deliveries that the fake sends, and their faults.

use super::FakeAuthgear;
use crate::testkit::state::accounts::{Account, User};
use crate::testkit::state::webhooks::{Delivery, WebhookFaults, client, post};
use crate::testkit::webhook::{Webhook, WebhookEvent};

impl FakeAuthgear {
    /// From now on delivers a webhook to this URL when a user is changed, for example by
    /// [`disable`](Self::disable). `None` ends that. Default: none.
    ///
    /// The deliveries are sent in the background, one after the other. As in Authgear there is one
    /// attempt. [`webhooks_settled`](Self::webhooks_settled) waits for them.
    pub fn send_webhooks_to(&self, url: impl Into<Option<String>>) {
        self.shared().state().webhooks.url = url.into();
    }

    /// The faults of the deliveries from now on. Default: none.
    pub fn webhook_faults(&self, faults: WebhookFaults) {
        self.shared().state().webhooks.faults = faults;
    }

    /// Waits until no delivery is under way.
    pub async fn webhooks_settled(&self) {
        let mut pending = self.shared().state().webhooks.log.pending.subscribe();
        // The sender lives as long as `self`.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }

    /// The deliveries so far, including those that were lost, in the order of the attempts.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared().state().webhooks.log.done().clone()
    }

    /// The delivery of an event about the user, with the next `seq`, signed with the fake's
    /// secret. It is not sent, and it does not change the user: [`disable`](Self::disable) and the
    /// like do both.
    pub fn webhook(&self, event: WebhookEvent, user: &User) -> Webhook {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        let known = state.accounts.get(user.id()).cloned();
        let account = known.unwrap_or_else(|| Account::new(user.clone(), now));
        state.webhooks.next(event, account, now)
    }

    /// The secret that signs deliveries. Set it with
    /// [`FakeAuthgearBuilder::webhook_secret`](super::FakeAuthgearBuilder::webhook_secret).
    #[must_use]
    pub fn webhook_secret(&self) -> String {
        self.shared().state().webhooks.secret.clone()
    }
}

impl Webhook {
    /// Posts this delivery, and returns the status of the answer. Only plain HTTP.
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
