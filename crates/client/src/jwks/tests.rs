use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_auth::{
    Algorithm, Issuer, Roles, Session, SessionId, SigningKey, TokenError, Username, VerifiedTokens,
    Verifier,
};
use gabion_clock::{Instant, UnixTime};
use gabion_config::{Reader, Settings};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::sleep};

use super::*;
use crate::{Fault, FetcherConfig, Roots, origin};

const HOST: &str = "issuer.test";
const LEEWAY: Duration = Duration::from_secs(30);

/// Keeps pace with the runtime's time, which stands still unless a test waits.
struct Paced(tokio::time::Instant);

impl Paced {
    fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for Paced {
    fn now(&self) -> Instant {
        Instant::ORIGIN + DAY + self.0.elapsed()
    }

    fn unix(&self) -> UnixTime {
        UnixTime::from_secs(1_767_225_600) + self.0.elapsed()
    }
}

/// Lets `span` pass; everything that is due meanwhile happens in its order.
async fn pass(span: Duration) {
    sleep(span).await;
    // What is due at the same moment is done, too.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// An issuer that answers with what it holds at the time.
#[derive(Clone)]
struct Fake(Arc<FakeState>);

struct FakeState {
    answer: Mutex<Result<Answer, Fault>>,
    fetches: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// A fetch takes one; closed it is open to all.
    gate: Semaphore,
    clock: Arc<Paced>,
    times: Mutex<VecDeque<Instant>>,
}

impl Fake {
    fn new() -> Self {
        let gate = Semaphore::new(0);
        gate.close();
        Self(Arc::new(FakeState {
            answer: Mutex::new(Err(Fault::Status(500))),
            fetches: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate,
            clock: Paced::new(),
            times: Mutex::default(),
        }))
    }

    fn gated() -> Self {
        let mut fake = Self::new();
        Arc::get_mut(&mut fake.0).unwrap().gate = Semaphore::new(0);
        fake
    }

    fn holding(keys: &[&SigningKey]) -> Self {
        let fake = Self::new();
        fake.holds(keys);
        fake
    }

    /// Publishes `keys` for an hour.
    fn holds(&self, keys: &[&SigningKey]) {
        self.says("max-age=3600", &set(keys).to_string());
    }

    fn says(&self, cache_control: &str, body: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", cache_control.parse().unwrap());
        let body = body.to_owned().into();
        *self.0.answer.lock().unwrap() = Ok(Answer { headers, body });
    }

    fn fails(&self) {
        *self.0.answer.lock().unwrap() = Err(Fault::Status(500));
    }

    fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    fn start(&self) -> RemoteJwks {
        self.start_with(&JwksConfig::default())
    }

    fn start_with(&self, config: &JwksConfig) -> RemoteJwks {
        let clock = Arc::clone(&self.0.clock);
        RemoteJwks::over(self.clone(), HOST.into(), config, clock)
    }
}

impl Source for Fake {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async move {
            let state = &self.0;
            state.fetches.fetch_add(1, Ordering::SeqCst);
            state.times.lock().unwrap().push_back(state.clock.now());
            let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            state.most_at_once.fetch_max(now, Ordering::SeqCst);
            if let Ok(permit) = state.gate.acquire().await {
                permit.forget();
            }
            state.at_once.fetch_sub(1, Ordering::SeqCst);
            let answer = state.answer.lock().unwrap().clone();
            answer.map_err(|fault| FetchError { host: HOST.into(), fault })
        })
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

fn jwk(key: &SigningKey) -> Value {
    key.verifying_key().to_jwk().unwrap()
}

fn set(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| jwk(key)).collect::<Vec<_>>() })
}

fn knows(keys: &RemoteJwks, key: &SigningKey) -> bool {
    keys.resolve(Some(key.id().as_str())).is_some()
}

fn token(key: &SigningKey, now: UnixTime) -> String {
    let session = Session {
        id: SessionId::random(),
        username: Username::parse("ann").unwrap(),
        generation: 0,
        created_at: now,
        refreshed_at: now,
        expires_at: now + DAY,
        address: String::new(),
    };
    Issuer::new(key.clone(), "them", "us", DAY).issue(&session, &Roles::default(), now)
}

