//! Clients that make no room for answers.

use std::{io::Write, net::SocketAddr, time::Duration};

use super::{
    frames::{self, Parting, WINDOW_UPDATE, connect, frame, get, setting, streams},
    under,
};
use crate::{
    process::alone,
    server::{Home, Stopwatch},
};

const LIMIT: Duration = Duration::from_secs(2);

/// Asks for 60 answers with room for `window` bytes each, and for a byte more now and then.
fn read_slowly(address: SocketAddr, path: &str, window: u32) -> (Parting, Duration) {
    let mut stream = connect(address, &setting(4, window));
    let asked: Vec<u8> = streams(60).flat_map(|stream| get(stream, path)).collect();
    stream.write_all(&asked).expect("questions are taken");
    let begun = Stopwatch::start();
    let mut writing = stream.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || (frames::read(stream), begun.elapsed()));
        while !reader.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
            if window > 0 {
                let room = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
                let _ = writing.write_all(&room);
            }
        }
        reader.join().expect("reading goes on")
    })
}

fn gone_in_time(what: &str, path: &str, window: u32) {
    let _alone = alone();
    let home = Home::new();
    // Not for being idle, which takes much longer.
    let server = home.start(&["limits.time.write_stall=2s"]);
    for (parting, after) in under(&server, what, |address| read_slowly(address, path, window)) {
        assert!(parting.closed, "{what}: {parting:?}");
        assert!(after < LIMIT + Duration::from_secs(2), "{what}: {after:?} {parting:?}");
    }
}

#[test]
fn who_makes_no_room_is_gone_in_time() {
    gone_in_time("no window", "/api/openapi.json", 0);
}

#[test]
fn who_makes_room_for_single_bytes_is_gone_in_time() {
    gone_in_time("a window of one byte", "/api/openapi.json", 1);
}

#[test]
fn who_makes_no_room_for_small_answers_is_gone_in_time() {
    gone_in_time("small answers", "/api/health", 1);
}

#[test]
fn who_never_reads_is_gone_in_time_whatever_it_sends() {
    let _alone = alone();
    let home = Home::new();
    let server = home.start(&["limits.time.write_stall=2s", "limits.time.idle=2s"]);
    let lived = under(&server, "no reading", |address| {
        let mut stream = connect(address, &[]);
        let begun = Stopwatch::start();
        let asked: Vec<u8> =
            streams(60).flat_map(|stream| get(stream, "/api/openapi.json")).collect();
        let pings = frame(frames::PING, 0, 0, &[1; 8]).repeat(100);
        let _ = stream.write_all(&asked);
        while begun.elapsed() < LIMIT * 3 && stream.write_all(&pings).is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    });
    assert!(lived.iter().all(|after| *after < LIMIT * 2), "{lived:?}");
}
