//! The page's stream, read as the page reads it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::timeout;

use crate::process::{PATIENCE, ask, client};

/// Everything that was sent so far.
pub(super) struct Timelines {
    response: reqwest::Response,
    unread: String,
    url: String,
    pub(super) world: Value,
    pub(super) state: Value,
    /// When a request was sent, and the status of its answer, of each row.
    pub(super) marks: Vec<Vec<(u64, u64)>>,
    pub(super) stories: BTreeMap<u64, Value>,
    /// All text of the stream.
    pub(super) text: String,
}

impl Timelines {
    /// Reads until everybody was seen by everyone.
    pub(super) async fn open(url: &str) -> Self {
        let mut timelines = Self::read(url).await;
        timelines
            .until("first requests", |seen| {
                let is_steady =
                    |row: usize| seen.name(row) == "Attackers" || seen.marks[row].len() >= 2;
                (0..seen.marks.len()).all(is_steady)
            })
            .await;
        timelines
    }

    /// Reads what is sent at once.
    pub(super) async fn read(url: &str) -> Self {
        let response = client().get(format!("{url}/events")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut timelines = Self {
            response,
            unread: String::new(),
            url: url.to_owned(),
            world: Value::Null,
            state: Value::Null,
            marks: Vec::new(),
            stories: BTreeMap::new(),
            text: String::new(),
        };
        timelines
            .until("the state", |seen| !seen.state.is_null())
            .await;
        timelines
    }

    /// Reads on until this is so.
    pub(super) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let reading = timeout(PATIENCE, async {
            while !is_so(self) {
                let chunk = self.response.chunk().await.unwrap().unwrap();
                self.unread.push_str(str::from_utf8(&chunk).unwrap());
                while let Some(end) = self.unread.find("\n\n") {
                    let event: String = self.unread.drain(..end + 2).collect();
                    self.take(&event);
                }
            }
        });
        let in_time = reading.await.is_ok();
        assert!(
            in_time,
            "{what}: {:#?}",
            self.stories.values().collect::<Vec<_>>()
        );
    }

    fn take(&mut self, event: &str) {
        self.text.push_str(event);
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        let data: Value = serde_json::from_str(data.unwrap()).unwrap();
        if event.starts_with("event: world") {
            self.marks = vec![Vec::new(); data["rows"].as_array().unwrap().len()];
            self.world = data;
            return;
        }
        for mark in data["marks"].as_array().unwrap() {
            let number = |index: usize| mark[index].as_u64().unwrap();
            self.marks[usize::try_from(number(0)).unwrap()].push((number(1), number(3)));
        }
        for story in data["stories"].as_array().unwrap() {
            self.stories
                .insert(story["id"].as_u64().unwrap(), story.clone());
        }
        if !data["state"].is_null() {
            self.state = data["state"].clone();
        }
    }

    fn name(&self, row: usize) -> &str {
        self.world["rows"][row]["name"].as_str().unwrap()
    }

    /// The row of somebody in an API.
    pub(super) fn row(&self, api: &str, who: &str) -> usize {
        (0..self.marks.len())
            .find(|row| {
                let index = self.world["rows"][*row]["api"].as_u64().unwrap();
                let id = &self.world["apis"][usize::try_from(index).unwrap()]["id"];
                id == api && self.name(*row) == who
            })
            .unwrap()
    }

    pub(super) fn last(&self, api: &str, who: &str) -> u64 {
        self.marks[self.row(api, who)].last().unwrap().1
    }

    /// Waits until the last answers of somebody in these APIs have this status.
    pub(super) async fn until_answered(&mut self, who: &str, apis: &[&str], status: u64) {
        let what = format!("{who} at {apis:?}: {status}");
        self.until(&what, |seen| {
            apis.iter().all(|api| seen.last(api, who) == status)
        })
        .await;
    }

    /// Presses a button, and waits for the finished sentence.
    pub(super) async fn sentence(&mut self, control: &str, who: &str) -> String {
        let before = self.press(control, who).await;
        self.finished(control, before).await
    }

    /// Presses a button. What it gives leads to the sentence.
    pub(super) async fn press(&mut self, control: &str, who: &str) -> u64 {
        let before = self.stories.keys().next_back().copied().unwrap_or_default();
        let url = format!("{}/controls/{control}?who={who}", self.url);
        assert_eq!(ask("POST", &url, &[]).await.status, 204, "{control}");
        before
    }

    pub(super) async fn finished(&mut self, control: &str, before: u64) -> String {
        let find = |seen: &Self| {
            let new = seen.stories.range(before + 1..).map(|(_, story)| story);
            let mut done = new.filter(|story| story["control"] == control && story["done"] == true);
            done.next()
                .map(|story| story["text"].as_str().unwrap().to_owned())
        };
        self.until(control, |seen| find(seen).is_some()).await;
        find(self).unwrap()
    }
}
