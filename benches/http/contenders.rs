//! Who is measured, and how each of them is started.

use std::path::Path;
use std::time::Duration;

use axum_authgear::testkit::{Endpoint, Fault};
use serde_json::Value;

use super::gateways::Gateway;
use super::load::Load;
use super::project::{Project, SECRET, get};
use super::support::servers::{SERVERS, Server, on, peer, resource_server};

#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    pub kind: Kind,
    pub url: String,
    pub load: Load,
    /// Those that serve it, of which one may be behind another.
    pub processes: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Without authentication.
    Bare,
    Ours,
    Other,
}

impl Contender {
    /// # Panics
    /// When it refuses a good credential, answers with another user, or accepts a forged credential.
    pub async fn check(&self) {
        let (name, url) = (self.name, format!("{}/me", self.url));
        let response = get(&url, &self.load.good).await;
        assert_eq!(response.status(), 200, "{name}: a good credential");
        let answer = response.text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for (member, value) in self.load.user.as_object().unwrap() {
            assert_eq!(answer[member], *value, "{name}: {member}");
        }
        if self.kind != Kind::Bare {
            let response = get(&url, &self.load.forged).await;
            assert_eq!(response.status(), 401, "{name}: a forged credential");
        }
    }
}

/// All contenders, and what must go on running for them.
pub struct Field {
    pub contenders: Vec<Contender>,
    calm: Project,
    changing: Project,
    hanging: Project,
    servers: Vec<Server>,
    gateways: Vec<Gateway>,
}

impl Field {
    pub async fn start(folder: &Path) -> Self {
        let mut field = Self {
            contenders: Vec::new(),
            calm: Project::start(folder, "calm").await,
            changing: Project::start(folder, "changing").await,
            hanging: Project::start(folder, "hanging").await,
            servers: Vec::new(),
            gateways: Vec::new(),
        };
        let jwt = ours(&field.calm, &[]);
        let response = get(&format!("{}/me", jwt.url), &field.calm.bearer.good).await;
        let answer = response.text().await.unwrap();
        let program = std::env::current_exe().unwrap();
        let bare = Server::start(on(SERVERS, program).args(["bare", &answer]));
        let behind = (bare.url.clone(), bare.process.id());
        field.add("bare axum", Kind::Bare, bare);
        field.add("axum-authgear, JWT", Kind::Ours, jwt);
        field.add_ours(folder).await;
        field.add_gateways(folder, &behind.0, behind.1);
        field.add_others();
        field
    }

    async fn add_ours(&mut self, folder: &Path) {
        let often = [("AUTHGEAR_JWKS_REFRESH_SECS", "1")];
        let (changing, hanging) = (ours(&self.changing, &often), ours(&self.hanging, &often));
        let load = self.changing.bearer.clone();
        self.add("  while keys are added", Kind::Ours, changing)
            .load = load;
        let load = self.hanging.bearer.clone();
        self.add("  while Authgear hangs", Kind::Ours, hanging).load = load;
        let issuer = self.calm.fake.endpoint();
        let uncached = Server::start(on(SERVERS, peer()).args(["axum-authgear", issuer]));
        self.add("axum-authgear, JWT, cache off", Kind::Ours, uncached);
        let mode = |mode| ("AUTHGEAR_VERIFY", mode);
        let kept = ("AUTHGEAR_RESOLVER_CACHE_SECS", "10");
        let live = ours(&self.calm, &[mode("jwt+resolver")]);
        self.add("axum-authgear, live sessions", Kind::Ours, live);
        let asked = ours(&self.calm, &[mode("resolver")]);
        self.add("axum-authgear, resolver", Kind::Ours, asked);
        let cached = ours(&self.calm, &[mode("resolver"), kept]);
        self.add("axum-authgear, resolver, cached 10 s", Kind::Ours, cached);
        // The load is the gateway, whose own work is not counted.
        let proof = ("AUTHGEAR_GATEWAY_SECRET", SECRET);
        let gateway = ours(&self.calm, &[mode("gateway"), proof]);
        let load = self.calm.of_gateway(folder).await;
        self.add("axum-authgear behind a gateway", Kind::Ours, gateway)
            .load = load;
    }

    fn add_gateways(&mut self, folder: &Path, bare: &str, behind: u32) {
        let fake = &self.calm.fake;
        let gateways = [
            (
                "nginx auth_request",
                Gateway::nginx(folder, fake, bare, false),
            ),
            (
                "nginx auth_request, cached 10 s",
                Gateway::nginx(folder, fake, bare, true),
            ),
            ("Envoy jwt_authn", Gateway::envoy(folder, fake, bare, false)),
            (
                "Envoy jwt_authn, tokens cached",
                Gateway::envoy(folder, fake, bare, true),
            ),
        ];
        for (name, gateway) in gateways {
            let processes = vec![gateway.process.id(), behind];
            self.list(name, Kind::Other, &gateway.url, processes);
            self.gateways.push(gateway);
        }
    }

    fn add_others(&mut self) {
        for name in [
            "tower-oauth2-resource-server 0.12",
            "jwt-authorizer 0.15",
            "huskarl-axum 0.1",
            "axum-jwt-auth 0.7",
        ] {
            let (package, _version) = name.split_once(' ').unwrap();
            let issuer = self.calm.fake.endpoint();
            let server = Server::start(on(SERVERS, peer()).args([package, issuer]));
            self.add(name, Kind::Other, server);
        }
    }

    fn add(&mut self, name: &'static str, kind: Kind, server: Server) -> &mut Contender {
        let (url, process) = (server.url.clone(), server.process.id());
        self.servers.push(server);
        self.list(name, kind, &url, vec![process])
    }

    /// One that is sent the tokens of the calm project.
    fn list(
        &mut self,
        name: &'static str,
        kind: Kind,
        url: &str,
        processes: Vec<u32>,
    ) -> &mut Contender {
        self.contenders.push(Contender {
            name,
            kind,
            url: url.to_owned(),
            load: self.calm.bearer.clone(),
            processes,
        });
        self.contenders.last_mut().unwrap()
    }

    /// From now on keys change at one project, and the other one hangs.
    pub fn disturb(&self) {
        let fake = self.changing.fake.clone();
        tokio::spawn(async move {
            // A new key each time, and the one before it gone; the key of the load stays.
            loop {
                let kid = fake.add_key();
                tokio::time::sleep(Duration::from_secs(1)).await;
                fake.remove_key(&kid);
            }
        });
        self.hanging.fake.fail(Endpoint::Jwks, Fault::Hang);
        self.hanging.fake.fail(Endpoint::Discovery, Fault::Hang);
    }

    pub fn print_fetches(&self) {
        let fetches = |project: &Project| project.fake.requests(Endpoint::Jwks);
        println!(
            "fetches of the keys: calm {} by all of its servers, changing {}, hanging {}\n",
            fetches(&self.calm),
            fetches(&self.changing),
            fetches(&self.hanging),
        );
    }
}

fn ours(project: &Project, variables: &[(&str, &str)]) -> Server {
    let mut command = on(SERVERS, resource_server());
    command
        .env("AUTHGEAR_ENDPOINT", project.fake.endpoint())
        .env("LISTEN", "127.0.0.1:0")
        .envs(variables.iter().copied());
    Server::start(&mut command)
}
