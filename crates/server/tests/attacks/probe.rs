//! Somebody else, who asks `/livez` all the while over HTTP/1.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    client::{Client, Request},
    server::Stopwatch,
};

/// What 99 of 100 probes take less than.
const SLOWEST: Duration = Duration::from_millis(100);
/// Fewer say nothing of the 99th of a hundred; they are made also when an attack is over.
const FEWEST: usize = 100;

/// Probes over one connection that stays and over ever new ones.
pub(crate) struct Probes {
    stop: Arc<AtomicBool>,
    threads: [(&'static str, JoinHandle<Answers>); 2],
}

#[derive(Default)]
struct Answers {
    times: Vec<Duration>,
    failures: Vec<String>,
}

impl Probes {
    pub(crate) fn begin(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = |kind, keeps| {
            let stop = Arc::clone(&stop);
            (kind, thread::spawn(move || probe(address, keeps, &stop)))
        };
        let threads = [begin("kept", true), begin("new", false)];
        Self { stop, threads }
    }

    /// Every one was answered, and 99 of 100 soon.
    #[expect(clippy::print_stdout, reason = "the figures are worth as much as the verdict")]
    #[track_caller]
    pub(crate) fn end(self, what: &str) {
        self.stop.store(true, Relaxed);
        for (kind, thread) in self.threads {
            let Answers { mut times, failures } = thread.join().expect("probing goes on");
            times.sort_unstable();
            let at = |percent| times[(times.len() - 1) * percent / 100];
            assert!(times.len() >= FEWEST, "{what}: only {} probes, {failures:?}", times.len());
            println!(
                "{what}: {} probes over {kind} connections, {} failed, median {:?}, p99 {:?}, longest {:?}",
                times.len(),
                failures.len(),
                at(50),
                at(99),
                at(100)
            );
            assert_eq!(failures, [""; 0], "{what}: probes over {kind} connections");
            assert!(at(99) < SLOWEST, "{what}: {:?} over {kind} connections", at(99));
        }
    }
}

fn probe(address: SocketAddr, keeps: bool, stop: &AtomicBool) -> Answers {
    let (mut answers, mut kept) = (Answers::default(), None);
    let request = Request::get("/livez");
    while !stop.load(Relaxed) || answers.times.len() < FEWEST && answers.failures.is_empty() {
        let time = Stopwatch::start();
        let mut ask = || {
            let mut client = kept.take().map_or_else(|| Client::try_connect(address), Ok)?;
            client.try_send(&request).map(|response| (client, response))
        };
        match ask() {
            Ok((client, response)) if response.status == 200 => {
                answers.times.push(time.elapsed());
                kept = (keeps && !response.closes()).then_some(client);
            }
            Ok((_, response)) => answers.failures.push(response.status.to_string()),
            Err(error) => answers.failures.push(error.to_string()),
        }
        thread::sleep(Duration::from_millis(5));
    }
    answers
}
