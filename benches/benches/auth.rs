//! Tokens, beside jsonwebtoken.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gabion_auth::Algorithm;
use gabion_benches::subject::token::{
    Cold, Issuing, Jsonwebtoken, JsonwebtokenIssuing, Remembered, Tokens,
};

fn verify(c: &mut Criterion) {
    for algorithm in Algorithm::ALL {
        let tokens = Tokens::signed_by(algorithm, 4096);
        let mut group = c.benchmark_group(format!("token verify, {algorithm}, never seen"));
        let (mut ours, mut peer) = (Cold::new(&tokens), Jsonwebtoken::new(&tokens));
        group.bench_function("gabion", |b| b.iter(|| ours.verify()));
        group.bench_function("jsonwebtoken, same checks", |b| b.iter(|| peer.verify()));
        group.finish();
    }
}

fn remembered(c: &mut Criterion) {
    let mut group = c.benchmark_group("token seen before, 10 k tokens");
    let mut ours = Remembered::new(&Tokens::new(10_000));
    group.bench_function("found, not expired, its key not retired", |b| b.iter(|| ours.find()));
    group.bench_function("the same, and its session not ended", |b| {
        b.iter(|| ours.find_unless_ended());
    });
    group.finish();
}

fn issue(c: &mut Criterion) {
    for algorithm in Algorithm::ALL {
        let tokens = Tokens::signed_by(algorithm, 4096);
        let mut group = c.benchmark_group(format!("token issue, {algorithm}"));
        let (mut ours, mut peer) = (Issuing::new(&tokens), JsonwebtokenIssuing::new(&tokens));
        group.bench_function("gabion", |b| b.iter(|| ours.issue()));
        group.bench_function("jsonwebtoken, same claims", |b| b.iter(|| peer.issue()));
        group.finish();
    }
}

fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(1)).sample_size(50)
}

criterion_group! { name = benches; config = short(); targets = verify, remembered, issue }
criterion_main!(benches);
