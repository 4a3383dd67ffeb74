//! The buttons that change a user.

use std::sync::Arc;
use std::time::Duration;

use axum_authgear::testkit::WebhookFaults;

use crate::controls::LONG;
use crate::marks::lock;
use crate::people::Person;
use crate::seen::Press;
use crate::story::{done, tell, turned};
use crate::world::{Who, World};

pub(crate) async fn press(world: &Arc<World>, control: &'static str, index: usize) {
    let person = &world.people[index];
    let mut press = Press::new(world, control, Some(Who::Person(index)));
    let before = world.acme.deliveries().len();
    if let "role" = control {
        return role(world, press, person);
    }
    let (did, what) = match control {
        "disable" => (person.disable(), "was disabled"),
        "delete" => (person.delete(), "was deleted"),
        "revoke" => (person.revoke_session(), "lost the session"),
        _ => (person.enable(), "is enabled and signed in again"),
    };
    // Requests from here on are verified against the changed account.
    press.at = world.marks.now();
    let name = person.name;
    if !did {
        return tell(world, press, Duration::ZERO, move |seen| {
            done(format!(
                "{name} already was in this state: nothing changed; {}",
                seen.others()
            ))
        });
    }
    world.acme.webhooks_settled().await;
    let webhook = webhook_words(world, before);
    press.webhook_at = webhook.is_some().then(|| world.marks.now());
    disarm(world);
    let webhook = webhook.map_or(String::new(), |webhook| format!("{webhook}; "));
    tell(world, press, LONG, move |seen| {
        let (verb, turn, still) = match control {
            "enable" => ("let in", seen.came_in(), "not yet let in"),
            _ => ("refused", seen.went_out(), "still let in"),
        };
        turned(
            format!("{name} {what}"),
            verb,
            still,
            &turn,
            &format!("{webhook}{}", seen.others()),
        )
    });
}

/// The result of the webhooks after the first `before` ones.
fn webhook_words(world: &World, before: usize) -> Option<String> {
    let deliveries = world.acme.deliveries();
    let new = deliveries.get(before..).filter(|new| !new.is_empty())?;
    let accepted = |status: u16| (200..300).contains(&status);
    let count = new
        .iter()
        .filter(|delivery| delivery.status().is_some_and(accepted))
        .count();
    Some(match count {
        0 => "the webhook was lost".to_owned(),
        1 => "the webhook arrived once".to_owned(),
        _ => format!("the webhook arrived {count} times"),
    })
}

fn role(world: &Arc<World>, press: Press, person: &Person) {
    let name = person.name;
    match person.change_role() {
        Some(true) => tell(world, press, LONG, move |seen| {
            turned(
                format!("{name} has the role editor"),
                "let in",
                "not yet let in",
                &seen.came_in(),
                &seen.others(),
            )
        }),
        Some(false) => tell(world, press, LONG, move |seen| {
            turned(
                format!("{name} lost the role editor"),
                "refused",
                "still let in",
                &seen.went_out(),
                &seen.others(),
            )
        }),
        None => tell(world, press, Duration::ZERO, move |seen| {
            done(format!(
                "{name} is deleted and has no roles; {}",
                seen.others()
            ))
        }),
    }
}

/// A fault affects one webhook only.
fn disarm(world: &World) {
    world.acme.webhook_faults(WebhookFaults::none());
    lock(&world.trouble).webhook = None;
}
