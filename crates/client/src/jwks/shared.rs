use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gabion_auth::VerifyingKey;
use gabion_clock::{Clock, Instant};
use gabion_errors::error_chain;
use tokio::sync::{Notify, watch};

use super::{InvalidKeySet, JwksConfig, metered::Metered, set::Keys};
use crate::{Fault, FetchError};

/// A key set was not renewed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It was fetched, and is of no use.
    #[error("{host}: {fault}")]
    KeySet {
        /// The host that was asked.
        host: Arc<str>,
        /// What is wrong with it.
        fault: InvalidKeySet,
    },
}

impl JwksError {
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Fetch(error) => Fault::label(&error.fault),
            Self::KeySet { .. } => "key_set",
        }
    }
}

/// What is known of a key set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JwksStatus {
    /// Keys that resolve at present.
    pub keys: usize,
    /// How long ago the present set was asked for.
    pub age: Option<Duration>,
    /// Whether its lifetime is over and only `max_stale` keeps it.
    pub stale: bool,
    /// Fetches that failed since one succeeded.
    pub failures: u32,
    /// Why the last of them failed.
    pub last_failure: Option<Arc<JwksError>>,
}

/// What resolver and task have in common.
pub(super) struct Shared {
    set: ArcSwap<Set>,
    /// Held by whoever replaces the set.
    changing: Mutex<()>,
    /// Whether a key was asked for that the set does not have. Stays until a set came.
    asked: AtomicBool,
    pub(super) wake: Notify,
    ready: watch::Sender<bool>,
    failure: Mutex<Option<(u32, Arc<JwksError>)>>,
    metered: Metered,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: JwksConfig,
    pub(super) host: Arc<str>,
}

/// The epoch is kept with its keys, so that nobody reads a new number and then finds an old key.
#[derive(Default)]
struct Set {
    keys: Keys,
    span: Option<Span>,
    epoch: u64,
}

/// How long a set is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) begun: Instant,
    pub(super) fresh_until: Instant,
    pub(super) end: Instant,
}

impl Set {
    /// Whether it must still be believed at `now`.
    fn span(&self, now: Instant) -> Option<Span> {
        self.span.filter(|span| now < span.end)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.span.is_some_and(|span| now >= span.end)
    }
}

