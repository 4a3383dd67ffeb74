use super::*;

/// Replaces the recorded credentials by those of the same kind of this fake.
struct World {
    fake: FakeAuthgear,
    credentials: Vec<(String, String)>,
}

impl World {
    async fn new(rows: &[Value], row: &Value) -> Self {
        let name = text(row, "name");
        let prefix = if name.starts_with("prefix_") {
            "shop_"
        } else {
            ""
        };
        let fake = FakeAuthgear::builder()
            .endpoint(ENDPOINT)
            .clock(Clock::frozen_at(seconds_of(&row["answer"])))
            .cookie_prefix(prefix)
            .start()
            .await;
        let mut world = Self {
            fake,
            credentials: Vec::new(),
        };
        match name.rsplit_once('_') {
            Some((what, "bearer" | "cookie")) if rows_of(rows, what) == 2 => {
                world.arrange(what, row);
            }
            _ => world.sign_everyone_in(rows),
        }
        world
    }

    /// The users of the rows in which nothing happens to anyone.
    fn sign_everyone_in(&mut self, rows: &[Value]) {
        let fake = self.fake.clone();
        let find = |name: &str| {
            let row = rows.iter().find(|row| text(row, "name") == name);
            let request = headers(&row.expect("a row of that name")["request"]);
            let value = request
                .iter()
                .find_map(|(name, value)| match name.as_str() {
                    "Authorization" => value.strip_prefix("Bearer "),
                    "Cookie" => value.split_once('=').map(|(_, value)| value),
                    _ => None,
                });
            value.expect("a credential").to_owned()
        };
        let alice = fake.add_user(alice());
        let plain = fake.add_user(plain());
        let anonymous = fake.add_user(anonymous());
        let mfa = fake.add_user(User::new("mfa").with_id(MFA));
        let first = fake.sign_in_at(&alice, 1_795_511_054);
        let browser = fake.sign_in_at(&alice, 1_795_511_258).cookies();
        let prefixed = fake.sign_in_at(&alice, 1_795_511_746);
        let third = fake.sign_in_at(&alice, 1_795_512_757);
        let token = |user: &User, time: u64| fake.sign_in_at(user, time).token().sign();
        let machine = fake.client_token("worker", "https://api.shop.example");
        let good = first.token().sign();
        let cookies = first.cookies();
        self.credentials = vec![
            // The longest first: one recorded value may begin another.
            (
                find("bearer_garbage_jwt"),
                first.token().tamper_signature().sign(),
            ),
            (find("bearer_jwt"), good),
            (
                find("bearer_jwt_refreshed"),
                first.token().refreshed().sign(),
            ),
            (find("bearer_opaque"), first.opaque_token()),
            (find("bearer_plain"), token(&plain, 1_795_511_054)),
            (find("bearer_anonymous"), token(&anonymous, 1_795_511_130)),
            (find("bearer_m2m"), machine.sign()),
            (find("bearer_id_token"), first.id_token().sign()),
            (find("cookie_session"), browser.session().value().to_owned()),
            (
                find("cookie_app_session"),
                cookies.app_session().value().to_owned(),
            ),
            (
                find("prefix_cookie"),
                prefixed.cookies().session().value().to_owned(),
            ),
            (find("prefix_app_access_token"), prefixed.token().sign()),
            (
                find("bearer_third_party"),
                third.token().third_party().sign(),
            ),
            (find("bearer_mfa"), token(&mfa, 1_795_512_720)),
        ];
    }

    /// A user to whom something happens after the sign-in.
    fn arrange(&mut self, what: &str, row: &Value) {
        let fake = &self.fake;
        let answer = essential_headers(&row["answer"]);
        let expected = |name: &str| {
            let field = answer.iter().find(|(found, _)| found == name);
            field.map(|(_, value)| value.clone())
        };
        let mut user = User::new(what);
        if let Some(id) = expected("x-authgear-user-id") {
            user = user.with_id(id);
        }
        let user = fake.add_user(user);
        let now = fake.clock().now().unix().as_secs();
        let time = expected("x-authgear-session-authenticated-at");
        let time = time.map_or(now, |time| time.parse().expect("a time"));
        let session = fake.sign_in_at(&user, time);
        let (bearer, cookies) = (session.token().sign(), session.cookies());
        for (name, value) in headers(&row["request"]) {
            match name.as_str() {
                "Authorization" => {
                    let recorded = value.strip_prefix("Bearer ").expect("a bearer");
                    self.credentials.push((recorded.to_owned(), bearer.clone()));
                }
                "Cookie" => self.credentials.push((value, cookies.session().pair())),
                _ => {}
            }
        }
        match what {
            "disabled" => fake.disable(&user),
            "disabled_then_enabled" => {
                fake.disable(&user);
                fake.reenable(&user);
            }
            "deleted" => fake.delete(&user),
            "anonymized" => fake.anonymize(&user),
            "deletion_scheduled" => fake.schedule_deletion(&user),
            "anonymization_scheduled" => fake.schedule_anonymization(&user),
            "sessions_revoked" => fake.end_all_sessions(&user),
            "refresh_token_revoked" => fake.revoke_refresh_token(&session),
            "jwt_revoked" | "password_reset" => {}
            "window_closed" => fake.set_window(&user, None, now - 1),
            "temporarily_disabled" => fake.disable_temporarily(&user, now - 5, now + 3_600),
            "temporarily_disabled_ahead" => {
                fake.disable_temporarily(&user, now + 3_600, now + 7_200);
            }
            "temporarily_disabled_began" => {
                fake.clock().shift_millis(-10_000);
                fake.disable_temporarily(&user, now - 2, now + 7_200);
                fake.clock().shift_millis(10_000);
            }
            other => panic!("something else happened: {other}"),
        }
    }

