//! The page in a real browser: every button, what the timelines show then, and how it looks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum_authgear::testkit::{FakeAuthgear, User};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::start;
use crate::browser::Browser;
use crate::process::{Example, PATIENCE};

const JWT: [&str; 4] = ["jwt", "webhook", "live", "projects"];
const RESOLVED: [&str; 2] = ["resolver", "gateway"];

/// The bounds, in milliseconds.
const LIVE: u64 = 5_000;
const TOKEN: u64 = 22_000;

/// The status of requests that a row sent one after the other, and when the first and the last one were sent.
#[derive(Debug, Deserialize)]
struct Run(u16, u64, u64);

impl Run {
    fn is_good(&self) -> bool {
        self.0 == 200
    }
}

/// A finished sentence.
#[derive(Debug)]
struct Story {
    at: u64,
    webhook_at: Option<u64>,
    text: String,
}

struct Page {
    browser: Browser,
    pressed: BTreeSet<String>,
}

impl Page {
    async fn open(name: &str) -> (Example, Self) {
        let (example, url) = start(&[]).await;
        let browser = Browser::start(name).await;
        browser.open(&url).await;
        let page = Self {
            browser,
            pressed: BTreeSet::new(),
        };
        page.until("return world !== null && rows.every((row) => row.name === 'Attackers' || row.marks.length > 3)").await;
        // For readers of text, and for this test.
        page.browser.click("#table summary").await;
        (example, page)
    }

