use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use proptest::prelude::*;

use super::*;

fn bulkhead(places: u32) -> Arc<Bulkhead> {
    Arc::new(Bulkhead::new("test", &config(places)))
}

fn config(places: u32) -> BulkheadConfig {
    BulkheadConfig { places, wait: Duration::from_secs(2) }
}

fn admitted(bulkhead: &Arc<Bulkhead>) -> BulkheadPermit {
    match bulkhead.enter() {
        Ok(Entrance::Admit(permit)) => permit,
        other => panic!("{other:?}"),
    }
}

fn waiting(bulkhead: &Arc<Bulkhead>) -> Entering {
    match bulkhead.enter() {
        Ok(Entrance::Wait(entering)) => entering,
        other => panic!("{other:?}"),
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(entering: &mut Entering, waker: &Waker) -> Option<BulkheadPermit> {
    match Pin::new(entering).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

fn counts(bulkhead: &Bulkhead) -> (usize, usize) {
    let snapshot = bulkhead.snapshot();
    (snapshot.used, snapshot.waiting)
}

#[test]
fn as_many_wait_as_there_are_places_and_the_next_is_refused() {
    let bulkhead = bulkhead(2);
    let _inside = [admitted(&bulkhead), admitted(&bulkhead)];
    let _waiting = [waiting(&bulkhead), waiting(&bulkhead)];
    let full = bulkhead.enter().unwrap_err();
    assert_eq!(full.to_string(), "no place in the bulkhead test: full");
    let problem = full.to_problem();
    assert_eq!((problem.status().as_u16(), problem.retry_after_secs()), (503, Some(2)));
}

#[test]
fn those_who_are_refused_are_told_to_come_back_one_after_the_other() {
    let bulkhead = bulkhead(1);
    let (_inside, _waiting) = (admitted(&bulkhead), waiting(&bulkhead));
    let told = [(); 5].map(|()| bulkhead.enter().unwrap_err().retry_after.as_secs());
    assert_eq!(told, [2, 3, 4, 1, 2]);
}

#[test]
fn who_leaves_wakes_the_one_who_came_first() {
    let bulkhead = bulkhead(2);
    let inside = admitted(&bulkhead);
    let _other = admitted(&bulkhead);
    let (first, second) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let wakers = [Waker::from(Arc::clone(&first)), Waker::from(Arc::clone(&second))];
    let mut waits = [waiting(&bulkhead), waiting(&bulkhead)];
    for (wait, waker) in waits.iter_mut().zip(&wakers) {
        assert!(poll(wait, waker).is_none());
    }
    drop(inside);
    assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (1, 0));
    assert!(poll(&mut waits[1], &wakers[1]).is_none());
    assert!(poll(&mut waits[0], &wakers[0]).is_some());
}

#[test]
fn a_place_that_somebody_waits_for_is_not_taken_by_who_comes_later() {
    let bulkhead = bulkhead(1);
    let inside = admitted(&bulkhead);
    let mut first = waiting(&bulkhead);
    drop(inside);
    // The first has its place already, though nobody has told it yet.
    let _second = waiting(&bulkhead);
    assert!(poll(&mut first, Waker::noop()).is_some());
}

#[test]
fn who_stops_waiting_makes_room_at_once() {
    let bulkhead = bulkhead(1);
    let _inside = admitted(&bulkhead);
    drop(waiting(&bulkhead));
    assert_eq!(counts(&bulkhead), (1, 0));
    drop(waiting(&bulkhead));
}

#[test]
fn a_place_that_came_to_somebody_who_has_gone_goes_to_the_next() {
    let bulkhead = bulkhead(2);
    let inside = [admitted(&bulkhead), admitted(&bulkhead)];
    let (first, mut second) = (waiting(&bulkhead), waiting(&bulkhead));
    let [one, _other] = inside;
    drop(one);
    drop(first);
    assert!(poll(&mut second, Waker::noop()).is_some());
}

#[test]
fn who_gives_up_is_refused_unless_the_place_has_just_come() {
    let bulkhead = bulkhead(1);
    let inside = admitted(&bulkhead);
    let late = waiting(&bulkhead).give_up().unwrap_err();
    assert_eq!(late.reason, FullReason::Timeout);
    assert_eq!(counts(&bulkhead), (1, 0));
    let lucky = waiting(&bulkhead);
    drop(inside);
    assert!(lucky.give_up().is_ok());
    assert_eq!(counts(&bulkhead), (0, 0));
}

#[test]
fn new_places_go_to_those_who_wait_and_fewer_take_none_away() {
    let bulkhead = bulkhead(2);
    let inside = [admitted(&bulkhead), admitted(&bulkhead)];
    let mut waits = [waiting(&bulkhead), waiting(&bulkhead)];
    bulkhead.set(&config(3));
    assert_eq!(counts(&bulkhead), (3, 1));
    let _third = poll(&mut waits[0], Waker::noop()).unwrap();
    bulkhead.set(&config(1));
    assert_eq!(counts(&bulkhead), (3, 1));
    drop(inside);
    assert_eq!(counts(&bulkhead), (1, 1));
    assert!(poll(&mut waits[1], Waker::noop()).is_none());
}

/// What somebody does, the index taken around those whom it could be.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    Leave(usize),
    Poll(usize),
    Drop(usize),
    GiveUp(usize),
    Set(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Enter),
        3 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => (1_u32..6).prop_map(Step::Set),
    ];
    proptest::collection::vec(step, 0..200)
}

