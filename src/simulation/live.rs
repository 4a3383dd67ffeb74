//! Live sessions under a paused clock: a resolver that comes and goes, users who are disabled, and
//! callers whose questions some proxy answers as each of them likes. What one of them meets must
//! concern nobody else.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::issuer::telemetry;
use super::world::World;
use crate::clock::Clock;
use crate::error::AuthErrorKind;
use crate::outbound::FetchError;
use crate::property::cases::cases;
use crate::user::{NoClaims, Principal, SessionCredential, VerifiedBy};
use crate::verify::resolver::{Ask, Asking, CallError, ClientInfo};
use crate::verify::session_headers::{SESSION_VALID, USER_ID};
use crate::verify::{
    LiveSessions, LiveVerifier, ProjectSet, Requester, ResolverClient, SessionResolver,
    TrustedProject, Verification,
};

const CALLERS: usize = 3;
const BOUND: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(40);
const TIMEOUT: Duration = Duration::from_secs(5);

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Well,
    Status(u16),
    Malformed,
    Never,
}

impl Answer {
    fn is_away(self) -> bool {
        matches!(self, Self::Never | Self::Status(500..))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    /// For everyone, probes too.
    Resolver(Answer),
    /// For this caller alone, until it is `None`.
    Proxy(usize, Option<Answer>),
    Request(usize),
    Disable(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let answer = || {
        prop_oneof![
            Just(Answer::Status(431)),
            Just(Answer::Status(403)),
            Just(Answer::Status(500)),
            Just(Answer::Status(502)),
            Just(Answer::Malformed),
            Just(Answer::Never),
        ]
    };
    prop_oneof![
        4 => (1_u64..8_000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        1 => answer().prop_map(Step::Resolver),
        2 => Just(Step::Resolver(Answer::Well)),
        2 => (0..CALLERS, prop::option::weighted(0.7, answer()))
            .prop_map(|(caller, answer)| Step::Proxy(caller, answer)),
        6 => (0..CALLERS).prop_map(Step::Request),
        1 => (0..CALLERS).prop_map(Step::Disable),
    ]
}

/// What a probe was told, and when it was sent and answered.
#[derive(Clone, Copy)]
struct Probe {
    sent: Instant,
    told: Option<(Instant, Answer)>,
}

struct State {
    tokens: Vec<String>,
    resolver: Answer,
    proxies: [Option<Answer>; CALLERS],
    /// Since when each caller's questions are answered as they are.
    since: [Instant; CALLERS],
    disabled: [Option<Instant>; CALLERS],
    probes: Vec<Probe>,
    wrong: Vec<String>,
}

impl State {
    /// Since when probes have found the resolver away, if the last one did.
    fn away_since(&self) -> Option<Instant> {
        let told = self.probes.iter().rev();
        let told = told.filter_map(|probe| probe.told.map(|(_, answer)| (probe.sent, answer)));
        let failed: Vec<_> = told
            .take_while(|(_, answer)| *answer != Answer::Well)
            .collect();
        failed.first().filter(|(_, answer)| answer.is_away())?;
        let first = failed.iter().rev().find(|(_, answer)| answer.is_away());
        first.map(|(sent, _)| *sent)
    }

    fn last_failed(&self) -> bool {
        let told = self.probes.iter().rev().find_map(|probe| probe.told);
        told.is_some_and(|(_, answer)| answer != Answer::Well)
    }
}

#[derive(Clone)]
struct Server(Arc<Mutex<State>>);

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn wrong(&self, what: String) {
        self.state().wrong.push(what);
    }

    async fn answer(&self, credential: &SessionCredential) -> Result<HeaderMap, CallError> {
        let (caller, answer, number) = {
            let mut state = self.state();
            let of_caller = |token: &String| token == credential.value();
            let caller = state.tokens.iter().position(of_caller);
            if caller.is_none() {
                state.probes.push(Probe {
                    sent: Instant::now(),
                    told: None,
                });
            }
            let own = caller.and_then(|caller| state.proxies[caller]);
            (caller, own.unwrap_or(state.resolver), state.probes.len())
        };
        if answer == Answer::Never {
            sleep(TIMEOUT).await;
        }
        let mut state = self.state();
        let mut headers = HeaderMap::new();
        match caller {
            None => state.probes[number - 1].told = Some((Instant::now(), answer)),
            Some(caller) if state.disabled[caller].is_none() => {
                headers.insert(SESSION_VALID, HeaderValue::from_static("true"));
                headers.insert(USER_ID, HeaderValue::from_static("alice"));
            }
            Some(_) => {}
        }
        match answer {
            Answer::Well => Ok(headers),
            Answer::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap();
                Err(CallError::Fetch(FetchError::Status(status)))
            }
            Answer::Malformed => {
                headers.insert(SESSION_VALID, HeaderValue::from_static("perhaps"));
                Ok(headers)
            }
            Answer::Never => Err(CallError::Fetch(FetchError::Timeout)),
        }
    }
}

impl Ask for Server {
    fn ask<'a>(&'a self, credential: &'a SessionCredential, _: &'a ClientInfo) -> Asking<'a> {
        Box::pin(self.answer(credential))
    }
}

