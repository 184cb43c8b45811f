use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::*;

/// A folder of the test's own, removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("gabion-keys-{:032x}", rand::random::<u128>())))
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys")
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

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_second_opening_finds_the_same_keys() {
    let place = Place::new();
    let (first, second) =
        (KeyRing::open(&place.keys()).unwrap(), KeyRing::open(&place.keys()).unwrap());
    assert_eq!(first.list(), second.list());
    assert_eq!(first.refresh_key(), second.refresh_key());
    assert!(first.list()[0].created_at.is_some());
}

#[test]
fn what_is_made_is_for_its_owner_only() {
    let place = Place::new();
    KeyRing::open(&place.keys()).unwrap();
    assert_eq!(mode(&place.keys()), 0o700);
    for file in fs::read_dir(place.keys()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_key_file_that_others_may_read_stops_the_opening_with_the_way_out() {
    let place = Place::new();
    KeyRing::open(&place.keys()).unwrap();
    for file in [SIGNING_FILE, REFRESH_FILE] {
        let file = place.keys().join(file);
        for open in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&file, fs::Permissions::from_mode(open)).unwrap();
            let told = KeyRing::open(&place.keys()).unwrap_err().to_string();
            let way_out = format!("chmod 600 {}", file.display());
            assert!(told.contains(&way_out), "{open:o}: {told}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn weak_and_malformed_key_files_stop_the_opening() {
    let jwk = |k: &str| format!(r#"{{"kty":"oct","alg":"HS256","k":"{k}"}}"#);
    let short = jwk(&"A".repeat(41));
    let cases = [
        (SIGNING_FILE, ""),
        (SIGNING_FILE, "{}"),
        (SIGNING_FILE, "[1]"),
        (SIGNING_FILE, &jwk("!")),
        (SIGNING_FILE, &short),
        (REFRESH_FILE, &short),
        (SIGNING_FILE, r#"{"kty":"oct","alg":"none","k":"AA"}"#),
        (SIGNING_FILE, r#"{"kty":"RSA","alg":"HS256","k":"AA"}"#),
        (SIGNING_FILE, r#"{"kty":"oct","alg":"HS256","kid":"../x","k":"AA"}"#),
    ];
    for (file, text) in cases {
        let place = Place::new();
        KeyRing::open(&place.keys()).unwrap();
        write(&place.keys().join(file), text);
        let told = KeyRing::open(&place.keys()).unwrap_err().to_string();
        assert!(told.contains(file), "{text}: {told}");
    }
}

#[test]
fn only_the_keys_own_name_finds_it() {
    let ring = KeyRing::ephemeral();
    let id = ring.list()[0].kid.clone();
    assert!(ring.resolve(Some(id.as_str())).is_some());
    for kid in [None, Some(""), Some("../../etc/passwd"), Some(REFRESH_FILE)] {
        assert!(ring.resolve(kid).is_none());
    }
}

#[test]
fn no_secret_is_shown() {
    let ring = KeyRing::ephemeral();
    let bytes = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let shown = format!("{ring:?} {:?}", ring.resolve(Some(ring.signing.id().as_str())));
    assert!(!shown.contains(&bytes(&ring.refresh_key()[..4])), "{shown}");
    assert_eq!(ring.jwks(), json!({ "keys": [] }));
}
