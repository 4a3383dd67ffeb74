//! Whose tokens a small example takes: those of a project of your own, or of a fake.

use axum_authgear::testkit::{FakeAuthgear, User};

use crate::config::AUTHGEAR_ENDPOINT;
use crate::variable::BadVariable;

/// An Authgear project, or a fake that runs as long as this lives.
#[expect(missing_debug_implementations, reason = "it holds a token")]
pub struct Provider {
    endpoint: String,
    fake: Option<Fake>,
}

struct Fake {
    _server: FakeAuthgear,
    token: String,
}

impl Provider {
    /// The project that `AUTHGEAR_ENDPOINT` names. Where it is not set: a fake with one user, who has the
    /// role `admin`.
    pub async fn from_env() -> Result<Self, BadVariable> {
        if let Some(endpoint) = AUTHGEAR_ENDPOINT.text()? {
            return Ok(Self {
                endpoint,
                fake: None,
            });
        }
        let server = FakeAuthgear::start().await;
        let alice = server.add_user(User::new("alice").roles(["admin"]));
        Ok(Self {
            endpoint: server.endpoint().to_owned(),
            fake: Some(Fake {
                token: server.sign_in(&alice).token().sign(),
                _server: server,
            }),
        })
    }

    /// The endpoint, for the builder.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Prints how to try the example out, made of an access token: the fake's, or one to be filled in.
    pub fn print_trial(&self, trial: impl FnOnce(&str) -> String) {
        match &self.fake {
            Some(fake) => {
                println!(
                    "{AUTHGEAR_ENDPOINT} is not set: a fake Authgear stands in for a project."
                );
                println!("Alice is signed in there. Try, for half an hour:\n");
                println!("{}", trial(&fake.token));
            }
            None => println!("Try:\n\n{}", trial("ACCESS_TOKEN")),
        }
    }
}
