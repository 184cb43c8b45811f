mod api_keys;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use gabion_clock::ManualClock;
use gabion_config::ByteSize;
use gabion_errors::ToProblem;
use parking_lot::Mutex;

use super::*;
use crate::{
    AuthError, Authenticator, Credentials, LoginConfig, MemoryStore, PasswordConfig, Principal,
    Roles, StoredAccounts,
};

const GOOD: &str = "velvet kayak outruns mildew";
const BETTER: &str = "walrus ponders brass umbrella";

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<AuditEvent>>>);

impl AuditSink for Records {
    fn record(&self, event: AuditEvent) {
        self.0.lock().push(event);
    }
}

struct World {
    identity: Identity<MemoryStore>,
    authenticator: TokenAuthenticator<StoredAccounts<MemoryStore>, MemoryStore>,
    store: Arc<MemoryStore>,
    keys: Arc<KeyRing>,
    clock: ManualClock,
    records: Records,
}

fn config() -> AuthConfig {
    AuthConfig {
        password: PasswordConfig {
            memory: ByteSize::kib(64),
            passes: 1,
            ..PasswordConfig::default()
        },
        login: LoginConfig { failures: 3, ..LoginConfig::default() },
        ..AuthConfig::default()
    }
}

fn identity(
    store: &Arc<MemoryStore>,
    keys: &Arc<KeyRing>,
    config: &AuthConfig,
    clock: &ManualClock,
) -> Identity<MemoryStore> {
    let clock = Arc::new(clock.clone());
    Identity::new(Arc::clone(store), Arc::clone(keys), config, 1, clock).unwrap()
}

/// A service with the account `ann`.
async fn world() -> World {
    let (store, keys, clock) =
        (Arc::new(MemoryStore::new()), Arc::new(KeyRing::ephemeral()), ManualClock::new());
    let records = Records::default();
    let identity = identity(&store, &keys, &config(), &clock).with_audit(records.clone());
    identity.create_user("ann", GOOD, Roles::new(["user"]), "admin").await.unwrap();
    let authenticator = identity.authenticator(StoredAccounts(Arc::clone(&store)));
    World { identity, authenticator, store, keys, clock, records }
}

impl World {
    async fn login(&self) -> Tokens {
        self.identity.login("ann", GOOD, "192.0.2.1").await.unwrap()
    }

    async fn ask(&self, tokens: &Tokens) -> Result<Arc<Principal>, AuthError> {
        let credentials = Credentials::Bearer(&tokens.access_token);
        self.authenticator.authenticate(credentials, self.clock.unix()).await
    }

    async fn refused(&self, tokens: &Tokens) -> bool {
        self.ask(tokens).await.is_err()
            && self.identity.refresh(&tokens.refresh_token, "192.0.2.1").await.is_err()
    }
}

fn code(error: &impl ToProblem) -> (u16, &'static str) {
    let problem = error.to_problem();
    (problem.status().as_u16(), problem.code())
}

#[tokio::test]
async fn a_login_gives_tokens_that_work() {
    let world = world().await;
    let tokens = world.login().await;
    let principal = world.ask(&tokens).await.unwrap();
    assert_eq!((principal.username.as_str(), &principal.roles), ("ann", &Roles::new(["user"])));
    assert_eq!(tokens.expires_in, Duration::from_secs(3600));
    assert_eq!(tokens.refresh_expires_in, Duration::from_secs(30 * 86_400));
    let upper = world.identity.login("ANN", GOOD, "").await;
    assert!(upper.is_ok(), "names have no case");
}

// ASVS 6.3.8
#[tokio::test]
async fn unknown_wrong_and_disabled_get_the_same_answer() {
    let world = world().await;
    world.identity.create_user("bob", BETTER, Roles::default(), "admin").await.unwrap();
    let bob = Username::parse("bob").unwrap();
    let disable = UserChange { enabled: Some(false), ..UserChange::default() };
    world.identity.update_user(&bob, disable, "admin").await.unwrap();
    let long = "x".repeat(2000);
    for (name, password) in
        [("ann", BETTER), ("nobody", GOOD), ("bob", BETTER), ("no name!", GOOD), ("ann", &long)]
    {
        let error = world.identity.login(name, password, "").await.unwrap_err();
        assert_eq!(code(&error), (401, "invalid-credentials"), "{name}");
    }
}

