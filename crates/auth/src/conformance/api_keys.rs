use super::{at, name};
use crate::{ApiKey, ApiKeyId, ApiKeyStore, Roles};

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
