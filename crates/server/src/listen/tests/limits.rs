//! How long a connection may take for a head, and how much it may carry.

use super::*;

#[tokio::test]
async fn a_slow_head_is_answered_and_silence_is_not() {
    for head in ["G", "P", "PRI * HT", "GET / HTTP/1.1\r\nHost:"] {
        for used in [false, true] {
            let mut world = World::new();
            if used {
                world.is_answered(REQUEST).await;
                world.pass(500).await;
            }
            world.send(head).await;
            world.pass(9999).await;
            assert!(!world.served.is_finished());
            world.pass(1).await;
            let rest = world.rest().await;
            assert!(rest.starts_with("HTTP/1.1 408 "), "{head}: {rest}");
            assert!(rest.contains("connection: close\r\n"), "{head}: {rest}");
            assert!(rest.contains("\"code\":\"request-timeout\""), "{head}: {rest}");
        }
    }
    let mut world = World::new();
    world.pass(10_000).await;
    assert_eq!(world.rest().await, "");
}

#[tokio::test]
async fn a_slow_head_that_came_with_a_good_request_has_the_time_of_a_head() {
    for in_flight in [false, true] {
        let mut world = World::new();
        if in_flight {
            world.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
            world.send(&REQUEST[..7]).await;
            world.answer.told.notify_one();
        } else {
            world.send(REQUEST.to_owned() + &REQUEST[..7]).await;
        }
        let came = world.came().await;
        assert!(came.starts_with("HTTP/1.1 200 ") && came.ends_with("xx"), "{in_flight}: {came}");
        // It is found when the connection seems to rest.
        world.pass(500).await;
        world.pass(9999).await;
        assert!(!world.served.is_finished(), "{in_flight}");
        world.pass(1).await;
        assert!(world.served.is_finished(), "{in_flight}");
        let rest = world.rest().await;
        assert!(rest.starts_with("HTTP/1.1 408 "), "{in_flight}: {rest}");
        assert!(rest.contains("\"code\":\"request-timeout\""), "{in_flight}: {rest}");
    }
}

#[tokio::test]
async fn a_slow_head_behind_an_answer_that_is_not_taken_gets_none() {
    let mut world = World::with(1000, ServerSettings::default());
    world.send(&format!("GET /5000 HTTP/1.1\r\nHost: a\r\n\r\n{}", &REQUEST[..9])).await;
    world.pass(10_000).await;
    let rest = world.rest().await;
    assert!(rest.starts_with("HTTP/1.1 200 ") && !rest.contains("408"), "{rest}");
}

#[tokio::test]
async fn the_last_of_so_many_requests_says_so() {
    let mut settings = ServerSettings::default();
    settings.limits.connections.requests = 3;
    let mut world = World::with(64 * 1024, settings);
    for _ in 0..2 {
        world.is_answered(REQUEST).await;
        world.pass(500).await;
    }
    world.send(REQUEST).await;
    let last = world.rest().await;
    assert!(last.contains("connection: close\r\n") && last.ends_with("xx"), "{last}");
}

#[tokio::test]
async fn an_old_connection_ends_with_its_next_answer() {
    let mut settings = ServerSettings::default();
    settings.limits.time.connection = std::time::Duration::from_secs(20);
    let mut world = World::with(64 * 1024, settings);
    world.is_answered(REQUEST).await;
    world.pass(19_999).await;
    world.is_answered(REQUEST).await;
    world.pass(1).await;
    assert!(!world.served.is_finished());
    world.send(REQUEST).await;
    let last = world.rest().await;
    assert!(last.contains("connection: close\r\n") && last.ends_with("xx"), "{last}");
}
