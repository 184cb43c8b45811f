use super::{RACERS, START, join, name};
use crate::{Account, AccountChange, InsertError, Roles, UpdateError, UserStore, Username};

fn account(text: &str) -> Account {
    Account {
        username: name(text),
        password_hash: format!("$argon2id$of-{text}"),
        roles: Roles::new(["user", "monitor"]),
        enabled: true,
        created_at: START,
    }
}

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
