//! Schedules of requests, answers and purges.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::call::{Ask, Asking, CallError, ClientInfo};
use super::{CachePolicy, ResolverClient, SessionResolver};
use crate::clock::Clock;
use crate::property::cases::cases;
use crate::user::{CredentialForm, SessionCredential};
use crate::verify::session_headers::{SESSION_VALID, USER_ID};

/// A resolver that decides at the time of the call, and answers when the test lets it.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    has_ended: bool,
    held: VecDeque<oneshot::Sender<()>>,
    asked: usize,
}

impl Ask for Held {
    fn ask<'a>(&'a self, _: &'a SessionCredential, _: &'a ClientInfo) -> Asking<'a> {
        let (release, released) = oneshot::channel();
        let has_ended = {
            let mut state = self.0.lock().unwrap();
            state.held.push_back(release);
            state.asked += 1;
            state.has_ended
        };
        Box::pin(async move {
            released.await.map_err(|_| CallError::Abandoned)?;
            let mut headers = HeaderMap::new();
            if !has_ended {
                headers.insert(SESSION_VALID, HeaderValue::from_static("true"));
                headers.insert(USER_ID, HeaderValue::from_static("alice"));
            }
            Ok(headers)
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Request,
    /// A request whose client disconnects.
    Cancelled,
    ReleaseFirst,
    ReleaseLast,
    /// Authgear ends the session, and then sends a webhook.
    EndAndPurge,
    /// A purge without a change at Authgear.
    Purge,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Request),
        1 => Just(Step::Cancelled),
        3 => Just(Step::ReleaseFirst),
        2 => Just(Step::ReleaseLast),
        1 => Just(Step::EndAndPurge),
        1 => Just(Step::Purge),
        1 => (0..2_000_u64).prop_map(Step::Advance),
    ]
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Runs a schedule. Requests after the purge that follows the session's end must be refused.
async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let held = Held::default();
    let keep = CachePolicy {
        capacity: 100,
        valid_ttl: Duration::from_secs(5),
        invalid_ttl: Duration::from_secs(1),
    };
    let clock = Clock::default();
    let sessions = Arc::new(ResolverClient::new(
        held.clone(),
        "https://auth.example",
        &SessionResolver::new(),
        keep,
        clock,
        &tokio::runtime::Handle::current(),
    ));
    let form = CredentialForm::Bearer;
    let credential = Arc::new(SessionCredential::new(form, "token", form.digest("token")));
    let ask = || {
        let (sessions, credential) = (Arc::clone(&sessions), Arc::clone(&credential));
        async move {
            let asked = sessions.ask(credential, ClientInfo::default(), keep.valid_ttl);
            asked.await.map(|answer| answer.session().is_some())
        }
    };
    let mut requests = Vec::new();
    let mut purged_after_end = false;
    for step in steps {
        match step {
            Step::Request => requests.push((purged_after_end, tokio::spawn(ask()))),
            Step::Cancelled => {
                let request = tokio::spawn(ask());
                settle().await;
                request.abort();
            }
            Step::ReleaseFirst => drop(pop(&held, VecDeque::pop_front)),
            Step::ReleaseLast => drop(pop(&held, VecDeque::pop_back)),
            Step::EndAndPurge => {
                held.0.lock().unwrap().has_ended = true;
                sessions.invalidate_user("alice");
                purged_after_end = true;
            }
            Step::Purge => sessions.invalidate_user("alice"),
            Step::Advance(millis) => tokio::time::advance(Duration::from_millis(millis)).await,
        }
        settle().await;
    }
    // Every request gets an answer.
    while pop(&held, VecDeque::pop_front).is_some() {
        settle().await;
    }
    let (count, asked) = (requests.len(), held.0.lock().unwrap().asked);
    prop_assert!(asked <= count + 50);
    for (came_after, request) in requests {
        prop_assert!(request.is_finished(), "a request was lost");
        let is_user = request.await.unwrap();
        prop_assert!(is_user.is_ok(), "{is_user:?}");
        prop_assert!(!(came_after && is_user.unwrap()), "let in after the purge");
    }
    Ok(())
}

/// Releases the answer to one call.
fn pop(
    held: &Held,
    which: fn(&mut VecDeque<oneshot::Sender<()>>) -> Option<oneshot::Sender<()>>,
) -> Option<()> {
    let release = which(&mut held.0.lock().unwrap().held)?;
    let _ = release.send(());
    Some(())
}

proptest! {
    #![proptest_config(cases(256, 20_000))]

    #[test]
    fn property_nobody_is_let_in_by_an_answer_from_before_a_purge(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps))?;
    }
}
