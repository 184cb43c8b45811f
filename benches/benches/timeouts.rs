//! What the limits of time cost a request, beside a timer that is armed anew for each.

use std::{future::poll_fn, hint::black_box, pin::pin, task::Poll, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use gabion_limits::{Progress, TimeConfig};
use tokio::time::{Instant, sleep_until};

/// What is noted of one request over HTTP/1, as its connection does: its head came with one read and the
/// answer went with one write, between which the next read finds nothing.
fn request(progress: &Progress, now_ms: u64) -> u32 {
    progress.read(black_box(200), now_ms);
    let begun = progress.request_began();
    progress.body_done();
    progress.request_ended(now_ms);
    progress.write_progressed();
    begun
}

/// The same with a body of four pieces, each of them waited for.
fn upload(progress: &Progress, now_ms: u64) -> u32 {
    progress.read(black_box(200), now_ms);
    let begun = progress.request_began();
    for _ in 0..4 {
        progress.body_waiting(now_ms);
        progress.read(black_box(8192), now_ms);
        progress.body_received(black_box(8192), now_ms);
    }
    progress.body_done();
    progress.request_ended(now_ms);
    progress.write_progressed();
    begun
}

fn noting(c: &mut Criterion) {
    let mut group = c.benchmark_group("all limits of time, per request");
    for (name, note) in [
        ("noted, without a body", request as fn(&Progress, u64) -> u32),
        ("noted, with a body in four pieces", upload),
    ] {
        let progress = Progress::new();
        progress.accepted(1);
        let mut now_ms = 1;
        group.bench_function(name, |b| {
            b.iter(|| {
                now_ms += 1;
                note(&progress, now_ms)
            });
        });
    }
    // One timer, as of a head; body, write, idle and age would be four more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime with a timer");
    group.bench_function("peer: one timer of tokio, armed and polled", |b| {
        runtime.block_on(async {
            let mut timer = pin!(sleep_until(Instant::now() + Duration::from_secs(10)));
            let mut later = Instant::now();
            poll_fn(|cx| {
                b.iter(|| {
                    later += Duration::from_millis(1);
                    timer.as_mut().reset(later + Duration::from_secs(10));
                    timer.as_mut().poll(cx).is_ready()
                });
                Poll::Ready(())
            })
            .await;
        });
    });
    group.finish();
}

fn sweeping(c: &mut Criterion) {
    let config = TimeConfig::default();
    let connections: Vec<Progress> = (0..10_000)
        .map(|_| {
            let progress = Progress::new();
            progress.accepted(1);
            request(&progress, 1);
            progress
        })
        .collect();
    // Ten times a second.
    c.bench_function("one look at 10 000 idle connections", |b| {
        b.iter(|| {
            let late =
                connections.iter().filter(|it| it.overdue(black_box(100), &config).is_some());
            late.count()
        });
    });
}

criterion_group!(benches, noting, sweeping);
criterion_main!(benches);
