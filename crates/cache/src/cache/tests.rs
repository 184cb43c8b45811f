use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
};

use tokio::sync::oneshot;

use super::*;

const T0: Instant = Instant::from_nanos(1 << 40);
const TTL: Duration = Duration::from_secs(60);

type Users = Cache<String, u32, &'static str>;
type Answer = Result<Option<u32>, LoadError<&'static str>>;

fn users() -> Users {
    let config = CacheConfig { ttl: TTL, ..CacheConfig::default() };
    Cache::new("users", &config).jitter(Jitter::NONE)
}

/// A call of `get_or_load` that the test polls by hand, and the source's side of its load.
struct Call<'a> {
    future: Pin<Box<dyn Future<Output = Answer> + Send + 'a>>,
    source: Option<oneshot::Sender<Result<Loaded<u32>, &'static str>>>,
    began: Arc<AtomicUsize>,
}

impl Call<'_> {
    fn new(cache: &Users) -> Call<'_> {
        let (source, answer) = oneshot::channel();
        let began = Arc::new(AtomicUsize::new(0));
        let begin = Arc::clone(&began);
        let future = cache.get_or_load("ann", T0, async move {
            begin.fetch_add(1, Ordering::Relaxed);
            answer.await.expect("the source answers")
        });
        Call { future: Box::pin(future), source: Some(source), began }
    }

    fn poll(&mut self) -> Poll<Answer> {
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Polls a call that cannot be ready yet.
    fn wait(mut self) -> Self {
        assert!(self.poll().is_pending());
        self
    }

    fn loads(&self) -> bool {
        self.began.load(Ordering::Relaxed) == 1
    }

    fn answer(&mut self, answer: Result<Loaded<u32>, &'static str>) {
        self.source.take().unwrap().send(answer).unwrap();
    }
}

fn present(value: u32) -> Poll<Answer> {
    Poll::Ready(Ok(Some(value)))
}

#[test]
fn of_many_callers_one_loads() {
    let cache = users();
    let mut calls: Vec<_> = (0..100).map(|_| Call::new(&cache).wait()).collect();
    assert_eq!(calls.iter().filter(|call| call.loads()).count(), 1);
    calls[0].answer(Ok(Loaded::Present(7)));
    assert!(calls.iter_mut().all(|call| call.poll() == present(7)));
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.loads, snapshot.joined, snapshot.misses), (1, 99, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tasks_on_threads_one_loads() {
    let cache = Arc::new(users());
    let loads = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(tokio::sync::Barrier::new(100));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (cache, loads, gate) = (Arc::clone(&cache), Arc::clone(&loads), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                let load = async {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(Loaded::Present(7))
                };
                cache.get_or_load("ann", T0, load).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(Some(7)));
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_loaded_value_is_used_until_its_lifetime_ends() {
    let cache = users();
    let mut call = Call::new(&cache).wait();
    call.answer(Ok(Loaded::Present(7)));
    assert_eq!(call.poll(), present(7));
    let end = T0 + TTL;
    assert_eq!(cache.get("ann", Instant::from_nanos(end.as_nanos() - 1)), Some(7));
    assert_eq!(cache.get("ann", end), None);
}

#[test]
fn when_the_leader_leaves_one_of_the_others_loads() {
    let cache = users();
    let leader = Call::new(&cache).wait();
    let mut second = Call::new(&cache).wait();
    let mut third = Call::new(&cache).wait();
    drop(leader);
    assert!(second.poll().is_pending() && third.poll().is_pending());
    assert!(second.loads() && !third.loads());
    second.answer(Ok(Loaded::Present(8)));
    assert_eq!((second.poll(), third.poll()), (present(8), present(8)));
    assert_eq!(cache.snapshot().loads, 2);
}

#[test]
fn when_one_who_waits_leaves_the_load_goes_on() {
    let cache = users();
    let mut leader = Call::new(&cache).wait();
    drop(Call::new(&cache).wait());
    leader.answer(Ok(Loaded::Present(7)));
    assert_eq!(leader.poll(), present(7));
}

#[tokio::test]
async fn a_panic_in_a_load_does_not_stop_the_next() {
    let cache = Arc::new(users());
    let copy = Arc::clone(&cache);
    let first = tokio::spawn(async move {
        copy.get_or_load("ann", T0, async { panic!("the source is broken") }).await
    });
    assert!(first.await.unwrap_err().is_panic());
    let second = cache.get_or_load("ann", T0, ready(Ok(Loaded::Present(7)))).await;
    assert_eq!(second, Ok(Some(7)));
}

#[test]
fn a_panic_of_the_weigher_does_not_stop_the_next() {
    let weigh: fn(&String, &u32) -> u64 = |_, value| u64::from(value.checked_sub(1).unwrap());
    let cache: Cache<String, u32, &str, _> =
        Cache::with_weigher("users", &CacheConfig::default(), weigh);
    let load = |value| {
        let mut call = Box::pin(cache.get_or_load("ann", T0, ready(Ok(Loaded::Present(value)))));
        let mut context = Context::from_waker(Waker::noop());
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)))
    };
    assert!(load(0).is_err());
    assert_eq!(load(7).unwrap(), present(7));
}

