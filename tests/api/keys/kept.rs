//! Keys without the network: a seed, and a folder in which the last good ones are kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, SigningKey, User};
use axum_authgear::{
    Algorithm, AuthErrorKind, Authgear, AuthgearBuilder, ConfigError, Health, SessionResolver,
};
use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;
use tracing::Level;

use super::{LONG, LONG_MILLIS, Stage, assert_unavailable, assert_unknown_key, foreign};
use crate::support::{Log, api, get, ready};

/// A fake whose keys have been kept in a folder, and that is away since.
struct Away {
    stage: Stage,
    folder: TempDir,
    token: String,
}

impl Away {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let folder = TempDir::new().unwrap();
        let token = stage.token();
        let away = Self {
            stage,
            folder,
            token,
        };
        away.keep().await;
        away.stage.fake.stop();
        away
    }

    /// Lets a process run that fetches the keys and keeps them.
    async fn keep(&self) {
        let before = kept(self.folder.path()).map(|file| fs::read(file).unwrap());
        let authgear = ready(self.builder()).await;
        while kept(self.folder.path()).map(|file| fs::read(file).unwrap()) == before {
            sleep(Duration::from_millis(5)).await;
        }
        drop(authgear);
    }

    fn builder(&self) -> AuthgearBuilder {
        self.stage.builder().key_dir(self.folder.path())
    }

    fn start(&self) -> (Authgear, Router) {
        let authgear = self.builder().build().unwrap();
        let api = api(&authgear);
        (authgear, api)
    }

    fn file(&self) -> PathBuf {
        kept(self.folder.path()).unwrap()
    }

    /// What a process that starts now says of a good token.
    async fn assert_alice(&self) {
        self.stage
            .assert_is_alice(&get(&self.start().1, "/user", &self.token).await);
    }

    /// Nothing passes, the status is down, and one line says why.
    async fn assert_nothing_serves(&self, why: &str) {
        let (log, _guard) = Log::of_this_thread(Level::INFO);
        let (authgear, api) = self.start();
        assert_unavailable(&get(&api, "/user", &self.token).await);
        assert_eq!(authgear.status().health(), Health::Down, "{why}");
        let lines = log.text();
        let told = lines.lines().filter(|line| line.contains("kept keys"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{why}: {lines}");
        assert!(told[0].contains("kept keys are not used"), "{lines}");
        assert!(told[0].contains(why), "{why}: {lines}");
        self.assert_names_issuer(&log);
    }

    /// Each line about kept keys says whose they are.
    fn assert_names_issuer(&self, log: &Log) {
        assert_names_issuer(&self.stage, log);
    }
}

fn assert_names_issuer(stage: &Stage, log: &Log) {
    let issuer = format!("issuer=\"{}\"", stage.fake.endpoint());
    for line in log.text().lines().filter(|line| line.contains(" kept")) {
        assert!(line.contains(&issuer), "{line}");
    }
}

/// The files of keys in a folder, one for each project.
fn all_kept(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("axum-authgear"));
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "keys")
        })
        .collect()
}

/// The only one.
fn kept(folder: &Path) -> Option<PathBuf> {
    let mut files = all_kept(folder);
    assert!(files.len() < 2, "{files:?}");
    files.pop()
}

