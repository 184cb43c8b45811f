use std::time::Duration;

use super::*;
use crate::{ApiKey, CreateApiKeyError, NewApiKey, Via};

const HOUR: Duration = Duration::from_secs(3600);

fn new_key() -> NewApiKey<'static> {
    NewApiKey { name: "deploy", username: "ann", scopes: Roles::new(["status"]), expires_in: HOUR }
}

impl World {
    async fn make(&self) -> (ApiKey, String) {
        let (key, secret) = self.identity.create_api_key(new_key(), "admin").await.unwrap();
        (key, secret.to_string())
    }

    async fn ask_with(&self, secret: &str) -> Result<Arc<Principal>, AuthError> {
        self.authenticator.authenticate(Credentials::Bearer(secret), self.clock.unix()).await
    }
}

#[tokio::test]
async fn a_key_calls_in_the_name_of_its_account_with_its_own_scopes() {
    let world = world().await;
    let (key, secret) = world.make().await;
    let (first, second) =
        (world.ask_with(&secret).await.unwrap(), world.ask_with(&secret).await.unwrap());
    assert_eq!((first.username.as_str(), first.session), ("ann", key.id.as_session()));
    assert!(
        first.roles.contains("user") && first.via == Via::ApiKey { scopes: Roles::new(["status"]) }
    );
    assert!(Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn a_key_ends_to_the_moment_also_when_it_is_remembered() {
    let world = world().await;
    let (_, secret) = world.make().await;
    world.clock.advance(HOUR - Duration::from_millis(1));
    assert!(world.ask_with(&secret).await.is_ok());
    world.clock.advance(Duration::from_millis(1));
    assert!(matches!(world.ask_with(&secret).await, Err(AuthError::ApiKey)));
}

#[tokio::test]
async fn a_revoked_key_is_refused_here_and_by_the_next_process() {
    let world = world().await;
    let (key, secret) = world.make().await;
    assert!(world.ask_with(&secret).await.is_ok());
    assert!(world.identity.revoke_api_key(key.id, "admin").await.unwrap());
    assert!(world.ask_with(&secret).await.is_err());
    assert!(!world.identity.revoke_api_key(key.id, "admin").await.unwrap());
    let next = identity(&world.store, &world.keys, &config(), &world.clock);
    next.restore().await.unwrap();
    assert_eq!(next.api_keys(), []);
}

#[tokio::test]
async fn while_the_store_is_shared_keys_of_the_other_process_begin_and_end_here_as_well() {
    let world = world().await;
    let other = identity(&world.store, &world.keys, &config(), &world.clock);
    other.restore().await.unwrap();
    let (key, secret) = other.create_api_key(new_key(), "admin").await.unwrap();
    assert!(world.ask_with(&secret).await.is_err());
    world.authenticator.begin_sharing();
    assert!(world.ask_with(&secret).await.is_ok());
    assert!(other.revoke_api_key(key.id, "admin").await.unwrap());
    assert!(world.ask_with(&secret).await.is_err());
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_new_key_is_told_at_once() {
    let world = world().await;
    let bad = NewApiKey {
        name: "a\nb",
        username: "nobody",
        scopes: Roles::new(["Not A Scope"]),
        expires_in: Duration::ZERO,
    };
    let refused = world.identity.create_api_key(bad, "admin").await.unwrap_err();
    let CreateApiKeyError::Invalid(faults) = refused else { panic!("{refused}") };
    let mut pointers: Vec<&str> = faults.iter().map(|fault| &*fault.pointer).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/expires_in", "/name", "/scopes", "/username"]);
    assert_eq!(world.identity.api_keys(), []);
}

#[tokio::test]
async fn the_last_use_is_written_down_and_told() {
    let world = world().await;
    let (_, secret) = world.make().await;
    world.clock.advance(HOUR / 2);
    world.ask_with(&secret).await.unwrap();
    assert_eq!(world.identity.api_keys()[0].last_used_at, Some(world.clock.unix()));
    world.identity.prune().await.unwrap();
    let next = identity(&world.store, &world.keys, &config(), &world.clock);
    next.restore().await.unwrap();
    assert_eq!(next.api_keys()[0].last_used_at, Some(world.clock.unix()));
}