    fn ours(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for (recorded, ours) in &self.credentials {
            value = value.replace(recorded, ours);
        }
        value
    }
}

/// Rows come in pairs where something happened: one with the bearer, one with the cookie.
fn rows_of(rows: &[Value], what: &str) -> usize {
    let named = |row: &&Value| {
        let name = text(row, "name");
        name.strip_prefix(what)
            .is_some_and(|kind| kind == "_bearer" || kind == "_cookie")
    };
    rows.iter().filter(named).count()
}

#[tokio::test]
async fn every_recorded_row_is_answered_alike() {
    let recorded = recorded(RESOLVER);
    let rows = list(&recorded, "rows");
    for row in rows {
        let (name, answer) = (text(row, "name"), &row["answer"]);
        let world = World::new(rows, row).await;
        let (status, fields, body) =
            replay(&world.fake, &row["request"], |value| world.ours(value)).await;
        assert_eq!(u64::from(status), number(answer, "status"), "{name}");
        assert_eq!(fields, essential_headers(answer), "{name}");
        assert_eq!(body, "", "{name}");
    }
    assert_eq!(rows.len(), 69);
}

/// What the resolver says of a credential: `X-Authgear-Session-Valid`, and the user.
async fn ask(fake: &FakeAuthgear, name: &str, value: &str) -> (Option<String>, Option<String>) {
    let url = format!("{}/_resolver/resolve", fake.url());
    let answer = client().get(url).header(name, value).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    let header = |name: &str| {
        let value = answer.headers().get(name)?;
        Some(value.to_str().expect("text").to_owned())
    };
    (
        header("x-authgear-session-valid"),
        header("x-authgear-user-id"),
    )
}

const NOBODY: (Option<String>, Option<String>) = (None, None);

fn invalid() -> (Option<String>, Option<String>) {
    (Some("false".to_owned()), None)
}

fn valid(user: &User) -> (Option<String>, Option<String>) {
    (Some("true".to_owned()), Some(user.id().to_owned()))
}

#[tokio::test]
async fn tokens_end_to_the_second() {
    let fake = FakeAuthgear::builder()
        .clock(Clock::frozen_at(1_000_000))
        .start()
        .await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let jwt = format!("Bearer {}", session.token().sign());
    let opaque = format!("Bearer {}", session.opaque_token());
    let app_session = session.cookies().app_session().pair();
    fake.clock().shift_millis(1_799_999);
    for bearer in [&jwt, &opaque] {
        assert_eq!(ask(&fake, "authorization", bearer).await, valid(&alice));
    }
    fake.clock().shift_millis(1);
    for bearer in [&jwt, &opaque] {
        assert_eq!(ask(&fake, "authorization", bearer).await, NOBODY);
    }
    assert_eq!(ask(&fake, "cookie", &app_session).await, valid(&alice));
    fake.end_session(&session);
    assert_eq!(ask(&fake, "cookie", &app_session).await, NOBODY);
}

#[tokio::test]
async fn a_jwt_must_be_signed_by_a_listed_key() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let bearer = |token: TokenBuilder| format!("Bearer {}", token.sign());
    let good = bearer(fake.token(&alice));
    let kid = fake.signing_kid();
    let foreign = SigningKey::rsa().with_kid(&kid);
    for bad in [
        bearer(fake.token(&alice).signed_by(&foreign)),
        bearer(fake.token(&alice).unsigned()),
        bearer(fake.token(&alice).hs256("x")),
        bearer(fake.token(&alice).header("alg", "RS512")),
        bearer(fake.token(&alice).kid("other")),
        bearer(fake.token(&alice).remove_claim("exp")),
        bearer(fake.token(&alice).claim("aud", "https://other.example")),
        bearer(fake.token(&alice).raw_claims("[]")),
    ] {
        assert_eq!(ask(&fake, "authorization", &bad).await, NOBODY);
    }
    assert_eq!(ask(&fake, "authorization", &good).await, valid(&alice));
    fake.rotate();
    assert_eq!(ask(&fake, "authorization", &good).await, valid(&alice));
    fake.remove_old_keys();
    assert_eq!(ask(&fake, "authorization", &good).await, NOBODY);
}

