use super::*;

const EPOCH: u64 = 0;

fn verified() -> VerifiedTokens {
    VerifiedTokens::new(100, Duration::from_secs(30))
}

fn remember(cache: &VerifiedTokens, token: &str) -> bool {
    let verified = verify(token);
    if let Ok(claims) = verified {
        cache.insert(token, EPOCH, Arc::new(claims));
    }
    cache.get(token, EPOCH, NOW).is_some()
}

// RUSTSEC-2026-0224
#[test]
fn bad_bad_good_is_refused_refused_accepted() {
    let cache = verified();
    let good = with_claims(json!({}));
    let bad = format!("{}AAAA", &good[..good.len() - 4]);
    assert_eq!(
        [&bad, &bad, &good, &bad].map(|token| remember(&cache, token)),
        [false, false, true, false]
    );
}

#[test]
fn a_remembered_token_expires() {
    let cache = verified();
    let token = with_claims(json!({}));
    assert!(remember(&cache, &token));
    assert!(cache.get(&token, EPOCH, UnixTime::from_secs(NOW_SECS + 3629)).is_some());
    assert!(cache.get(&token, EPOCH, UnixTime::from_secs(NOW_SECS + 3630)).is_none());
}

#[test]
fn a_remembered_token_is_not_good_before_its_time_when_the_clock_goes_back() {
    for later in ["iat", "nbf"] {
        let cache = verified();
        let token = with_claims(json!({ later: NOW_SECS + 10 }));
        assert!(remember(&cache, &token), "{later}");
        assert!(cache.get(&token, EPOCH, UnixTime::from_secs(NOW_SECS - 20)).is_some(), "{later}");
        assert!(cache.get(&token, EPOCH, UnixTime::from_secs(NOW_SECS - 21)).is_none(), "{later}");
    }
}

#[test]
fn what_was_verified_before_a_key_was_taken_away_is_not_remembered() {
    let cache = verified();
    let token = with_claims(json!({}));
    assert!(remember(&cache, &token));
    assert!(cache.get(&token, EPOCH + 1, NOW).is_none());
    // A verification that was under way when the key went.
    cache.insert(&token, EPOCH, Arc::new(verify(&token).unwrap()));
    assert!(cache.get(&token, EPOCH + 1, NOW).is_none());
}

#[test]
fn the_number_of_tokens_is_bounded() {
    let cache = verified();
    let claims = Arc::new(verify(&with_claims(json!({}))).unwrap());
    for i in 0..1000 {
        cache.insert(&i.to_string(), EPOCH, Arc::clone(&claims));
    }
    assert!(cache.len() <= 100 && !cache.is_empty(), "{}", cache.len());
}
