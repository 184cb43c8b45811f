use std::{
    sync::{
        Arc, Mutex, PoisonError,
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
}

impl Shared {
    pub(super) fn new(host: Arc<str>, config: JwksConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            set: ArcSwap::default(),
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

    pub(super) fn epoch(&self) -> u64 {
        self.set.load().epoch
    }

    pub(super) async fn ready(&self) {
        // The sender is in `self`, so the channel does not close meanwhile.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Uses `keys` from now on.
    pub(super) fn replace(&self, keys: Keys, span: Span) {
        let count = keys.len();
        let before = self.set.load();
        let gone = !before.keys.lives_on_in(&keys);
        let epoch = before.epoch + u64::from(gone);
        self.set.store(Arc::new(Set { keys, span: Some(span), epoch }));
        self.asked.store(false, Ordering::Release);
        let failed = self.lock().take();
        self.metered.count("ok");
        self.metered.keys.set(count as f64);
        self.metered.fetched_at.set(self.clock.unix().as_millis() as f64 / 1000.0);
        let first = !self.ready.send_replace(true);
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
        *self.lock() = Some((failures, Arc::new(error)));
    }

    /// Knows no key any more.
    pub(super) fn forget(&self) {
        let epoch = self.set.load().epoch + 1;
        self.set.store(Arc::new(Set { epoch, ..Set::default() }));
        self.ready.send_replace(false);
        self.metered.keys.set(0.0);
        tracing::error!(host = %self.host, "key set too old: all tokens of this issuer are refused");
    }

    pub(super) fn status(&self) -> JwksStatus {
        let (set, now) = (self.set.load(), self.clock.now());
        let span = set.span(now);
        let (failures, last_failure) = self.lock().clone().unzip();
        JwksStatus {
            keys: span.map_or(0, |_| set.keys.len()),
            age: span.map(|span| now.saturating_since(span.begun)),
            stale: span.is_some_and(|span| now >= span.fresh_until),
            failures: failures.unwrap_or(0),
            last_failure,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u32, Arc<JwksError>)>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gabion_auth::{Algorithm, SigningKey};
    use gabion_clock::ManualClock;
    use serde_json::json;

    use super::*;

    fn shared(clock: impl Clock) -> Shared {
        Shared::new("issuer.test".into(), JwksConfig::default(), Arc::new(clock))
    }

    fn keys(keys: &[&SigningKey]) -> Keys {
        let keys: Vec<_> = keys.iter().filter_map(|key| key.verifying_key().to_jwk()).collect();
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::EdDsa).unwrap()
    }

    #[test]
    fn a_task_that_is_held_up_keeps_no_old_key_alive() {
        let (clock, one) = (ManualClock::new(), key());
        let shared = shared(clock.clone());
        let begun = clock.now();
        let hour = Duration::from_secs(3600);
        let span = Span { begun, fresh_until: begun + hour, end: begun + hour * 2 };
        shared.replace(keys(&[&one]), span);
        clock.advance(hour * 2 - Duration::from_nanos(1));
        assert!(shared.resolve(Some(one.id().as_str())).is_some() && !shared.asked());
        clock.advance(Duration::from_nanos(1));
        assert!(shared.resolve(Some(one.id().as_str())).is_none() && shared.asked());
        assert_eq!((shared.status().keys, shared.status().age), (0, None));
    }
}
