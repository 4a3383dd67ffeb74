//! The result of a button: one sentence, made from the requests after the press.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::marks::lock;
use crate::seen::{Press, Seen, Turn};
use crate::world::World;

/// The last sentences.
#[derive(Default)]
pub(crate) struct Stories(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    stories: VecDeque<Story>,
    /// Increases with each change.
    version: u64,
}

#[derive(Clone)]
struct Story {
    id: u64,
    version: u64,
    at: u64,
    control: &'static str,
    text: String,
    is_done: bool,
    /// The time of the webhook, if there was one.
    webhook_at: Option<u64>,
}

impl Stories {
    /// Whether another unfinished sentence fits.
    pub(crate) fn have_room(&self) -> bool {
        lock(&self.0)
            .stories
            .iter()
            .filter(|story| !story.is_done)
            .count()
            < MAX_UNFINISHED
    }

    pub(crate) fn begin(&self, press: &Press) -> u64 {
        let mut kept = lock(&self.0);
        kept.version += 1;
        let id = kept.version;
        kept.stories.push_back(Story {
            id,
            version: id,
            at: press.at,
            control: press.control,
            text: "…".to_owned(),
            is_done: false,
            webhook_at: press.webhook_at,
        });
        if kept.stories.len() > MAX_STORIES {
            kept.stories.pop_front();
        }
        id
    }

    fn write(&self, id: u64, text: String, is_done: bool) {
        let mut kept = lock(&self.0);
        let version = kept.version + 1;
        let story = kept.stories.iter_mut().find(|story| story.id == id);
        if let Some(story) = story.filter(|story| story.text != text || story.is_done != is_done) {
            story.version = version;
            story.text = text;
            story.is_done = is_done;
            kept.version = version;
        }
    }

    /// The changes since `version`, and the current version.
    pub(crate) fn since(&self, version: u64) -> (Vec<Value>, u64) {
        let kept = lock(&self.0);
        let changed = kept.stories.iter().filter(|story| story.version > version);
        let stories = changed.map(|story| {
            json!({
                "id": story.id,
                "at": story.at,
                "control": story.control,
                "text": story.text,
                "done": story.is_done,
                "webhook_at": story.webhook_at,
            })
        });
        (stories.collect(), kept.version)
    }
}

/// A sentence, and whether it is complete.
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) is_done: bool,
}

pub(crate) fn done(text: String) -> Sentence {
    Sentence {
        text,
        is_done: true,
    }
}

/// `Alice was disabled: refused by Resolver after 0.2 s; still let in by JWT alone; nobody else …`
pub(crate) fn turned(what: String, verb: &str, still: &str, turn: &Turn, rest: &str) -> Sentence {
    let mut text = what;
    if !turn.done.is_empty() {
        let _ = write!(text, ": {verb} by {}", turn.list());
    }
    if !turn.waiting.is_empty() {
        let _ = write!(text, "; {still} by {}", turn.waiting.join(", "));
    }
    Sentence {
        text: format!("{text}; {rest}"),
        is_done: turn.waiting.is_empty(),
    }
}

/// Begins a sentence, and updates it.
pub(crate) fn tell(
    world: &Arc<World>,
    press: Press,
    limit: Duration,
    sentence: impl Fn(&Seen<'_>) -> Sentence + Send + 'static,
) {
    let id = world.stories.begin(&press);
    go_on(world, id, press, limit, sentence);
}

/// Updates the sentence until it is complete or the time is over.
pub(crate) fn go_on(
    world: &Arc<World>,
    id: u64,
    press: Press,
    limit: Duration,
    sentence: impl Fn(&Seen<'_>) -> Sentence + Send + 'static,
) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        loop {
            sleep(EVERY).await;
            let seen = Seen::new(&world, &press);
            let sentence = sentence(&seen);
            let is_done = seen.elapsed >= limit || (sentence.is_done && seen.elapsed >= AT_LEAST);
            world.stories.write(id, sentence.text, is_done);
            if is_done {
                return;
            }
        }
    });
}

const MAX_STORIES: usize = 30;
const MAX_UNFINISHED: usize = 12;
const EVERY: Duration = Duration::from_millis(250);
const AT_LEAST: Duration = Duration::from_secs(2);
