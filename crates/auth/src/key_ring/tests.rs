use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    Claims, Issuer, Roles, Session, SessionId, TokenError, Username, VerifiedTokens, Verifier,
};

mod rotation;

const RING: &str = "ring.jwks";
const REFRESH: &str = "refresh.jwk";
const SINGLE: &str = "signing.jwk";
const KEEP: Duration = Duration::from_secs(3630);
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A folder of the test's own, removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("gabion-keys-{:032x}", rand::random::<u128>())))
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.keys().join(name)
    }

    fn open(&self) -> KeyRing {
        self.open_for(Algorithm::Hs256)
    }

    fn open_for(&self, algorithm: Algorithm) -> KeyRing {
        KeyRing::open(&self.keys(), algorithm, KEEP, NOW).unwrap()
    }

    fn refusal(&self) -> String {
        KeyRing::open(&self.keys(), Algorithm::Hs256, KEEP, NOW).unwrap_err().to_string()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.file(name)).unwrap()).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.keys()).unwrap();
        fs::write(self.file(name), text).unwrap();
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn signer(ring: &KeyRing) -> KeyId {
    ring.list()[0].kid.clone()
}

#[test]
fn a_second_opening_finds_the_same_keys() {
    for algorithm in Algorithm::ALL {
        let place = Place::new();
        let (first, second) = (place.open_for(algorithm), place.open_for(algorithm));
        assert_eq!(first.list(), second.list());
        assert_eq!(first.refresh_key(), second.refresh_key());
        assert_eq!(first.jwks(), second.jwks());
        assert_eq!(first.list()[0].created_at, Some(NOW));
        let signed = first.signing_key().sign("message").unwrap();
        let key = second.resolve(Some(signer(&first).as_str())).unwrap();
        assert!(key.verify("message", &signed), "{algorithm}");
    }
}

#[test]
fn an_opening_that_changes_nothing_writes_nothing() {
    let place = Place::new();
    let written = |place: &Place| fs::metadata(place.file(RING)).unwrap().modified().unwrap();
    place.open();
    let before = written(&place);
    place.open();
    assert_eq!(written(&place), before);
}

#[test]
fn openings_at_the_same_time_end_up_with_the_same_keys() {
    let place = Place::new();
    let rings: Vec<KeyRing> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| place.open())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(rings.iter().all(|ring| ring.list() == rings[0].list()));
    assert!(rings.iter().all(|ring| ring.refresh_key() == rings[0].refresh_key()));
}

#[test]
fn what_is_made_is_for_its_owner_only() {
    let place = Place::new();
    place.open().rotate(NOW, KEEP).unwrap();
    assert_eq!(mode(&place.keys()), 0o700);
    for file in fs::read_dir(place.keys()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_key_file_that_others_may_read_stops_the_opening_with_the_way_out() {
    for name in [RING, REFRESH, SINGLE] {
        let place = Place::new();
        if name == SINGLE {
            place.write(name, &single(None));
        } else {
            place.open();
        }
        let file = place.file(name);
        for open in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&file, fs::Permissions::from_mode(open)).unwrap();
            let told = place.refusal();
            let way_out = format!("chmod 600 {}", file.display());
            assert!(told.contains(&way_out), "{open:o}: {told}");
        }
    }
}

