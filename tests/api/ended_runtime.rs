//! An `Authgear` that outlives the runtime that it was built on.

use std::error::Error;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{
    AuthErrorKind, Authgear, AuthgearBuilder, Health, LiveSessions, SessionResolver,
};
use tokio::runtime::{Builder, Runtime};

use crate::cases::cases;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Fails, instead of hanging, where the work does not end.
fn watched(work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match ended.recv_timeout(Duration::from_secs(120)) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().unwrap_err())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
    }
}

fn resolver(fake: &FakeAuthgear) -> AuthgearBuilder {
    Authgear::builder(fake.endpoint()).session_resolver(SessionResolver::new())
}

fn live(fake: &FakeAuthgear) -> AuthgearBuilder {
    let live = LiveSessions::within(Duration::from_secs(10)).grace_period(Duration::from_secs(600));
    Authgear::builder(fake.endpoint()).live_sessions(live)
}

fn says_so(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string();
    text.contains("runtime") && text.contains("ended") || error.source().is_some_and(says_so)
}

#[test]
fn a_question_is_an_error_at_once_and_the_status_says_why() {
    watched(|| {
        let server = runtime();
        let fake = server.block_on(FakeAuthgear::start());
        let alice = fake.add_user(User::new("alice"));
        let session = fake.sign_in(&alice);
        for (make, health) in [
            (resolver as fn(&FakeAuthgear) -> _, Health::Down),
            (live, Health::Degraded),
        ] {
            let first = runtime();
            let (authgear, user) = first.block_on(async {
                let authgear = make(&fake).build().unwrap();
                authgear.ready(Duration::from_secs(10)).await.unwrap();
                let user = authgear.verify(&session.token().sign()).await.unwrap();
                (authgear, user)
            });
            assert_eq!(authgear.status().health(), Health::Healthy);
            drop(first);
            let status = authgear.status();
            assert_eq!(status.health(), health);
            assert!(says_so(status.last_error().unwrap()));
            for again in [
                runtime(),
                Builder::new_current_thread().enable_all().build().unwrap(),
            ] {
                let began = Instant::now();
                again.block_on(async {
                    let error = authgear.verify(&session.token().sign()).await.unwrap_err();
                    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
                    assert!(says_so(&error), "{error:?}");
                    authgear.invalidate_user(alice.id());
                    let error = authgear.recheck(&user).await.unwrap_err();
                    assert!(says_so(&error), "{error:?}");
                    let error = authgear.ended(&user).await;
                    assert!(says_so(&error), "{error:?}");
                    let error = authgear.ready(Duration::from_secs(60)).await.unwrap_err();
                    assert!(says_so(&error), "{error:?}");
                });
                assert!(began.elapsed() < Duration::from_secs(30), "it waited");
            }
        }
    });
}

#[test]
fn keys_that_are_known_serve_on_and_the_status_says_that_none_will_come() {
    watched(|| {
        let server = runtime();
        let fake = server.block_on(FakeAuthgear::start());
        let alice = fake.add_user(User::new("alice"));
        let token = fake.token(&alice).sign();
        let first = runtime();
        let authgear = first.block_on(async {
            let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
            authgear.ready(Duration::from_secs(10)).await.unwrap();
            authgear
        });
        drop(first);
        let user = runtime().block_on(authgear.verify(&token)).unwrap();
        assert_eq!(user.id(), alice.id());
        let status = authgear.status();
        assert_eq!(status.health(), Health::Degraded);
        assert!(says_so(status.last_error().unwrap()));
    });
}

/// A runtime that exists, and that nobody drives.
#[test]
fn a_question_has_a_bound_of_its_own() {
    watched(|| {
        let server = runtime();
        let fake = server.block_on(FakeAuthgear::start());
        let idle = Builder::new_current_thread().enable_all().build().unwrap();
        let authgear = idle.block_on(async {
            let resolver = SessionResolver::new().timeout(Duration::from_millis(100));
            Authgear::builder(fake.endpoint())
                .session_resolver(resolver)
                .build()
        });
        let error = runtime()
            .block_on(authgear.unwrap().verify("token"))
            .unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
        drop(idle);
    });
}

#[test]
fn a_runtime_can_end_under_load() {
    let server = runtime();
    let fake = server.block_on(FakeAuthgear::start());
    fake.fail(Endpoint::Resolver, Fault::Delay(Duration::from_millis(1)));
    let alice = fake.add_user(User::new("alice"));
    let tokens: Arc<[_]> = (0..40).map(|_| fake.token(&alice).sign()).collect();
    for round in 0..cases(40, 2_000).cases {
        let (fake, tokens) = (fake.clone(), Arc::clone(&tokens));
        watched(move || end_under_load(&fake, &tokens, round));
    }
}

fn end_under_load(fake: &FakeAuthgear, tokens: &Arc<[String]>, round: u32) {
    let first = runtime();
    let make = if round.is_multiple_of(2) {
        resolver
    } else {
        live
    };
    let authgear = first.block_on(async {
        let authgear = make(fake).build().unwrap();
        authgear.ready(Duration::from_secs(10)).await.unwrap();
        authgear
    });
    // From threads of their own, which do not end with the runtime.
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (authgear, tokens) = (authgear.clone(), Arc::clone(tokens));
            std::thread::spawn(move || {
                let own = Builder::new_current_thread().enable_all().build().unwrap();
                own.block_on(async {
                    for token in tokens.iter() {
                        let _ = authgear.verify(token).await;
                    }
                });
            })
        })
        .collect();
    std::thread::sleep(Duration::from_micros(u64::from(round % 20) * 300));
    drop(first);
    for caller in callers {
        caller.join().unwrap();
    }
}
