use std::{
    collections::VecDeque,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use argon2::Block;
use gabion_clock::{Clock, SystemClock};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{
    HashError, NormalPassword, PepperError, PolicyError, PolicyFault, Verdict, pepper::Peppers,
    phc::Cost,
};
use crate::PasswordConfig;

/// Hashes passwords on threads of its own.
///
/// A hash takes some 15 ms of a core and 19 MiB. Here neither runs away: so many threads, each with
/// memory that it keeps, and so many waiting jobs; what comes beyond is refused at once. A job holds
/// its place in the queue itself, so a client that leaves frees nothing before its time.
///
/// The threads end when the pool is dropped.
pub struct HashPool {
    shared: Arc<Shared>,
    cost: Cost,
    threads: usize,
    cores: usize,
}

/// The pool could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashPoolError {
    /// argon2 knows no such cost.
    #[error("auth.password: argon2 wants at least 8KiB of memory for each lane")]
    Cost,
    /// The pepper cannot be used.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// There is no thread to be had.
    #[error("cannot start a hashing thread")]
    Thread(#[source] io::Error),
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told of each new job, and of the end.
    changed: Condvar,
    /// Thousandths of its time in which a thread rests.
    rest: AtomicU32,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    ended: bool,
}

/// Runs with the memory of its thread.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Taken when first needed and then kept: fresh pages cost a third of a hash.
struct Memory {
    blocks: Vec<Block>,
    needed: usize,
}

impl Memory {
    fn get(&mut self) -> &mut [Block] {
        if self.blocks.is_empty() {
            self.blocks = vec![Block::default(); self.needed];
        }
        &mut self.blocks
    }
}

/// Most jobs that wait.
const QUEUE: usize = 64;
/// Most memory of all threads together where their number is not configured.
const MEMORY: u64 = 256 << 20;
/// A thread never rests longer than this many times as long as it worked.
const LONGEST_REST: u32 = 99;

impl HashPool {
    /// Starts the threads: `config.parallel_hashes` of them, or one for each of `cores` as far as
    /// they take no more than 256 MiB together. Reads `config.pepper_file` if there is one.
    ///
    /// # Errors
    ///
    /// When argon2 does not take the cost, the pepper cannot be used, or the system gives no thread.
    pub fn new(config: &PasswordConfig, cores: usize) -> Result<Self, HashPoolError> {
        let kib = u32::try_from(config.memory.bytes() / 1024).map_err(|_| HashPoolError::Cost)?;
        let peppers = match config.pepper_file.as_str() {
            "" => Peppers::none(),
            file => Peppers::read(Path::new(file))?,
        };
        let cost = Cost::new(kib, config.passes, config.lanes, peppers);
        let cost = cost.map_err(|_| HashPoolError::Cost)?;
        let threads = match config.parallel_hashes {
            0 => cores.min((MEMORY / config.memory.bytes().max(1)) as usize).max(1),
            threads => threads,
        };
        let pool = Self { shared: Arc::default(), cost, threads, cores: cores.max(1) };
        for number in 0..threads {
            let (shared, needed) = (Arc::clone(&pool.shared), pool.cost.blocks());
            thread::Builder::new()
                .name(format!("gabion-hash-{number}"))
                .spawn(move || shared.work(needed))
                .map_err(HashPoolError::Thread)?;
        }
        Ok(pool)
    }

    /// Hashes a new password; the result is a PHC string.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] when too many wait already.
    ///
    /// # Cancel safety
    ///
    /// A job that was begun ends, one that waits is skipped when its turn comes.
    pub fn hash(
        &self,
        password: NormalPassword,
    ) -> impl Future<Output = Result<String, HashError>> + Send + use<> {
        let cost = self.cost.clone();
        self.run(move |memory| cost.hash(password.expose(), memory.get()))
    }

    /// Compares a password with a stored hash. With none, as for an unknown account, with one of
    /// less work than a new hash takes and with one that cannot be used, the work is the same.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] when too many wait already, [`HashError::Stored`] when the stored hash
    /// is of no use, [`HashError::Pepper`] when its pepper is missing.
    ///
    /// # Cancel safety
    ///
    /// As [`hash`](Self::hash).
    pub fn verify(
        &self,
        password: NormalPassword,
        phc: Option<String>,
    ) -> impl Future<Output = Result<Verdict, HashError>> + Send + use<> {
        let cost = self.cost.clone();
        self.run(move |memory| cost.verify(password.expose(), phc.as_deref(), memory.get()))
    }

    /// Whether a stored hash could be verified at all; takes no time.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), but for the queue.
    pub fn check(&self, phc: &str) -> Result<(), HashError> {
        self.cost.check(phc)
    }

    /// Memory that the threads hold once each has hashed, in bytes.
    ///
    /// On top comes at most one stored hash that takes more than a new one, as one from before the
    /// settings were lowered, while it is verified: of four times the memory of a new one or 64 MiB,
    /// whichever is more, and never more than 1 GiB.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        (self.threads * self.cost.blocks() * Block::SIZE) as u64
    }

    /// How many hashes run at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// From now on all threads together take `share` of the cores (0 to 1) and no more; `None`: as
    /// much as they get.
    ///
    /// For a service whose other work must go on under a flood of logins. Jobs that are under way
    /// end at full speed; then their thread rests.
    pub fn give_way(&self, share: Option<f64>) {
        let rest = share.map_or(0.0, |share| 1.0 - share * self.cores as f64 / self.threads as f64);
        self.shared.rest.store((rest.clamp(0.0, 1.0) * 1000.0) as u32, Ordering::Relaxed);
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }

    /// Judges a password here, as that takes too long for a thread that serves requests.
    pub(crate) fn judge(
        &self,
        work: impl FnOnce() -> Result<NormalPassword, PolicyError> + Send + 'static,
    ) -> impl Future<Output = Result<Result<NormalPassword, Vec<PolicyFault>>, HashError>> + Send
    {
        self.run(move |_| match work() {
            Ok(password) => Ok(Ok(password)),
            Err(PolicyError::Refused(faults)) => Ok(Err(faults)),
            Err(PolicyError::Blocklist(error)) => Err(HashError::Blocklist(error.kind())),
        })
    }

    fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T, HashError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let queued = self.shared.push(Box::new(move |memory| {
            // Nobody waits any more for what a client that left has asked.
            if !sender.is_closed() {
                let _ = sender.send(work(memory));
            }
        }));
        async move {
            queued?;
            // The sender goes unused only when the job panicked or the pool ended.
            receiver.await.unwrap_or(Err(HashError::Failed))
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.shared.queue.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn push(&self, job: Job) -> Result<(), HashError> {
        let mut queue = self.queue.lock();
        if queue.jobs.len() >= QUEUE {
            return Err(HashError::Busy);
        }
        queue.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// The life of a thread.
    fn work(&self, needed: usize) {
        let mut memory = Memory { blocks: Vec::new(), needed };
        let clock = SystemClock::new();
        while let Some(job) = self.next() {
            let begun = clock.now();
            // The memory holds no invariant that a panic could break.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
            let rest = self.rest.load(Ordering::Relaxed);
            if rest > 0 {
                thread::sleep(pause(clock.now().saturating_since(begun), rest));
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.ended {
                // Whoever waits is told.
                queue.jobs.clear();
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            self.changed.wait(&mut queue);
        }
    }
}

/// How long a thread that was busy for so long rests, to rest for `rest` thousandths of its time.
fn pause(busy: Duration, rest: u32) -> Duration {
    let times = rest.checked_div(1000_u32.saturating_sub(rest));
    match times {
        Some(times) if times < LONGEST_REST => busy * rest / (1000 - rest),
        _ => busy * LONGEST_REST,
    }
}

#[cfg(test)]
mod tests;
