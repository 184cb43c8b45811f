use std::{sync::atomic::AtomicUsize, time::Duration};

use parking_lot::Mutex;

use super::*;
use crate::{Issuer, KeyRing, MemoryStore, Session, SessionId};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// One account that a test changes at will.
#[derive(Clone)]
struct OneAccount(Arc<Mutex<Option<AccountState>>>, Arc<AtomicUsize>);

impl Accounts for OneAccount {
    async fn account(&self, _: &Username) -> Result<Option<AccountState>, StoreError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.lock().clone())
    }
}

struct World {
    authenticator: TokenAuthenticator<OneAccount, MemoryStore>,
    store: Arc<MemoryStore>,
    revocations: Arc<Revocations>,
    account: OneAccount,
    session: Session,
    token: String,
}

fn state(roles: &[&str], enabled: bool) -> Option<AccountState> {
    Some(AccountState { roles: Roles::new(roles), enabled })
}

async fn world() -> World {
    let keys = Arc::new(KeyRing::ephemeral());
    let issuer = Issuer::new(keys.signing_key(), "i", "a", Duration::from_secs(3600));
    let session = Session {
        id: SessionId::random(),
        username: Username::parse("ann").unwrap(),
        generation: 0,
        created_at: NOW,
        refreshed_at: NOW,
        expires_at: NOW + Duration::from_secs(86_400),
        address: String::new(),
    };
    let store = Arc::new(MemoryStore::new());
    store.create(&session).await.unwrap();
    let token = issuer.issue(&session, &Roles::new(["user"]), NOW);
    let verifier = Verifier::new(keys, "i", "a", Duration::from_secs(30));
    let revocations = Arc::new(Revocations::new());
    let account = OneAccount(Arc::new(Mutex::new(state(&["user"], true))), Arc::default());
    let authenticator = TokenAuthenticator::new(
        verifier,
        Arc::clone(&revocations),
        account.clone(),
        Arc::clone(&store),
    );
    World { authenticator, store, revocations, account, session, token }
}

impl World {
    async fn ask(&self, secs: u64) -> Result<Arc<Principal>, AuthError> {
        let now = NOW + Duration::from_secs(secs);
        self.authenticator.authenticate(Credentials::Bearer(&self.token), now).await
    }
}

#[tokio::test]
async fn a_remembered_token_gives_the_same_principal_without_another() {
    let world = world().await;
    let (first, second) = (world.ask(0).await.unwrap(), world.ask(1).await.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.username.as_str(), "ann");
    assert_eq!(world.account.1.load(Ordering::SeqCst), 2);
}

// ASVS 8.3.2
#[tokio::test]
async fn a_changed_role_holds_for_the_next_request() {
    let world = world().await;
    assert!(world.ask(0).await.unwrap().roles.contains("user"));
    *world.account.0.lock() = state(&["admin"], true);
    let changed = world.ask(1).await.unwrap();
    assert_eq!(changed.roles, Roles::new(["admin"]));
    assert!(Arc::ptr_eq(&changed, &world.ask(2).await.unwrap()));
    *world.account.0.lock() = state(&[], true);
    assert_eq!(world.ask(3).await.unwrap().roles, Roles::default());
}

// ASVS 7.4.2
#[tokio::test]
async fn a_disabled_or_missing_account_is_refused_until_it_is_back() {
    let world = world().await;
    world.ask(0).await.unwrap();
    for gone in [state(&["user"], false), None] {
        *world.account.0.lock() = gone;
        assert!(matches!(world.ask(1).await, Err(AuthError::Disabled)));
    }
    *world.account.0.lock() = state(&["user"], true);
    assert!(world.ask(2).await.is_ok());
}

// ASVS 7.4.1
#[tokio::test]
async fn an_ended_session_is_refused_however_its_token_was_remembered() {
    let world = world().await;
    world.ask(0).await.unwrap();
    world.revocations.end(world.session.id, NOW + Duration::from_secs(9999));
    assert!(matches!(world.ask(1).await, Err(AuthError::Ended)));
}

#[tokio::test]
async fn a_remembered_token_is_refused_when_the_clock_went_back_before_it() {
    let world = world().await;
    world.ask(0).await.unwrap();
    let back = |secs: u64| UnixTime::from_millis(NOW.as_millis() - secs * 1000);
    let ask = |now| world.authenticator.authenticate(Credentials::Bearer(&world.token), now);
    assert!(ask(back(30)).await.is_ok());
    assert!(matches!(ask(back(31)).await, Err(AuthError::Token(TokenError::NotYet))));
    assert!(world.ask(0).await.is_ok());
}

#[tokio::test]
async fn a_remembered_token_expires() {
    let world = world().await;
    world.ask(0).await.unwrap();
    assert!(world.ask(3629).await.is_ok());
    assert!(matches!(world.ask(3630).await, Err(AuthError::Token(TokenError::Expired))));
}

#[tokio::test]
async fn while_the_store_is_shared_an_end_by_another_process_is_seen() {
    let world = world().await;
    world.authenticator.begin_sharing();
    world.ask(0).await.unwrap();
    world.store.end(world.session.id, NOW).await.unwrap();
    assert!(matches!(world.ask(1).await, Err(AuthError::Ended)));
    world.authenticator.end_sharing();
    assert!(world.ask(1).await.is_ok(), "alone, only memory is asked");
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let world = world().await;
    let bad = format!("{}AAAA", &world.token[..world.token.len() - 4]);
    for _ in 0..2 {
        let refused = world.authenticator.authenticate(Credentials::Bearer(&bad), NOW).await;
        assert!(matches!(refused, Err(AuthError::Token(TokenError::Signature))));
    }
    assert!(world.authenticator.verified.is_empty());
    assert!(world.ask(0).await.is_ok());
}

// RFC 6750 s3
#[test]
fn each_refusal_has_its_challenge() {
    let challenge = |error: AuthError| {
        let problem = error.to_problem();
        let challenges = problem.headers().filter(|(name, _)| name == WWW_AUTHENTICATE);
        let challenges: Vec<_> = challenges.map(|(_, value)| value).collect();
        (problem.status().as_u16(), challenges)
    };
    let plain = (401, vec![HeaderValue::from_static("Bearer")]);
    let invalid = (401, vec![HeaderValue::from_static("Bearer error=\"invalid_token\"")]);
    assert_eq!(challenge(AuthError::Missing), plain);
    assert_eq!(challenge(CredentialsError::Scheme.into()), plain);
    assert_eq!(challenge(CredentialsError::Characters.into()), invalid);
    assert_eq!(challenge(TokenError::Expired.into()), invalid);
    assert_eq!(challenge(AuthError::Ended), invalid);
    assert_eq!(challenge(AuthError::Forbidden), (403, vec![]));
    assert_eq!(challenge(StoreError("x".into()).into()), (503, vec![]));
}
