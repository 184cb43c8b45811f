//! Stored password hashes: none breaks a hashing thread, and none lets a wrong password in.

#![no_main]

use std::{
    fs::{self, OpenOptions},
    future::Future,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    pin::pin,
    process,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use gabion_auth::{HashError, HashPool, NormalPassword, PasswordConfig};
use gabion_config::ByteSize;
use libfuzzer_sys::fuzz_target;

const RIGHT: &str = "velvet kayak outruns mildew";
const WRONG: &str = "velvet kayak outruns mildev";

/// Hashes that name it have `keyid=JMKX8JUf`.
const PEPPER: &str = "only for fuzzing: thirty-two bytes and more";

/// One pool without a pepper, and one with.
static POOLS: LazyLock<[HashPool; 2]> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("gabion-fuzz-pepper-{}", process::id()));
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&file);
    opened.and_then(|mut it| it.write_all(PEPPER.as_bytes())).expect("a temporary file");
    let pools = ["", file.to_str().expect("a path of text")].map(|pepper_file| {
        let config = PasswordConfig {
            memory: ByteSize::kib(64),
            passes: 1,
            parallel_hashes: 1,
            pepper_file: pepper_file.to_owned(),
            ..PasswordConfig::default()
        };
        let pool = HashPool::new(&config, 1).expect("the cost is argon2's least");
        let hash = block_on(pool.hash(password(RIGHT))).expect("hashes");
        assert_eq!(hash.contains(",keyid=JMKX8JUf$"), !pepper_file.is_empty(), "{hash}");
        assert!(block_on(pool.verify(password(RIGHT), Some(hash))).is_ok_and(|it| it.matches));
        pool
    });
    let _ = fs::remove_file(&file);
    pools
});

fuzz_target!(|phc: &str| {
    // Within what a stored hash may cost, the dear ones would be all that is ever tried.
    if cost(phc, "m=") > 2048 || cost(phc, "t=") > 2 {
        return;
    }
    for pool in &*POOLS {
        let usable = pool.check(phc);
        match block_on(pool.verify(password(WRONG), Some(phc.to_owned()))) {
            Ok(verdict) => assert!(!verdict.matches && !verdict.rehash && usable.is_ok(), "{phc}"),
            Err(error @ (HashError::Stored | HashError::Pepper)) => {
                assert_eq!(usable, Err(error), "{phc}");
            }
            Err(error) => panic!("{error}: {phc}"),
        }
    }
    assert!(phc.contains("keyid=") || POOLS[0].check(phc) != Err(HashError::Pepper), "{phc}");
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