/// A file of the form before there were several keys.
fn single(kid: Option<&str>) -> String {
    let secret = "A".repeat(43);
    let mut jwk = json!({ "kty": "oct", "alg": "HS256", "iat": 1_700_000_000, "k": secret });
    if let Some(kid) = kid {
        jwk["kid"] = kid.into();
    }
    jwk.to_string()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn oct(kid: &str) -> Value {
    json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": "A".repeat(43) })
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

// 8725bis s3.5
#[test]
fn weak_and_malformed_files_stop_the_opening_with_the_file_and_the_way_out() {
    let pair = {
        let place = Place::new();
        place.open_for(Algorithm::Es256);
        place.json(RING)["keys"][0].clone()
    };
    let short = with(oct("a"), "k", json!("A".repeat(41)));
    let old = with(oct("b"), "verifies_until", json!(4_000_000_000_u64));
    let many: Vec<Value> = (0..KeyRing::MAX_KEYS)
        .map(|i| with(old.clone(), "kid", json!(format!("k{i}"))))
        .chain([oct("a")])
        .collect();
    let other_point = with(pair.clone(), "x", json!("A".repeat(43)));
    let cases = [
        (RING, String::new()),
        (RING, "{}".into()),
        (RING, "[1]".into()),
        (RING, format!("{} ", "[".repeat(10_000))),
        (RING, set(&[])),
        (RING, set(std::slice::from_ref(&old))),
        (RING, set(&[oct("a"), oct("b")])),
        (RING, set(&[oct("b"), old.clone()])),
        (RING, set(&[short])),
        (RING, set(&many)),
        (RING, set(&[with(oct("a"), "k", json!("!"))])),
        (RING, set(&[with(oct("a"), "k", json!(1))])),
        (RING, set(&[with(oct("a"), "kid", json!("../x"))])),
        (RING, set(&[with(oct("a"), "kid", json!("k".repeat(65)))])),
        (RING, set(&[with(oct("a"), "kid", Value::Null)])),
        (RING, set(&[with(oct("a"), "alg", json!("none"))])),
        (RING, set(&[with(oct("a"), "alg", json!("RS256"))])),
        (RING, set(&[with(oct("a"), "kty", json!("RSA"))])),
        (RING, set(&[with(oct("a"), "signs", json!(true))])),
        (RING, set(&[with(pair.clone(), "alg", json!("EdDSA"))])),
        (RING, set(&[with(pair.clone(), "alg", json!("HS256"))])),
        (RING, set(&[with(pair.clone(), "pkcs8", json!("AAAA"))])),
        (RING, set(&[with(pair, "pkcs8", Value::Null)])),
        (RING, set(std::slice::from_ref(&other_point))),
        (RING, set(&[oct("a"), with(other_point, "verifies_until", json!(4_000_000_000_u64))])),
        (RING, set(&[oct("a")]).replace("\"kid\"", "\"kid\":\"z\",\"kid\"")),
        (RING, format!("{}{}", set(&[oct("a")]), " ".repeat(1 << 20))),
        (REFRESH, with(oct("a"), "k", json!("A".repeat(41))).to_string()),
        (REFRESH, "{}".into()),
        (SINGLE, with(oct("a"), "k", json!("A".repeat(41))).to_string()),
        (SINGLE, with(oct("a"), "kid", json!("../x")).to_string()),
        (SINGLE, with(oct("a"), "alg", json!("none")).to_string()),
        (SINGLE, "{".into()),
    ];
    for (name, text) in cases {
        let place = Place::new();
        place.write(name, &text);
        let told = place.refusal();
        let file = place.file(name).display().to_string();
        assert!(told.contains(&file) && told.contains("move it away"), "{text:.200}: {told}");
        assert!(!told.contains("AAAA"), "{told}");
    }
}

#[test]
fn a_folder_with_a_single_key_is_taken_over_and_the_key_keeps_its_name() {
    for kid in [None, Some("of-old")] {
        let place = Place::new();
        place.write(SINGLE, &single(kid));
        let secret = [0; 32];
        let old = match kid {
            Some(kid) => SigningKey::hs256_named(KeyId::parse(kid).unwrap(), &secret).unwrap(),
            None => SigningKey::hs256(&secret).unwrap(),
        };
        assert_eq!(KeyRing::peek(&place.keys()).unwrap()[0].kid, *old.id());
        let ring = place.open();
        let [key] = &ring.list()[..] else { panic!("one key") };
        assert_eq!((&key.kid, key.signs), (old.id(), true));
        assert_eq!(key.created_at, Some(UnixTime::from_secs(1_700_000_000)));
        let signature = old.sign("message").unwrap();
        assert!(ring.resolve(Some(key.kid.as_str())).unwrap().verify("message", &signature));
        assert!(place.file(RING).exists() && !place.file(SINGLE).exists());
        assert_eq!(place.open().list(), ring.list());
    }
}

#[test]
fn a_crash_while_taking_over_leaves_nothing_twice() {
    let place = Place::new();
    place.write(SINGLE, &single(None));
    let ring = place.open();
    place.write(SINGLE, &single(None));
    assert_eq!(place.open().list(), ring.list());
    assert!(!place.file(SINGLE).exists());
}

#[test]
fn a_single_key_beside_a_ring_is_no_way_to_bring_a_key_back() {
    let place = Place::new();
    place.write(SINGLE, &single(Some("stolen")));
    let ring = place.open();
    ring.retire("stolen", NOW).unwrap().unwrap();
    let own = signer(&ring);
    for other in [single(Some("stolen")), single(Some(own.as_str())), "{".to_owned()] {
        place.write(SINGLE, &other);
        let ring = place.open();
        assert!(ring.resolve(Some("stolen")).is_none() && signer(&ring) == own);
        assert!(place.file(SINGLE).exists());
    }
}

#[test]
fn a_temporary_file_that_a_crash_left_is_in_nobodys_way() {
    let place = Place::new();
    let ring = place.open();
    let temporary = place.file(RING).with_extension("tmp");
    fs::write(&temporary, "half a ri").unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(place.open().list(), ring.list());
    ring.rotate(NOW, KEEP).unwrap();
    assert_eq!(mode(&place.file(RING)), 0o600);
    assert!(!temporary.exists());
    assert_eq!(place.open().list(), ring.list());
}

#[test]
fn a_change_that_cannot_be_written_is_no_change() {
    let place = Place::new();
    let ring = place.open();
    let before = (ring.list(), fs::read(place.file(RING)).unwrap());
    fs::create_dir(place.file(RING).with_extension("tmp")).unwrap();
    let told = ring.rotate(NOW, KEEP).unwrap_err().to_string();
    assert!(told.contains(RING), "{told}");
    ring.retire(signer(&ring).as_str(), NOW).unwrap_err();
    assert_eq!((ring.list(), fs::read(place.file(RING)).unwrap()), before);
    assert_eq!(ring.epoch(), 0);
}

#[test]
fn a_look_makes_nothing() {
    let place = Place::new();
    assert_eq!(KeyRing::peek(&place.keys()).unwrap(), []);
    assert!(!place.keys().exists());
    let ring = place.open_for(Algorithm::EdDsa);
    assert_eq!(KeyRing::peek(&place.keys()).unwrap(), ring.list());
}

#[test]
fn only_the_keys_own_name_finds_it() {
    let ring = KeyRing::ephemeral();
    assert!(ring.resolve(Some(signer(&ring).as_str())).is_some());
    for kid in [None, Some(""), Some("../../etc/passwd"), Some(REFRESH)] {
        assert!(ring.resolve(kid).is_none());
    }
}

#[test]
fn no_name_looks_like_an_option() {
    for _ in 0..300 {
        let ring = KeyRing::ephemeral_with(Algorithm::EdDsa).unwrap();
        assert!(!signer(&ring).as_str().starts_with('-'));
    }
}

#[test]
fn no_secret_is_shown() {
    let ring = KeyRing::ephemeral();
    let bytes = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let secret = ring.signing_key().secret().unwrap();
    let shown = format!("{ring:?} {:?}", ring.resolve(Some(signer(&ring).as_str())));
    for hidden in [&ring.refresh_key()[..4], &secret[..4]] {
        assert!(!shown.contains(&bytes(hidden)), "{shown}");
    }
    assert_eq!(*ring.jwks(), *r#"{"keys":[]}"#);
}

#[test]
fn what_is_published_verifies_and_holds_no_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let ring = KeyRing::ephemeral_with(algorithm).unwrap();
        ring.rotate(NOW, KEEP).unwrap();
        let set: Value = serde_json::from_str(&ring.jwks()).unwrap();
        let keys = set["keys"].as_array().unwrap();
        let published: Vec<KeyId> =
            keys.iter().map(|key| VerifyingKey::from_jwk(key).unwrap().id().clone()).collect();
        let listed: Vec<KeyId> = ring.list().into_iter().map(|key| key.kid).collect();
        assert_eq!(published, listed);
        let signed = ring.signing_key().sign("message").unwrap();
        assert!(VerifyingKey::from_jwk(&keys[0]).unwrap().verify("message", &signed));
        let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
        let names = keys.iter().flat_map(|key| key.as_object().unwrap().keys());
        names.for_each(|name| assert!(public.contains(&name.as_str()), "{name}"));
    }
}
