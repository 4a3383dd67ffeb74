//! The parts of the demonstration: two projects, the APIs, the people, and the rows.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_authgear::testkit::{Clock, FakeAuthgear};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::Value;

use crate::apis::{self, Api};
use crate::attackers::Attackers;
use crate::marks::Marks;
use crate::people::{self, Person};
use crate::sign_in::SignIn;
use crate::story::Stories;

pub(crate) struct World {
    pub(crate) acme: FakeAuthgear,
    /// The clock of the APIs.
    pub(crate) clock: Clock,
    pub(crate) apis: Vec<Api>,
    pub(crate) people: Vec<Person>,
    pub(crate) attackers: Attackers,
    pub(crate) rows: Vec<Row>,
    pub(crate) marks: Marks,
    pub(crate) stories: Stories,
    pub(crate) trouble: Mutex<Trouble>,
    /// Held during a press.
    pub(crate) hands: tokio::sync::Mutex<()>,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) client: reqwest::Client,
    pub(crate) metrics: PrometheusHandle,
    _globex: FakeAuthgear,
}

/// A timeline: one person's requests to one API.
pub(crate) struct Row {
    pub(crate) api: usize,
    pub(crate) who: Who,
    pub(crate) last: Mutex<Last>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Who {
    Person(usize),
    Attackers,
    /// The person who signed in to a real project.
    You,
}

/// The last responses of a row.
#[derive(Default)]
pub(crate) struct Last {
    pub(crate) good: Value,
    pub(crate) refusal: Value,
}

/// The faults that buttons have set.
#[derive(Default)]
pub(crate) struct Trouble {
    /// The fault of `acme`.
    pub(crate) fault: Option<&'static str>,
    /// The fault of the next webhook.
    pub(crate) webhook: Option<&'static str>,
    /// How many seconds the APIs' clock is ahead.
    pub(crate) clock: i64,
}

impl World {
    pub(crate) async fn start(sign_in: Option<SignIn>) -> Result<Arc<Self>, Box<dyn Error>> {
        // Before the first `build()`, which describes the metrics.
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &[0.001, 0.1, 1.0])?
            .install_recorder()?;
        let acme = FakeAuthgear::start().await;
        let globex = FakeAuthgear::start().await;
        let clock = clock_of_the_apis();
        let mut apis = apis::start(&acme, &globex, &clock).await?;
        let people = people::people(&acme, &globex);
        let attackers = Attackers::new(&acme);

        let mut rows = Vec::new();
        for (api, own) in apis.iter().enumerate() {
            let is_known = |person: &Person| person.is_of(&acme) || own.id == apis::PROJECTS;
            let callers = people
                .iter()
                .enumerate()
                .filter(|(_, person)| is_known(person));
            let callers = callers.map(|(person, _)| Who::Person(person));
            rows.extend(
                callers
                    .chain([Who::Attackers])
                    .map(|who| Row::new(api, who)),
            );
        }
        if let Some(sign_in) = &sign_in {
            for own in apis::of_a_real_project(sign_in.endpoint(), sign_in.client_id()).await? {
                rows.push(Row::new(apis.len(), Who::You));
                apis.push(own);
            }
        }
        Ok(Arc::new(Self {
            acme,
            clock,
            apis,
            people,
            attackers,
            rows,
            marks: Marks::new(),
            stories: Stories::default(),
            trouble: Mutex::default(),
            hands: tokio::sync::Mutex::default(),
            sign_in,
            // Only loopback is called.
            client: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .timeout(PATIENCE)
                .build()?,
            metrics,
            _globex: globex,
        }))
    }

    pub(crate) fn api(&self, row: &Row) -> &Api {
        &self.apis[row.api]
    }

    pub(crate) fn is_of_globex(&self, row: usize) -> bool {
        match self.rows[row].who {
            Who::Person(person) => !self.people[person].is_of(&self.acme),
            Who::Attackers | Who::You => false,
        }
    }

    pub(crate) fn name(&self, row: &Row) -> &'static str {
        match row.who {
            Who::Person(person) => self.people[person].name,
            Who::Attackers => "Attackers",
            Who::You => self.api(row).title,
        }
    }
}

impl Row {
    fn new(api: usize, who: Who) -> Self {
        Self {
            api,
            who,
            last: Mutex::default(),
        }
    }
}

/// It shows the system's time in milliseconds until a button changes it.
fn clock_of_the_apis() -> Clock {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let clock = Clock::starting_at(now.as_secs());
    clock.shift_millis(i64::from(now.subsec_millis()));
    clock
}

/// The timeout of a request.
const PATIENCE: Duration = Duration::from_secs(8);
