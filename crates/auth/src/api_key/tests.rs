use proptest::prelude::*;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_800_001_000);

fn key() -> (ApiKey, Zeroizing<String>) {
    let id = ApiKeyId::random();
    let (secret, secret_hash) = new_secret(id);
    let key = ApiKey {
        id,
        name: "deploy".into(),
        username: Username::parse("ann").unwrap(),
        scopes: Roles::new(["status"]),
        secret_hash,
        created_at: NOW,
        expires_at: LATER,
        last_used_at: None,
    };
    (key, secret)
}

fn proves(text: &str, key: &ApiKey) -> bool {
    Presented::parse(text).is_some_and(|presented| presented.proves(key, NOW))
}

#[test]
fn a_key_has_one_spelling() {
    let (key, secret) = key();
    assert!(proves(&secret, &key));
    let (head, last) = secret.split_at(secret.len() - 1);
    let respelled = ('A'..='Z').chain('a'..='z').chain('0'..='9').map(|c| format!("{head}{c}"));
    assert_eq!(respelled.filter(|other| proves(other, &key)).count(), 1, "{last}");
    for bad in [
        String::new(),
        PREFIX.into(),
        head.into(),
        format!("{}A", *secret),
        format!("{}=", *secret),
        secret.to_uppercase(),
        secret.replacen("gabion", "Gabion", 1),
        secret.replacen('_', "-", 2),
        secret.replace(&key.id.to_string(), &ApiKeyId::random().to_string()),
    ] {
        assert!(!proves(&bad, &key), "{bad}");
    }
}

#[test]
fn a_key_ends_when_its_time_is_over() {
    let (key, secret) = key();
    let presented = Presented::parse(&secret).unwrap();
    assert!(presented.proves(&key, UnixTime::from_millis(LATER.as_millis() - 1)));
    assert!(!presented.proves(&key, LATER));
}

#[test]
fn neither_the_secret_nor_its_hash_is_shown() {
    let (key, secret) = key();
    let shown = format!("{key:?}");
    assert!(shown.contains("deploy"), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains(secret.splitn(3, '_').nth(2).unwrap()));
}

#[test]
fn a_key_that_was_removed_is_not_found_and_not_used() {
    let (keys, (key, secret)) = (ApiKeys::default(), key());
    let presented = Presented::parse(&secret).unwrap();
    keys.add(key.clone());
    assert_eq!(keys.find(&presented, NOW), Some(key.clone()));
    assert!(keys.used(key.id.as_session(), NOW));
    assert!(!keys.used(key.id.as_session(), LATER), "it has expired");
    keys.remove(key.id);
    assert_eq!(keys.find(&presented, NOW), None);
    assert!(!keys.used(key.id.as_session(), NOW));
}

#[test]
fn a_use_is_told_once_and_survives_a_reload() {
    let (keys, (key, _)) = (ApiKeys::default(), key());
    keys.add(key.clone());
    assert_eq!(keys.unwritten(), []);
    keys.used(key.id.as_session(), NOW);
    assert_eq!(keys.unwritten(), [(key.id, NOW)]);
    keys.replace(vec![key.clone()]);
    assert_eq!(keys.list()[0].last_used_at, Some(NOW));
    keys.written(&keys.unwritten());
    assert_eq!(keys.unwritten(), []);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,120}") {
        prop_assert!(Presented::parse(&text).is_none());
        let prefixed = format!("{PREFIX}{text}");
        let _ = Presented::parse(&prefixed);
    }
}