#[tokio::test(start_paused = true)]
async fn the_first_set_is_fetched_at_once() {
    let (one, two) = (key(), key());
    let fake = Fake::holding(&[&one, &two]);
    let keys = fake.start();
    assert!(!knows(&keys, &one));
    keys.ready().await;
    assert!(knows(&keys, &one) && knows(&keys, &two) && !knows(&keys, &key()));
    assert_eq!((keys.status().keys, keys.status().failures), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_key_id_is_refused_also_by_a_set_of_one() {
    let fake = Fake::holding(&[&key()]);
    let keys = fake.start();
    keys.ready().await;
    assert!(keys.resolve(None).is_none());
    pass(Duration::from_secs(2800)).await;
    assert_eq!(fake.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_before_its_lifetime_ends() {
    let fake = Fake::holding(&[&key()]);
    let keys = fake.start();
    keys.ready().await;
    pass(Duration::from_secs(2879)).await;
    assert_eq!(fake.fetches(), 1);
    pass(Duration::from_secs(362)).await;
    assert_eq!((fake.fetches(), keys.status().stale), (2, false));
}

#[tokio::test(start_paused = true)]
async fn no_store_still_lasts_the_shortest_lifetime() {
    let fake = Fake::new();
    fake.says("no-store", &set(&[&key()]).to_string());
    let _keys = fake.start();
    pass(Duration::from_secs(6000)).await;
    // Each lasts 48 to 54 of 60 seconds.
    assert!((111..=126).contains(&fake.fetches()), "{}", fake.fetches());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_unknown_keys_cause_one_fetch() {
    let (old, new) = (key(), key());
    let fake = Fake::holding(&[&old]);
    let keys = fake.start();
    keys.ready().await;
    fake.holds(&[&old, &new]);
    for stranger in 0..1000 {
        assert!(keys.resolve(Some(&format!("stranger-{stranger}"))).is_none());
    }
    assert!(!knows(&keys, &new));
    pass(Duration::from_secs(29)).await;
    assert_eq!(fake.fetches(), 1);
    pass(Duration::from_secs(1)).await;
    assert_eq!(fake.fetches(), 2);
    assert!(knows(&keys, &new));
    // The question is answered; nobody asks again.
    pass(Duration::from_secs(600)).await;
    assert_eq!(fake.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_causes_one_fetch_per_cooldown() {
    let fake = Fake::holding(&[&key()]);
    let keys = fake.start();
    keys.ready().await;
    for second in 0..600 {
        for stranger in 0..20 {
            keys.resolve(Some(&format!("stranger-{second}-{stranger}")));
        }
        pass(Duration::from_secs(1)).await;
    }
    assert!((2..=21).contains(&fake.fetches()), "{}", fake.fetches());
}

#[tokio::test(start_paused = true)]
async fn after_the_cooldown_an_unknown_key_is_looked_for_at_once() {
    let (old, new) = (key(), key());
    let fake = Fake::holding(&[&old]);
    let keys = fake.start();
    keys.ready().await;
    pass(Duration::from_secs(31)).await;
    fake.holds(&[&new]);
    assert!(!knows(&keys, &new));
    pass(Duration::from_millis(1)).await;
    assert!(knows(&keys, &new) && !knows(&keys, &old));
}

#[tokio::test(start_paused = true)]
async fn one_fetch_at_a_time() {
    let fake = Fake::gated();
    fake.holds(&[&key()]);
    let keys = fake.start();
    for _ in 0..100 {
        keys.resolve(Some("stranger"));
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(fake.fetches(), 1);
    fake.0.gate.add_permits(1);
    keys.ready().await;
    for _ in 0..100 {
        keys.resolve(Some("stranger"));
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!((fake.fetches(), fake.0.most_at_once.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn pauses_between_failures_grow() {
    let fake = Fake::new();
    let keys = fake.start();
    pass(Duration::from_secs(3600)).await;
    let times = fake.0.times.lock().unwrap().clone();
    let pauses = times.iter().zip(times.iter().skip(1));
    let pauses: Vec<_> = pauses.map(|(one, next)| next.saturating_since(*one)).collect();
    for (at, pause) in pauses.iter().enumerate() {
        let most = Duration::from_secs(1 << at.min(9)).min(Duration::from_secs(300));
        let slack = Duration::from_millis(2);
        assert!((most / 2..=most + slack).contains(pause), "{at}: {pause:?}");
    }
    // 1 + 2 + … + 256 and 300 each, at most halved.
    assert!((18..=32).contains(&times.len()), "{}", times.len());
    let status = keys.status();
    assert_eq!((status.keys, status.failures as usize), (0, times.len()));
    let told = status.last_failure.unwrap().to_string();
    assert_eq!(told, "issuer.test: it answers 500 instead of 200");
}

#[tokio::test(start_paused = true)]
async fn ready_waits_through_failures() {
    let one = key();
    let fake = Fake::new();
    let keys = fake.start();
    let waiting = tokio::spawn({
        let keys = keys.clone();
        async move { keys.ready().await }
    });
    pass(Duration::from_secs(20)).await;
    assert!(!waiting.is_finished());
    fake.holds(&[&one]);
    waiting.await.unwrap();
    assert!(knows(&keys, &one));
    assert!(keys.status().last_failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stale_set_is_used_until_it_is_too_old() {
    let one = key();
    let fake = Fake::holding(&[&one]);
    let keys = fake.start();
    keys.ready().await;
    let epoch = keys.epoch();
    fake.fails();
    pass(Duration::from_secs(3601)).await;
    assert!(knows(&keys, &one) && keys.status().stale && keys.status().failures > 0);
    pass(DAY - Duration::from_secs(2)).await;
    assert!(knows(&keys, &one));
    assert_eq!(keys.epoch(), epoch);
    pass(Duration::from_secs(2)).await;
    assert!(!knows(&keys, &one));
    assert_ne!(keys.epoch(), epoch);
    assert_eq!((keys.status().keys, keys.status().age), (0, None));
    // And comes back.
    fake.holds(&[&one]);
    pass(Duration::from_secs(301)).await;
    assert!(knows(&keys, &one));
}

#[tokio::test(start_paused = true)]
async fn a_set_grows_too_old_also_while_a_fetch_hangs() {
    let one = key();
    let fake = Fake::gated();
    fake.holds(&[&one]);
    fake.0.gate.add_permits(1);
    let keys = fake.start();
    keys.ready().await;
    let epoch = keys.epoch();
    pass(DAY + Duration::from_secs(3599)).await;
    assert!(knows(&keys, &one) && keys.epoch() == epoch);
    pass(Duration::from_secs(1)).await;
    assert!(!knows(&keys, &one) && keys.epoch() != epoch);
    assert_eq!(fake.fetches(), 2);
    fake.0.gate.add_permits(1);
    keys.ready().await;
    assert!(knows(&keys, &one));
}

#[tokio::test(start_paused = true)]
async fn a_set_of_no_use_does_not_replace_a_good_one() {
    let one = key();
    let entry = jwk(&one);
    let many = vec![entry.clone(); 65];
    let mut secret = entry.clone();
    secret["kty"] = "oct".into();
    for bad in [
        String::new(),
        "nonsense".into(),
        "[]".into(),
        "{}".into(),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[]}"#.into(),
        r#"{"keys":[1,null,"a",[]]}"#.into(),
        format!("{{\"keys\":{}", "[".repeat(10_000)),
        json!({ "keys": [secret] }).to_string(),
        json!({ "keys": many }).to_string(),
        format!("{} x", set(&[&one])),
    ] {
        let fake = Fake::holding(&[&one]);
        let keys = fake.start();
        keys.ready().await;
        fake.says("max-age=3600", &bad);
        pass(Duration::from_secs(3300)).await;
        assert!(knows(&keys, &one) && keys.epoch() == 0, "{bad}");
        let status = keys.status();
        assert!(status.failures > 0, "{bad}");
        let failure = status.last_failure.unwrap();
        assert!(matches!(*failure, JwksError::KeySet { .. }), "{bad}");
        assert!(failure.to_string().starts_with("issuer.test: its "), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_cannot_be_used_are_passed_over() {
    let one = key();
    let mut unnamed = jwk(&key());
    unnamed.as_object_mut().unwrap().remove("kid");
    let encryption = json!({ "kty": "RSA", "use": "enc", "kid": "e", "n": "AQAB", "e": "AQAB" });
    let fake = Fake::new();
    let body = json!({ "keys": [encryption, null, unnamed, jwk(&one), { "kty": "new" }], "x": 1 });
    fake.says("max-age=3600", &body.to_string());
    let keys = fake.start();
    keys.ready().await;
    assert!(knows(&keys, &one));
    assert_eq!(keys.status().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_found_by_whatever_its_issuer_calls_it() {
    let fake = Fake::new();
    for kid in ["3XPhf+FzqQ/6SFC1kBM=", "https://issuer.test/keys/1", "\u{e9} \"", &"x".repeat(256)]
    {
        let mut named = jwk(&key());
        named["kid"] = kid.into();
        fake.says("max-age=3600", &json!({ "keys": [jwk(&key()), named] }).to_string());
        let keys = fake.start();
        keys.ready().await;
        assert!(keys.resolve(Some(kid)).is_some(), "{kid}");
        assert!(keys.resolve(Some("outside")).is_none(), "{kid}");
    }
    for kid in [json!(""), json!(1), json!("x".repeat(257))] {
        let mut named = jwk(&key());
        named["kid"] = kid.clone();
        fake.says("max-age=3600", &json!({ "keys": [jwk(&key()), named] }).to_string());
        let keys = fake.start();
        keys.ready().await;
        assert_eq!(keys.status().keys, 1, "{kid}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_keys_with_one_name_the_first_counts() {
    let (one, two) = (key(), key());
    let mut second = jwk(&two);
    second["kid"] = one.id().as_str().into();
    let fake = Fake::new();
    fake.says("max-age=3600", &json!({ "keys": [jwk(&one), second] }).to_string());
    let keys = fake.start();
    keys.ready().await;
    let verifier = Verifier::new(keys.clone(), "them", "us", LEEWAY);
    let now = fake.0.clock.unix();
    assert!(verifier.verify(&token(&one, now), now).is_ok());
    assert_eq!(keys.status().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn the_epoch_changes_only_when_a_key_is_gone_or_replaced() {
    let (one, two) = (key(), key());
    let fake = Fake::holding(&[&one]);
    let keys = fake.start();
    keys.ready().await;
    let mut replaced = jwk(&key());
    replaced["kid"] = one.id().as_str().into();
    let mut rewritten = jwk(&one);
    rewritten["x5t"] = "anything".into();
    for (set, epoch) in [
        (vec![rewritten], 0),
        (vec![jwk(&one), jwk(&two)], 0),
        (vec![jwk(&two), jwk(&one)], 0),
        (vec![jwk(&two)], 1),
        (vec![jwk(&two), jwk(&one)], 1),
        (vec![jwk(&two), replaced], 2),
    ] {
        fake.says("max-age=3600", &json!({ "keys": set }).to_string());
        pass(Duration::from_secs(31)).await;
        keys.resolve(Some("stranger"));
        pass(Duration::from_secs(1)).await;
        assert_eq!(keys.epoch(), epoch, "{set:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_key_that_was_taken_away_is_refused_also_where_it_is_remembered() {
    let (one, two) = (key(), key());
    let fake = Fake::holding(&[&one, &two]);
    let keys = fake.start();
    keys.ready().await;
    let verifier = Verifier::new(keys.clone(), "them", "us", LEEWAY);
    let remembered = VerifiedTokens::new(10, LEEWAY);
    let token = token(&one, fake.0.clock.unix());
    let accepted = |now| {
        let epoch = verifier.epoch();
        if remembered.get(&token, epoch, now).is_some() {
            return Ok("remembered");
        }
        let claims = verifier.verify(&token, now)?;
        remembered.insert(&token, epoch, Arc::new(claims));
        Ok::<_, TokenError>("verified")
    };
    assert_eq!(accepted(fake.0.clock.unix()), Ok("verified"));
    assert_eq!(accepted(fake.0.clock.unix()), Ok("remembered"));
    fake.holds(&[&two]);
    pass(Duration::from_secs(3300)).await;
    assert_eq!(accepted(fake.0.clock.unix()), Err(TokenError::Key));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_copy_also_in_a_fetch() {
    for gated in [false, true] {
        let fake = if gated { Fake::gated() } else { Fake::holding(&[&key()]) };
        let keys = fake.start();
        let copy = keys.clone();
        pass(Duration::from_secs(1)).await;
        drop(keys);
        pass(Duration::from_secs(1)).await;
        assert!(Arc::strong_count(&fake.0) > 1);
        drop(copy);
        pass(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&fake.0), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn lookups_and_fetches_are_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let one = key();
    let fake = Fake::holding(&[&one]);
    let keys = metrics::with_local_recorder(&recorder, || fake.start());
    keys.ready().await;
    assert!(knows(&keys, &one) && keys.resolve(None).is_none());
    fake.fails();
    pass(Duration::from_secs(3241)).await;
    let rendered = recorder.handle().render();
    for line in [
        "gabion_client_key_lookups_total{host=\"issuer.test\",outcome=\"found\"} 1",
        "gabion_client_key_lookups_total{host=\"issuer.test\",outcome=\"unknown\"} 1",
        "gabion_client_key_set_fetches_total{host=\"issuer.test\",outcome=\"ok\"} 1",
        "gabion_client_key_set_keys{host=\"issuer.test\"} 1",
        "gabion_client_key_set_fetched_timestamp_seconds{host=\"issuer.test\"} 1767225600",
    ] {
        assert!(rendered.lines().any(|found| found == line), "{line}\n{rendered}");
    }
    assert!(!rendered.contains("outcome=\"status\"} 0"), "{rendered}");
}

#[test]
fn every_setting_is_read() {
    let text = [
        ("jwks.min_lifetime", "61s"),
        ("jwks.max_lifetime", "23h"),
        ("jwks.default_lifetime", "11m"),
        ("jwks.cooldown", "31s"),
        ("jwks.max_stale", "25h"),
    ];
    let mut reader = Reader::from_text(text);
    let config = JwksConfig::default().read("jwks", &mut reader);
    assert_eq!(reader.finish(), []);
    let expected = JwksConfig {
        min_lifetime: SECOND * 61,
        max_lifetime: SECOND * 23 * 3600,
        default_lifetime: SECOND * 11 * 60,
        cooldown: SECOND * 31,
        max_stale: SECOND * 25 * 3600,
    };
    assert_eq!(config, expected);
}

#[tokio::test]
async fn keys_of_all_algorithms_come_over_tls_from_a_real_server() {
    let algorithms = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    let signing = algorithms.map(|algorithm| SigningKey::generate(algorithm).unwrap());
    let authority = origin::Authority::new();
    let body = set(&signing.each_ref()).to_string();
    let reply = origin::Reply::ok("Cache-Control: max-age=300\r\n", &body);
    let origin = origin::Origin::tls(&authority, "127.0.0.1", move |_| reply.clone()).await;

    let config = FetcherConfig { allow_private: true, ..FetcherConfig::default() };
    let fetcher = Fetcher::new(&config, &Roots::Only(authority.pem())).unwrap();
    let endpoint = fetcher.endpoint(&format!("https://{}/keys", origin.address)).unwrap();
    let keys = RemoteJwks::start(endpoint, fetcher, &JwksConfig::default());
    keys.ready().await;

    let verifier = Verifier::new(keys.clone(), "them", "us", LEEWAY);
    let now = SystemClock::new().unix();
    for (key, algorithm) in signing.iter().zip(algorithms) {
        assert!(verifier.verify(&token(key, now), now).is_ok(), "{algorithm}");
    }
    assert_eq!(verifier.verify(&token(&key(), now), now), Err(TokenError::Key));
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_private_issuer_is_refused_until_it_is_allowed() {
    let origin = origin::Origin::plain(|_| origin::Reply::Silence).await;
    let config = FetcherConfig { allow_http: true, ..FetcherConfig::default() };
    let fetcher = Fetcher::new(&config, &Roots::Mozilla).unwrap();
    let endpoint = fetcher.endpoint(&format!("http://{}/keys", origin.address)).unwrap();
    let keys = RemoteJwks::start(endpoint, fetcher, &JwksConfig::default());
    while keys.status().failures == 0 {
        tokio::task::yield_now().await;
    }
    let told = keys.status().last_failure.unwrap().to_string();
    assert!(told.starts_with("127.0.0.1: ") && told.contains("allow"), "{told}");
    assert_eq!(origin.connections(), 0);
}