// ASVS 6.3.1
#[tokio::test]
async fn known_and_unknown_names_are_slowed_alike() {
    let world = world().await;
    for name in ["ann", "nobody", "no name!"] {
        for _ in 0..3 {
            world.identity.login(name, BETTER, "").await.unwrap_err();
        }
        let error = world.identity.login(name, GOOD, "").await.unwrap_err();
        assert_eq!(code(&error), (429, "too-many-attempts"), "{name}");
    }
    world.clock.advance(Duration::from_secs(1));
    assert!(world.identity.login("ann", GOOD, "").await.is_ok());
}

// ASVS 7.4.1
#[tokio::test]
async fn after_a_logout_neither_token_works_and_other_sessions_do() {
    let world = world().await;
    let (tokens, other) = (world.login().await, world.login().await);
    let principal = world.ask(&tokens).await.unwrap();
    world.identity.logout(&principal, false).await.unwrap();
    assert!(world.refused(&tokens).await);
    assert!(world.ask(&other).await.is_ok());
    world.identity.logout(&world.ask(&other).await.unwrap(), true).await.unwrap();
    assert!(world.refused(&other).await);
}

#[tokio::test]
async fn a_logout_everywhere_ends_every_session() {
    let world = world().await;
    let all = [world.login().await, world.login().await, world.login().await];
    world.identity.logout(&world.ask(&all[0]).await.unwrap(), true).await.unwrap();
    for tokens in &all {
        assert!(world.refused(tokens).await);
    }
}

#[tokio::test]
async fn a_logout_holds_after_a_crash() {
    let world = world().await;
    let tokens = world.login().await;
    world.identity.logout(&world.ask(&tokens).await.unwrap(), false).await.unwrap();
    // A new process with a shorter life for its tokens must still refuse the old one.
    let brief = AuthConfig { access_ttl: Duration::from_secs(60), ..config() };
    world.clock.advance(Duration::from_secs(600));
    let next = identity(&world.store, &world.keys, &brief, &world.clock);
    next.restore().await.unwrap();
    let authenticator = next.authenticator(StoredAccounts(Arc::clone(&world.store)));
    let credentials = Credentials::Bearer(&tokens.access_token);
    assert!(authenticator.authenticate(credentials, world.clock.unix()).await.is_err());
    // And one with the same life knows it from the store.
    let next = identity(&world.store, &world.keys, &config(), &world.clock);
    next.restore().await.unwrap();
    let authenticator = next.authenticator(StoredAccounts(Arc::clone(&world.store)));
    let answer = authenticator.authenticate(credentials, world.clock.unix()).await;
    assert!(matches!(answer, Err(AuthError::Ended)));
}

#[tokio::test]
async fn a_refresh_prolongs_the_session_and_spends_its_token() {
    let world = world().await;
    let first = world.login().await;
    world.clock.advance(Duration::from_secs(86_400 * 29));
    let second = world.identity.refresh(&first.refresh_token, "192.0.2.1").await.unwrap();
    world.clock.advance(Duration::from_secs(86_400 * 29));
    let third = world.identity.refresh(&second.refresh_token, "192.0.2.1").await.unwrap();
    assert!(world.ask(&third).await.is_ok());
    world.clock.advance(Duration::from_secs(86_400 * 31));
    let error = world.identity.refresh(&third.refresh_token, "192.0.2.1").await.unwrap_err();
    assert_eq!(code(&error), (401, "unauthenticated"));
}

// RFC 9700 s2.2.2
#[tokio::test]
async fn a_reused_refresh_token_ends_the_session_everywhere() {
    let world = world().await;
    let first = world.login().await;
    let second = world.identity.refresh(&first.refresh_token, "192.0.2.1").await.unwrap();
    let error = world.identity.refresh(&first.refresh_token, "192.0.2.1").await.unwrap_err();
    assert_eq!(code(&error), (401, "unauthenticated"));
    assert!(matches!(error, RefreshError::Reused));
    assert!(world.refused(&first).await && world.refused(&second).await);
}

