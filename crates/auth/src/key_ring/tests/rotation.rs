use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn issuer(ring: &Arc<KeyRing>) -> Issuer {
    Issuer::new(Arc::clone(ring), "gabion", "gabion", HOUR)
}

fn verifier(ring: &Arc<KeyRing>) -> Verifier {
    Verifier::new(Arc::clone(ring), "gabion", "gabion", Duration::from_secs(30))
}

fn issue(ring: &Arc<KeyRing>, now: UnixTime) -> String {
    let session = Session {
        id: SessionId::from_bits(1),
        username: Username::parse("ann").unwrap(),
        generation: 0,
        created_at: now,
        refreshed_at: now,
        expires_at: now + HOUR * 24,
        address: String::new(),
    };
    issuer(ring).issue(&session, &Roles::new(["user"]), now)
}

fn verify(ring: &Arc<KeyRing>, token: &str, now: UnixTime) -> Result<Claims, TokenError> {
    verifier(ring).verify(token, now)
}

#[test]
fn issuer_and_verifier_follow_a_rotation() {
    for algorithm in Algorithm::ALL {
        let place = Place::new();
        let ring = Arc::new(place.open_for(algorithm));
        let (first, old) = (signer(&ring), issue(&ring, NOW));
        let made = ring.rotate(NOW, KEEP).unwrap();
        let new = issue(&ring, NOW);
        assert_eq!((made.signs, made.algorithm, made.created_at), (true, algorithm, Some(NOW)));
        assert_eq!(signer(&ring), made.kid);
        assert_ne!(made.kid, first);
        verify(&ring, &old, NOW).unwrap();
        verify(&ring, &new, NOW).unwrap();
        let reopened = Arc::new(place.open_for(algorithm));
        assert_eq!(reopened.list(), ring.list());
        verify(&reopened, &old, NOW).unwrap();
        verify(&reopened, &new, NOW).unwrap();
    }
}

#[test]
fn a_superseded_key_verifies_until_its_last_token_has_expired() {
    let place = Place::new();
    let ring = Arc::new(place.open());
    let old = issue(&ring, NOW);
    ring.rotate(NOW, KEEP).unwrap();
    let until = ring.list()[1].verifies_until.unwrap();
    assert_eq!(until, NOW + KEEP);
    let last = UnixTime::from_millis(until.as_millis() - 1);
    assert_eq!(ring.prune(last).unwrap(), 0);
    verify(&ring, &old, last).unwrap();
    assert_eq!((ring.prune(until).unwrap(), ring.list().len()), (1, 1));
    assert_eq!(verify(&ring, &old, last), Err(TokenError::Key));
    assert_eq!(place.json(RING)["keys"].as_array().unwrap().len(), 1);
    assert_eq!(ring.prune(until).unwrap(), 0);
}

