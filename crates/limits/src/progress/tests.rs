use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::time::ByteRate;

fn config() -> TimeConfig {
    TimeConfig {
        tls_handshake: Duration::from_millis(300),
        head: Duration::from_millis(100),
        body_min_rate: ByteRate::per_second(1000),
        body_grace: Duration::from_millis(50),
        write_stall: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        ..TimeConfig::default()
    }
}

fn served_one(now_ms: u64) -> Progress {
    let progress = Progress::new();
    progress.accepted(now_ms);
    progress.request_began();
    progress.request_ended(now_ms);
    progress
}

fn verdicts<const N: usize>(progress: &Progress, ticks: [u64; N]) -> [Option<Overdue>; N] {
    ticks.map(|now_ms| progress.overdue(now_ms, &config()))
}

#[test]
fn a_handshake_has_its_own_time_and_the_head_begins_after_it() {
    let progress = Progress::new();
    progress.handshake_began(0);
    assert_eq!(verdicts(&progress, [299, 300]), [None, Some(Overdue::Handshake)]);
    progress.accepted(299);
    assert_eq!(verdicts(&progress, [398, 399]), [None, Some(Overdue::Head)]);
}

#[test]
fn the_first_head_counts_from_the_accept_whatever_dribbles_in() {
    let progress = Progress::new();
    progress.accepted(5);
    progress.read(1, 90);
    assert_eq!(verdicts(&progress, [104, 105]), [None, Some(Overdue::Head)]);
}

#[test]
fn a_later_head_counts_from_its_first_byte() {
    let progress = served_one(10);
    progress.read(1, 300);
    progress.read(1, 390);
    assert_eq!(verdicts(&progress, [399, 400]), [None, Some(Overdue::Head)]);
    progress.request_began();
    assert_eq!(verdicts(&progress, [400, 100_000]), [None, None]);
}

#[test]
fn a_connection_without_a_request_is_idle() {
    let progress = served_one(10);
    assert_eq!(verdicts(&progress, [409, 410]), [None, Some(Overdue::Idle)]);
}

#[test]
fn bytes_between_http_2_requests_neither_begin_a_head_nor_keep_it_alive() {
    let progress = served_one(10);
    progress.set_http2();
    progress.read(8, 350);
    assert_eq!(verdicts(&progress, [409, 410]), [None, Some(Overdue::Idle)]);
}

#[test]
fn a_header_block_has_the_time_of_a_head_beside_any_other_request() {
    let progress = served_one(10);
    progress.set_http2();
    progress.request_began();
    progress.header_block_began(1000);
    assert_eq!(verdicts(&progress, [1099, 1100]), [None, Some(Overdue::Head)]);
    // A request that was read before it does not end it.
    progress.request_began();
    progress.request_ended(1050);
    assert_eq!(verdicts(&progress, [1099, 1100]), [None, Some(Overdue::Head)]);
    progress.header_block_began(1090);
    assert_eq!(verdicts(&progress, [1189, 1190]), [None, Some(Overdue::Head)]);
    progress.header_block_ended();
    assert_eq!(verdicts(&progress, [10_000]), [None]);
}

#[test]
fn a_connection_is_busy_until_its_last_request_ends() {
    let progress = served_one(10);
    progress.set_http2();
    progress.request_began();
    progress.request_began();
    progress.request_ended(20);
    assert_eq!(verdicts(&progress, [10_000]), [None]);
    progress.request_ended(10_000);
    assert_eq!(verdicts(&progress, [10_399, 10_400]), [None, Some(Overdue::Idle)]);
}

#[test]
fn a_body_may_be_silent_only_for_the_grace() {
    let progress = served_one(0);
    progress.request_began();
    progress.body_waiting(1000);
    assert_eq!(verdicts(&progress, [1049, 1050]), [None, Some(Overdue::BodyTooSlow)]);
}

