//! What every store has to keep of its promises, as functions that panic when it does not.
//!
//! Each wants a store without the accounts and sessions named in it; a fresh one is best.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use gabion_auth::{MemoryStore, conformance};
//!
//! conformance::users(&MemoryStore::new()).await;
//! conformance::sessions(&MemoryStore::new()).await;
//! conformance::revocations(&MemoryStore::new()).await;
//! conformance::api_keys(&MemoryStore::new()).await;
//! conformance::failures(&MemoryStore::new()).await;
//! # }
//! ```

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use gabion_clock::UnixTime;

use crate::{
    Account, AccountChange, ApiKey, ApiKeyId, ApiKeyStore, InsertError, RevocationStore, Roles,
    Rotation, Session, SessionId, SessionLife, SessionStore, UpdateError, UserStore, Username,
};

/// As many calls at the same time as a race is tried with.
const RACERS: usize = 16;
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

fn at(secs: u64) -> UnixTime {
    START + Duration::from_secs(secs)
}

/// The suite's own account names, so that they clash with no other's.
fn name(text: &str) -> Username {
    Username::parse(&format!("conformance.{text}")).unwrap_or_else(|_| unreachable!("{text}"))
}

fn account(text: &str) -> Account {
    Account {
        username: name(text),
        password_hash: format!("$argon2id$of-{text}"),
        roles: Roles::new(["user", "monitor"]),
        enabled: true,
        created_at: START,
    }
}

/// A session that lasts from `created` to `expires`, in seconds after the start.
fn session(owner: &str, created: u64, expires: u64) -> Session {
    Session {
        id: SessionId::random(),
        username: name(owner),
        generation: 0,
        created_at: at(created),
        refreshed_at: at(created),
        expires_at: at(expires),
        address: "2001:db8::1".into(),
    }
}

/// Polls all of them in turn until each is done.
async fn join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    poll_fn(move |cx| {
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                done.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(std::mem::take(&mut done)) } else { Poll::Pending }
    })
    .await
}

macro_rules! ok {
    ($call:expr) => {
        match $call.await {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", stringify!($call)),
        }
    };
}

mod failures;
pub use self::failures::failures;

/// Holds `store` to the words of [`UserStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn users<S: UserStore>(store: &S) {
    let ann = account("ann");
    assert_eq!(ok!(store.find(&ann.username)), None, "an account that nobody added is found");
    ok!(store.insert(&ann));
    assert_eq!(ok!(store.find(&ann.username)), Some(ann.clone()), "an account is found as added");

    let other = Account { roles: Roles::new(["admin"]), enabled: false, ..ann.clone() };
    let again = store.insert(&other).await;
    assert!(matches!(again, Err(InsertError::Exists)), "a second account of one name: {again:?}");
    assert_eq!(
        ok!(store.find(&ann.username)),
        Some(ann.clone()),
        "a refused insert changes nothing"
    );

    one_of_several_inserts(store).await;
    updates(store, ann).await;
    the_last_one_stays(store).await;
    one_of_several_last_ones_stays(store).await;

    ok!(store.insert(&account("aaron")));
    let listed: Vec<Username> =
        ok!(store.list()).into_iter().map(|account| account.username).collect();
    for own in ["aaron", "ann", "raced"] {
        assert!(listed.contains(&name(own)), "{own} is not listed");
    }
    assert!(listed.is_sorted(), "accounts are not listed by name: {listed:?}");
}

async fn one_of_several_inserts<S: UserStore>(store: &S) {
    let racers: Vec<Account> =
        (0..RACERS).map(|i| Account { password_hash: i.to_string(), ..account("raced") }).collect();
    let results = join(racers.iter().map(|racer| store.insert(racer))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "one insert wins");
    let refused = |result: &Result<(), InsertError>| matches!(result, Err(InsertError::Exists));
    assert_eq!(results.iter().filter(|result| refused(result)).count(), RACERS - 1);
}

