//! What the Admin API does to an account.

use super::FakeAuthgear;
use crate::testkit::state::State;
use crate::testkit::state::accounts::{Account, User};
use crate::testkit::webhook::WebhookEvent;

/// What the Admin API does to an account. Each of these ends all sessions first where the user may
/// not sign in afterwards, and sends its webhook
/// ([`send_webhooks_to`](FakeAuthgear::send_webhooks_to)). All but [`delete`](FakeAuthgear::delete)
/// panic when there is no such user.
impl FakeAuthgear {
    /// Disables the user without an end. Webhook: `user.disabled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn disable(&self, user: &User) {
        self.happen(user, WebhookEvent::UserDisabled, |account| {
            account.disabled = true;
            account.disabled_window = None;
        });
    }

    /// Disables the user from `from` until `until` (Unix seconds). Webhook: `user.disabled`, now;
    /// none when the window opens or closes.
    ///
    /// Sessions end now if the window is open already. If it opens later they live on, and the
    /// resolver answers `X-Authgear-Session-Valid: false` until
    /// [`run_account_job`](Self::run_account_job) ends them.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn disable_temporarily(&self, user: &User, from: u64, until: u64) {
        self.happen(user, WebhookEvent::UserDisabled, |account| {
            account.disabled = false;
            account.disabled_window = Some((from, until));
        });
    }

    /// Enables the user again; its ended sessions stay ended. Webhook: `user.reenabled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn reenable(&self, user: &User) {
        self.happen(user, WebhookEvent::UserReenabled, |account| {
            account.disabled = false;
            account.disabled_window = None;
        });
    }

    /// Sets the account's validity period (`account_valid_from`, `account_valid_until`, in Unix
    /// seconds; `None` is open). No webhook tells of it, and no session ends before
    /// [`run_account_job`](Self::run_account_job): outside of the period the resolver answers
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
            state.webhooks.send(webhook);
        }
    }

    /// Anonymizes the user. Webhook: `user.anonymized`, with a snapshot from before.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn anonymize(&self, user: &User) {
        self.end_all_sessions(user);
        self.happen(user, WebhookEvent::UserAnonymized, |_| {});
        self.change(user, |account| account.anonymized = true);
    }

    /// Schedules the user's deletion in 30 days. Webhook: `user.deletion_scheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn schedule_deletion(&self, user: &User) {
        self.happen(user, WebhookEvent::UserDeletionScheduled, |_| {});
    }

    /// Takes the scheduled deletion back; ended sessions stay ended. Webhook:
    /// `user.deletion_unscheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn unschedule_deletion(&self, user: &User) {
        self.happen(user, WebhookEvent::UserDeletionUnscheduled, |_| {});
    }

    /// Schedules the user's anonymization in 30 days. Webhook: `user.anonymization_scheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn schedule_anonymization(&self, user: &User) {
        self.happen(user, WebhookEvent::UserAnonymizationScheduled, |_| {});
    }

    /// Takes the scheduled anonymization back; ended sessions stay ended. Webhook:
    /// `user.anonymization_unscheduled`.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn unschedule_anonymization(&self, user: &User) {
        self.happen(user, WebhookEvent::UserAnonymizationUnscheduled, |_| {});
    }

    /// What Authgear does every 5 minutes: ends the sessions of the users whose window has closed.
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

    /// Changes an account, ends its sessions if it may not have any, and sends the webhook.
    fn happen(&self, user: &User, event: WebhookEvent, change: impl FnOnce(&mut Account)) {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        let account = state.account(user);
        change(account);
        event.apply(account, now);
        let account = account.clone();
        if account.is_disabled(now.as_secs()) {
            state.sessions.end_all_of(user.id());
        }
        let webhook = state.webhooks.next(event, account, now);
        state.webhooks.send(webhook);
    }
}