#[tokio::test]
async fn a_closed_window_is_invalid_until_the_job_ends_the_sessions() {
    let fake = FakeAuthgear::builder()
        .clock(Clock::frozen_at(1_000_000))
        .start()
        .await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let bearer = format!("Bearer {}", fake.token(&alice).sign());
    let other = format!("Bearer {}", fake.token(&bob).sign());
    fake.disable_temporarily(&alice, 1_000_010, 1_000_020);
    assert_eq!(ask(&fake, "authorization", &bearer).await, valid(&alice));
    fake.clock().shift_millis(10_000);
    assert_eq!(ask(&fake, "authorization", &bearer).await, invalid());
    fake.clock().shift_millis(10_000);
    // The job came too late: the window is over, and the session lives on.
    fake.run_account_job();
    assert_eq!(ask(&fake, "authorization", &bearer).await, valid(&alice));
    fake.set_window(&alice, 1_000_100, None);
    assert_eq!(ask(&fake, "authorization", &bearer).await, invalid());
    fake.run_account_job();
    assert_eq!(ask(&fake, "authorization", &bearer).await, NOBODY);
    fake.set_window(&alice, None, None);
    assert_eq!(ask(&fake, "authorization", &bearer).await, NOBODY);
    assert_eq!(ask(&fake, "authorization", &other).await, valid(&bob));
}

#[tokio::test]
async fn the_session_says_what_a_test_sets() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let token = session.token().sign();
    fake.set_session_amr(&session, ["mfa", "pwd"]);
    fake.set_session_authenticated_at(&session, None);
    fake.set_roles(&alice, ["admin", "editor"]);
    fake.update_user(&alice, |user| user.verified(true).with_id("ignored"));
    let url = format!("{}/resolve", fake.url());
    let answer = client().get(url).bearer_auth(token).send().await;
    let answer = answer.expect("an answer");
    let headers = answer.headers();
    assert_eq!(headers["x-authgear-session-amr"], "mfa pwd");
    assert!(!headers.contains_key("x-authgear-session-authenticated-at"));
    assert_eq!(headers["x-authgear-user-roles"], "admin,editor");
    assert_eq!(headers["x-authgear-user-verified"], "true");
    assert_eq!(headers["x-authgear-user-id"], alice.id());
}

#[tokio::test]
async fn of_several_credentials_the_first_good_one_counts() {
    for prefix in ["", "shop_"] {
        let fake = FakeAuthgear::builder().cookie_prefix(prefix).start().await;
        let users =
            ["bearer", "first", "second", "third"].map(|name| fake.add_user(User::new(name)));
        let sessions = users.each_ref().map(|user| fake.sign_in(user));
        let [bearer, first, second, third] = &sessions;
        let good = [
            first.cookies().app_session().pair(),
            second.cookies().app_access_token().pair(),
            third.cookies().session().pair(),
        ];
        let bad = ["app_session", "app_access_token", "session"]
            .map(|name| format!("{prefix}{name}=garbage"));
        // Bit by bit, whether each of the three is good, is bad, or did not come.
        for what in 0..27 {
            let kinds = [what / 9, what / 3 % 3, what % 3];
            let cookies: Vec<&str> = kinds
                .iter()
                .zip(good.iter().zip(&bad))
                .filter_map(|(kind, (good, bad))| [None, Some(&**good), Some(&**bad)][*kind])
                .collect();
            let wanted = match kinds.iter().position(|kind| *kind == 1) {
                Some(place) => valid(&users[place + 1]),
                None if kinds[2] == 2 => invalid(),
                None => NOBODY,
            };
            let reversed: Vec<&str> = cookies.iter().rev().copied().collect();
            for cookies in [cookies.join("; "), reversed.join(";")] {
                let around = format!("a=\u{e9}; {cookies}; {prefix}sessions=x");
                for cookies in [&cookies, &around] {
                    assert_eq!(ask(&fake, "cookie", cookies).await, wanted, "{cookies}");
                }
                let ask_with = async |bearer: String| {
                    let url = format!("{}/_resolver/resolve", fake.url());
                    let request = client().get(url).bearer_auth(bearer);
                    let answer = request.header("cookie", &cookies).send().await;
                    let answer = answer.expect("an answer");
                    let id = answer.headers().get("x-authgear-user-id");
                    id.map(|id| id.to_str().expect("text").to_owned())
                };
                let own = Some(users[0].id().to_owned());
                assert_eq!(ask_with(bearer.opaque_token()).await, own, "{cookies}");
                assert_eq!(ask_with("garbage".to_owned()).await, wanted.1, "{cookies}");
            }
        }
    }
}

#[tokio::test]
async fn the_first_authorization_field_counts() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let url = format!("{}/_resolver/resolve", fake.url());
    let ask = |fields: [String; 2]| {
        let mut request = client().get(&url);
        for field in fields {
            request = request.header("authorization", field);
        }
        request.send()
    };
    let good = format!("Bearer {token}");
    let bad = "Bearer garbage".to_owned();
    let answer = ask([good.clone(), bad.clone()]).await.expect("an answer");
    assert!(answer.headers().contains_key("x-authgear-user-id"));
    let answer = ask([bad, good]).await.expect("an answer");
    assert!(!answer.headers().contains_key("x-authgear-user-id"));
}