#[tokio::test]
async fn the_two_kinds_of_token_do_not_stand_for_each_other() {
    let world = world().await;
    let tokens = world.login().await;
    let error = world.identity.refresh(&tokens.access_token, "192.0.2.1").await.unwrap_err();
    assert!(matches!(error, RefreshError::Invalid(_)));
    let credentials = Credentials::Bearer(&tokens.refresh_token);
    let answer = world.authenticator.authenticate(credentials, world.clock.unix()).await;
    assert!(answer.is_err());
}

// ASVS 7.4.3
#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let world = world().await;
    let (own, other) = (world.login().await, world.login().await);
    let principal = world.ask(&own).await.unwrap();
    world.identity.change_password(&principal, GOOD, BETTER).await.unwrap();
    assert!(world.ask(&own).await.is_ok());
    assert!(world.refused(&other).await);
    assert!(world.identity.login("ann", GOOD, "").await.is_err());
    assert!(world.identity.login("ann", BETTER, "").await.is_ok());
}

#[tokio::test]
async fn a_password_is_changed_only_for_the_present_one_and_within_the_policy() {
    let world = world().await;
    let principal = world.ask(&world.login().await).await.unwrap();
    let weak = world.identity.change_password(&principal, GOOD, "password").await.unwrap_err();
    assert_eq!(code(&weak), (422, "invalid-body"));
    let problem = weak.to_problem();
    assert!(problem.field_errors().iter().all(|fault| fault.pointer == "/new"));
    assert!(problem.field_errors().len() > 1);
    for expected in
        ["invalid-credentials", "invalid-credentials", "invalid-credentials", "too-many-attempts"]
    {
        let wrong = world.identity.change_password(&principal, BETTER, BETTER).await.unwrap_err();
        assert_eq!(code(&wrong).1, expected);
    }
}

// ASVS 7.4.2, 8.3.2
#[tokio::test]
async fn what_an_administrator_changes_holds_for_the_next_request() {
    let world = world().await;
    let ann = Username::parse("ann").unwrap();
    let tokens = world.login().await;
    let roles = UserChange { roles: Some(Roles::new(["monitor"])), ..UserChange::default() };
    world.identity.update_user(&ann, roles, "admin").await.unwrap();
    assert_eq!(world.ask(&tokens).await.unwrap().roles, Roles::new(["monitor"]));

    let disable = UserChange { enabled: Some(false), ..UserChange::default() };
    world.identity.update_user(&ann, disable, "admin").await.unwrap();
    assert!(world.refused(&tokens).await);
    let enable = UserChange { enabled: Some(true), ..UserChange::default() };
    world.identity.update_user(&ann, enable, "admin").await.unwrap();
    assert!(world.refused(&tokens).await, "a session does not come back");

    let tokens = world.login().await;
    let password = UserChange { password: Some(BETTER), ..UserChange::default() };
    world.identity.update_user(&ann, password, "admin").await.unwrap();
    assert!(world.refused(&tokens).await);
}

#[tokio::test]
async fn the_last_administrator_stays_one_and_keeps_its_sessions() {
    let world = world().await;
    let ann = Username::parse("ann").unwrap();
    let update = |change| world.identity.update_user(&ann, change, "admin");
    let admin = || UserChange { roles: Some(Roles::new(["admin"])), ..UserChange::default() };
    update(admin()).await.unwrap();
    let tokens = world.login().await;
    let disable = || UserChange { enabled: Some(false), ..UserChange::default() };
    let strip = UserChange { roles: Some(Roles::default()), ..UserChange::default() };
    for change in [disable(), strip] {
        let error = update(change).await.unwrap_err();
        assert_eq!(code(&error), (409, "conflict"));
    }
    assert!(world.ask(&tokens).await.is_ok());
    world.identity.create_user("bob", BETTER, Roles::new(["admin"]), "admin").await.unwrap();
    update(disable()).await.unwrap();
    assert!(world.refused(&tokens).await);
}

