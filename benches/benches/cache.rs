//! Cache hits, beside quick_cache as it comes.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gabion_benches::subject::cached::{Accounts, Ours, QuickCache};

fn hit(c: &mut Criterion) {
    let mut group = c.benchmark_group("cache hit, 100 k entries");
    let (mut ours, mut peer) = (Ours::new(), QuickCache::new());
    group.bench_function("gabion, with lifetimes", |b| b.iter(|| ours.hit()));
    group.bench_function("quick_cache, without", |b| b.iter(|| peer.hit()));
    let mut accounts = Accounts::new();
    group.bench_function("gabion, accounts by name", |b| b.iter(|| accounts.hit()));
    group.finish();
}

fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(1)).sample_size(50)
}

criterion_group! { name = benches; config = short(); targets = hit }
criterion_main!(benches);