async fn updates<S: UserStore>(store: &S, mut ann: Account) {
    let nobody = name("nobody");
    let unknown = store.update(&nobody, AccountChange::default());
    assert_eq!(ok!(unknown), None, "an account that is not there is changed");
    assert_eq!(ok!(store.find(&nobody)), None, "a change makes no account");

    let unchanged = ok!(store.update(&ann.username, AccountChange::default()));
    assert_eq!(unchanged, Some(ann.clone()), "an empty change changes something");

    let change = AccountChange { roles: Some(Roles::new(["admin"])), ..Default::default() };
    ann.roles = Roles::new(["admin"]);
    assert_eq!(ok!(store.update(&ann.username, change)), Some(ann.clone()), "roles alone");

    let change = AccountChange { enabled: Some(false), ..Default::default() };
    ann.enabled = false;
    assert_eq!(ok!(store.update(&ann.username, change)), Some(ann.clone()), "enabled alone");

    let change = AccountChange { password_hash: Some("$new".into()), ..Default::default() };
    ann.password_hash = "$new".into();
    assert_eq!(ok!(store.update(&ann.username, change)), Some(ann.clone()), "password alone");

    let change = AccountChange {
        roles: Some(Roles::default()),
        enabled: Some(true),
        password_hash: Some("$newer".into()),
    };
    (ann.roles, ann.enabled, ann.password_hash) = (Roles::default(), true, "$newer".into());
    assert_eq!(ok!(store.update(&ann.username, change)), Some(ann.clone()), "all at once");
    assert_eq!(ok!(store.find(&ann.username)), Some(ann), "a change lasts");
}

/// A role that no account has but those that are tried here.
const KEEPER: &str = "conformance.keeper";

fn leaving() -> [AccountChange; 3] {
    let roles = Some(Roles::new(["user", "conformance.keeper.not", "x\"conformance.keeper"]));
    [
        AccountChange { enabled: Some(false), ..Default::default() },
        AccountChange { roles: roles.clone(), ..Default::default() },
        AccountChange { roles, enabled: Some(false), password_hash: Some("$lost".into()) },
    ]
}

async fn the_last_one_stays<S: UserStore>(store: &S) {
    let keeper = Account { roles: Roles::new([KEEPER]), ..account("keeper") };
    let other =
        Account { roles: leaving()[1].roles.clone().unwrap_or_default(), ..account("near") };
    let disabled = Account { enabled: false, roles: Roles::new([KEEPER]), ..account("disabled") };
    for account in [&keeper, &other, &disabled] {
        ok!(store.insert(account));
    }
    for change in leaving() {
        let refused = store.update_but_last(&keeper.username, change, KEEPER).await;
        assert!(matches!(refused, Err(UpdateError::Last)), "the last one leaves: {refused:?}");
    }
    assert_eq!(
        ok!(store.find(&keeper.username)),
        Some(keeper.clone()),
        "a refusal changes nothing"
    );
    for account in [&other, &disabled] {
        let [disable, ..] = leaving();
        let changed = ok!(store.update_but_last(&account.username, disable, KEEPER));
        let expected = Some(Account { enabled: false, ..account.clone() });
        assert_eq!(changed, expected, "one that is not the last is kept");
    }
    let nobody = name("nobody");
    let unknown = store.update_but_last(&nobody, AccountChange::default(), KEEPER);
    assert_eq!(ok!(unknown), None, "an account that is not there is changed");

    let kept = AccountChange { password_hash: Some("$new".into()), ..Default::default() };
    let changed = ok!(store.update_but_last(&keeper.username, kept, KEEPER));
    let hash = changed.map(|account| account.password_hash);
    assert_eq!(hash.as_deref(), Some("$new"), "the last one may change otherwise");
    let enable = AccountChange { enabled: Some(true), ..Default::default() };
    ok!(store.update_but_last(&disabled.username, enable, KEEPER));
    let [.., all] = leaving();
    let gone = ok!(store.update_but_last(&keeper.username, all, KEEPER));
    assert_eq!(gone.map(|account| account.enabled), Some(false), "one of two may leave");
    let [disable, ..] = leaving();
    let refused = store.update_but_last(&disabled.username, disable, KEEPER).await;
    assert!(matches!(refused, Err(UpdateError::Last)), "the other one leaves: {refused:?}");
}