impl Shared {
    pub(super) fn new(host: Arc<str>, config: JwksConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            set: ArcSwap::default(),
            changing: Mutex::default(),
            asked: AtomicBool::new(false),
            wake: Notify::new(),
            ready: watch::Sender::new(false),
            failure: Mutex::new(None),
            metered: Metered::new(&host),
            clock,
            config,
            host,
        }
    }

    /// The time is looked at here too: a task that is held up must not keep old keys alive.
    pub(super) fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        let set = self.set.load();
        let good = set.span(self.clock.now()).is_some();
        let key = kid.and_then(|kid| set.keys.get(kid)).filter(|_| good).cloned();
        if key.is_some() {
            self.metered.found.increment(1);
            return key;
        }
        self.metered.unknown.increment(1);
        // A token that names no key is answered by no set.
        if kid.is_some() && !self.asked.load(Ordering::Relaxed) {
            self.ask();
        }
        None
    }

    fn ask(&self) {
        if !self.asked.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Here, too: what was verified under a set that is over must not go on being believed.
    pub(super) fn epoch(&self) -> u64 {
        if self.set.load().is_over(self.clock.now()) {
            self.forget();
        }
        self.set.load().epoch
    }

    pub(super) async fn ready(&self) {
        // The sender is in `self`, so the channel does not close meanwhile.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Uses `keys` from now on.
    pub(super) fn replace(&self, keys: Keys, span: Span) {
        let count = keys.len();
        let changing = lock(&self.changing);
        let before = self.set.load();
        let gone = !before.keys.lives_on_in(&keys);
        let epoch = before.epoch + u64::from(gone);
        self.set.store(Arc::new(Set { keys, span: Some(span), epoch }));
        self.asked.store(false, Ordering::Release);
        let failed = lock(&self.failure).take();
        self.metered.count("ok");
        self.metered.keys.set(count as f64);
        self.metered.fetched_at.set(self.clock.unix().as_millis() as f64 / 1000.0);
        let first = !self.ready.send_replace(true);
        drop(changing);
        if first || gone || failed.is_some() {
            let failures = failed.map_or(0, |(failures, _)| failures);
            tracing::info!(host = %self.host, keys = count, gone, failures, "key set fetched");
        }
    }

    /// Keeps what there is.
    pub(super) fn keep(&self, failures: u32, error: JwksError) {
        self.metered.count(error.label());
        let chain = error_chain(&error);
        tracing::warn!(host = %self.host, failures, error = chain, "key set not fetched");
        *lock(&self.failure) = Some((failures, Arc::new(error)));
    }

    /// Knows no key any more, if the set is over; whoever notices first does this.
    pub(super) fn forget(&self) {
        let changing = lock(&self.changing);
        let before = self.set.load();
        if !before.is_over(self.clock.now()) {
            return;
        }
        self.set.store(Arc::new(Set { epoch: before.epoch + 1, ..Set::default() }));
        self.ready.send_replace(false);
        self.metered.keys.set(0.0);
        drop(changing);
        tracing::error!(host = %self.host, "key set too old: all tokens of this issuer are refused");
    }

    pub(super) fn status(&self) -> JwksStatus {
        let (set, now) = (self.set.load(), self.clock.now());
        let span = set.span(now);
        let (failures, last_failure) = lock(&self.failure).clone().unzip();
        JwksStatus {
            keys: span.map_or(0, |_| set.keys.len()),
            age: span.map(|span| now.saturating_since(span.begun)),
            stale: span.is_some_and(|span| now >= span.fresh_until),
            failures: failures.unwrap_or(0),
            last_failure,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use gabion_auth::{
        Algorithm, Issuer, KeyResolver, Roles, Session, SessionId, SigningKey, TokenError,
        Username, VerifiedTokens, Verifier,
    };
    use gabion_clock::{ManualClock, UnixTime};
    use serde_json::json;

    use super::*;
    use crate::{RemoteJwks, jwks::Task};

    const HOUR: Duration = Duration::from_secs(3600);
    const INSTANT: Duration = Duration::from_nanos(1);

    /// With a task that does nothing.
    fn held_up(clock: impl Clock) -> RemoteJwks {
        let shared = Shared::new("issuer.test".into(), JwksConfig::default(), Arc::new(clock));
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        RemoteJwks { shared: Arc::new(shared), _task: Arc::new(Task(task)) }
    }

    /// A set that is good for two hours from now on.
    fn replace(jwks: &RemoteJwks, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().filter_map(|key| key.verifying_key().to_jwk()).collect();
        let keys = Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let begun = jwks.shared.clock.now();
        let span = Span { begun, fresh_until: begun + HOUR, end: begun + HOUR * 2 };
        jwks.shared.replace(keys, span);
    }

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::EdDsa).unwrap()
    }

    fn token(key: &SigningKey, now: UnixTime) -> String {
        let session = Session {
            id: SessionId::random(),
            username: Username::parse("ann").unwrap(),
            generation: 0,
            created_at: now,
            refreshed_at: now,
            expires_at: now + HOUR * 24,
            address: String::new(),
        };
        Issuer::new(key.clone(), "them", "us", HOUR * 24).issue(&session, &Roles::default(), now)
    }

    #[tokio::test]
    async fn a_task_that_is_held_up_keeps_no_old_key_alive() {
        let (clock, one) = (ManualClock::new(), key());
        let jwks = held_up(clock.clone());
        replace(&jwks, &[&one]);
        clock.advance(HOUR * 2 - INSTANT);
        assert!(jwks.resolve(Some(one.id().as_str())).is_some() && !jwks.shared.asked());
        clock.advance(INSTANT);
        assert!(jwks.resolve(Some(one.id().as_str())).is_none() && jwks.shared.asked());
        assert_eq!((jwks.status().keys, jwks.status().age), (0, None));
    }

    #[tokio::test]
    async fn a_task_that_is_held_up_keeps_no_remembered_token_alive() {
        let (clock, one) = (ManualClock::new(), key());
        let jwks = held_up(clock.clone());
        replace(&jwks, &[&one]);
        let verifier = Verifier::new(jwks, "them", "us", Duration::ZERO);
        let remembered = VerifiedTokens::new(10, verifier.leeway());
        let token = token(&one, clock.unix());
        let epoch = verifier.epoch();
        let claims = verifier.verify(&token, clock.unix()).unwrap();
        remembered.insert(&token, epoch, Arc::new(claims));
        clock.advance(HOUR * 2 - INSTANT);
        assert!(remembered.get(&token, verifier.epoch(), clock.unix()).is_some());
        clock.advance(INSTANT);
        assert!(remembered.get(&token, verifier.epoch(), clock.unix()).is_none());
        assert_eq!(verifier.verify(&token, clock.unix()).unwrap_err(), TokenError::Key);
    }

    #[tokio::test]
    async fn no_epoch_comes_back() {
        let (clock, one, two) = (ManualClock::new(), key(), key());
        let jwks = held_up(clock.clone());
        let mut epochs = Vec::new();
        for keys in [&[&one][..], &[&one, &two], &[&two]] {
            replace(&jwks, keys);
            epochs.push(jwks.epoch());
            clock.advance(HOUR * 2);
            epochs.push(jwks.epoch());
            // The task has come to it.
            jwks.shared.forget();
            epochs.push(jwks.epoch());
        }
        replace(&jwks, &[&two]);
        epochs.push(jwks.epoch());
        replace(&jwks, &[&one]);
        epochs.push(jwks.epoch());
        assert_eq!(epochs, [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]);
    }

    #[tokio::test]
    async fn a_set_that_nobody_saw_end_gives_way_to_its_like_without_a_new_epoch() {
        let (clock, one) = (ManualClock::new(), key());
        let jwks = held_up(clock.clone());
        replace(&jwks, &[&one]);
        let epoch = jwks.epoch();
        clock.advance(HOUR * 3);
        replace(&jwks, &[&one]);
        assert_eq!(jwks.epoch(), epoch);
    }
}
