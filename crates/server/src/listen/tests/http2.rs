//! The same limits over HTTP/2, and those of its own.

use super::*;

#[tokio::test]
async fn http_2_without_a_request_has_the_time_of_a_head() {
    let mut world = World::new();
    world.send(BEGIN).await;
    for _ in 0..9 {
        world.send(PING).await;
        world.send(SETTINGS).await;
        world.pass(1000).await;
        assert!(!world.served.is_finished());
    }
    world.send(PING).await;
    world.pass(1000).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn frames_that_are_no_requests_keep_no_http_2_connection_alive() {
    let mut world = World::new();
    world.send(BEGIN).await;
    world.send(get(1)).await;
    assert!(world.frames().await.contains(&HEADERS_FRAME));
    for _ in 0..5 {
        world.send(PING).await;
        world.send(SETTINGS).await;
        world.pass(10_000).await;
        assert!(!world.served.is_finished() && !world.is_put_aside());
    }
    world.send(PING).await;
    world.pass(10_000).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn a_slow_head_over_http_2_has_the_time_of_a_head() {
    let wait = [&[0, 0, 12, 1, 5, 0, 0, 0, 1], &b"\x82\x86\x04\x05/wait\x41\x01a"[..]].concat();
    // HEADERS that do not end, and that are not there whole, and of which there is only the head.
    let mut unended = get(3);
    unended[4] = 1;
    let heads = [unended, get(3)[..12].to_vec(), get(3)[..5].to_vec()];
    for (first, answered) in [(get(1), true), (wait, false)] {
        for head in &heads {
            for together in [false, true] {
                let mut world = World::new();
                world.send(BEGIN).await;
                if together {
                    world.send([&first[..], head].concat()).await;
                } else {
                    world.send(&first).await;
                    world.send(head).await;
                }
                assert_eq!(world.frames().await.contains(&HEADERS_FRAME), answered);
                world.pass(9999).await;
                assert!(!world.served.is_finished(), "{answered} {head:?} {together}");
                world.pass(1).await;
                assert!(world.served.is_finished(), "{answered} {head:?} {together}");
            }
        }
    }
}

#[tokio::test]
async fn small_answers_over_http_2_that_are_not_taken_are_stalled_writes() {
    // Room for so many bytes of each answer (RFC 9113 §6.5.2); they have two.
    for (window, gone) in [(0, true), (1, true), (2, false)] {
        let mut world = World::new();
        let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0], &[0, 4, 0, 0, 0, window][..]].concat();
        world.send([&BEGIN[..24], &settings].concat()).await;
        for stream in (1..120).step_by(2) {
            world.send(get(stream)).await;
        }
        assert!(world.frames().await.contains(&HEADERS_FRAME));
        world.pass(9999).await;
        assert!(!world.served.is_finished(), "{window}");
        world.pass(1).await;
        assert_eq!(world.served.is_finished(), gone, "{window}");
    }
}

#[tokio::test]
async fn heads_over_http_2_that_come_to_their_end_are_answered() {
    let mut world = World::new();
    world.send([BEGIN, &get(1)[..12]].concat()).await;
    // Bytes that never end with a head, and each head within its time.
    for stream in (1..20).step_by(2) {
        world.pass(9000).await;
        world.frames().await;
        world.send([&get(stream)[12..], &get(stream + 2)[..12]].concat()).await;
        assert!(world.frames().await.contains(&HEADERS_FRAME), "{stream}");
    }
    world.send(&get(21)[12..]).await;
    world.pass(20_000).await;
    assert!(!world.served.is_finished());
}

#[tokio::test]
async fn http_2_goes_away_for_its_requests_and_for_its_age() {
    let mut settings = ServerSettings::default();
    settings.limits.connections.requests = 3;
    settings.limits.time.connection = std::time::Duration::from_secs(20);
    for by_age in [false, true] {
        let mut world = World::with(64 * 1024, settings.clone());
        world.send(BEGIN).await;
        for stream in [1, 3] {
            world.send(get(stream)).await;
            assert!(!world.frames().await.contains(&GOAWAY_FRAME));
        }
        if by_age {
            world.pass(20_000).await;
        } else {
            world.send(get(5)).await;
        }
        let frames = world.frames().await;
        assert!(frames.contains(&GOAWAY_FRAME), "{by_age}: {frames:?}");
        assert_eq!(frames.contains(&HEADERS_FRAME), !by_age);
    }
}
