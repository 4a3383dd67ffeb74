//! What the Admin API does to an account.

use super::FakeAuthgear;
use crate::testkit::state::State;
use crate::testkit::state::accounts::User;
use crate::testkit::webhook::WebhookEvent;

/// What the Admin API does to an account. Each method ends all sessions of a user who may not sign in
/// afterwards, and sends its webhook ([`send_webhooks_to`](FakeAuthgear::send_webhooks_to)).
impl FakeAuthgear {
    /// Disables the user until [`reenable`](Self::reenable). Webhook: `user.disabled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn disable(&self, user: &User) {
        self.change(user, |account| account.disabled_window = None);
        self.happen(user, WebhookEvent::UserDisabled);
    }

    /// Disables the user from `from` until `until` (Unix seconds). The webhook `user.disabled` is
    /// sent now. No webhook is sent when the window opens or closes.
    ///
    /// If the window is open now, all sessions end now. If it opens later, the sessions stay. While
    /// it is open, the resolver answers `X-Authgear-Session-Valid: false`, until
    /// [`run_account_job`](Self::run_account_job) ends them.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn disable_temporarily(&self, user: &User, from: u64, until: u64) {
        self.change(user, |account| {
            account.disabled = false;
            account.disabled_window = Some((from, until));
        });
        self.happen(user, WebhookEvent::UserDisabled);
    }

    /// Enables the user again. Sessions that have ended stay ended. Webhook: `user.reenabled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn reenable(&self, user: &User) {
        self.happen(user, WebhookEvent::UserReenabled);
    }

    /// Sets the account's validity period (`account_valid_from`, `account_valid_until`, in Unix
    /// seconds; `None` means no limit). No webhook is sent, and no session ends before
    /// [`run_account_job`](Self::run_account_job). Outside of the period the resolver answers
    /// `X-Authgear-Session-Valid: false` until then.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn set_window(
        &self,
        user: &User,
        from: impl Into<Option<u64>>,
        until: impl Into<Option<u64>>,
    ) {
        let (from, until) = (from.into(), until.into());
        self.change(user, |account| {
            account.valid_from = from;
            account.valid_until = until;
        });
    }

    /// Deletes the user. Webhook: `user.deleted`. Nothing happens when there is no such user.
    pub fn delete(&self, user: &User) {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        state.sessions.end_all_of(user.id());
        if let Some(account) = state.accounts.remove(user.id()) {
            let event = WebhookEvent::UserDeleted;
            let webhook = state.webhooks.next(event, account, now);
            state.webhooks.send(&webhook);
        }
    }

    /// Anonymizes the user. Webhook: `user.anonymized`, which shows the user as it was before.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn anonymize(&self, user: &User) {
        self.end_all_sessions(user);
        self.happen(user, WebhookEvent::UserAnonymized);
        self.change(user, |account| account.anonymized = true);
    }

    /// Schedules the user's deletion in 30 days. Webhook: `user.deletion_scheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn schedule_deletion(&self, user: &User) {
        self.happen(user, WebhookEvent::UserDeletionScheduled);
    }

    /// Cancels the scheduled deletion. Sessions that have ended stay ended. Webhook:
    /// `user.deletion_unscheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn unschedule_deletion(&self, user: &User) {
        self.happen(user, WebhookEvent::UserDeletionUnscheduled);
    }

    /// Schedules the user's anonymization in 30 days. Webhook: `user.anonymization_scheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn schedule_anonymization(&self, user: &User) {
        self.happen(user, WebhookEvent::UserAnonymizationScheduled);
    }

    /// Cancels the scheduled anonymization. Sessions that have ended stay ended. Webhook:
    /// `user.anonymization_unscheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn unschedule_anonymization(&self, user: &User) {
        self.happen(user, WebhookEvent::UserAnonymizationUnscheduled);
    }

    /// Does what Authgear does every 5 minutes: ends the sessions of the users who are disabled now.
    pub fn run_account_job(&self) {
        let now = self.shared().now();
        let mut state = self.shared().state();
        let State {
            accounts, sessions, ..
        } = &mut *state;
        for (id, _) in accounts
            .iter()
            .filter(|(_, account)| account.is_disabled(now))
        {
            sessions.end_all_of(id);
        }
    }

    /// Changes the account, ends its sessions if it may not have any, and sends the webhook.
    fn happen(&self, user: &User, event: WebhookEvent) {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        let account = state.account(user);
        event.apply(account, now);
        let account = account.clone();
        if account.is_disabled(now.as_secs()) {
            state.sessions.end_all_of(user.id());
        }
        let webhook = state.webhooks.next(event, account, now);
        state.webhooks.send(&webhook);
    }
}
