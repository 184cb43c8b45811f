use super::{START, at, life, name, session};
use crate::{RevocationStore, SessionStore};

/// Holds `store` to the words of [`RevocationStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn revocations<S: SessionStore + RevocationStore>(store: &S) {
    let [by_end, by_all, by_reuse, live, brief] =
        [1000, 1000, 1000, 1000, 60].map(|expires| session("revoked", 0, expires));
    for session in [&by_end, &by_reuse, &live, &brief] {
        ok!(store.create(session));
    }
    ok!(store.end(by_end.id, at(10)));
    ok!(store.rotate(by_reuse.id, 0, life(980), at(20)));
    ok!(store.rotate(by_reuse.id, 0, life(979), at(21)));
    ok!(store.create(&by_all));
    ok!(store.end_all(&name("revoked"), Some(live.id), at(30)));

    let ended = ok!(store.ended_since(START));
    for (session, ended_at) in
        [(&by_end, at(10)), (&by_reuse, at(21)), (&by_all, at(30)), (&brief, at(30))]
    {
        assert!(ended.contains(&(session.id, ended_at)), "{session:?} has ended: {ended:?}");
    }
    assert!(ended.iter().all(|(id, _)| *id != live.id), "a live session has ended");

    let ended = ok!(store.ended_since(at(21)));
    assert!(ended.iter().any(|(id, _)| *id == by_reuse.id), "one that ended at the time");
    assert!(ended.iter().all(|(id, _)| *id != by_end.id), "one that ended before it");

    assert_eq!(ok!(store.prune(at(10))), 0, "one that ended at the time is forgotten");
    assert_eq!(ok!(store.prune(at(25))), 2, "those that ended before it");
    let ended = ok!(store.ended_since(START));
    assert!(ended.iter().any(|(id, _)| *id == by_all.id), "one that ended later is forgotten");
    assert!(ok!(store.session(live.id, at(31))).is_some(), "a live session is forgotten");
    assert_eq!(ok!(store.prune(at(1001))), 3, "the rest ended or expired before it");
}