#[tokio::test]
async fn the_names_under_which_a_service_acts_are_no_accounts() {
    let world = world().await;
    for name in ["local", "Start", "signal", "file"] {
        let error =
            world.identity.create_user(name, BETTER, Roles::default(), "admin").await.unwrap_err();
        let problem = error.to_problem();
        let faults: Vec<_> =
            problem.field_errors().iter().map(|f| (f.pointer.as_str(), f.code)).collect();
        assert_eq!(faults, [("/username", "reserved")], "{name}");
    }
}

#[tokio::test]
async fn every_fault_of_a_new_account_is_told_at_once() {
    let world = world().await;
    let error = world
        .identity
        .create_user("Ann Miller", "zq7 k", Roles::new(["Ad min"]), "admin")
        .await
        .unwrap_err();
    let problem = error.to_problem();
    let pointers: Vec<_> = problem.field_errors().iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/roles", "/username", "/password", "/password"]);
    let again =
        world.identity.create_user("ANN", BETTER, Roles::default(), "admin").await.unwrap_err();
    assert_eq!(code(&again), (409, "conflict"));
    let nobody = Username::parse("nobody").unwrap();
    let error =
        world.identity.update_user(&nobody, UserChange::default(), "admin").await.unwrap_err();
    assert_eq!(code(&error), (404, "not-found"));
}