#[tokio::test]
async fn a_process_that_starts_while_authgear_is_away_lets_good_tokens_in() {
    let away = Away::new().await;
    let (authgear, api) = away.start();
    away.stage
        .assert_is_alice(&get(&api, "/user", &away.token).await);
    while authgear.status().health() == Health::Healthy {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(authgear.status().health(), Health::Degraded);
    // Nothing else passes by that.
    assert_unavailable(&get(&api, "/user", &foreign(&away.stage)).await);
    let forged = away.stage.fake.token(&away.stage.alice);
    let forged = forged
        .signed_by(&SigningKey::rsa())
        .kid(away.stage.fake.signing_kid())
        .sign();
    let answer = get(&api, "/user", &forged).await;
    assert_eq!(answer.kind, Some(AuthErrorKind::BadSignature));
}

#[tokio::test]
async fn they_serve_until_max_stale_has_passed_since_the_fetch_and_a_rotation_heals() {
    let away = Away::new().await;
    // Processes that start and end do not lengthen it.
    for _ in 0..23 {
        away.stage.an_hour_passes();
        away.assert_alice().await;
    }
    let (authgear, api) = away.start();
    away.stage
        .assert_is_alice(&get(&api, "/user", &away.token).await);
    away.stage.an_hour_passes();
    assert_unavailable(&get(&api, "/user", &away.token).await);
    assert_eq!(authgear.status().health(), Health::Down);
    away.assert_nothing_serves("older than jwks_max_stale")
        .await;

    // Authgear returns with another key, and without the one that was kept.
    let of_the_old_key = away.token.clone();
    let _ = away.stage.fake.rotate();
    away.stage.fake.remove_old_keys();
    away.stage.fake.restart().await;
    away.stage.an_hour_passes();
    let of_the_new_key = away.stage.token();
    for api in [api, away.start().1] {
        away.stage
            .assert_is_alice(&get(&api, "/user", &of_the_new_key).await);
        assert_unknown_key(&get(&api, "/user", &of_the_old_key).await);
    }
}

#[tokio::test]
async fn a_key_that_was_removed_is_forgotten_as_soon_as_authgear_answers() {
    let away = Away::new().await;
    let _ = away.stage.fake.rotate();
    away.stage.fake.remove_old_keys();
    away.assert_alice().await;
    away.stage.fake.restart().await;
    away.keep().await;
    away.stage.fake.stop();
    let (_authgear, api) = away.start();
    let answer = get(&api, "/user", &away.stage.token()).await;
    away.stage.assert_is_alice(&answer);
    let answer = get(&api, "/user", &away.token).await;
    assert_ne!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_wait_for_the_folder_and_not_for_the_fetch_behind_it() {
    let away = Away::new().await;
    away.stage.fake.restart().await;
    away.stage.fake.fail(Endpoint::Discovery, Fault::Hold);
    let (authgear, api) = away.start();
    assert!(authgear.status().key_age().is_none());
    away.stage
        .assert_is_alice(&get(&api, "/user", &away.token).await);
    authgear.ready(LONG).await.unwrap();
    assert!(authgear.status().last_error().is_none());
}

#[tokio::test]
async fn what_was_done_to_the_file_lets_nobody_in() {
    let away = Away::new().await;
    let file = away.file();
    let whole = fs::read(&file).unwrap();
    let elsewhere = away.folder.path().join("elsewhere");
    fs::write(&elsewhere, &whole).unwrap();
    let put = |content: &[u8]| {
        let _ = fs::remove_file(&file);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };

    for content in [
        &whole[..whole.len() / 2],
        b"",
        b"{\"keys\":[]}",
        &[0; 9_999],
    ] {
        put(content);
        away.assert_nothing_serves("damaged").await;
    }
    fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    away.assert_nothing_serves("a link, a pipe").await;
    fs::remove_file(&file).unwrap();
    let made = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    away.assert_nothing_serves("a link, a pipe").await;
    put(&whole);
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    away.assert_nothing_serves("world-writable").await;
    put(&whole);
    away.assert_alice().await;

    // And whatever stands there, Authgear's word replaces it.
    put(b"garbage");
    away.stage.fake.restart().await;
    away.keep().await;
    away.stage.fake.stop();
    away.assert_alice().await;
}

#[tokio::test]
async fn the_keys_of_another_project_verify_nothing_here() {
    let (away, other) = (Away::new().await, Away::new().await);
    fs::copy(other.file(), away.file()).unwrap();
    away.assert_nothing_serves("of another issuer").await;
    let (_authgear, api) = away.start();
    let of_the_other_key = other.stage.fake.token(&other.stage.alice);
    let token = of_the_other_key.claim("iss", away.stage.fake.endpoint());
    let token = token.claim("aud", away.stage.fake.endpoint()).sign();
    assert_unavailable(&get(&api, "/user", &token).await);
}

#[tokio::test]
async fn two_projects_share_a_folder() {
    let (one, two) = (Stage::new().await, Stage::new().await);
    let folder = TempDir::new().unwrap();
    let authgears = [&one, &two].map(|stage| stage.builder().key_dir(folder.path()));
    for authgear in authgears {
        drop(ready(authgear).await);
    }
    while all_kept(folder.path()).len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    one.fake.stop();
    two.fake.stop();
    for (stage, other) in [(&one, &two), (&two, &one)] {
        let authgear = stage.builder().key_dir(folder.path()).build().unwrap();
        let api = api(&authgear);
        stage.assert_is_alice(&get(&api, "/user", &stage.token()).await);
        let answer = get(&api, "/user", &other.token()).await;
        assert_eq!(answer.kind, Some(AuthErrorKind::WrongIssuer));
    }
}

#[tokio::test]
async fn keys_from_the_future_are_not_used() {
    let away = Away::new().await;
    away.stage.clock.shift_millis(-30_000);
    away.assert_nothing_serves("in the future").await;
    away.stage.clock.shift_millis(30_000);
    away.assert_alice().await;
    // A clock that was far ahead, and is not any more: the next keys are kept all the same.
    away.stage.clock.shift_millis(-LONG_MILLIS);
    away.stage.fake.restart().await;
    away.keep().await;
    away.stage.fake.stop();
    let answer = get(&away.start().1, "/user", &away.stage.token()).await;
    away.stage.assert_is_alice(&answer);
}

#[tokio::test]
async fn the_algorithms_are_those_of_today() {
    let away = Away::new().await;
    let builder = away.builder().algorithms([Algorithm::ES256]);
    let authgear = builder.build().unwrap();
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let answer = get(&api(&authgear), "/user", &away.token).await;
    assert_eq!(answer.kind, Some(AuthErrorKind::AlgorithmNotAllowed));
    assert!(authgear.ready(Duration::from_millis(1)).await.is_err());
    while !log.text().contains("no usable key") {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(authgear.status().key_age().is_none());
}

#[tokio::test]
async fn the_line_about_keys_that_cannot_be_kept_names_the_issuer() {
    let away = Away::new().await;
    away.stage.fake.restart().await;
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let (_authgear, api) = away.start();
    away.stage
        .assert_is_alice(&get(&api, "/user", &away.token).await);
    let sub_folder = away.folder.path().join("axum-authgear");
    fs::set_permissions(&sub_folder, Permissions::from_mode(0o777)).unwrap();
    while !log.text().contains("keys cannot be kept") {
        let _ = away.stage.fake.rotate();
        away.stage.an_hour_passes();
        let answer = get(&api, "/user", &away.stage.token()).await;
        away.stage.assert_is_alice(&answer);
        sleep(Duration::from_millis(50)).await;
    }
    away.assert_names_issuer(&log);
}

#[tokio::test]
async fn a_folder_that_everybody_may_write_to_costs_one_line_until_that_is_changed() {
    let away = Away::new().await;
    let sub_folder = away.folder.path().join("axum-authgear");
    let set_mode = |mode| fs::set_permissions(&sub_folder, Permissions::from_mode(mode)).unwrap();
    set_mode(0o777);
    away.assert_nothing_serves("world-writable").await;
    away.stage.fake.restart().await;
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let (_authgear, api) = away.start();
    let told = || {
        let lines = log.text();
        let told = lines.lines().filter(|line| line.contains(" kept"));
        told.count()
    };
    for _ in 0..3 {
        let _ = away.stage.fake.rotate();
        away.stage.an_hour_passes();
        let answer = get(&api, "/user", &away.stage.token()).await;
        away.stage.assert_is_alice(&answer);
        assert_eq!(told(), 1, "{}", log.text());
    }
    set_mode(0o700);
    // The last ones may still be about to be kept, or have failed to be.
    let is_kept = |kid: &str| fs::read_to_string(away.file()).unwrap().contains(kid);
    let mut of_the_last_key = String::new();
    while !is_kept(&away.stage.fake.signing_kid()) || of_the_last_key.is_empty() {
        let _ = away.stage.fake.rotate();
        away.stage.an_hour_passes();
        of_the_last_key = away.stage.token();
        let answer = get(&api, "/user", &of_the_last_key).await;
        away.stage.assert_is_alice(&answer);
        sleep(Duration::from_millis(50)).await;
    }
    assert!(log.text().contains("keys are kept again"), "{}", log.text());
    away.assert_names_issuer(&log);
    away.stage.fake.stop();
    let answer = get(&away.start().1, "/user", &of_the_last_key).await;
    away.stage.assert_is_alice(&answer);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_costs_a_line_and_no_request() {
    let stage = Stage::new().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), "/proc/nowhere".into()] {
        let (log, _guard) = Log::of_this_thread(Level::WARN);
        let authgear = stage.builder().key_dir(&path).build().unwrap();
        let api = api(&authgear);
        for _ in 0..3 {
            // Fetched anew, and not kept again.
            let _ = stage.fake.rotate();
            stage.an_hour_passes();
            let answer = get(&api, "/user", &stage.token()).await;
            stage.assert_is_alice(&answer);
        }
        while !log.text().contains(" kept") {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(authgear.status().health(), Health::Healthy);
        let lines = log.text();
        let told = lines.lines().filter(|line| line.contains(" kept"));
        assert_eq!(told.count(), 1, "{lines}");
        assert!(!lines.contains(path.to_str().unwrap()), "{lines}");
    }
}

/// The text of the fake's key set, and its time by the clock of the stage.
fn seed(stage: &Stage, age: Duration) -> (String, SystemTime) {
    let time = UNIX_EPOCH + stage.clock.now().unix() - age;
    (stage.fake.jwks().to_string(), time)
}

#[tokio::test]
async fn a_seed_serves_until_it_is_too_old_without_a_disk() {
    let stage = Stage::new().await;
    let (text, time) = seed(&stage, Duration::ZERO);
    stage.fake.stop();
    let token = stage.token();
    let builder = || {
        stage
            .builder()
            .key_dir("/proc/nowhere")
            .jwks_seed(text.clone(), time)
    };
    let authgear = builder().build().unwrap();
    assert!(authgear.status().key_age().is_some());
    stage.assert_is_alice(&super::at_once(&api(&authgear), &token));
    stage.clock.shift_millis(24 * LONG_MILLIS - 60_000);
    let later = builder().build().unwrap();
    for authgear in [&authgear, &later] {
        stage.assert_is_alice(&super::at_once(&api(authgear), &token));
    }
    stage.clock.shift_millis(60_000);
    let too_late = builder().build().unwrap();
    for authgear in [&authgear, &later, &too_late] {
        assert_unavailable(&get(&api(authgear), "/user", &token).await);
    }
    stage.fake.restart().await;
    stage.an_hour_passes();
    for authgear in [&authgear, &later, &too_late] {
        stage.assert_is_alice(&get(&api(authgear), "/user", &token).await);
    }
}

#[tokio::test]
async fn a_seed_that_is_too_old_or_from_the_future_is_not_used_and_a_bad_one_is_refused() {
    let stage = Stage::new().await;
    let (text, now) = seed(&stage, Duration::ZERO);
    stage.fake.stop();
    for (time, serves) in [
        (now, true),
        (now - 24 * LONG + Duration::from_secs(60), true),
        (now - 24 * LONG, false),
        (now + Duration::from_secs(600), false),
        (UNIX_EPOCH - LONG, false),
        (UNIX_EPOCH, false),
    ] {
        let (log, _guard) = Log::of_this_thread(Level::INFO);
        let authgear = stage.builder().jwks_seed(text.clone(), time).build();
        let authgear = authgear.unwrap();
        assert_eq!(authgear.status().key_age().is_some(), serves, "{time:?}");
        assert_eq!(log.text().contains("kept keys are used"), serves);
        assert_eq!(log.text().contains("not used"), !serves);
        assert_names_issuer(&stage, &log);
    }
    let symmetric = json!({ "keys": [{ "kty": "oct", "kid": "a", "k": "AAAA" }] });
    for bad in [
        String::new(),
        "{}".to_owned(),
        "{\"keys\":[]}".to_owned(),
        text[..text.len() / 2].to_owned(),
        format!("[{text}]"),
        symmetric.to_string(),
        format!("{text}{}", " ".repeat(256 * 1024)),
    ] {
        let refused = stage.builder().jwks_seed(bad.clone(), now).build();
        let error = refused.unwrap_err();
        assert_eq!(error.option(), Some("jwks_seed"), "{bad}");
    }
    let other = stage.builder().algorithms([Algorithm::ES256]);
    assert!(other.jwks_seed(text, now).build().is_err());
}

#[tokio::test]
async fn of_a_seed_and_a_folder_the_younger_one_serves() {
    let away = Away::new().await;
    let (old_text, old_time) = seed(&away.stage, LONG);
    let _ = away.stage.fake.rotate();
    let of_the_new_key = away.stage.token();
    let (new_text, new_time) = seed(&away.stage, Duration::ZERO);
    away.stage.an_hour_passes();

    let with_old = away.builder().jwks_seed(old_text.clone(), old_time);
    let with_new = away.builder().jwks_seed(new_text, new_time + LONG);
    for (builder, knows_new) in [(with_old, false), (with_new, true)] {
        let authgear = builder.build().unwrap();
        let api = api(&authgear);
        away.stage
            .assert_is_alice(&get(&api, "/user", &away.token).await);
        let answer = get(&api, "/user", &of_the_new_key).await;
        assert_eq!(answer.status == StatusCode::OK, knows_new, "{answer:?}");
    }
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_and_modes_without_keys_need_none() {
    let refused = Authgear::builder("https://auth.example")
        .key_dir("")
        .build();
    assert!(matches!(
        refused,
        Err(ConfigError::Invalid {
            option: "key_dir",
            ..
        })
    ));
    let folder = TempDir::new().unwrap();
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .key_dir(folder.path())
        .build()
        .unwrap();
    let answer = get(&api(&authgear), "/user", &session.opaque_token()).await;
    assert_eq!(answer.body, alice.id());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