#[test]
fn a_body_at_the_least_rate_goes_on() {
    let progress = served_one(0);
    progress.request_began();
    progress.body_received(40, 0);
    for tick in 0..100 {
        progress.body_waiting(tick * 40);
        assert_eq!(verdicts(&progress, [tick * 40 + 40]), [None]);
        progress.body_received(40, tick * 40 + 40);
    }
    progress.body_waiting(4000);
    assert_eq!(verdicts(&progress, [4040, 4041]), [None, Some(Overdue::BodyTooSlow)]);
}

#[test]
fn a_slow_handler_is_not_blamed_on_the_client() {
    let progress = served_one(0);
    progress.request_began();
    progress.body_waiting(0);
    progress.body_received(60, 40);
    // The handler computes for ten seconds.
    progress.body_waiting(10_040);
    assert_eq!(verdicts(&progress, [10_060, 10_061]), [None, Some(Overdue::BodyTooSlow)]);
}

#[test]
fn the_next_body_begins_anew() {
    let progress = served_one(0);
    progress.request_began();
    progress.body_waiting(0);
    progress.body_received(1 << 30, 40);
    progress.body_done();
    progress.body_waiting(40);
    assert_eq!(verdicts(&progress, [89, 90]), [None, Some(Overdue::BodyTooSlow)]);
}

#[test]
fn a_client_that_takes_nothing_is_stalled_and_any_byte_helps() {
    let progress = served_one(0);
    progress.request_began();
    progress.write_blocked(100);
    progress.write_blocked(250);
    assert_eq!(verdicts(&progress, [299, 300]), [None, Some(Overdue::WriteStalled)]);
    progress.write_progressed();
    progress.write_blocked(299);
    assert_eq!(verdicts(&progress, [498, 499]), [None, Some(Overdue::WriteStalled)]);
}

#[test]
fn requests_are_counted_from_the_first() {
    let progress = Progress::new();
    progress.accepted(0);
    assert_eq!([(); 3].map(|()| progress.request_began()), [1, 2, 3]);
    assert_eq!(progress.in_flight(), 3);
    progress.request_ended(0);
    assert_eq!((progress.request_began(), progress.in_flight()), (4, 3));
    for _ in 0..4 {
        progress.request_ended(0);
    }
    assert_eq!((progress.request_began(), progress.in_flight()), (5, 1));
}

#[test]
fn age_counts_from_the_handshake() {
    let (age, progress) = (Duration::from_millis(500), Progress::new());
    assert!(!progress.is_older_than(age, 10_000));
    progress.handshake_began(10);
    progress.accepted(200);
    assert_eq!([509, 510].map(|now_ms| progress.is_older_than(age, now_ms)), [false, true]);
}

#[test]
fn a_connection_rests_while_nothing_is_under_way() {
    let span = Duration::from_millis(50);
    let fresh = Progress::new();
    fresh.accepted(0);
    assert!(!fresh.has_rested(span, 1000));
    let progress = served_one(10);
    assert_eq!([59, 60].map(|now_ms| progress.has_rested(span, now_ms)), [false, true]);
    progress.write_blocked(60);
    assert!(!progress.has_rested(span, 1000));
    progress.write_progressed();
    progress.read(1, 1000);
    assert!(!progress.has_rested(span, 1000));
    progress.request_began();
    assert!(!progress.has_rested(span, 2000));
    progress.request_ended(2000);
    assert_eq!([2049, 2050].map(|now_ms| progress.has_rested(span, now_ms)), [false, true]);
}

#[test]
fn nothing_is_overdue_before_the_connection_began() {
    let progress = Progress::new();
    assert_eq!(verdicts(&progress, [0, u64::MAX]), [None, None]);
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Http2,
    Read(usize),
    BlockBegan,
    BlockEnded,
    Began,
    Ended,
    BodyWaiting,
    BodyReceived(usize),
    BodyDone,
    Blocked,
    Progressed,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Http2),
        6 => (0..3_usize).prop_map(Event::Read),
        1 => Just(Event::BlockBegan),
        3 => Just(Event::BlockEnded),
        6 => Just(Event::Began),
        6 => Just(Event::Ended),
        6 => Just(Event::BodyWaiting),
        6 => (0..150_usize).prop_map(Event::BodyReceived),
        2 => Just(Event::BodyDone),
        3 => Just(Event::Blocked),
        3 => Just(Event::Progressed),
    ]
}