#[tokio::test]
async fn a_session_is_ended_by_its_owner_only() {
    let world = world().await;
    world.identity.create_user("bob", BETTER, Roles::default(), "admin").await.unwrap();
    let bob = world.identity.login("bob", BETTER, "").await.unwrap();
    let bob = world.ask(&bob).await.unwrap();
    let (own, other) = (world.login().await, world.login().await);
    let (ann, other_id) =
        (world.ask(&own).await.unwrap(), world.ask(&other).await.unwrap().session);
    assert!(!world.identity.end_session(&bob, other_id).await.unwrap());
    assert!(world.ask(&other).await.is_ok());
    assert_eq!(world.identity.sessions(&ann).await.unwrap().len(), 2);
    assert!(world.identity.end_session(&ann, other_id).await.unwrap());
    assert!(world.refused(&other).await);
    assert_eq!(world.identity.sessions(&ann).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_sessions_of_an_account_are_bounded() {
    let world = world().await;
    let first = world.login().await;
    let mut last = first.clone();
    for _ in 0..100 {
        world.clock.advance(Duration::from_secs(1));
        last = world.login().await;
    }
    let principal = world.ask(&last).await.unwrap();
    assert_eq!(world.identity.sessions(&principal).await.unwrap().len(), 100);
    assert!(world.refused(&first).await);
}

#[tokio::test]
async fn a_login_gives_an_old_hash_todays_cost() {
    let world = world().await;
    let ann = Username::parse("ann").unwrap();
    let mut dearer = config();
    dearer.password.passes = 2;
    let next = identity(&world.store, &world.keys, &dearer, &world.clock);
    let (first, second) = tokio::join!(next.login("ann", GOOD, ""), next.login("ann", GOOD, ""));
    assert!(first.is_ok() && second.is_ok());
    let hash = world.store.find(&ann).await.unwrap().unwrap().password_hash;
    assert!(hash.contains("m=64,t=2,p=1"), "{hash}");
    assert!(next.login("ann", GOOD, "").await.is_ok());
}

#[tokio::test]
async fn what_no_token_can_ask_for_is_forgotten() {
    let world = world().await;
    let tokens = world.login().await;
    world.identity.logout(&world.ask(&tokens).await.unwrap(), false).await.unwrap();
    world.clock.advance(Duration::from_secs(3600));
    world.identity.prune().await.unwrap();
    assert_eq!(world.identity.revocations().len(), 1);
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.identity.prune().await.unwrap(), 0);
    assert!(world.identity.revocations().is_empty());
    // The store remembers for longer.
    world.clock.advance(MONTH + CLOCK_ERROR - Duration::from_secs(3631));
    assert_eq!(world.identity.prune().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.identity.prune().await.unwrap(), 1);
}

#[tokio::test]
async fn a_clock_that_was_hours_ahead_brings_no_ended_session_back() {
    let world = world().await;
    let tokens = world.login().await;
    world.identity.logout(&world.ask(&tokens).await.unwrap(), false).await.unwrap();
    let ahead = ManualClock::new();
    ahead.advance(CLOCK_ERROR - Duration::from_secs(60));
    let wrong = identity(&world.store, &world.keys, &config(), &ahead);
    wrong.restore().await.unwrap();
    wrong.prune().await.unwrap();
    let right = identity(&world.store, &world.keys, &config(), &world.clock);
    right.restore().await.unwrap();
    let authenticator = right.authenticator(StoredAccounts(Arc::clone(&world.store)));
    let credentials = Credentials::Bearer(&tokens.access_token);
    let asked = authenticator.authenticate(credentials, world.clock.unix()).await;
    assert!(matches!(asked, Err(AuthError::Ended)), "{asked:?}");
}

// ASVS 16.3.1, 16.2.5
#[tokio::test]
async fn what_happens_is_recorded_without_secrets() {
    let world = world().await;
    let tokens = world.login().await;
    let _ = world.identity.login("ann", BETTER, "192.0.2.9").await;
    let _ = world.identity.login(BETTER, "ann", "192.0.2.9").await;
    let _ = world.identity.refresh(&tokens.refresh_token, "192.0.2.1").await;
    let records = world.records.0.lock();
    let told: Vec<_> = records.iter().map(|event| (event.action, event.outcome)).collect();
    assert_eq!(
        told,
        [
            ("user.create", "success"),
            ("login", "success"),
            ("login", "invalid-credentials"),
            ("login", "invalid-credentials"),
            ("refresh", "success"),
        ]
    );
    assert_eq!(records[0].actor.as_deref(), Some("admin"));
    assert_eq!(records[2].subject.as_deref(), Some("ann"));
    assert_eq!(records[2].address.as_deref(), Some("192.0.2.9"));
    let all = format!("{records:?} {tokens:?}");
    for secret in [GOOD, BETTER, &tokens.access_token, &tokens.refresh_token] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[tokio::test]
async fn a_change_is_told_to_the_watch_before_it_is_answered() {
    struct Watch(Arc<Mutex<Vec<String>>>);
    impl AccountWatch for Watch {
        fn changed(&self, username: &Username) {
            self.0.lock().push(username.to_string());
        }
    }
    let (world, seen) = (world().await, Arc::<Mutex<Vec<String>>>::default());
    let identity = world.identity.clone().with_watch(Watch(Arc::clone(&seen)));
    let ann = Username::parse("ann").unwrap();
    let roles = UserChange { roles: Some(Roles::default()), ..UserChange::default() };
    identity.update_user(&ann, roles, "admin").await.unwrap();
    assert_eq!(*seen.lock(), ["ann"]);
}

fn enable() -> UserChange<'static> {
    UserChange { enabled: Some(true), ..UserChange::default() }
}

async fn fails(identity: &Identity<MemoryStore>, name: &str, times: usize) {
    for _ in 0..times {
        let error = identity.login(name, BETTER, "192.0.2.1").await.unwrap_err();
        assert_eq!(code(&error), (401, "invalid-credentials"));
    }
}

// ASVS 6.3.1
#[tokio::test]
async fn a_locked_account_is_freed_by_its_administrator_alone_and_for_the_next_process_too() {
    let world = world().await;
    let strict = AuthConfig {
        login: LoginConfig { failures: 100, hard_limit: 5, ..LoginConfig::default() },
        ..config()
    };
    let process = || identity(&world.store, &world.keys, &strict, &world.clock);
    let ann = Username::parse("ann").unwrap();
    let password = UserChange { password: Some(GOOD), ..UserChange::default() };
    for freeing in [enable(), password] {
        let first = process();
        first.restore().await.unwrap();
        fails(&first, "ann", 5).await;
        world.clock.advance(Duration::from_secs(86_400 * 40));
        assert!(first.login("ann", GOOD, "").await.is_err());
        first.flush_failures().await.unwrap();

        let second = process();
        second.restore().await.unwrap();
        second.prune().await.unwrap();
        let error = second.login("ann", GOOD, "").await.unwrap_err();
        assert_eq!(code(&error), (429, "too-many-attempts"));
        // The act is on disk with its answer, and needs no process that knows of the lock.
        process().update_user(&ann, freeing, "admin").await.unwrap();
        let third = process();
        third.restore().await.unwrap();
        assert!(third.login("ann", GOOD, "").await.is_ok());
    }
}

#[tokio::test]
async fn whoever_sprays_names_from_one_address_waits_with_the_same_answer() {
    let world = world().await;
    let config = AuthConfig {
        login: LoginConfig { address_failures: 5, ..LoginConfig::default() },
        ..config()
    };
    let records = Records::default();
    let identity =
        identity(&world.store, &world.keys, &config, &world.clock).with_audit(records.clone());
    for name in ["ann", "bob", "eve", "mia", "no name!"] {
        identity.login(name, BETTER, "2001:db8::1").await.unwrap_err();
    }
    let error = identity.login("ann", GOOD, "2001:db8::2").await.unwrap_err();
    assert_eq!(code(&error), (429, "too-many-attempts"));
    let by_address = error.to_problem();
    assert!(identity.login("ann", GOOD, "2001:db8:0:1::1").await.is_ok());
    for _ in 0..10 {
        identity.login("bob", BETTER, "").await.unwrap_err();
    }
    let error = identity.login("bob", BETTER, "").await.unwrap_err();
    let told = |problem: &gabion_errors::Problem| {
        (problem.status(), problem.code(), problem.retry_after_secs())
    };
    assert_eq!(told(&error.to_problem()), told(&by_address));
    let outcomes: Vec<_> = records.0.lock().iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes[5], "too-many-attempts-from-address");
    assert_eq!(outcomes.last(), Some(&"too-many-attempts-on-account"));
}

