//! Connections that are put aside while they rest, and wake up.

use super::*;

#[tokio::test]
async fn a_connection_that_rests_is_put_aside_until_bytes_come() {
    let mut world = World::new();
    settle().await;
    assert!(world.is_put_aside(), "a new connection has no buffer");
    for _ in 0..3 {
        world.is_answered(REQUEST).await;
        assert!(!world.is_put_aside());
        world.pass(499).await;
        assert!(!world.is_put_aside());
        world.pass(1).await;
        assert!(world.is_put_aside());
    }
}

#[tokio::test]
async fn a_request_at_the_moment_of_resting_is_answered() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    // The bytes are there before the connection finds that it rests.
    world.look_after(500);
    world.is_answered(REQUEST).await;
    assert!(!world.is_put_aside());
    // And they come right after it did.
    world.pass(500).await;
    assert!(world.is_put_aside());
    world.is_answered(REQUEST).await;
    assert!(!world.is_put_aside());
}

#[tokio::test]
async fn requests_that_come_in_halves_lose_no_byte() {
    let all = REQUEST.repeat(2);
    for at in 1..all.len() {
        let mut world = World::new();
        world.is_answered(REQUEST).await;
        // In turns: the first half comes before, and after it is put aside.
        if at % 2 == 0 {
            world.look_after(500);
        } else {
            world.pass(500).await;
        }
        world.send(&all[..at]).await;
        world.pass(600).await;
        world.send(&all[at..]).await;
        let came = world.came().await;
        assert_eq!(came.matches("HTTP/1.1 200 OK").count(), 2, "{at}: {came}");
        world.pass(500).await;
        assert!(world.is_put_aside(), "{at}");
    }
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_does_not_rest() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    world.pass(5000).await;
    world.answer.told.notify_one();
    let came = world.came().await;
    assert!(came.ends_with("xx"), "{came}");
    world.pass(400).await;
    assert!(!world.is_put_aside());
    world.pass(100).await;
    assert!(world.is_put_aside());
}

#[tokio::test]
async fn a_connection_whose_answer_is_not_taken_does_not_rest() {
    let mut world = World::with(1000, ServerSettings::default());
    world.send("GET /5000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    world.pass(2000).await;
    let mut came = String::new();
    while !came.ends_with(&"x".repeat(5000)) {
        came += &world.came().await;
    }
    world.pass(500).await;
    assert!(world.is_put_aside());
    world.is_answered(REQUEST).await;
}

#[tokio::test]
async fn a_drain_waits_for_the_next_request_of_a_connection_put_aside() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.sweeper.drain();
    settle().await;
    assert!(world.is_put_aside() && !world.served.is_finished());
    world.is_answered(REQUEST).await;
}

#[tokio::test]
async fn a_connection_put_aside_is_closed_when_it_was_idle_for_too_long() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.pass(59_499).await;
    assert!(!world.served.is_finished());
    world.pass(1).await;
    assert_eq!(world.rest().await, "");
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_connection_put_aside() {
    let mut world = World::new();
    world.is_answered(REQUEST).await;
    world.pass(500).await;
    world.client.shutdown().await.unwrap();
    assert_eq!(world.rest().await, "");
}

/// What a connection put aside costs beside its stream: a task with this, a watch, and places in two tables.
#[tokio::test]
async fn a_connection_put_aside_is_small() {
    let sweeper = Arc::new(Sweeper::new());
    let entrance = Entrance {
        table: Arc::new(ConnectionTable::new(&ConnectionConfig::default())),
        sweeper: Arc::clone(&sweeper),
        drain: Drain::new(Readiness::new()),
        settings: Arc::new(Live::new(ServerSettings::default())),
        door: Arc::default(),
    };
    let permit = entrance.table.admit("192.0.2.1".parse().unwrap()).unwrap();
    let answer = Arc::new(Bytewise { told: Notify::new() });
    let stream = duplex(1).0;
    let peer = "192.0.2.1:1".parse().unwrap();
    let future = connection(stream, sweeper.watch(), peer, permit, entrance, answer);
    let sizes = (size_of_val(&future), size_of::<Watch>());
    println!("{sizes:?}");
    // With the counts of its `Arc` the watch is of the size class of 224 bytes.
    assert!(sizes.0 <= 320 && sizes.1 <= 224 - 16, "{sizes:?}");
}
