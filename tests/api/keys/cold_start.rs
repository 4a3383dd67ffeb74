//! The first requests of a process.

use axum_authgear::testkit::{Endpoint, Fault};
use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::Stage;
use crate::support::{api, get};

#[tokio::test]
async fn a_thousand_first_requests_cause_one_discovery_and_one_fetch() {
    for held in [Endpoint::Discovery, Endpoint::Jwks] {
        let stage = Stage::new().await;
        stage.fake.fail(held, Fault::Hold);
        let builder = stage
            .builder()
            .request_timeout(std::time::Duration::from_secs(60));
        let authgear = builder.build().unwrap();
        let api = api(&authgear);
        let token = stage.token();

        // The first caller gives up while everyone waits.
        let first = get(&api, "/user", &token).now_or_never();
        assert!(first.is_none());
        let mut requests = JoinSet::new();
        for _ in 0..1_000 {
            let (api, token) = (api.clone(), token.clone());
            requests.spawn(async move { get(&api, "/user", &token).await });
        }
        stage.fake.requests_reached(held, 1).await;
        assert_eq!(stage.fake.in_flight(held), 1);
        stage.fake.heal(held);

        while let Some(answer) = requests.join_next().await {
            stage.assert_is_alice(&answer.unwrap());
        }
        assert_eq!(stage.fake.requests(Endpoint::Discovery), 1);
        assert_eq!(stage.fake.requests(Endpoint::Jwks), 1);
    }
}