async fn one_of_several_last_ones_stays<S: UserStore>(store: &S) {
    let role = "conformance.raced";
    let names: Vec<Username> = (0..RACERS).map(|i| name(&format!("last{i}"))).collect();
    for name in &names {
        let roles = Roles::new([role]);
        ok!(store.insert(&Account { username: name.clone(), roles, ..account("last") }));
    }
    let leave = |name| {
        let [disable, ..] = leaving();
        store.update_but_last(name, disable, role)
    };
    let results = join(names.iter().map(leave)).await;
    let refused = |result: &&Result<_, UpdateError>| matches!(result, Err(UpdateError::Last));
    assert_eq!(results.iter().filter(refused).count(), 1, "one stays: {results:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), RACERS - 1);
}

/// Holds `store` to the words of [`SessionStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn sessions<S: SessionStore>(store: &S) {
    looked_up(store).await;
    rotated(store).await;
    outlived(store).await;
    rotated_by_several(store).await;
    ended(store).await;
    all_ended(store).await;
}

async fn looked_up<S: SessionStore>(store: &S) {
    let (old, new) = (session("looker", 0, 1000), session("looker", 10, 1000));
    let (brief, foreign) = (session("looker", 5, 20), session("other", 0, 1000));
    for session in [&old, &new, &brief, &foreign] {
        ok!(store.create(session));
    }
    assert_eq!(ok!(store.session(old.id, at(15))), Some(old.clone()), "a session as created");
    assert_eq!(ok!(store.session(SessionId::random(), at(15))), None, "a session never created");
    assert_eq!(ok!(store.session(brief.id, at(19))), Some(brief.clone()), "before it expires");
    assert_eq!(ok!(store.session(brief.id, at(21))), None, "an expired session is found");

    let all = ok!(store.sessions(&name("looker"), at(15)));
    assert_eq!(all, [new.clone(), brief, old.clone()], "own sessions, newest first");
    let live = ok!(store.sessions(&name("looker"), at(21)));
    assert_eq!(live, [new, old], "an expired session is listed");
    assert_eq!(ok!(store.sessions(&name("nobody"), at(15))), [], "sessions of nobody");
}

/// A refresh makes a session last for `idle` seconds, and none lasts longer than [`WHOLE_LIFE`].
fn life(idle: u64) -> SessionLife {
    SessionLife { idle: Duration::from_secs(idle), absolute: Duration::from_secs(WHOLE_LIFE) }
}

const WHOLE_LIFE: u64 = 1000;

async fn rotated<S: SessionStore>(store: &S) {
    let first = session("rotator", 0, 100);
    ok!(store.create(&first));
    let rotation = ok!(store.rotate(first.id, 0, life(100), at(50)));
    let second =
        Session { generation: 1, refreshed_at: at(50), expires_at: at(150), ..first.clone() };
    assert_eq!(rotation, Rotation::Rotate(second.clone()), "the present generation rotates");
    assert_eq!(ok!(store.session(first.id, at(120))), Some(second), "it lasts as told");

    let rotation = ok!(store.rotate(first.id, 0, life(140), at(60)));
    let Rotation::Reuse(reused) = rotation else { panic!("a spent generation: {rotation:?}") };
    assert_eq!((reused.id, &reused.username), (first.id, &first.username), "whose it was");
    assert_eq!(ok!(store.session(first.id, at(60))), None, "reuse ends the session");
    let rotation = ok!(store.rotate(first.id, 1, life(139), at(61)));
    assert_eq!(rotation, Rotation::Gone, "an ended session rotates");

    let never = ok!(store.rotate(SessionId::random(), 0, life(140), at(60)));
    assert_eq!(never, Rotation::Gone, "a session never created rotates");
    let brief = session("rotator", 0, 100);
    ok!(store.create(&brief));
    let late = ok!(store.rotate(brief.id, 0, life(99), at(101)));
    assert_eq!(late, Rotation::Gone, "an expired session rotates");
    assert_eq!(ok!(store.session(brief.id, at(101))), None, "and comes back to life");
}

