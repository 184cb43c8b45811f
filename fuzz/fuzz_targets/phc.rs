//! Stored password hashes: none breaks a hashing thread, and none lets a wrong password in.

#![no_main]

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use gabion_auth::{HashError, HashPool, NormalPassword, PasswordConfig};
use gabion_config::ByteSize;
use libfuzzer_sys::fuzz_target;

const RIGHT: &str = "velvet kayak outruns mildew";
const WRONG: &str = "velvet kayak outruns mildev";

static POOL: LazyLock<HashPool> = LazyLock::new(|| {
    let config = PasswordConfig {
        memory: ByteSize::kib(64),
        passes: 1,
        parallel_hashes: 1,
        ..PasswordConfig::default()
    };
    let pool = HashPool::new(&config, 1).expect("the cost is argon2's least");
    let hash = block_on(pool.hash(password(RIGHT))).expect("hashes");
    assert!(block_on(pool.verify(password(RIGHT), Some(hash))).is_ok_and(|it| it.matches));
    pool
});

fuzz_target!(|phc: &str| {
    // Within what a stored hash may cost, the dear ones would be all that is ever tried.
    if cost(phc, "m=") > 2048 || cost(phc, "t=") > 2 {
        return;
    }
    match block_on(POOL.verify(password(WRONG), Some(phc.to_owned()))) {
        Ok(verdict) => assert!(!verdict.matches && !verdict.rehash, "{phc}"),
        Err(error) => assert_eq!(error, HashError::Stored, "{phc}"),
    }
});

/// The number behind the first `name`, unless it is too much to be computed at all.
fn cost(phc: &str, name: &str) -> u32 {
    let Some((_, rest)) = phc.split_once(name) else { return 0 };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|cost| *cost <= 1 << 20).unwrap_or(0)
}

fn password(text: &str) -> NormalPassword {
    NormalPassword::new(text).expect("short enough")
}

/// Waits for the hashing thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
