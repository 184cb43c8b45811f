use std::sync::mpsc;

use gabion_config::ByteSize;

use super::*;

fn pool(memory: ByteSize, parallel_hashes: usize) -> HashPool {
    let config = PasswordConfig { memory, passes: 1, parallel_hashes, ..Default::default() };
    HashPool::new(&config, 2).unwrap()
}

fn small() -> HashPool {
    pool(ByteSize::kib(64), 1)
}

fn password(text: &str) -> NormalPassword {
    NormalPassword::new(text).unwrap()
}

/// Keeps the only thread busy until told otherwise.
fn block(pool: &HashPool) -> mpsc::Sender<()> {
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    pool.shared
        .push(Box::new(move |_| {
            begun.send(()).unwrap();
            let _ = released.recv();
        }))
        .unwrap();
    has_begun.recv().unwrap();
    release
}

#[tokio::test]
async fn the_right_password_matches_and_others_do_not() {
    let pool = small();
    let phc = pool.hash(password("velvet kayak")).await.unwrap();
    let verify = |text, phc| pool.verify(password(text), Some(phc));
    assert_eq!(
        verify("velvet kayak", phc.clone()).await,
        Ok(Verdict { matches: true, rehash: false })
    );
    let wrong = Ok(Verdict { matches: false, rehash: false });
    for other in ["velvet kayal", "Velvet kayak", "velvet kayak ", ""] {
        assert_eq!(verify(other, phc.clone()).await, wrong, "{other}");
    }
}

// ASVS 6.2.8
#[tokio::test]
async fn a_password_is_not_cut() {
    let pool = small();
    let long = "0123456789".repeat(8);
    let phc = pool.hash(password(&long)).await.unwrap();
    let cut = pool.verify(password(&long[..72]), Some(phc.clone())).await.unwrap();
    let whole = pool.verify(password(&long), Some(phc)).await.unwrap();
    assert!(whole.matches && !cut.matches);
}

// ASVS 6.2.8
#[tokio::test]
async fn composed_and_decomposed_letters_log_in_alike() {
    let pool = small();
    let phc = pool.hash(password("caf\u{e9}")).await.unwrap();
    let verdict = pool.verify(password("cafe\u{301}"), Some(phc)).await.unwrap();
    assert!(verdict.matches);
}

#[tokio::test]
async fn an_unknown_account_never_matches() {
    let pool = small();
    let verdict = pool.verify(password("velvet kayak"), None).await;
    assert_eq!(verdict, Ok(Verdict { matches: false, rehash: false }));
}

#[tokio::test]
async fn a_hash_of_another_cost_still_matches_and_asks_to_be_made_anew() {
    let phc = pool(ByteSize::kib(256), 1).hash(password("x")).await.unwrap();
    let verdict = small().verify(password("x"), Some(phc)).await;
    assert_eq!(verdict, Ok(Verdict { matches: true, rehash: true }));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let pool = small();
    let release = block(&pool);
    let waiting: Vec<_> = (0..QUEUE).map(|_| pool.hash(password("x"))).collect();
    assert_eq!(pool.hash(password("x")).await, Err(HashError::Busy));
    release.send(()).unwrap();
    for hash in waiting {
        assert!(hash.await.is_ok());
    }
}

#[tokio::test]
async fn a_client_that_leaves_keeps_its_place_until_its_turn() {
    let pool = small();
    let release = block(&pool);
    drop((0..QUEUE).map(|_| pool.hash(password("x"))).collect::<Vec<_>>());
    assert_eq!(pool.waiting(), QUEUE);
    assert_eq!(pool.hash(password("x")).await, Err(HashError::Busy));
    release.send(()).unwrap();
}

#[tokio::test]
async fn a_panic_in_a_job_leaves_the_thread_working() {
    let pool = small();
    let failed = pool.run(|_| -> Result<(), HashError> { panic!("broken job") }).await;
    assert_eq!(failed, Err(HashError::Failed));
    assert!(pool.hash(password("x")).await.is_ok());
}

#[tokio::test]
async fn whoever_waits_when_the_pool_ends_is_told() {
    let pool = small();
    let release = block(&pool);
    let waiting = pool.hash(password("x"));
    drop(pool);
    release.send(()).unwrap();
    assert_eq!(waiting.await, Err(HashError::Failed));
}

#[test]
fn the_pool_says_what_it_holds() {
    let pool = pool(ByteSize::mib(1), 3);
    assert_eq!((pool.threads(), pool.memory_bytes()), (3, 3 << 20));
}

#[test]
fn a_thread_that_gives_way_rests_for_its_part_of_the_time() {
    let busy = Duration::from_millis(20);
    let rests = [0, 500, 750, 990, 1000].map(|rest| pause(busy, rest).as_millis());
    assert_eq!(rests, [0, 20, 60, 1980, 1980]);
}

#[test]
fn a_share_of_the_cores_is_spread_over_the_threads() {
    let rest = |threads, cores, share| {
        let memory = ByteSize::kib(64);
        let config = PasswordConfig { parallel_hashes: threads, memory, ..Default::default() };
        let pool = HashPool::new(&config, cores).unwrap();
        pool.give_way(share);
        pool.shared.rest.load(Ordering::Relaxed)
    };
    assert_eq!(rest(2, 2, Some(0.25)), 750);
    assert_eq!(rest(1, 2, Some(0.25)), 500);
    assert_eq!(rest(1, 8, Some(0.25)), 0);
    assert_eq!(rest(2, 2, None), 0);
}

#[test]
fn threads_are_as_many_as_cores_until_their_memory_is_too_much() {
    let threads = |cores, memory| {
        let config = PasswordConfig { memory, ..Default::default() };
        HashPool::new(&config, cores).unwrap().threads()
    };
    assert_eq!([1, 2, 8].map(|cores| threads(cores, ByteSize::mib(19))), [1, 2, 8]);
    assert_eq!(threads(64, ByteSize::mib(19)), 13);
    assert_eq!(threads(64, ByteSize::gib(1)), 1);
}
