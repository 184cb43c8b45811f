//! Restart: a new process takes the listening sockets, then this one drains.

use std::{
    net::TcpListener,
    os::fd::AsFd,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gabion_clock::{Clock, SystemClock};
use gabion_errors::error_chain;
use gabion_lifecycle::{Drain, Handover, HandoverError, Notifier, READY_WITHIN, Successor};
use serde::Serialize;
use tracing::{error, info};

/// How this process was started, to start the next one the same way.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<std::ffi::OsString>,
}

/// What became of the last restart.
#[derive(Debug, Clone, Serialize)]
pub struct LastRestart {
    /// When, in RFC 3339.
    pub at: String,
    /// `under-way`, `completed` or `undone`.
    pub outcome: &'static str,
    /// Why it was undone, or who asked for it.
    pub detail: String,
}

/// Hands over to a new process.
pub struct Restarter {
    handover: Handover,
    launch: Launch,
    drain: Drain,
    notifier: Arc<Notifier>,
    clock: SystemClock,
    listeners: Mutex<Arc<Vec<(&'static str, TcpListener)>>>,
    predecessor: AtomicBool,
    last: Mutex<Option<LastRestart>>,
    /// Kept until this process ends: its end tells the successor that we are gone.
    successor: Mutex<Option<Successor>>,
    /// Whether two processes may share the store.
    shared: Mutex<bool>,
    /// Told before a new process is started: from then on two may.
    sharing: OnceLock<Box<dyn Fn(bool) + Send + Sync>>,
}

impl Restarter {
    /// A restarter of the process that `handover` belongs to.
    #[must_use]
    pub fn new(
        handover: Handover,
        launch: Launch,
        drain: Drain,
        notifier: Arc<Notifier>,
        clock: SystemClock,
    ) -> Self {
        Self {
            handover,
            launch,
            drain,
            notifier,
            clock,
            listeners: Mutex::default(),
            predecessor: AtomicBool::new(false),
            last: Mutex::new(None),
            successor: Mutex::new(None),
            shared: Mutex::new(false),
            sharing: OnceLock::new(),
        }
    }

    /// The sockets that a new process takes over.
    pub fn hold(&self, listeners: Vec<(&'static str, TcpListener)>) {
        *self.listeners_lock() = Arc::new(listeners);
    }

    /// Lets go of the sockets: there will be no new process from this one.
    pub fn release(&self) {
        self.hold(Vec::new());
    }

    /// Tells `told` when two processes begin or cease to share the store.
    pub fn on_sharing(&self, told: impl Fn(bool) + Send + Sync + 'static) {
        let _ = self.sharing.set(Box::new(told));
    }

    /// Whether the predecessor of this process is still draining.
    pub fn set_predecessor(&self, there: bool) {
        self.predecessor.store(there, Ordering::SeqCst);
        self.share(there);
        if !there {
            self.note("completed", "the predecessor has drained".to_owned());
        }
    }

    /// Which process of its line this is.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.handover.generation()
    }

    /// What became of the last restart.
    #[must_use]
    pub fn last(&self) -> Option<LastRestart> {
        self.last_lock().clone()
    }

    /// Begins a hand-over in the background and returns the new process's generation.
    ///
    /// # Errors
    ///
    /// When one is under way.
    pub fn begin(self: &Arc<Self>, author: &str) -> Result<u64, HandoverError> {
        if self.predecessor.load(Ordering::SeqCst) || self.drain.is_draining() {
            return Err(HandoverError::AlreadyUnderWay);
        }
        let attempt = self.handover.reserve()?;
        let generation = attempt.generation();
        self.note("under-way", format!("asked for by {author}"));
        info!(generation, author, "restart begun");
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.share(true);
            let mut command = Command::new(&this.launch.program);
            command.args(&this.launch.arguments);
            let held = Arc::clone(&this.listeners_lock());
            let listeners: Vec<_> = held.iter().map(|(name, l)| (*name, l.as_fd())).collect();
            match attempt.start(command, &listeners, READY_WITHIN).await {
                Ok(successor) => this.hand_over(successor),
                Err(error) => this.go_on(&error),
            }
        });
        Ok(generation)
    }

    fn hand_over(&self, successor: Successor) {
        info!(pid = successor.pid(), generation = successor.generation(), "handed over");
        // Once more, now that it has opened everything.
        self.share(true);
        self.notifier.main_pid(successor.pid());
        *self.successor.lock().unwrap_or_else(PoisonError::into_inner) = Some(successor);
        self.drain.begin();
    }

    fn go_on(&self, error: &HandoverError) {
        self.share(false);
        let detail = error_chain(error);
        error!(reason = detail, "the new process failed; this one goes on");
        self.note("undone", detail);
    }

    /// Runs `act` unless two processes share the store; while it runs, none begin to.
    pub fn alone<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (!*shared).then(act)
    }

    fn share(&self, shared: bool) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = shared;
        if let Some(told) = self.sharing.get() {
            told(shared);
        }
    }

    fn note(&self, outcome: &'static str, detail: String) {
        let at = self.clock.unix().to_string();
        *self.last_lock() = Some(LastRestart { at, outcome, detail });
    }

    fn listeners_lock(&self) -> MutexGuard<'_, Arc<Vec<(&'static str, TcpListener)>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_lock(&self) -> MutexGuard<'_, Option<LastRestart>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
