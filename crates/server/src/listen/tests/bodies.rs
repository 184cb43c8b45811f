//! Request bodies that come side by side over HTTP/2, each judged by itself.

use super::*;

/// HEADERS of `POST http://a/read`, whose body follows.
fn post(stream: u8) -> Vec<u8> {
    [&[0, 0, 12, 1, 4, 0, 0, 0, stream], &b"\x83\x86\x04\x05/read\x41\x01a"[..]].concat()
}

fn data(stream: u8, last: bool, bytes: &[u8]) -> Vec<u8> {
    [&[0, 0, u8::try_from(bytes.len()).unwrap(), 0, last.into(), 0, 0, 0, stream], bytes].concat()
}

/// Which streams were answered, and whether with 200, the eighth in HPACK's table.
async fn answered(world: &mut World) -> Vec<(u8, bool)> {
    let bytes = world.bytes().await;
    let (mut left, mut heads) = (&bytes[..], Vec::new());
    while let [a, b, c, kind, _, _, _, _, stream, payload @ ..] = left {
        if *kind == HEADERS_FRAME {
            heads.push((*stream, payload[0] == 0x88));
        }
        left = &payload[u32::from_be_bytes([0, *a, *b, *c]) as usize..];
    }
    heads
}

#[tokio::test]
async fn an_honest_body_beside_stalled_ones_is_taken() {
    let mut world = World::new();
    world.send([BEGIN, &post(1), &post(3), &data(3, false, b"x")].concat()).await;
    world.pass(4700).await;
    world.send(post(5)).await;
    for _ in 0..8 {
        world.send(data(5, false, &[b'z'; 150])).await;
        world.pass(100).await;
    }
    assert_eq!(answered(&mut world).await, [(1, false), (3, false)]);
    world.send(data(5, true, b"z")).await;
    assert_eq!(answered(&mut world).await, [(5, true)]);
    assert!(!world.served.is_finished());
}

#[tokio::test]
async fn after_a_slow_body_the_next_ones_are_taken() {
    let mut world = World::new();
    world.send([BEGIN, &post(1), &data(1, false, b"x")].concat()).await;
    world.pass(4999).await;
    assert_eq!(answered(&mut world).await, []);
    world.pass(1).await;
    assert_eq!(answered(&mut world).await, [(1, false)]);
    world.send([post(3), data(3, true, b"whole")].concat()).await;
    assert_eq!(answered(&mut world).await, [(3, true)]);
    world.send(post(5)).await;
    world.pass(4000).await;
    world.send(data(5, true, b"late")).await;
    assert_eq!(answered(&mut world).await, [(5, true)]);
}

#[tokio::test]
async fn what_was_there_at_once_counts_for_a_body_that_stalls_then() {
    let mut world = World::new();
    world.send([BEGIN, &post(1)].concat()).await;
    // Six seconds' worth of it.
    let begin = data(3, false, &[b'x'; 128]).repeat(48);
    world.send([post(3), begin].concat()).await;
    world.pass(5000).await;
    assert_eq!(answered(&mut world).await, [(1, false)]);
    world.pass(1000).await;
    assert_eq!(answered(&mut world).await, []);
    world.pass(1).await;
    assert_eq!(answered(&mut world).await, [(3, false)]);
}

#[tokio::test]
async fn over_http_1_a_slow_body_is_the_last_one() {
    let mut world = World::new();
    world.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nxxx").await;
    world.pass(4999).await;
    assert_eq!(world.came().await, "");
    world.pass(1).await;
    let rest = world.rest().await;
    assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
    assert!(rest.contains("connection: close\r\n"), "{rest}");
}
