//! One request through the whole guard stack, beside the bare handler.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gabion_benches::subject::wall::{bare, stack, upkeep};

fn request(c: &mut Criterion) {
    let (stack, mut requests) = stack();
    let mut group = c.benchmark_group("one request with a good token, no socket");
    group.bench_function("nine guards and the handler", |b| {
        b.iter_batched(
            || requests.next_request(),
            |request| stack.serve(request),
            BatchSize::SmallInput,
        );
        upkeep();
    });
    group.bench_function("the handler alone", |b| {
        b.iter_batched(|| requests.next_request(), bare, BatchSize::SmallInput);
    });
    group.finish();
}

fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(2)).sample_size(50)
}

criterion_group! { name = benches; config = short(); targets = request }
criterion_main!(benches);