#[test]
fn an_opening_forgets_what_verifies_no_more() {
    let place = Place::new();
    let signs = place.open().rotate(NOW, KEEP).unwrap().kid;
    let later = KeyRing::open(&place.keys(), Algorithm::Hs256, KEEP, NOW + KEEP).unwrap();
    assert_eq!(later.list().iter().map(|key| &key.kid).collect::<Vec<_>>(), [&signs]);
    assert_eq!(place.json(RING)["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn parts_of_seconds_are_never_missing_from_the_end() {
    let ring = KeyRing::ephemeral();
    let now = NOW + Duration::from_millis(1);
    ring.rotate(now, KEEP).unwrap();
    assert_eq!(ring.list()[1].verifies_until, Some(NOW + KEEP + Duration::from_secs(1)));
}

#[test]
fn a_retired_key_is_refused_at_once_and_others_are_not() {
    for algorithm in Algorithm::ALL {
        let place = Place::new();
        let ring = Arc::new(place.open_for(algorithm));
        let (first, old) = (signer(&ring), issue(&ring, NOW));
        let second = ring.rotate(NOW, KEEP).unwrap().kid;
        let new = issue(&ring, NOW);
        let signs = ring.retire(first.as_str(), NOW).unwrap().unwrap();
        assert_eq!(signs.kid, second);
        assert_eq!(verify(&ring, &old, NOW), Err(TokenError::Key));
        verify(&ring, &new, NOW).unwrap();
        let reopened = Arc::new(place.open_for(algorithm));
        assert_eq!(verify(&reopened, &old, NOW), Err(TokenError::Key));
        verify(&reopened, &new, NOW).unwrap();
    }
}

#[test]
fn retiring_the_key_that_signs_makes_a_new_one() {
    for algorithm in Algorithm::ALL {
        let place = Place::new();
        let ring = Arc::new(place.open_for(algorithm));
        let (first, old) = (signer(&ring), issue(&ring, NOW));
        let signs = ring.retire(first.as_str(), NOW).unwrap().unwrap();
        assert_eq!(ring.list(), std::slice::from_ref(&signs));
        assert!(signs.kid != first && signs.algorithm == algorithm);
        assert_eq!(verify(&ring, &old, NOW), Err(TokenError::Key));
        verify(&ring, &issue(&ring, NOW), NOW).unwrap();
        assert_eq!(place.open_for(algorithm).list(), ring.list());
    }
}

#[test]
fn what_was_remembered_dies_with_its_key() {
    let ring = Arc::new(KeyRing::ephemeral());
    let verifier = verifier(&ring);
    let remembered: VerifiedTokens = VerifiedTokens::new(10, Duration::ZERO);
    let remember = |token: &str| {
        let epoch = verifier.epoch();
        let claims = verifier.verify(token, NOW).unwrap();
        remembered.insert(token, epoch, Arc::new(claims));
    };
    let found = |token: &str| remembered.get(token, verifier.epoch(), NOW).is_some();
    let (first, token) = (signer(&ring), issue(&ring, NOW));
    remember(&token);
    ring.rotate(NOW, KEEP).unwrap();
    assert!(found(&token), "a key that comes ends nothing");
    ring.retire(first.as_str(), NOW).unwrap().unwrap();
    assert!(!found(&token));
}

#[test]
fn a_verification_under_way_when_its_key_goes_is_not_remembered() {
    let ring = Arc::new(KeyRing::ephemeral());
    let verifier = verifier(&ring);
    let remembered: VerifiedTokens = VerifiedTokens::new(10, Duration::ZERO);
    let token = issue(&ring, NOW);
    let epoch = verifier.epoch();
    let claims = Arc::new(verifier.verify(&token, NOW).unwrap());
    ring.retire(signer(&ring).as_str(), NOW).unwrap().unwrap();
    remembered.insert(&token, epoch, claims);
    assert!(remembered.get(&token, verifier.epoch(), NOW).is_none());
}

#[test]
fn the_epoch_is_another_one_whenever_a_key_went() {
    let ring = KeyRing::ephemeral();
    ring.rotate(NOW, KEEP).unwrap();
    ring.retire("unknown", NOW).unwrap();
    ring.prune(NOW).unwrap();
    assert_eq!(ring.epoch(), 0);
    ring.prune(NOW + KEEP).unwrap();
    assert_eq!(ring.epoch(), 1);
    ring.retire(signer(&ring).as_str(), NOW).unwrap();
    assert_eq!(ring.epoch(), 2);
}

#[test]
fn an_unknown_key_cannot_be_retired_and_nothing_is_written() {
    let place = Place::new();
    let ring = place.open();
    let before = fs::read(place.file(RING)).unwrap();
    for kid in ["", "unknown", "../ring", REFRESH] {
        assert_eq!(ring.retire(kid, NOW).unwrap(), None, "{kid}");
    }
    assert_eq!(fs::read(place.file(RING)).unwrap(), before);
}

#[test]
fn another_algorithm_signs_from_the_next_opening_and_the_old_key_verifies() {
    let place = Place::new();
    let mut tokens = Vec::new();
    for (i, algorithm) in Algorithm::ALL.into_iter().chain([Algorithm::Hs256]).enumerate() {
        let ring = Arc::new(place.open_for(algorithm));
        assert_eq!(ring.signing_key().algorithm(), algorithm);
        assert_eq!(ring.list().len(), i + 1);
        tokens.push(issue(&ring, NOW));
        for token in &tokens {
            verify(&ring, token, NOW).unwrap();
        }
    }
    let later = NOW + KEEP;
    let ring = Arc::new(KeyRing::open(&place.keys(), Algorithm::Hs256, KEEP, later).unwrap());
    assert_eq!(ring.list().len(), 1);
}

#[test]
fn the_private_half_of_a_pair_is_forgotten_when_it_ceases_to_sign() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let place = Place::new();
        place.open_for(algorithm).rotate(NOW, KEEP).unwrap();
        let ring = place.json(RING);
        let [old, new] = &ring["keys"].as_array().unwrap()[..] else { panic!("two keys") };
        assert!(old["verifies_until"].is_u64() && old["pkcs8"].is_null() && old["k"].is_null());
        assert!(new["verifies_until"].is_null() && new["pkcs8"].is_string());
    }
}

