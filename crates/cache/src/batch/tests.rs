use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::*;

const WAIT: Duration = Duration::from_millis(10);
const BOUNDS: BatchConfig = BatchConfig { keys: 4, wait: WAIT, running: 2, waiting: 100 };

type Doubler = Loader<u32, u32, &'static str>;

/// Doubles; 13 is an error, 0 is absent. The keys of every batch go to the channel.
fn doubler(config: BatchConfig, cost: Duration) -> (Doubler, mpsc::UnboundedReceiver<Vec<u32>>) {
    let (sender, batches) = mpsc::unbounded_channel();
    let loader = Loader::new(config, move |mut keys: Vec<u32>| {
        keys.sort_unstable();
        sender.send(keys.clone()).unwrap();
        async move {
            sleep(cost).await;
            let known = keys.into_iter().filter(|key| *key != 0);
            known.map(|key| (key, if key == 13 { Err("unlucky") } else { Ok(key * 2) })).collect()
        }
    });
    (loader, batches)
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_moment_share_a_batch_with_results_of_their_own() {
    let (loader, mut batches) = doubler(BOUNDS, Duration::ZERO);
    let answers = tokio::join!(loader.load(1), loader.load(13), loader.load(0), loader.load(1));
    assert_eq!(answers, (Ok(Some(2)), Err(LoadError::Failed("unlucky")), Ok(None), Ok(Some(2))));
    assert_eq!(batches.try_recv(), Ok(vec![0, 1, 13]));
    assert!(batches.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_no_longer_than_agreed() {
    let (loader, _batches) = doubler(BOUNDS, Duration::ZERO);
    let start = Instant::now();
    loader.load(1).await.unwrap();
    assert!((WAIT..WAIT + Duration::from_millis(3)).contains(&start.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_begins_at_once_and_the_next_key_opens_another() {
    let (loader, mut batches) = doubler(BOUNDS, Duration::ZERO);
    let start = Instant::now();
    let tasks: Vec<_> = (1..=5)
        .map(|key| {
            let loader = loader.clone();
            tokio::spawn(async move { loader.load(key).await.map(|_| start.elapsed()) })
        })
        .collect();
    let mut waited = Vec::new();
    for task in tasks {
        waited.push(task.await.unwrap().unwrap());
    }
    assert!(waited[3] < WAIT, "{waited:?}");
    assert!(waited[4] >= WAIT, "{waited:?}");
    assert_eq!(batches.try_recv(), Ok(vec![1, 2, 3, 4]));
    assert_eq!(batches.try_recv(), Ok(vec![5]));
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_run_than_may_and_the_next_goes_on_collecting() {
    let long = Duration::from_secs(1);
    let (loader, mut batches) = doubler(BOUNDS, long);
    let spawn = |key| {
        let loader = loader.clone();
        tokio::spawn(async move { loader.load(key).await })
    };
    let mut tasks = Vec::new();
    for key in 1..=4 {
        tasks.push(spawn(key));
        // Each key comes after the wait of the one before.
        sleep(2 * WAIT).await;
    }
    assert_eq!((batches.try_recv(), batches.try_recv()), (Ok(vec![1]), Ok(vec![2])));
    assert!(batches.try_recv().is_err());
    sleep(long).await;
    assert_eq!(batches.try_recv(), Ok(vec![3, 4]));
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_does_not_stop_the_others() {
    let (loader, _batches) = doubler(BOUNDS, Duration::ZERO);
    let mut stays = pin!(loader.load(2));
    {
        let leaves = pin!(loader.load(1));
        tokio::select! {
            biased;
            _ = leaves => panic!("not yet loaded"),
            _ = &mut stays => panic!("not yet loaded"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(stays.await, Ok(Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_everybody_left_is_not_loaded() {
    let (loader, mut batches) = doubler(BOUNDS, Duration::ZERO);
    {
        let leaves = pin!(loader.load(1));
        tokio::select! {
            biased;
            _ = leaves => panic!("not yet loaded"),
            () = std::future::ready(()) => {}
        }
    }
    sleep(2 * WAIT).await;
    assert!(batches.try_recv().is_err());
    assert_eq!(loader.load(3).await, Ok(Some(6)));
}

#[tokio::test(start_paused = true)]
async fn callers_beyond_the_bound_are_refused_and_places_come_back() {
    let (loader, _batches) = doubler(BatchConfig { waiting: 2, ..BOUNDS }, Duration::ZERO);
    let answers = tokio::join!(loader.load(1), loader.load(2), loader.load(3));
    assert_eq!(answers, (Ok(Some(2)), Ok(Some(4)), Err(LoadError::Crowded)));
    assert_eq!(loader.load(3).await, Ok(Some(6)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_interrupts_its_batch_only() {
    let calls = AtomicUsize::new(0);
    let loader: Doubler =
        Loader::new(BatchConfig { running: 1, ..BOUNDS }, move |keys: Vec<u32>| {
            let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!first, "the first load panics");
                keys.into_iter().map(|key| (key, Ok(key))).collect()
            }
        });
    assert_eq!(loader.load(1).await, Err(LoadError::Interrupted));
    assert_eq!(loader.load(1).await, Ok(Some(1)));
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_the_ready_tasks_still_share_a_batch() {
    let (loader, mut batches) =
        doubler(BatchConfig { wait: Duration::ZERO, ..BOUNDS }, Duration::ZERO);
    let answers = tokio::join!(loader.load(1), loader.load(2));
    assert_eq!(answers, (Ok(Some(2)), Ok(Some(4))));
    assert_eq!(batches.try_recv(), Ok(vec![1, 2]));
}
