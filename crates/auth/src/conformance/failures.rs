use gabion_clock::UnixTime;

use super::{START, at};
use crate::{FailureKey, FailureRecord, FailureScope, FailureStore};

fn record(number: u8, consecutive: u32, kept_until: UnixTime) -> FailureRecord {
    FailureRecord {
        key: FailureKey::from_bytes([number; 16]),
        scope: FailureScope::Account,
        consecutive,
        recent: 2,
        window_ends: at(3),
        waits: 4,
        wait_ends: at(5),
        paid_by: at(6),
        changed_at: START,
        kept_until,
    }
}

/// Holds `store`, which has no records yet, to the words of [`FailureStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn failures<S: FailureStore>(store: &S) {
    let end = UnixTime::from_millis(u64::MAX);
    let brief = record(1, 1, at(10));
    let long = FailureRecord { scope: FailureScope::Address, ..record(2, 1, at(20)) };
    let most = FailureRecord { consecutive: u32::MAX, waits: u32::MAX, ..record(3, 0, end) };
    let locked = record(0xff, 100, end);
    assert_eq!(ok!(store.failures(9)), [], "records that nobody saved are found");
    ok!(store.save_failures(&[]));
    ok!(store.save_failures(&[brief.clone(), locked.clone(), long.clone()]));
    ok!(store.save_failures(std::slice::from_ref(&most)));
    let all = [most.clone(), locked.clone(), long.clone(), brief.clone()];
    assert_eq!(ok!(store.failures(9)), all, "all records as saved, those kept longest first");
    assert_eq!(ok!(store.failures(2)), all[..2], "no more than asked for");

    let worse = FailureRecord { consecutive: 2, kept_until: at(30), ..brief.clone() };
    ok!(store.save_failures(&[worse.clone(), locked.clone()]));
    let all = [most.clone(), locked.clone(), worse.clone(), long.clone()];
    assert_eq!(ok!(store.failures(9)), all, "a record replaces the one of its key");

    assert_eq!(ok!(store.prune_failures(at(20), 9)), 0, "one is kept until the time it says");
    assert_eq!(ok!(store.prune_failures(at(21), 9)), 1, "one that is kept until before it");
    assert_eq!(ok!(store.failures(9)), [most.clone(), locked.clone(), worse.clone()]);
    assert_eq!(ok!(store.prune_failures(at(21), 2)), 1, "those beyond the number");
    assert_eq!(ok!(store.failures(9)), [most, locked], "the wrong ones are forgotten");
    assert_eq!(ok!(store.prune_failures(at(1_000_000), 9)), 0, "what is kept for ever");
}