#[test]
fn a_ring_has_an_end() {
    let ring = KeyRing::ephemeral();
    for _ in 1..KeyRing::MAX_KEYS {
        ring.rotate(NOW, KEEP).unwrap();
    }
    let before = ring.list();
    let told = ring.rotate(NOW, KEEP).unwrap_err().to_string();
    assert!(told.contains("full with 64 keys"), "{told}");
    assert_eq!(ring.list(), before);
    ring.retire(before[0].kid.as_str(), NOW).unwrap().unwrap();
    ring.rotate(NOW + KEEP, KEEP).unwrap();
    assert_eq!(ring.list().len(), 2);
}

#[test]
fn a_reload_takes_what_another_process_did() {
    let place = Place::new();
    let (ours, theirs) = (Arc::new(place.open()), Arc::new(place.open()));
    let (first, old) = (signer(&ours), issue(&ours, NOW));
    theirs.rotate(NOW, KEEP).unwrap();
    let new = issue(&theirs, NOW);
    assert_eq!(verify(&ours, &new, NOW), Err(TokenError::Key));
    ours.reload().unwrap();
    verify(&ours, &new, NOW).unwrap();
    assert_eq!((signer(&ours), ours.epoch()), (signer(&theirs), 0));
    theirs.retire(first.as_str(), NOW).unwrap().unwrap();
    ours.reload().unwrap();
    assert_eq!(verify(&ours, &old, NOW), Err(TokenError::Key));
    assert_eq!(ours.epoch(), 1);
}

#[test]
fn another_key_under_the_same_name_is_another_key() {
    for (before, after) in [("A".repeat(43), "E".repeat(43)), ("E".repeat(43), "E".repeat(43))] {
        let place = Place::new();
        place.write(RING, &set(&[with(oct("k"), "k", json!(before))]));
        let ring = place.open();
        place.write(RING, &set(&[with(oct("k"), "k", json!(after))]));
        ring.reload().unwrap();
        assert_eq!(ring.epoch(), u64::from(before != after));
    }
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let place = Place::new();
    let ring = place.open();
    let before = ring.list();
    place.write(RING, "{");
    ring.reload().unwrap_err();
    fs::remove_file(place.file(RING)).unwrap();
    ring.reload().unwrap_err();
    ring.rotate(NOW, KEEP).unwrap_err();
    assert_eq!(ring.list(), before);
}

#[test]
fn no_rotation_of_two_processes_is_lost() {
    let place = Place::new();
    let rings = [place.open(), place.open()];
    thread::scope(|scope| {
        for ring in &rings {
            scope.spawn(|| (0..10).for_each(|_| drop(ring.rotate(NOW, KEEP).unwrap())));
        }
    });
    rings.iter().for_each(|ring| ring.reload().unwrap());
    assert_eq!(rings[0].list().len(), 21);
    assert_eq!(rings[0].list(), rings[1].list());
}

#[test]
fn tokens_verify_while_keys_come_and_go() {
    let ring = Arc::new(KeyRing::ephemeral());
    thread::scope(|scope| {
        let rotating = scope.spawn(|| (0..50).for_each(|_| drop(ring.rotate(NOW, KEEP).unwrap())));
        while !rotating.is_finished() {
            verify(&ring, &issue(&ring, NOW), NOW).unwrap();
        }
    });
}