async fn outlived<S: SessionStore>(store: &S) {
    let first = session("outliver", 0, 900);
    ok!(store.create(&first));
    let rotation = ok!(store.rotate(first.id, 0, life(900), at(800)));
    let Rotation::Rotate(second) = rotation else { panic!("a live session: {rotation:?}") };
    assert_eq!(second.expires_at, at(WHOLE_LIFE), "a refresh prolongs beyond the whole life");
    assert_eq!(ok!(store.session(first.id, at(WHOLE_LIFE))), None, "it outlives its whole life");

    let shorter = SessionLife { absolute: Duration::from_secs(500), ..life(900) };
    let over = ok!(store.rotate(first.id, 1, shorter, at(900)));
    assert_eq!(over, Rotation::Gone, "a session older than the whole life is refreshed");
}

async fn rotated_by_several<S: SessionStore>(store: &S) {
    let raced = session("racer", 0, 100);
    ok!(store.create(&raced));
    let racers = (0..RACERS).map(|_| store.rotate(raced.id, 0, life(150), at(50)));
    let results: Vec<Rotation> = join(racers)
        .await
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| panic!("rotate: {error}")))
        .collect();
    let rotated = |result: &&Rotation| matches!(result, Rotation::Rotate(_));
    assert_eq!(results.iter().filter(rotated).count(), 1, "one rotates: {results:?}");
    assert_eq!(ok!(store.session(raced.id, at(51))), None, "the others were a reuse");
}

async fn ended<S: SessionStore>(store: &S) {
    let (one, two, brief) =
        (session("ender", 0, 100), session("ender", 0, 100), session("ender", 0, 10));
    for session in [&one, &two, &brief] {
        ok!(store.create(session));
    }
    assert!(ok!(store.end(one.id, at(20))), "ending a session tells so");
    assert!(!ok!(store.end(one.id, at(21))), "it had ended");
    assert!(!ok!(store.end(brief.id, at(21))), "it had expired");
    assert!(!ok!(store.end(SessionId::random(), at(21))), "it never was");
    assert_eq!(ok!(store.session(one.id, at(21))), None, "an ended session is found");
    assert_eq!(ok!(store.session(two.id, at(21))), Some(two), "another ended as well");
}

async fn all_ended<S: SessionStore>(store: &S) {
    let own: Vec<Session> = (0..3).map(|_| session("leaver", 0, 100)).collect();
    let foreign = session("stayer", 0, 100);
    for session in own.iter().chain([&foreign]) {
        ok!(store.create(session));
    }
    let kept = own[0].id;
    let mut ended = ok!(store.end_all(&name("leaver"), Some(kept), at(20)));
    let mut expected = vec![own[1].id, own[2].id];
    ended.sort();
    expected.sort();
    assert_eq!(ended, expected, "all but the kept one");
    let left: Vec<SessionId> =
        ok!(store.sessions(&name("leaver"), at(21))).iter().map(|left| left.id).collect();
    assert_eq!(left, [kept], "the kept one is left");
    assert_eq!(ok!(store.end_all(&name("leaver"), None, at(22))), [kept], "and then none");
    assert_eq!(ok!(store.end_all(&name("leaver"), None, at(23))), [], "nothing ends twice");
    assert!(ok!(store.session(foreign.id, at(23))).is_some(), "another's session ended");
}