/// Somebody who waits, with what is known of it.
struct Waits {
    number: usize,
    entering: Entering,
    woken: Arc<Woken>,
    polled: bool,
}

proptest! {
    /// The model is two lists: who is inside, whether told or not, and who waits.
    #[test]
    fn it_does_what_two_lists_do(places in 1_u32..5, steps in steps()) {
        let bulkhead = bulkhead(places);
        let mut places = places as usize;
        let mut permits: Vec<BulkheadPermit> = Vec::new();
        let mut waits: Vec<Waits> = Vec::new();
        let (mut queue, mut granted, mut number) = (VecDeque::<usize>::new(), Vec::new(), 0);
        for step in steps {
            let index = |index: usize, len: usize| (len > 0).then(|| index % len);
            match step {
                Step::Enter => match bulkhead.enter() {
                    Ok(Entrance::Admit(permit)) => {
                        prop_assert!(permits.len() + granted.len() < places);
                        permits.push(permit);
                    }
                    Ok(Entrance::Wait(entering)) => {
                        prop_assert!(permits.len() + granted.len() >= places);
                        prop_assert!(queue.len() < places);
                        number += 1;
                        queue.push_back(number);
                        let woken = Arc::default();
                        waits.push(Waits { number, entering, woken, polled: false });
                    }
                    Err(full) => {
                        prop_assert!(queue.len() >= places);
                        prop_assert_eq!(full.reason, FullReason::Full);
                    }
                },
                Step::Leave(at) => if let Some(at) = index(at, permits.len()) {
                    drop(permits.swap_remove(at));
                },
                Step::Poll(at) => if let Some(at) = index(at, waits.len()) {
                    let waker = Waker::from(Arc::clone(&waits[at].woken));
                    waits[at].polled = true;
                    let is_granted = granted.contains(&waits[at].number);
                    let permit = poll(&mut waits[at].entering, &waker);
                    prop_assert_eq!(permit.is_some(), is_granted);
                    if let Some(permit) = permit {
                        permits.push(permit);
                        granted.retain(|own| *own != waits[at].number);
                        waits.swap_remove(at);
                    }
                },
                Step::Drop(at) => if let Some(at) = index(at, waits.len()) {
                    let gone = waits.swap_remove(at);
                    queue.retain(|own| *own != gone.number);
                    granted.retain(|own| *own != gone.number);
                    drop(gone.entering);
                },
                Step::GiveUp(at) => if let Some(at) = index(at, waits.len()) {
                    let gone = waits.swap_remove(at);
                    let is_granted = granted.contains(&gone.number);
                    queue.retain(|own| *own != gone.number);
                    granted.retain(|own| *own != gone.number);
                    match gone.entering.give_up() {
                        Ok(permit) => {
                            prop_assert!(is_granted);
                            permits.push(permit);
                        }
                        Err(full) => {
                            prop_assert!(!is_granted);
                            prop_assert_eq!(full.reason, FullReason::Timeout);
                        }
                    }
                },
                Step::Set(next) => {
                    bulkhead.set(&config(next));
                    places = next as usize;
                }
            }
            while permits.len() + granted.len() < places
                && let Some(first) = queue.pop_front()
            {
                granted.push(first);
            }
            prop_assert_eq!(counts(&bulkhead), (permits.len() + granted.len(), queue.len()));
            for wait in &waits {
                let lost = wait.polled
                    && granted.contains(&wait.number)
                    && wait.woken.0.load(Ordering::Relaxed) == 0;
                prop_assert!(!lost, "{} has a place and does not know", wait.number);
            }
        }
        drop((permits, waits));
        prop_assert_eq!(counts(&bulkhead), (0, 0));
    }
}

/// Waits on a thread of its own, and not for ever where nobody is woken.
fn block_on(entering: Entering) -> BulkheadPermit {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut entering = entering;
    // Far more than those that wake it in vain.
    for _ in 0..100 {
        if let Some(permit) = poll(&mut entering, &waker) {
            return permit;
        }
        thread::park_timeout(Duration::from_millis(100));
    }
    panic!("nobody let it in");
}

#[test]
fn threads_are_never_more_inside_than_there_are_places() {
    const PLACES: usize = 3;
    let bulkhead = bulkhead(3);
    let (inside, most, passed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..6 {
            let (bulkhead, inside, most, passed) = (&bulkhead, &inside, &most, &passed);
            scope.spawn(move || {
                for turn in 0..2000 {
                    let place = match bulkhead.enter() {
                        Ok(Entrance::Admit(place)) => place,
                        // Some leave without having waited.
                        Ok(Entrance::Wait(_)) if (turn + worker) % 7 == 0 => continue,
                        Ok(Entrance::Wait(entering)) => block_on(entering),
                        Err(_) => continue,
                    };
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    passed.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= PLACES);
    assert!(passed.load(Ordering::Relaxed) > 0);
    assert_eq!(counts(&bulkhead), (0, 0));
}

#[tokio::test]
async fn a_waiting_task_is_woken() {
    let bulkhead = bulkhead(1);
    let inside = admitted(&bulkhead);
    let mut entering = waiting(&bulkhead);
    let task = tokio::spawn(poll_fn(move |cx| Pin::new(&mut entering).poll(cx)));
    tokio::task::yield_now().await;
    drop(inside);
    tokio::task::yield_now().await;
    assert!(task.is_finished());
    drop(task.await.unwrap());
    assert_eq!(counts(&bulkhead), (0, 0));
}