#[tokio::test]
async fn what_a_predecessor_counted_is_known_once_it_is_gone() {
    let world = world().await;
    let (old, new) =
        (&world.identity, identity(&world.store, &world.keys, &config(), &world.clock));
    new.restore().await.unwrap();
    fails(old, "ann", 3).await;
    old.flush_failures().await.unwrap();
    new.restore().await.unwrap();
    let error = new.login("ann", GOOD, "").await.unwrap_err();
    assert_eq!(code(&error), (429, "too-many-attempts"));
}

#[tokio::test]
async fn no_word_of_what_was_typed_is_stored() {
    use crate::FailureStore;
    let world = world().await;
    world.identity.login(GOOD, "ann", "192.0.2.1").await.unwrap_err();
    world.identity.flush_failures().await.unwrap();
    let stored = world.store.failures(9).await.unwrap();
    assert_eq!(stored.len(), 2);
    for record in stored {
        let key = record.key.to_bytes();
        let typed: [&[u8]; 4] = [b"velvet", b"kayak", b"192.0.2", &[192, 0, 2, 1]];
        for part in typed {
            assert!(!key.windows(part.len()).any(|bytes| bytes == part), "{part:?} in {key:?}");
        }
    }
}

/// As for a client that hangs up at once.
async fn begin_and_leave(request: impl Future) {
    let mut request = pin!(request);
    poll_fn(|cx| {
        let _ = request.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn what_was_begun_is_done_and_told_also_when_the_client_is_gone() {
    let world = world().await;
    let tokens = world.login().await;
    world.identity.refresh(&tokens.refresh_token, "192.0.2.1").await.unwrap();
    begin_and_leave(world.identity.refresh(&tokens.refresh_token, "192.0.2.7")).await;
    while world.ask(&tokens).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let reused = world.records.0.lock().last().cloned().unwrap();
    assert_eq!((reused.action, reused.outcome), ("refresh", "reused"));
    assert_eq!(reused.subject.as_deref(), Some("ann"), "whose session was stolen");
    assert_eq!(reused.address.as_deref(), Some("192.0.2.7"), "by whom");
}

#[tokio::test]
async fn nothing_is_revoked_between_what_the_store_tells_and_what_memory_learns() {
    let world = world().await;
    let change = world.identity.0.changes.lock().await;
    let mut restore = pin!(world.identity.restore());
    let poll = poll_fn(|cx| Poll::Ready(restore.as_mut().poll(cx).is_pending()));
    assert!(poll.await, "it waits for the change under way");
    drop(change);
    restore.await.unwrap();
}
