//! The buttons.

use std::sync::Arc;
use std::time::Duration;

use axum_authgear::testkit::{Endpoint, Fault, WebhookFaults};

use crate::attackers;
use crate::marks::lock;
use crate::seen::Press;
use crate::story::{Sentence, done, tell, turned};
use crate::world::World;
use crate::{accounts, old_key};

/// Why a button has no effect.
#[derive(Debug, PartialEq)]
pub(crate) enum Unusable {
    Unknown,
    /// Too many sentences are unfinished.
    Busy,
}

pub(crate) const CONTROLS: [&str; 19] = [
    "disable",
    "enable",
    "delete",
    "revoke",
    "role",
    "rotate",
    "remove-key",
    "hang",
    "drop",
    "fail",
    "slow",
    "lose",
    "repeat",
    "ahead",
    "back",
    "forged",
    "flood",
    "spoofed",
    "cross-site",
];

pub(crate) async fn press(world: &Arc<World>, control: &str, who: &str) -> Result<(), Unusable> {
    let control = CONTROLS
        .into_iter()
        .find(|own| *own == control)
        .ok_or(Unusable::Unknown)?;
    let _one_at_a_time = world.hands.lock().await;
    if !world.stories.have_room() {
        return Err(Unusable::Busy);
    }
    match control {
        "disable" | "enable" | "delete" | "revoke" | "role" => {
            let index = world
                .people
                .iter()
                .position(|own| own.name == who && own.has_account());
            accounts::press(world, control, index.ok_or(Unusable::Unknown)?).await;
        }
        "rotate" => rotate(world).await,
        "remove-key" => old_key::remove(world).await,
        "hang" | "drop" | "fail" | "slow" => fault(world, control),
        "lose" | "repeat" => next_webhook(world, control),
        "ahead" => set_clock(world, control, CLOCK_STEP),
        "back" => set_clock(world, control, -CLOCK_STEP),
        _ => attackers::attack(world, control),
    }
    Ok(())
}

async fn rotate(world: &Arc<World>) {
    let press = Press::new(world, "rotate", None);
    let fetches = world.acme.requests(Endpoint::Jwks);
    new_key(world).await;
    let counting = Arc::clone(world);
    tell(world, press, Duration::from_secs(5), move |seen| Sentence {
        text: format!(
            "Acme signs with a new key, and every person has a new token: the slowest of the first requests took {:.0} ms; \
             Authgear was asked for its keys {} times; {}",
            seen.slowest_first(),
            counting.acme.requests(Endpoint::Jwks) - fetches,
            seen.others()
        ),
        is_done: seen.seconds() >= 4.0,
    });
}

/// Acme signs with a new key, and every person gets a token that it signed.
pub(crate) async fn new_key(world: &Arc<World>) {
    let acme = world.acme.clone();
    // A new key can cost a tenth of a second of work.
    let made = tokio::task::spawn_blocking(move || {
        acme.rotate();
        let kids = kids(&acme);
        for kid in kids.iter().skip(MAX_KEYS) {
            acme.remove_key(kid);
        }
    });
    // Nothing in it fails.
    let _ = made.await;
    for person in world
        .people
        .iter()
        .filter(|person| person.is_of(&world.acme))
    {
        person.renew();
    }
}

/// The first one is the signing key.
fn kids(acme: &axum_authgear::testkit::FakeAuthgear) -> Vec<String> {
    let set = acme.jwks();
    let keys = set["keys"].as_array().into_iter().flatten();
    keys.filter_map(|key| key["kid"].as_str().map(str::to_owned))
        .collect()
}

/// The first press makes acme fail, and the second one ends the fault.
fn fault(world: &Arc<World>, control: &'static str) {
    let press = Press::new(world, control, None);
    let (fault, what) = match control {
        "hang" => (Fault::Hang, "accepts connections and never answers"),
        "drop" => (Fault::CloseConnection, "closes every connection"),
        "fail" => (Fault::Status(500), "answers 500"),
        _ => (
            Fault::Delay(Duration::from_millis(700)),
            "answers 0.7 s late",
        ),
    };
    let is_healed = {
        let mut trouble = lock(&world.trouble);
        let is_healed = trouble.fault == Some(control);
        trouble.fault = (!is_healed).then_some(control);
        for endpoint in ENDPOINTS {
            world.acme.heal(endpoint);
            if !is_healed {
                world.acme.fail(endpoint, fault.clone());
            }
        }
        is_healed
    };
    if is_healed {
        return tell(world, press, LONG, |seen| {
            let recovered = seen.recovered();
            turned(
                "Acme answers as usual".to_owned(),
                "let in again",
                "not yet let in",
                &recovered,
                &seen.others(),
            )
        });
    }
    tell(world, press, Duration::from_secs(12), move |seen| {
        Sentence {
            text: format!(
                "Acme {what}: requests that passed: {}; {}",
                seen.passed(),
                seen.others()
            ),
            is_done: false,
        }
    });
}

fn next_webhook(world: &Arc<World>, control: &'static str) {
    let press = Press::new(world, control, None);
    let (faults, what) = match control {
        "lose" => (WebhookFaults::none().lose(true), "will be lost"),
        _ => (WebhookFaults::none().repeat(2), "will arrive three times"),
    };
    world.acme.webhook_faults(faults);
    lock(&world.trouble).webhook = Some(control);
    tell(world, press, Duration::from_secs(2), move |seen| {
        done(format!(
            "The next webhook {what}; until then nothing changes: {}",
            seen.others()
        ))
    });
}

fn set_clock(world: &Arc<World>, control: &'static str, seconds: i64) {
    let press = Press::new(world, control, None);
    let now = {
        let mut trouble = lock(&world.trouble);
        if (trouble.clock + seconds).abs() <= CLOCK_STEP {
            trouble.clock += seconds;
            world.clock.shift_millis(seconds * 1_000);
        }
        trouble.clock
    };
    let what = match now {
        0 => "is right again".to_owned(),
        1.. => format!("is {now} s ahead"),
        _ => format!("is {} s behind", now.abs()),
    };
    tell(world, press, Duration::from_secs(6), move |seen| {
        let text = match now {
            0 => {
                turned(
                    String::new(),
                    "let in again",
                    "not yet let in",
                    &seen.recovered(),
                    &seen.others(),
                )
                .text
            }
            _ => format!(
                ": requests that passed: {}; {}",
                seen.passed(),
                seen.others()
            ),
        };
        Sentence {
            text: format!("The APIs' clock {what}{text}"),
            is_done: false,
        }
    });
}

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Resolver];
/// Far more than the leeway, and than the lifetime of a token.
const CLOCK_STEP: i64 = 60;
const MAX_KEYS: usize = 3;
/// Longer than the lifetime of a token.
pub(crate) const LONG: Duration = Duration::from_secs(30);
