//! A key is removed, and an attacker still has a token that it signed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::apis::Api;
use crate::attackers::each_api;
use crate::controls;
use crate::marks::lock;
use crate::seen::{Press, Turn};
use crate::story::{tell, turned};
use crate::traffic::send;
use crate::world::{Who, World};

/// Measures how soon a token is refused after its key was removed.
pub(crate) async fn remove(world: &Arc<World>) {
    // An operator removes a key when no valid token needs it any more.
    let old = world.acme.signing_key();
    controls::new_key(world).await;
    sleep(Duration::from_millis(300)).await;
    let token = world.attackers.session.token().signed_by(&old).sign();
    let press = Press::new(world, "remove-key", Some(Who::Attackers));
    world.acme.remove_old_keys();
    let refused: Arc<Mutex<Vec<(&'static str, f64)>>> = Arc::default();
    tokio::spawn(send_until_refused(
        Arc::clone(world),
        token,
        Arc::clone(&refused),
    ));
    tell(world, press, PROBING, move |seen| {
        let done = lock(&refused).clone();
        let titles = each_api(seen.world()).map(|(_, api)| api.title);
        let waiting = titles
            .filter(|title| done.iter().all(|(own, _)| own != title))
            .collect();
        turned(
            "Acme's old key was removed".to_owned(),
            "a token that it had signed was refused",
            "it is still let in",
            &Turn { done, waiting },
            &seen.others(),
        )
    });
}

async fn send_until_refused(
    world: Arc<World>,
    token: String,
    refused: Arc<Mutex<Vec<(&'static str, f64)>>>,
) {
    let began = Instant::now();
    let mut open: Vec<(usize, &Api)> = each_api(&world).collect();
    while !open.is_empty() && began.elapsed() < PROBING {
        let mut still = Vec::new();
        for (row, api) in open {
            let after = began.elapsed().as_secs_f64();
            let request = world
                .client
                .get(format!("{}/me", api.url))
                .bearer_auth(&token);
            match send(&world, row, request).await {
                401 => lock(&refused).push((api.title, after)),
                _ => still.push((row, api)),
            }
        }
        open = still;
        sleep(Duration::from_millis(250)).await;
    }
}

const PROBING: Duration = Duration::from_secs(30);
