//! Rate checks and admission, beside governor and a semaphore.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use gabion_benches::subject::{
    rate::{Governor, Keys, Table},
    recorder,
};
use gabion_clock::Instant;
use gabion_config::Rate;
use gabion_limits::{
    Class, LimitMode,
    admission::{Admission, Fixed, Outcome},
    gcra::{Verdict, gcra},
    quota::Quota,
};
use tokio::sync::Semaphore;

fn pure(c: &mut Criterion) {
    let quota = Quota::new(Rate::per_second(100), 200);
    let (mut tat, mut now) = (Instant::ORIGIN, 0_u64);
    c.bench_function("gcra/pure decision, allowed", |b| {
        b.iter(|| {
            now += 20_000_000;
            let verdict = gcra(tat, black_box(quota), black_box(1), Instant::from_nanos(now));
            if let Verdict::Allow { tat: next, .. } = verdict {
                tat = next;
            }
            verdict
        });
    });
}

fn allowed(c: &mut Criterion) {
    for (name, count) in [("1 key", 1), ("100 k keys", 100_000), ("1 Mi keys", 1 << 20)] {
        let mut group = c.benchmark_group(format!("rate check, allowed, {name}"));
        let keys = Keys::new(count);
        let mut ours = Table::allowing(&keys);
        group.bench_function("gabion, time passed in", |b| b.iter(|| ours.check()));
        group.bench_function("gabion, with a clock read", |b| {
            b.iter(|| ours.check_and_read_clock());
        });
        drop(ours);
        let mut peer = Governor::allowing(&keys);
        group.bench_function("governor, String keys", |b| b.iter(|| peer.check()));
        group.finish();
    }
}

fn denied(c: &mut Criterion) {
    let mut group = c.benchmark_group("rate check, denied, 1000 keys");
    let keys = Keys::new(1000);
    let (mut ours, mut peer) = (Table::denying(&keys), Governor::denying(&keys));
    group.bench_function("gabion, time passed in", |b| b.iter(|| ours.check()));
    group.bench_function("governor, String keys", |b| b.iter(|| peer.check()));
    group.finish();
}

fn admission(c: &mut Criterion) {
    recorder();
    let mut group = c.benchmark_group("admission, admit and release");
    let admission = Arc::new(Admission::new(Fixed(1024), LimitMode::Enforce));
    group.bench_function("gabion, class user", |b| {
        b.iter(|| {
            let now = black_box(Instant::from_nanos(5));
            if let Ok(permit) = admission.admit(black_box(Class::User), now) {
                permit.finish(now, Outcome::Success);
            }
        });
    });
    let semaphore = Arc::new(Semaphore::new(1024));
    group.bench_function("tokio Semaphore, owned permit", |b| {
        b.iter(|| drop(black_box(Arc::clone(&semaphore).try_acquire_owned())));
    });
    group.finish();
}

fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(1)).sample_size(50)
}

criterion_group! { name = benches; config = short(); targets = pure, allowed, denied, admission }
criterion_main!(benches);