    async fn until(&self, script: &str) {
        let began = Instant::now();
        while self.browser.run(script, &[]).await != true {
            assert!(began.elapsed() < PATIENCE, "{script}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Presses a button by mouse or by keyboard, in turn, and waits for the finished sentence.
    async fn press(&mut self, control: &str, who: &str) -> Story {
        let newest = "const first = document.querySelector('#stories li'); return first ? first.dataset.id : '';";
        let before = self.browser.run(newest, &[]).await;
        if !who.is_empty() {
            self.browser
                .run(
                    "document.getElementById('who').value = arguments[0]",
                    &[who],
                )
                .await;
        }
        let button = format!("[data-control={control}]");
        if self.pressed.len().is_multiple_of(2) {
            self.browser.click(&button).await;
        } else {
            self.browser.type_into(&button, "\u{e007}").await;
        }
        self.pressed.insert(control.to_owned());
        let script = "const item = document.querySelector('#stories li'); \
                      return item && item.dataset.id !== arguments[0] && item.dataset.control === arguments[1] \
                      && item.dataset.done === 'true' ? { ...item.dataset, text: item.lastChild.textContent } : null;";
        let began = Instant::now();
        let found = loop {
            let found = self
                .browser
                .run(script, &[before.as_str().unwrap(), control])
                .await;
            if !found.is_null() {
                break found;
            }
            assert!(began.elapsed() < PATIENCE, "{control}");
            sleep(Duration::from_millis(100)).await;
        };
        // The table follows once a second.
        sleep(Duration::from_millis(1_500)).await;
        let number = |name: &str| found[name].as_str().unwrap().parse().ok();
        Story {
            at: number("at").unwrap(),
            webhook_at: number("webhookAt"),
            text: found["text"].as_str().unwrap().to_owned(),
        }
    }

    async fn runs(&self, api: &str, who: &str) -> Vec<Run> {
        let script = "return document.querySelector(`tr[data-api=${arguments[0]}][data-who=${arguments[1]}]`).dataset.runs;";
        let runs = self.browser.run(script, &[api, who]).await;
        serde_json::from_str(runs.as_str().unwrap()).unwrap()
    }

    /// When the last good request of a row was sent.
    async fn last_good(&self, api: &str, who: &str) -> u64 {
        let runs = self.runs(api, who).await;
        runs.iter()
            .filter(|run| run.is_good())
            .map(|run| run.2)
            .max()
            .unwrap_or(0)
    }

    /// Nobody good was refused since, but for this one, where someone is.
    async fn nobody_else_was_refused(&self, story: &Story, but: &str) {
        for (api, who) in good_rows().filter(|(_, who)| *who != but) {
            for run in self.runs(api, who).await {
                let is_refusal = (400..500).contains(&run.0);
                assert!(
                    !is_refusal || run.2 < story.at,
                    "{api} {who} {run:?}: {story:?}"
                );
            }
        }
    }

    /// Every request of these rows passed since.
    async fn passed(&self, apis: &[&str], who: &str, story: &Story) {
        for api in apis {
            let runs = self.runs(api, who).await;
            assert!(
                runs.last().unwrap().2 > story.at + 1_000,
                "{api} {who}: {runs:?}"
            );
            for run in runs {
                assert!(
                    run.is_good() || run.2 < story.at,
                    "{api} {who} {run:?}: {story:?}"
                );
            }
        }
    }

    /// The promise of each mode, for somebody whose sessions Authgear has ended.
    async fn went_out(&self, who: &str, story: &Story, webhook_arrived: bool) {
        for api in RESOLVED {
            assert!(
                self.last_good(api, who).await < story.at,
                "{api}: {story:?}"
            );
        }
        let live = self.last_good("live", who).await;
        let projects = self.last_good("projects", who).await;
        assert!(
            live < story.at + LIVE && projects < story.at + LIVE,
            "{live} {projects}: {story:?}"
        );
        let jwt = self.last_good("jwt", who).await;
        assert!(
            jwt > live && jwt > projects && jwt < story.at + TOKEN,
            "{jwt} {live}: {story:?}"
        );
        let webhook = self.last_good("webhook", who).await;
        if webhook_arrived {
            assert!(webhook < story.webhook_at.unwrap(), "{webhook}: {story:?}");
        } else {
            assert!(
                webhook > live && webhook < story.at + TOKEN,
                "{webhook}: {story:?}"
            );
        }
        for api in JWT.into_iter().chain(RESOLVED) {
            assert_eq!(
                self.runs(api, who).await.last().unwrap().0,
                401,
                "{api}: {story:?}"
            );
        }
        self.nobody_else_was_refused(story, who).await;
    }

    async fn came_back(&mut self, who: &str) {
        let story = self.press("enable", who).await;
        self.nobody_else_was_refused(&story, who).await;
        for (api, _) in good_rows().filter(|(_, own)| *own == who) {
            assert!(
                self.runs(api, who).await.last().unwrap().is_good(),
                "{api} {who}"
            );
        }
    }
}

/// Whose requests pass when all is well.
fn good_rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = JWT.into_iter().chain(RESOLVED);
    let users = all.flat_map(|api| [(api, "Alice"), (api, "Bob")]);
    users
        .chain(JWT.map(|api| (api, "Robot")))
        .chain([("projects", "Greta")])
}

#[tokio::test]
#[ignore = "needs chromium"]
async fn every_button_keeps_the_promises() {
    let (_example, mut page) = Page::open("playground").await;

    let story = page.press("disable", "Alice").await;
    page.went_out("Alice", &story, true).await;
    page.came_back("Alice").await;

    page.press("lose", "").await;
    let story = page.press("disable", "Bob").await;
    assert!(story.text.contains("the webhook was lost"), "{story:?}");
    page.went_out("Bob", &story, false).await;
    page.came_back("Bob").await;

    page.press("repeat", "").await;
    let story = page.press("delete", "Alice").await;
    assert!(
        story.text.contains("the webhook arrived 3 times"),
        "{story:?}"
    );
    page.went_out("Alice", &story, true).await;
    page.came_back("Alice").await;

    let story = page.press("revoke", "Bob").await;
    page.went_out("Bob", &story, false).await;
    page.came_back("Bob").await;

    // A role: the resolver at once, live sessions within the bound, the token when it is renewed.
    let story = page.press("role", "Alice").await;
    for (api, bound) in [
        ("resolver", 0),
        ("gateway", 0),
        ("live", LIVE),
        ("projects", LIVE),
        ("jwt", TOKEN),
        ("webhook", TOKEN),
    ] {
        let last = page.last_good(api, "Alice").await;
        // Sent in the moment of the press itself.
        assert!(last <= story.at + bound, "{api} {last}: {story:?}");
        assert_eq!(
            page.runs(api, "Alice").await.last().unwrap().0,
            403,
            "{api}"
        );
    }
    page.nobody_else_was_refused(&story, "Alice").await;
    page.press("role", "Alice").await;
    page.passed(&RESOLVED, "Bob", &story).await;

    for control in ["rotate", "rotate", "remove-key"] {
        let story = page.press(control, "").await;
        for (api, who) in good_rows() {
            page.passed(&[api], who, &story).await;
        }
    }
    for api in JWT.into_iter().chain(RESOLVED) {
        assert_eq!(
            page.runs(api, "Attackers").await.last().unwrap().0,
            401,
            "{api}"
        );
    }

    for fault in ["hang", "drop", "fail", "slow"] {
        let story = page.press(fault, "").await;
        page.nobody_else_was_refused(&story, "").await;
        for who in ["Alice", "Bob", "Robot"] {
            page.passed(&["jwt", "webhook", "live"], who, &story).await;
        }
        page.passed(&["projects"], "Robot", &story).await;
        page.passed(&["projects"], "Greta", &story).await;
        let slowed = fault == "slow";
        let runs = page.runs("resolver", "Bob").await;
        assert_eq!(runs.last().unwrap().is_good(), slowed, "{fault}: {runs:?}");
        page.press(fault, "").await;
    }
    page.until(
        "return document.querySelectorAll('[data-control][aria-pressed=true]').length === 0",
    )
    .await;

    for (there, back) in [("ahead", "back"), ("back", "ahead")] {
        let story = page.press(there, "").await;
        for api in RESOLVED {
            page.passed(&[api], "Bob", &story).await;
        }
        assert!(
            page.last_good("jwt", "Bob").await < story.at + 1_000,
            "{story:?}"
        );
        page.press(back, "").await;
    }

    for attack in ["forged", "flood", "spoofed", "cross-site"] {
        let story = page.press(attack, "").await;
        for (api, who) in good_rows() {
            page.passed(&[api], who, &story).await;
        }
        for api in JWT.into_iter().chain(RESOLVED) {
            let runs = page.runs(api, "Attackers").await;
            let passed = runs.iter().any(|run| run.0 < 400 && run.1 >= story.at);
            assert!(!passed, "{attack} {api}: {runs:?}");
        }
    }

    let buttons = "return [...document.querySelectorAll('[data-control]')].map((button) => button.dataset.control);";
    let buttons: BTreeSet<String> =
        serde_json::from_value(page.browser.run(buttons, &[]).await).unwrap();
    assert_eq!(buttons, page.pressed);
    assert_eq!(page.browser.complaints().await, [Value::Null; 0]);
    page.browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromium"]
async fn what_stands_beside_the_timelines_works() {
    let (_example, page) = Page::open("playground-beside").await;
    let text = async |id: &str| {
        let script = "return document.getElementById(arguments[0]).textContent";
        page.browser
            .run(script, &[id])
            .await
            .as_str()
            .unwrap()
            .to_owned()
    };
    page.until(
        "return document.getElementById('good').textContent.includes('\"user_id\": \"alice\"')",
    )
    .await;
    page.browser
        .run(
            "rows.find((row) => row.name === 'Guest').button.id = 'guest'",
            &[],
        )
        .await;
    page.browser.click("#guest").await;
    page.until("return document.getElementById('refusal').textContent.includes('\"status\": 403')")
        .await;
    assert_eq!(text("selected").await, "Guest, JWT alone");
    page.until("return document.querySelectorAll('#metrics dd').length === 9 && document.querySelector('#metrics dd').textContent !== '0'").await;

    let other = FakeAuthgear::start().await;
    let token = other.token(&other.add_user(User::new("mallory"))).sign();
    page.browser.type_into("#token", &token).await;
    page.browser.click("#explain button").await;
    page.until(
        "return document.getElementById('explanation').textContent.includes('verdict: refused')",
    )
    .await;

    page.browser.click("#pause").await;
    let moves = "return world.apis[0].canvas.toDataURL()";
    page.until("return document.getElementById('pause').getAttribute('aria-pressed') === 'true'")
        .await;
    sleep(Duration::from_millis(300)).await;
    let one = page.browser.run(moves, &[]).await;
    sleep(Duration::from_millis(300)).await;
    let other = page.browser.run(moves, &[]).await;
    assert_eq!(one, other);
    page.browser.click("#pause").await;
    sleep(Duration::from_millis(300)).await;
    assert_ne!(page.browser.run(moves, &[]).await, one);
    assert_eq!(page.browser.complaints().await, [Value::Null; 0]);
    page.browser.close().await;
}

/// WCAG 2.2: contrast (1.4.3, 1.4.11), reflow (1.4.10), names (4.1.2), less motion (2.3.3).
#[tokio::test]
#[ignore = "needs chromium"]
async fn it_can_be_read_and_used_by_everyone() {
    let (_example, mut page) = Page::open("playground-reading").await;
    page.press("disable", "Greta").await;
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.browser
            .command("Emulation.setEmulatedMedia", features)
            .await;
        sleep(Duration::from_millis(300)).await;
        let poor = page.browser.run(CONTRAST, &[]).await;
        assert_eq!(poor, json!([]), "{scheme}");
    }
    let nameless = "return [...document.querySelectorAll('button, select, textarea, a')].filter((own) => own.offsetParent && \
                    !(own.getAttribute('aria-label') || own.textContent.trim() || own.labels?.[0]?.textContent.trim())).length";
    assert_eq!(page.browser.run(nameless, &[]).await, 0);

    let metrics = json!({ "width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    page.browser
        .command("Emulation.setDeviceMetricsOverride", metrics)
        .await;
    sleep(Duration::from_millis(300)).await;
    let width = page
        .browser
        .run("return document.documentElement.scrollWidth", &[])
        .await;
    assert!(width.as_u64().unwrap() <= 360, "{width}");

    let draws = "const done = arguments[arguments.length - 1]; let count = 0; const draw = window.draw; \
                 window.draw = (api) => { count += 1; draw(api); }; setTimeout(() => { window.draw = draw; done(count / 6); }, 3000);";
    for (motion, most, least) in [("no-preference", 1000.0, 8.0), ("reduce", 4.0, 1.0)] {
        let features =
            json!({ "features": [{ "name": "prefers-reduced-motion", "value": motion }] });
        page.browser
            .command("Emulation.setEmulatedMedia", features)
            .await;
        let count = page.browser.run_async(draws).await.as_f64().unwrap();
        assert!(count <= most && count >= least, "{motion}: {count}");
    }
    page.browser.close().await;
}

/// Texts whose contrast is below 4.5, and colours of marks below 3.
const CONTRAST: &str = r"
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => [...rgb(colour)].slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((all, part, index) => all + part * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (one, other) => {
    const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const ground = (element) => {
    for (let own = element; own; own = own.parentElement) {
      const colour = getComputedStyle(own).backgroundColor;
      if (rgb(colour)[3] === 255) return colour;
    }
    return 'white';
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.offsetParent || ['SCRIPT', 'STYLE', 'OPTION'].includes(element.tagName)) continue;
    const value = contrast(getComputedStyle(element).color, ground(element));
    if (value < 4.5) poor.push([element.tagName, element.textContent.slice(0, 20), value]);
  }
  const card = ground(document.querySelector('.card'));
  for (const name of ['good', 'refused', 'forbidden', 'away', 'accent']) {
    if (contrast(colours[name], card) < 3) poor.push([name, contrast(colours[name], card)]);
  }
  return poor;
";

/// What the page and the program hold, in KiB, and the nodes of the page.
#[derive(Clone, Copy, Debug)]
struct Memory {
    program: u64,
    page: u64,
    nodes: u64,
}

impl Memory {
    async fn of(example: &Example, browser: &Browser) -> Self {
        browser
            .command("HeapProfiler.collectGarbage", json!({}))
            .await;
        let metrics = browser.command("Performance.getMetrics", json!({})).await;
        let find = |name: &str| {
            let metrics = metrics["metrics"].as_array().unwrap();
            let metric = metrics.iter().find(|metric| metric["name"] == name);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "they are counts"
            )]
            let value = metric.unwrap()["value"].as_f64().unwrap() as u64;
            value
        };
        Self {
            program: example.memory(),
            page: find("JSHeapUsedSize") / 1_024,
            nodes: find("Nodes"),
        }
    }
}

/// `PLAYGROUND_SECONDS=600` is the run of ten minutes.
#[tokio::test]
#[ignore = "needs chromium"]
async fn memory_stays_flat() {
    let seconds = std::env::var("PLAYGROUND_SECONDS").map_or(30, |text| text.parse().unwrap());
    let (example, page) = Page::open("playground-memory").await;
    page.browser.command("Performance.enable", json!({})).await;
    let controls = [
        "rotate",
        "role",
        "forged",
        "flood",
        "spoofed",
        "cross-site",
        "role",
        "repeat",
    ];
    let began = Instant::now();
    let mut samples = Vec::new();
    for round in 0..30_u64 {
        page.browser
            .click(&format!(
                "[data-control={}]",
                controls[usize::try_from(round % 8).unwrap()]
            ))
            .await;
        let until = Duration::from_millis(seconds * 1_000 * (round + 1) / 30);
        sleep(until.saturating_sub(began.elapsed())).await;
        let sample = Memory::of(&example, &page.browser).await;
        println!("{:>4} s: {sample:?}", began.elapsed().as_secs());
        samples.push(sample);
    }
    // From the second third to the last one. A leak of a mark's or of a node's size would be more.
    let highest = |part: &[Memory], of: fn(&Memory) -> u64| part.iter().map(of).max().unwrap();
    for (what, of, most) in [
        (
            "program",
            (|sample: &Memory| sample.program) as fn(&Memory) -> u64,
            6_144,
        ),
        ("page", |sample| sample.page, 2_048),
        ("nodes", |sample| sample.nodes, 600),
    ] {
        let (before, after) = (highest(&samples[10..20], of), highest(&samples[20..], of));
        assert!(after <= before + most, "{what}: {before} and then {after}");
    }
    assert_eq!(page.browser.complaints().await, [Value::Null; 0]);
    page.browser.close().await;
}
