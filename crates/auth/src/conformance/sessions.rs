use std::time::Duration;

use super::{RACERS, WHOLE_LIFE, at, join, life, name, session};
use crate::{Rotation, Session, SessionId, SessionLife, SessionStore};

/// Holds `store` to the words of [`SessionStore`].
///
/// # Panics
///
/// When it does not keep them.
pub async fn sessions<S: SessionStore>(store: &S) {
    looked_up(store).await;
    rotated(store).await;
    outlived(store).await;
    rotated_by_several(store).await;
    ended(store).await;
    all_ended(store).await;
}

async fn looked_up<S: SessionStore>(store: &S) {
    let (old, new) = (session("looker", 0, 1000), session("looker", 10, 1000));
    let (brief, foreign) = (session("looker", 5, 20), session("other", 0, 1000));
    for session in [&old, &new, &brief, &foreign] {
        ok!(store.create(session));
    }
    assert_eq!(ok!(store.session(old.id, at(15))), Some(old.clone()), "a session as created");
    assert_eq!(ok!(store.session(SessionId::random(), at(15))), None, "a session never created");
    assert_eq!(ok!(store.session(brief.id, at(19))), Some(brief.clone()), "before it expires");
    assert_eq!(ok!(store.session(brief.id, at(21))), None, "an expired session is found");

    let all = ok!(store.sessions(&name("looker"), at(15)));
    assert_eq!(all, [new.clone(), brief, old.clone()], "own sessions, newest first");
    let live = ok!(store.sessions(&name("looker"), at(21)));
    assert_eq!(live, [new, old], "an expired session is listed");
    assert_eq!(ok!(store.sessions(&name("nobody"), at(15))), [], "sessions of nobody");
}

async fn rotated<S: SessionStore>(store: &S) {
    let first = session("rotator", 0, 100);
    ok!(store.create(&first));
    let rotation = ok!(store.rotate(first.id, 0, life(100), at(50)));
    let second =
        Session { generation: 1, refreshed_at: at(50), expires_at: at(150), ..first.clone() };
    assert_eq!(rotation, Rotation::Rotate(second.clone()), "the present generation rotates");
    assert_eq!(ok!(store.session(first.id, at(120))), Some(second), "it lasts as told");

    let rotation = ok!(store.rotate(first.id, 0, life(140), at(60)));
    let Rotation::Reuse(reused) = rotation else { panic!("a spent generation: {rotation:?}") };
    assert_eq!((reused.id, &reused.username), (first.id, &first.username), "whose it was");
    assert_eq!(ok!(store.session(first.id, at(60))), None, "reuse ends the session");
    let rotation = ok!(store.rotate(first.id, 1, life(139), at(61)));
    assert_eq!(rotation, Rotation::Gone, "an ended session rotates");

    let never = ok!(store.rotate(SessionId::random(), 0, life(140), at(60)));
    assert_eq!(never, Rotation::Gone, "a session never created rotates");
    let brief = session("rotator", 0, 100);
    ok!(store.create(&brief));
    let late = ok!(store.rotate(brief.id, 0, life(99), at(101)));
    assert_eq!(late, Rotation::Gone, "an expired session rotates");
    assert_eq!(ok!(store.session(brief.id, at(101))), None, "and comes back to life");
}

async fn outlived<S: SessionStore>(store: &S) {
    let first = session("outliver", 0, 900);
    ok!(store.create(&first));
    let rotation = ok!(store.rotate(first.id, 0, life(900), at(800)));
    let Rotation::Rotate(second) = rotation else { panic!("a live session: {rotation:?}") };
    assert_eq!(second.expires_at, at(WHOLE_LIFE), "a refresh prolongs beyond the whole life");
    assert_eq!(ok!(store.session(first.id, at(WHOLE_LIFE))), None, "it outlives its whole life");

    let shorter = SessionLife { absolute: Duration::from_secs(500), ..life(900) };
    let over = ok!(store.rotate(first.id, 1, shorter, at(900)));
    assert_eq!(over, Rotation::Gone, "a session older than the whole life is refreshed");
}

async fn rotated_by_several<S: SessionStore>(store: &S) {
    let raced = session("racer", 0, 100);
    ok!(store.create(&raced));
    let racers = (0..RACERS).map(|_| store.rotate(raced.id, 0, life(150), at(50)));
    let results: Vec<Rotation> = join(racers)
        .await
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| panic!("rotate: {error}")))
        .collect();
    let rotated = |result: &&Rotation| matches!(result, Rotation::Rotate(_));
    assert_eq!(results.iter().filter(rotated).count(), 1, "one rotates: {results:?}");
    assert_eq!(ok!(store.session(raced.id, at(51))), None, "the others were a reuse");
}

async fn ended<S: SessionStore>(store: &S) {
    let (one, two, brief) =
        (session("ender", 0, 100), session("ender", 0, 100), session("ender", 0, 10));
    for session in [&one, &two, &brief] {
        ok!(store.create(session));
    }
    assert!(ok!(store.end(one.id, at(20))), "ending a session tells so");
    assert!(!ok!(store.end(one.id, at(21))), "it had ended");
    assert!(!ok!(store.end(brief.id, at(21))), "it had expired");
    assert!(!ok!(store.end(SessionId::random(), at(21))), "it never was");
    assert_eq!(ok!(store.session(one.id, at(21))), None, "an ended session is found");
    assert_eq!(ok!(store.session(two.id, at(21))), Some(two), "another ended as well");
}

async fn all_ended<S: SessionStore>(store: &S) {
    let own: Vec<Session> = (0..3).map(|_| session("leaver", 0, 100)).collect();
    let foreign = session("stayer", 0, 100);
    for session in own.iter().chain([&foreign]) {
        ok!(store.create(session));
    }
    let kept = own[0].id;
    let mut ended = ok!(store.end_all(&name("leaver"), Some(kept), at(20)));
    let mut expected = vec![own[1].id, own[2].id];
    ended.sort();
    expected.sort();
    assert_eq!(ended, expected, "all but the kept one");
    let left: Vec<SessionId> =
        ok!(store.sessions(&name("leaver"), at(21))).iter().map(|left| left.id).collect();
    assert_eq!(left, [kept], "the kept one is left");
    assert_eq!(ok!(store.end_all(&name("leaver"), None, at(22))), [kept], "and then none");
    assert_eq!(ok!(store.end_all(&name("leaver"), None, at(23))), [], "nothing ends twice");
    assert!(ok!(store.session(foreign.id, at(23))).is_some(), "another's session ended");
}