/// The same in one thread, counting each millisecond as it passes.
#[derive(Default)]
struct Model {
    http2: bool,
    in_flight: u32,
    head: Option<u64>,
    block: Option<u64>,
    idle: u64,
    body_waits: bool,
    body_waited: u64,
    body_bytes: u64,
    blocked: Option<u64>,
}

impl Model {
    fn pass_a_millisecond(&mut self) {
        self.head = self.head.map(|spent| spent + 1);
        self.block = self.block.map(|spent| spent + 1);
        self.idle += 1;
        self.body_waited += u64::from(self.body_waits);
        self.blocked = self.blocked.map(|spent| spent + 1);
    }

    fn end_body(&mut self) {
        (self.body_waits, self.body_waited, self.body_bytes) = (false, 0, 0);
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Http2 => self.http2 = true,
            Event::Read(bytes) => {
                if bytes > 0 && self.in_flight == 0 && !self.http2 {
                    self.head.get_or_insert(0);
                }
            }
            Event::BlockBegan => self.block = Some(0),
            Event::BlockEnded => self.block = None,
            Event::Began => (self.in_flight, self.head) = (self.in_flight + 1, None),
            Event::Ended => {
                self.idle = 0;
                if self.in_flight == 1 {
                    self.end_body();
                }
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Event::BodyWaiting => self.body_waits = true,
            Event::BodyReceived(bytes) => {
                self.body_waits = false;
                self.body_bytes += bytes as u64;
            }
            Event::BodyDone => self.end_body(),
            Event::Blocked => _ = self.blocked.get_or_insert(0),
            Event::Progressed => self.blocked = None,
        }
    }

    fn overdue(&self) -> Option<Overdue> {
        if self.head.max(self.block).is_some_and(|spent| spent >= 100) {
            Some(Overdue::Head)
        } else if self.body_waits && self.body_waited >= 50 && self.body_bytes < self.body_waited {
            Some(Overdue::BodyTooSlow)
        } else if self.blocked.is_some_and(|spent| spent >= 200) {
            Some(Overdue::WriteStalled)
        } else if self.in_flight == 0 && self.head.is_none() && self.idle >= 400 {
            Some(Overdue::Idle)
        } else {
            None
        }
    }
}

fn apply(progress: &Progress, event: Event, now_ms: u64) {
    match event {
        Event::Http2 => progress.set_http2(),
        Event::Read(bytes) => progress.read(bytes, now_ms),
        Event::BlockBegan => progress.header_block_began(now_ms),
        Event::BlockEnded => progress.header_block_ended(),
        Event::Began => _ = progress.request_began(),
        Event::Ended => progress.request_ended(now_ms),
        Event::BodyWaiting => progress.body_waiting(now_ms),
        Event::BodyReceived(bytes) => progress.body_received(bytes, now_ms),
        Event::BodyDone => progress.body_done(),
        Event::Blocked => progress.write_blocked(now_ms),
        Event::Progressed => progress.write_progressed(),
    }
}

proptest! {
    #[test]
    fn progress_agrees_with_a_plain_count(
        start in 0..1_000_000_u64,
        steps in prop::collection::vec((event(), 0..120_u64), 0..80),
    ) {
        let (progress, mut model) = (Progress::new(), Model { head: Some(0), ..Model::default() });
        progress.accepted(start);
        let mut now_ms = start;
        for (event, pause) in steps {
            apply(&progress, event, now_ms);
            model.apply(event);
            for _ in 0..pause {
                now_ms += 1;
                model.pass_a_millisecond();
            }
            prop_assert_eq!(progress.overdue(now_ms, &config()), model.overdue(), "{:?}", event);
        }
    }
}
