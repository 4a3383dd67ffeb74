//! People, each with an app. The app holds a token, renews it in time, and loses it with the session, as
//! real clients do.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum_authgear::testkit::{FakeAuthgear, Session, User};

use crate::apis::RESOURCE;
use crate::marks::lock;

/// Short, so that the expiry of a token is visible.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(20);

/// A person who sends requests.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The path of their requests.
    pub(crate) path: &'static str,
    project: FakeAuthgear,
    kind: Kind,
    user: User,
    app: Mutex<App>,
}

enum Kind {
    User,
    Machine,
    ThirdParty,
}

struct App {
    standing: Standing,
    session: Option<Session>,
    is_editor: bool,
    token: String,
    renewed: Instant,
}

/// The state of their account at Authgear.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    Active,
    /// Their session was revoked, so they sign in again.
    SignedOut(Instant),
    Disabled,
    Deleted,
}

impl Standing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "signed in",
            Self::SignedOut(_) => "signed out",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

/// All people. Those of `globex` are last.
pub(crate) fn people(acme: &FakeAuthgear, globex: &FakeAuthgear) -> Vec<Person> {
    let user = |name: &str| User::new(name).with_id(name.to_lowercase()).verified(true);
    vec![
        Person::new(
            acme,
            "Alice",
            "user with the role editor: edits",
            "/edit",
            user("Alice").roles(["editor"]),
            Kind::User,
        ),
        Person::new(acme, "Bob", "user: reads", "/me", user("Bob"), Kind::User),
        Person::new(
            acme,
            "Guest",
            "anonymous user: may not check out",
            "/checkout",
            user("Guest").anonymous(true).verified(false),
            Kind::User,
        ),
        Person::new(
            acme,
            "Robot",
            "machine with a scope: counts stock",
            "/stock",
            user("Robot"),
            Kind::Machine,
        ),
        Person::new(
            acme,
            "Partner",
            "user of a third-party client: may not",
            "/me",
            user("Carla"),
            Kind::ThirdParty,
        ),
        Person::new(
            globex,
            "Greta",
            "user of the project globex",
            "/me",
            user("Greta"),
            Kind::User,
        ),
    ]
}

impl Person {
    fn new(
        project: &FakeAuthgear,
        name: &'static str,
        about: &'static str,
        path: &'static str,
        user: User,
        kind: Kind,
    ) -> Self {
        let user = project.add_user(user);
        let person = Self {
            name,
            about,
            path,
            project: project.clone(),
            kind,
            user,
            app: Mutex::new(App {
                standing: Standing::Active,
                session: None,
                is_editor: true,
                token: String::new(),
                renewed: Instant::now(),
            }),
        };
        person.renew();
        person
    }

    pub(crate) fn is_of(&self, project: &FakeAuthgear) -> bool {
        self.project.endpoint() == project.endpoint()
    }

    /// Whether buttons can change them.
    pub(crate) fn has_account(&self) -> bool {
        matches!(self.kind, Kind::User)
    }

    /// Whether their requests usually pass, in an API that parses tokens or in another one.
    pub(crate) fn passes(&self, reads_tokens: bool) -> bool {
        match self.path {
            "/edit" => lock(&self.app).is_editor,
            "/checkout" => false,
            _ => match self.kind {
                Kind::User => true,
                Kind::Machine => reads_tokens,
                Kind::ThirdParty => false,
            },
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        lock(&self.app).standing
    }

    /// The token to send now. It is renewed when a quarter of its lifetime is left.
    pub(crate) fn token(&self) -> String {
        let mut app = lock(&self.app);
        if app.renewed.elapsed() >= TOKEN_LIFETIME * 3 / 4 {
            self.renew_app(&mut app);
        }
        app.token.clone()
    }

    /// An API refused the token. The client requests a new one, with a pause between attempts.
    pub(crate) fn token_was_refused(&self) {
        let mut app = lock(&self.app);
        if app.renewed.elapsed() >= PAUSE {
            self.renew_app(&mut app);
        }
    }

    pub(crate) fn renew(&self) {
        self.renew_app(&mut lock(&self.app));
    }

    /// Without a session, the app continues with its last token.
    fn renew_app(&self, app: &mut App) {
        if let Standing::SignedOut(until) = app.standing
            && until <= Instant::now()
        {
            app.standing = Standing::Active;
        }
        if app.standing != Standing::Active {
            return;
        }
        let token = match self.kind {
            Kind::Machine => self
                .project
                .client_token("robot", RESOURCE)
                .scope("read:stock"),
            Kind::User | Kind::ThirdParty => {
                let session = app
                    .session
                    .get_or_insert_with(|| self.project.sign_in(&self.user));
                match self.kind {
                    Kind::ThirdParty => session.token().third_party(),
                    _ => session.token(),
                }
            }
        };
        app.token = token.lifetime(TOKEN_LIFETIME).sign();
        app.renewed = Instant::now();
    }

    // The actions of an administrator. `false`: nothing changed.

    pub(crate) fn disable(&self) -> bool {
        self.leave(Standing::Disabled, FakeAuthgear::disable)
    }

    pub(crate) fn delete(&self) -> bool {
        self.leave(Standing::Deleted, FakeAuthgear::delete)
    }

    pub(crate) fn revoke_session(&self) -> bool {
        let back = Standing::SignedOut(Instant::now() + AWAY);
        self.leave(back, FakeAuthgear::end_all_sessions)
    }

    fn leave(&self, standing: Standing, act: impl FnOnce(&FakeAuthgear, &User)) -> bool {
        let mut app = lock(&self.app);
        let can_leave = match app.standing {
            Standing::Active => true,
            Standing::SignedOut(_) => !matches!(standing, Standing::SignedOut(_)),
            Standing::Disabled => standing == Standing::Deleted,
            Standing::Deleted => false,
        };
        if can_leave {
            act(&self.project, &self.user);
            app.standing = standing;
            app.session = None;
        }
        can_leave
    }

    /// Enables the account, and signs in again.
    pub(crate) fn enable(&self) -> bool {
        let mut app = lock(&self.app);
        match app.standing {
            Standing::Active => return false,
            Standing::SignedOut(_) => {}
            Standing::Disabled => self.project.reenable(&self.user),
            Standing::Deleted => {
                let _ = self.project.add_user(self.user.clone());
                app.is_editor = true;
            }
        }
        app.standing = Standing::Active;
        self.renew_app(&mut app);
        true
    }

    /// Removes the role `editor`, or adds it. Returns which; `None` without an account.
    pub(crate) fn change_role(&self) -> Option<bool> {
        let mut app = lock(&self.app);
        if app.standing == Standing::Deleted {
            return None;
        }
        app.is_editor = !app.is_editor;
        let role = app.is_editor.then_some("editor");
        self.project.set_roles(&self.user, role);
        Some(app.is_editor)
    }
}

/// The minimum time between two attempts to get a token.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than the lifetime of the last token.
const AWAY: Duration = Duration::from_secs(30);
