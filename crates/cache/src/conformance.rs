//! What every [`Store`] must do.

use std::time::Duration;

use bytes::Bytes;
use gabion_clock::Instant;

use crate::{Store, Stored};

const MINUTE: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(200);

/// Runs the suite on an empty store.
///
/// `elapse` lets a span pass, on a manual clock or by waiting, and tells the time then; the spans
/// add up to about half a second.
///
/// # Panics
///
/// When the store does not conform.
pub async fn store<S: Store>(store: &S, elapse: impl AsyncFn(Duration) -> Instant) {
    let now = elapse(Duration::ZERO).await;
    assert_eq!(store.get("nothing", now).await, None, "an unknown key is a miss");

    store.put("key", Bytes::from_static(b"one"), MINUTE, now).await;
    let Stored { value, ttl } = store.get("key", now).await.expect("what was put is found");
    assert_eq!(value, "one");
    assert!(
        !ttl.is_zero() && ttl <= MINUTE,
        "the remaining lifetime is within what was given: {ttl:?}"
    );
    assert_eq!(store.get("KEY", now).await, None, "keys differ by case");

    store.put("key", Bytes::from_static(b"two"), MINUTE, now).await;
    assert_eq!(
        value_of(store, "key", now).await.as_deref(),
        Some(&b"two"[..]),
        "the last value counts"
    );

    store.put("empty", Bytes::new(), MINUTE, now).await;
    assert_eq!(value_of(store, "empty", now).await, Some(Bytes::new()), "no bytes are a value");

    let every_byte: Bytes = (0..=u8::MAX).collect();
    store.put("bytes \u{e9}\n\0", every_byte.clone(), MINUTE, now).await;
    let kept = value_of(store, "bytes \u{e9}\n\0", now).await;
    assert_eq!(kept, Some(every_byte), "any bytes are kept under any text");

    store.remove("key").await.expect("a key can be removed");
    assert_eq!(store.get("key", now).await, None, "what was removed is gone");
    store.remove("key").await.expect("removing what is not there succeeds");

    store.put("gone", Bytes::from_static(b"one"), MINUTE, now).await;
    store.put("gone", Bytes::from_static(b"two"), Duration::ZERO, now).await;
    assert_eq!(store.get("gone", now).await, None, "a lifetime of zero removes");

    store.put("brief", Bytes::from_static(b"one"), BRIEF, now).await;
    store.put("renewed", Bytes::from_static(b"one"), BRIEF, now).await;
    store.put("renewed", Bytes::from_static(b"two"), MINUTE, now).await;
    let now = elapse(BRIEF + BRIEF).await;
    assert_eq!(store.get("brief", now).await, None, "an expired value is a miss");
    let renewed = store.get("renewed", now).await.expect("a second put gives a new lifetime");
    assert!(renewed.ttl < MINUTE, "the lifetime runs down: {:?}", renewed.ttl);
}

async fn value_of<S: Store>(store: &S, key: &str, now: Instant) -> Option<Bytes> {
    store.get(key, now).await.map(|stored| stored.value)
}
