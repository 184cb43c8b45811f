//! HTTP/2 connections whose client was told to go away, and neither does nor acknowledges it.

use super::*;

/// HEADERS of `GET http://a/`, or of `/wait`.
fn ask(stream: u32, wait: bool) -> Vec<u8> {
    let path: &[u8] = if wait { b"\x04\x05/wait" } else { b"\x84" };
    let block = [b"\x82\x86", path, b"\x41\x01a"].concat();
    let length = u8::try_from(block.len()).unwrap();
    [&[0, 0, length, 1, 5], &stream.to_be_bytes()[..], &block].concat()
}

/// Told to go away by its second request, `/wait`, which is under way.
async fn told() -> World {
    let mut settings = ServerSettings::default();
    settings.limits.connections.requests = 2;
    let mut world = World::with(64 * 1024, settings);
    world.send([BEGIN, &ask(1, false)].concat()).await;
    assert!(!world.frames().await.contains(&GOAWAY_FRAME));
    world.send(ask(3, true)).await;
    assert!(world.frames().await.contains(&GOAWAY_FRAME));
    world
}

async fn serves(world: &mut World, stream: u32) -> bool {
    world.send(ask(stream, false)).await;
    world.frames().await.contains(&HEADERS_FRAME)
}

#[tokio::test]
async fn five_seconds_after_the_goaway_nothing_more_is_served() {
    let mut world = told().await;
    world.pass(4999).await;
    assert!(serves(&mut world, 5).await);
    world.pass(1).await;
    assert!(!serves(&mut world, 7).await);
    world.answer.told.notify_one();
    assert!(world.frames().await.contains(&HEADERS_FRAME));
    world.pass(499).await;
    assert!(!world.served.is_finished());
    world.pass(1).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn who_goes_on_asking_is_cut_off_after_the_time_of_a_request() {
    let mut world = told().await;
    world.pass(5000).await;
    assert!(!serves(&mut world, 5).await);
    world.pass(29_999).await;
    assert!(!world.served.is_finished());
    world.pass(1).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn an_answer_under_way_is_waited_for() {
    let mut world = told().await;
    world.pass(5000).await;
    world.pass(300_000).await;
    assert!(!world.served.is_finished());
    world.answer.told.notify_one();
    assert!(world.frames().await.contains(&HEADERS_FRAME));
    world.pass(500).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn only_what_can_have_crossed_the_goaway_is_served() {
    let mut world = told().await;
    for nth in 0..128 {
        assert!(serves(&mut world, 5 + 2 * nth).await, "{nth}");
    }
    assert!(!serves(&mut world, 5 + 2 * 128).await);
    world.answer.told.notify_one();
    settle().await;
    world.pass(500).await;
    assert!(world.served.is_finished());
}

#[tokio::test]
async fn an_idle_connection_that_is_old_or_drained_is_closed() {
    let mut settings = ServerSettings::default();
    settings.limits.time.connection = std::time::Duration::from_secs(20);
    for drained in [false, true] {
        let mut world = World::with(64 * 1024, settings.clone());
        world.send([BEGIN, &ask(1, false)].concat()).await;
        if drained {
            world.sweeper.drain();
        } else {
            world.pass(20_000).await;
        }
        assert!(world.frames().await.contains(&GOAWAY_FRAME), "{drained}");
        world.pass(4999).await;
        assert!(!world.served.is_finished(), "{drained}");
        world.pass(1).await;
        assert!(world.served.is_finished(), "{drained}");
    }
}