#[test]
fn a_failure_is_shared_and_not_stored() {
    let cache = users();
    let mut leader = Call::new(&cache).wait();
    let mut other = Call::new(&cache).wait();
    leader.answer(Err("down"));
    let failed = Poll::Ready(Err(LoadError::Failed("down")));
    assert_eq!((leader.poll(), other.poll()), (failed.clone(), failed));
    let next = Call::new(&cache).wait();
    assert!(next.loads());
    assert_eq!(cache.snapshot().load_failures, 1);
}

#[test]
fn an_absence_is_remembered_for_its_own_lifetime() {
    let cache = users().negative_ttl(Duration::from_secs(2));
    let mut call = Call::new(&cache).wait();
    call.answer(Ok(Loaded::Absent));
    assert_eq!(call.poll(), Poll::Ready(Ok(None)));
    assert_eq!(Call::new(&cache).poll(), Poll::Ready(Ok(None)));
    assert_eq!(cache.snapshot().negatives, 1);

    let later = T0 + Duration::from_secs(2);
    let mut load = Box::pin(cache.get_or_load("ann", later, ready(Ok(Loaded::Present(7)))));
    assert_eq!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())), present(7));
}

#[test]
fn an_absence_need_not_be_remembered() {
    let cache = users().negative_ttl(Duration::ZERO);
    let mut call = Call::new(&cache).wait();
    call.answer(Ok(Loaded::Absent));
    assert_eq!(call.poll(), Poll::Ready(Ok(None)));
    assert!(cache.is_empty());
}

#[test]
fn the_source_may_say_how_long() {
    let cache = users().jitter(Jitter::new(1.0));
    let mut call = Call::new(&cache).wait();
    call.answer(Ok(Loaded::PresentFor(7, Duration::from_secs(5))));
    assert_eq!(call.poll(), present(7));
    assert_eq!(cache.get("ann", T0 + Duration::from_nanos(4_999_999_999)), Some(7));
    assert_eq!(cache.get("ann", T0 + Duration::from_secs(5)), None);
}

#[test]
fn callers_beyond_the_bound_are_refused() {
    let cache = users().waiters(2);
    let mut leader = Call::new(&cache).wait();
    let mut waiting = [Call::new(&cache).wait(), Call::new(&cache).wait()];
    assert_eq!(Call::new(&cache).poll(), Poll::Ready(Err(LoadError::Crowded)));
    leader.answer(Ok(Loaded::Present(7)));
    assert_eq!(leader.poll(), present(7));
    assert!(waiting.iter_mut().all(|call| call.poll() == present(7)));
}

#[test]
fn a_place_among_those_who_wait_comes_back() {
    let cache = users().waiters(1);
    let _leader = Call::new(&cache).wait();
    drop(Call::new(&cache).wait());
    let _next = Call::new(&cache).wait();
}