/// One request of a caller, and whether its outcome is as promised.
async fn request(projects: Arc<ProjectSet<NoClaims>>, clock: Clock, server: Server, caller: usize) {
    let began = Instant::now();
    let (token, unchanged) = {
        let state = server.state();
        // Nothing from before is still under way.
        let unchanged = state.since[caller] + TIMEOUT * 3 < began;
        (
            state.tokens[caller].clone(),
            unchanged.then_some(state.since[caller]),
        )
    };
    let now = clock.now();
    let token = token.as_bytes();
    let outcome = match projects.verify(token, now, None, || None, Requester::default) {
        Verification::Ready(outcome) => outcome,
        Verification::Pending(pending) => pending.await,
    };
    let state = server.state();
    let disabled = state.disabled[caller].filter(|since| *since < began);
    let own = state.proxies[caller].unwrap_or(state.resolver);
    let is_well = own == Answer::Well && unchanged == Some(state.since[caller]);
    let away_for = state.away_since().map(|since| since.elapsed());
    let wrong = match &outcome {
        Ok(Principal::Client(_)) => Some("a machine"),
        Ok(Principal::User(user)) => match user.verified_by() {
            VerifiedBy::Jwt if away_for.is_none_or(|time| time > GRACE) => {
                Some("let in by the token alone, and nothing is away")
            }
            VerifiedBy::LiveSession if disabled.is_some_and(|since| began - since > BOUND) => {
                Some("disabled, and let in")
            }
            _ => None,
        },
        Err(error) => match error.kind() {
            AuthErrorKind::SessionInvalid if state.disabled[caller].is_none() => Some("not ended"),
            AuthErrorKind::SessionUnavailable if is_well => Some("refused for another's question"),
            AuthErrorKind::SessionUnavailable | AuthErrorKind::SessionInvalid => None,
            _ => Some("another kind"),
        },
    };
    drop(state);
    if began.elapsed() > TIMEOUT * 4 + Duration::from_secs(4) {
        server.wrong(format!("{caller} waited for {:?}", began.elapsed()));
    }
    if let Some(what) = wrong {
        server.wrong(format!(
            "{caller}: {what}: {outcome:?}, away for {away_for:?}"
        ));
    }
}

/// Health is what the last probe was told, and there is one a second at most.
fn check(live: &LiveVerifier<NoClaims>, server: &Server) -> Result<(), TestCaseError> {
    let sessions = live.sessions();
    let state = server.state();
    prop_assert_eq!(sessions.error().is_some(), state.last_failed());
    let away = state.away_since().map(|since| since.elapsed());
    prop_assert_eq!(sessions.away_for(), away);
    for pair in state.probes.windows(2) {
        let Some((told, _)) = pair[0].told else {
            return Err(TestCaseError::fail("two probes at once"));
        };
        prop_assert!(pair[1].sent - told >= Duration::from_secs(1));
    }
    match state.wrong.first() {
        None => Ok(()),
        Some(wrong) => Err(TestCaseError::fail(wrong.clone())),
    }
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = World::new(Duration::ZERO);
    let mut tokens = Vec::new();
    for _ in 0..CALLERS {
        sleep(Duration::from_secs(1)).await;
        tokens.push(world.token_of(0, 0).text().to_owned());
    }
    let server = Server(Arc::new(Mutex::new(State {
        tokens,
        resolver: Answer::Well,
        proxies: [None; CALLERS],
        since: [Instant::now(); CALLERS],
        disabled: [None; CALLERS],
        probes: Vec::new(),
        wrong: Vec::new(),
    })));
    let options = LiveSessions::within(BOUND)
        .grace_period(GRACE)
        .session_resolver(SessionResolver::new().timeout(TIMEOUT));
    let sessions = ResolverClient::new(
        server.clone(),
        super::token::ISSUER,
        &options.resolver,
        options.keep(),
        world.shared.clock.clone(),
        &Handle::current(),
    );
    let live = Arc::new(LiveVerifier {
        resolver: Arc::new(sessions),
        bound: options.bound,
        grace_period: options.grace_period,
        cookie_base: None,
    });
    let project = TrustedProject::new(
        Arc::clone(&world.shared.jwt),
        Some(Arc::clone(&live)),
        telemetry(),
    );
    let projects = Arc::new(ProjectSet::new([project], None, None).expect("one project"));
    let clock = &world.shared.clock;
    let mut requests = JoinSet::new();
    let change = |caller: usize, change: &dyn Fn(&mut State)| {
        let mut state = server.state();
        state.since[caller] = Instant::now();
        change(&mut state);
    };
    for step in steps {
        match step {
            Step::Wait(time) => sleep(time).await,
            Step::Resolver(answer) => {
                for caller in 0..CALLERS {
                    change(caller, &|state| state.resolver = answer);
                }
            }
            Step::Proxy(caller, answer) => change(caller, &|state| state.proxies[caller] = answer),
            Step::Request(caller) => {
                let projects = Arc::clone(&projects);
                requests.spawn(request(projects, clock.clone(), server.clone(), caller));
            }
            Step::Disable(caller) => {
                let now = Instant::now();
                server.state().disabled[caller].get_or_insert(now);
            }
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        check(&live, &server)?;
    }
    // It heals although nobody asks.
    for caller in 0..CALLERS {
        change(caller, &|state| {
            state.resolver = Answer::Well;
            state.proxies[caller] = None;
        });
    }
    sleep(Duration::from_secs(40)).await;
    check(&live, &server)?;
    prop_assert!(live.sessions().error().is_none());
    while let Some(done) = requests.join_next().await {
        prop_assert!(done.is_ok(), "{:?}", done);
    }
    check(&live, &server)
}

proptest! {
    #![proptest_config(cases(150, 10_000))]

    #[test]
    fn simulation_of_callers_whose_questions_fail(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(steps))?;
    }
}