/// Holds `store` to the words of [`RevocationStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn revocations<S: SessionStore + RevocationStore>(store: &S) {
    let [by_end, by_all, by_reuse, live, brief] =
        [1000, 1000, 1000, 1000, 60].map(|expires| session("revoked", 0, expires));
    for session in [&by_end, &by_reuse, &live, &brief] {
        ok!(store.create(session));
    }
    ok!(store.end(by_end.id, at(10)));
    ok!(store.rotate(by_reuse.id, 0, life(980), at(20)));
    ok!(store.rotate(by_reuse.id, 0, life(979), at(21)));
    ok!(store.create(&by_all));
    ok!(store.end_all(&name("revoked"), Some(live.id), at(30)));

    let ended = ok!(store.ended_since(START));
    for (session, ended_at) in
        [(&by_end, at(10)), (&by_reuse, at(21)), (&by_all, at(30)), (&brief, at(30))]
    {
        assert!(ended.contains(&(session.id, ended_at)), "{session:?} has ended: {ended:?}");
    }
    assert!(ended.iter().all(|(id, _)| *id != live.id), "a live session has ended");

    let ended = ok!(store.ended_since(at(21)));
    assert!(ended.iter().any(|(id, _)| *id == by_reuse.id), "one that ended at the time");
    assert!(ended.iter().all(|(id, _)| *id != by_end.id), "one that ended before it");

    assert_eq!(ok!(store.prune(at(10))), 0, "one that ended at the time is forgotten");
    assert_eq!(ok!(store.prune(at(25))), 2, "those that ended before it");
    let ended = ok!(store.ended_since(START));
    assert!(ended.iter().any(|(id, _)| *id == by_all.id), "one that ended later is forgotten");
    assert!(ok!(store.session(live.id, at(31))).is_some(), "a live session is forgotten");
    assert_eq!(ok!(store.prune(at(1001))), 3, "the rest ended or expired before it");
}

fn api_key(text: &str, created: u64, expires: u64) -> ApiKey {
    ApiKey {
        id: ApiKeyId::random(),
        name: format!("key of {text}"),
        username: name(text),
        scopes: Roles::new(["status", "users"]),
        secret_hash: [7; 32],
        created_at: at(created),
        expires_at: at(expires),
        last_used_at: None,
    }
}

/// Holds `store` to the words of [`ApiKeyStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn api_keys<S: ApiKeyStore>(store: &S) {
    let [new, old, brief] = [(10, 1000), (0, 1000), (5, 50)].map(|(c, e)| api_key("keyed", c, e));
    for key in [&new, &old, &brief] {
        ok!(store.add_api_key(key));
    }
    assert_eq!(ok!(store.api_key(old.id)), Some(old.clone()), "a key is found as added");
    assert_eq!(ok!(store.api_key(ApiKeyId::random())), None, "a key that nobody added is found");
    let all = ok!(store.api_keys());
    let own: Vec<ApiKey> = all.into_iter().filter(|key| key.username == name("keyed")).collect();
    assert_eq!(own, [old.clone(), brief.clone(), new.clone()], "all keys, oldest first");

    ok!(store.note_api_key_uses(&[(old.id, at(30)), (ApiKeyId::random(), at(30))]));
    ok!(store.note_api_key_uses(&[(old.id, at(20)), (new.id, at(20))]));
    let used = ok!(store.api_key(old.id)).and_then(|key| key.last_used_at);
    assert_eq!(used, Some(at(30)), "an earlier use replaces a later one");
    let used = ok!(store.api_key(new.id)).and_then(|key| key.last_used_at);
    assert_eq!(used, Some(at(20)), "a use is not written down");

    assert_eq!(ok!(store.prune_api_keys(at(50))), 0, "one that expired at the time is forgotten");
    assert_eq!(ok!(store.prune_api_keys(at(51))), 1, "one that expired before it");
    assert_eq!(ok!(store.api_key(brief.id)), None, "a forgotten key is found");

    assert!(ok!(store.remove_api_key(old.id)), "removing a key tells so");
    assert!(!ok!(store.remove_api_key(old.id)), "it was removed");
    assert_eq!(ok!(store.api_key(old.id)), None, "a removed key is found");
    ok!(store.note_api_key_uses(&[(old.id, at(60))]));
    assert_eq!(ok!(store.api_key(old.id)), None, "a use brings a key back");
    assert!(ok!(store.api_key(new.id)).is_some(), "another key is removed");
}