#[test]
fn an_invalidation_wins_over_the_load_under_way() {
    let cache = users();
    let mut early = Call::new(&cache).wait();
    let mut joined = Call::new(&cache).wait();
    assert!(cache.invalidate("ann"));

    // Begins afterwards: must not see what the early load has read.
    let mut late = Call::new(&cache).wait();
    assert!(late.loads());

    early.answer(Ok(Loaded::Present(1)));
    assert_eq!((early.poll(), joined.poll()), (present(1), present(1)));
    assert_eq!(cache.get("ann", T0), None, "the early value is not stored");
    assert!(late.poll().is_pending());

    late.answer(Ok(Loaded::Present(2)));
    assert_eq!(late.poll(), present(2));
    assert_eq!(cache.get("ann", T0), Some(2));
}

#[test]
fn an_early_load_that_ends_last_does_not_overwrite_the_late_one() {
    let cache = users();
    let mut early = Call::new(&cache).wait();
    cache.invalidate("ann");
    let mut late = Call::new(&cache).wait();
    late.answer(Ok(Loaded::Present(2)));
    assert_eq!(late.poll(), present(2));
    early.answer(Ok(Loaded::Present(1)));
    assert_eq!(early.poll(), present(1));
    assert_eq!(cache.get("ann", T0), Some(2));
}

#[test]
fn an_early_leader_that_leaves_does_not_end_the_late_load() {
    let cache = users();
    let early = Call::new(&cache).wait();
    let mut joined = Call::new(&cache).wait();
    cache.invalidate("ann");
    let mut late = Call::new(&cache).wait();
    drop(early);
    assert!(joined.poll().is_pending());
    assert!(!joined.loads(), "it joins the late load");
    late.answer(Ok(Loaded::Present(2)));
    assert_eq!((late.poll(), joined.poll()), (present(2), present(2)));
}

#[test]
fn a_write_wins_over_the_load_under_way() {
    let cache = users();
    let mut early = Call::new(&cache).wait();
    cache.insert("ann".into(), 9, T0);
    early.answer(Ok(Loaded::Present(1)));
    assert_eq!(early.poll(), present(1));
    assert_eq!(cache.get("ann", T0), Some(9));
}

#[test]
fn clearing_wins_over_every_load_under_way() {
    let cache = users();
    cache.insert("bob".into(), 3, T0);
    let mut early = Call::new(&cache).wait();
    cache.clear();
    early.answer(Ok(Loaded::Present(1)));
    assert_eq!(early.poll(), present(1));
    assert!(cache.is_empty());
    assert_eq!(cache.snapshot().invalidated, 2);
}

#[test]
fn invalidating_the_unknown_tells_so() {
    assert!(!users().invalidate("ann"));
}

#[test]
fn a_lifetime_set_later_holds_for_later_loads() {
    let cache = users();
    cache.set_ttl(Duration::from_secs(5));
    cache.insert("ann".into(), 1, T0);
    assert_eq!(cache.get("ann", T0 + Duration::from_secs(5)), None);
}

#[test]
fn a_call_that_never_loads_leaves_nothing_behind() {
    let cache = users();
    drop(cache.get_or_load("ann", T0, pending()));
    let call = Call::new(&cache).wait();
    assert!(call.loads());
}

/// The account look-up: change the source, invalidate, and never again see what was before.
#[test]
fn threads_never_see_what_they_invalidated() {
    let cache = users();
    let source = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for _ in 0..2000 {
                    let written = source.fetch_add(1, Ordering::SeqCst) + 1;
                    cache.invalidate("ann");
                    let load = async {
                        let read = source.load(Ordering::SeqCst);
                        std::thread::yield_now();
                        tokio::task::yield_now().await;
                        Ok(Loaded::Present(read as u32))
                    };
                    let seen = runtime.block_on(cache.get_or_load("ann", T0, load));
                    assert!(seen.unwrap().unwrap() as usize >= written);
                }
            });
        }
    });
}
