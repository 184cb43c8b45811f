//! A server process, from its start to its end.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use gabion_auth::{Identity, KeyRing, Username};
use gabion_clock::{Clock, SystemClock};
use gabion_config::Secret;
use gabion_errors::BoxError;
use gabion_lifecycle::{
    Acceptor, Drain, Handover, Inherited, Notifier, Outcome, Readiness, Signal, Signals, State,
    bind,
};
use gabion_limits::{
    ConnectionTable, HostRule,
    admission::{Admission, Fixed},
    rate::MemoryRateStore,
};
use gabion_monitor::Resources;
use gabion_sql::Sql;
use gabion_tower::guards::AuthenticateGuard;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::{
    accounts::CachedAccounts,
    app::{App, Dispatch},
    audit::AuditTrail,
    backups::BackupKeeper,
    bootstrap::first_account,
    caches::Caches,
    config::{ConfigError, ConfigKeeper, Sources},
    control::ControlSocket,
    data_dir::{DataDir, DataLock},
    guards::LocalGuard,
    listen::{Entrance, Sweeper, serve},
    observatory::Observatory,
    restart::{Launch, Restarter, chain},
    routes::{self, Endpoint, Pages},
    settings::ServerSettings,
    stack::{Face, hosts, stack},
    telemetry::Telemetry,
    watch_file::FileWatch,
};

/// What a process is given by whoever started it.
pub struct Start {
    /// Where the configuration comes from.
    pub sources: Sources,
    /// How to start the next process.
    pub launch: Launch,
    /// Where the predecessor waits, if there is one.
    pub handover: Option<PathBuf>,
    /// The supervisor's socket (`NOTIFY_SOCKET`).
    pub notify_socket: Option<std::ffi::OsString>,
    /// Whether `ready http://ADDR` goes to standard output.
    pub print_ready: bool,
}

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was configured is refused: a weak first password, a key that others can read.
    #[error(transparent)]
    Refused(BoxError),
    /// Anything that may work the next time.
    #[error(transparent)]
    Failed(BoxError),
}

fn failed(error: impl Into<BoxError>) -> RunError {
    RunError::Failed(error.into())
}

fn refused(error: impl Into<BoxError>) -> RunError {
    RunError::Refused(error.into())
}

/// Requests in flight at once; beyond it the least important wait for another try.
const IN_FLIGHT: u32 = 1024;
/// Rate limit states: 4 MiB.
const RATE_KEYS: usize = 100_000;
/// How often what no token can ask for any more is forgotten.
const PRUNE: Duration = Duration::from_secs(300);

/// Runs a server until it is told to stop or has handed over.
///
/// # Errors
///
/// When it cannot start, with the thing, the place and the way out.
pub async fn run(start: Start) -> Result<(), RunError> {
    let signals = Signals::install().map_err(failed)?;
    let clock = SystemClock::new();
    let mut inherited = match &start.handover {
        Some(path) => Some(Inherited::connect(path).await.map_err(failed)?),
        None => None,
    };
    match prepare(&start, clock, inherited.as_mut()).await {
        Ok((prepared, listeners)) => prepared.serve(listeners, inherited, signals).await,
        Err(error) => {
            if let Some(inherited) = inherited {
                inherited.refuse(&error.to_string()).await;
            }
            Err(error)
        }
    }
}

/// Everything that is built before the first request.
struct Prepared {
    app: Arc<App>,
    sql: Sql,
    sweeper: Arc<Sweeper>,
    drain: Drain,
    notifier: Arc<Notifier>,
    data_dir: DataDir,
    lock: Option<DataLock>,
    file: Option<PathBuf>,
    /// The file's text before it was read: what has changed since then is a change too.
    seen: Option<String>,
    print_ready: bool,
    first: Option<(String, Secret)>,
}

struct Listeners {
    main: TcpListener,
    admin: Option<TcpListener>,
}

async fn prepare(
    start: &Start,
    clock: SystemClock,
    mut inherited: Option<&mut Inherited>,
) -> Result<(Prepared, Listeners), RunError> {
    let begun = clock.now();
    let file = start.sources.file.clone();
    let seen = text(file.as_deref());
    // Once without the history, to learn where the history is.
    let loaded = start.sources.load().map_err(ConfigError::Findings)?;
    let data_dir = DataDir::at(&loaded.settings.server.data_dir);
    data_dir.create().map_err(failed)?;
    let lock = match &inherited {
        // The predecessor has it; this process gets it when that one is gone.
        Some(_) => None,
        None => Some(data_dir.lock().map_err(failed)?),
    };
    let config = Arc::new(ConfigKeeper::open(start.sources.clone(), &data_dir.config(), clock)?);
    let live = Arc::clone(config.live());
    let settings = live.load_full();
    let telemetry = Arc::new(Telemetry::start(&settings.log));

    // Bound before anything is made that would have to be told twice, as the first password.
    let listeners = Listeners::open(&settings, &mut inherited)?;
    let sql = Sql::open(&data_dir.database()).await.map_err(failed)?;
    let keys = Arc::new(KeyRing::open(&data_dir.keys()).map_err(refused)?);
    let mut resources = Resources::new();
    let observatory = Arc::new(Observatory::new(clock, &mut resources));
    let cores = observatory.latest().sample.cores.floor().max(1.0) as usize;
    let shared_clock: Arc<dyn Clock> = Arc::new(clock);
    let sweeper = Arc::new(Sweeper::new());
    let coarse = sweeper.clock(clock);
    let accounts = CachedAccounts::new(&settings.cache, sql.clone(), coarse);
    let audit = AuditTrail::new();
    let store = Arc::new(sql.clone());
    let identity = Identity::new(store, Arc::clone(&keys), &settings.auth, cores, shared_clock)
        .map_err(refused)?
        .with_audit(audit.clone())
        .with_watch(accounts.clone());
    identity.restore().await.map_err(failed)?;
    let first = first_account(&identity, &settings.auth).await.map_err(refused)?;

    let readiness = Readiness::new();
    let drain = Drain::new(readiness.clone());
    let notifier = Notifier::new(start.notify_socket.as_deref()).map_err(failed)?;
    let notifier = Arc::new(notifier);
    let generation = inherited.as_ref().map_or(1, |inherited| inherited.generation);
    let handover = Handover::of_generation(generation, data_dir.handover_socket());
    let restarter =
        Restarter::new(handover, start.launch.clone(), drain.clone(), Arc::clone(&notifier), clock);
    let backups = data_dir.backups(&settings.backup.dir);
    let backups = BackupKeeper::new(backups, sql.clone(), Arc::clone(&config), clock);
    let admission = Admission::new(Fixed(IN_FLIGHT), settings.limits.admission.mode);
    let app = Arc::new_cyclic(|own| App {
        clock,
        begun,
        settings: live,
        config,
        identity,
        keys,
        accounts,
        admission: Arc::new(admission),
        rates: Arc::new(MemoryRateStore::with_capacity(RATE_KEYS)),
        connections: Arc::new(ConnectionTable::new(&settings.limits.connections)),
        observatory,
        telemetry,
        readiness,
        restarter: Arc::new(restarter),
        backups: Arc::new(backups),
        caches: Caches::new(&settings.cache),
        pages: Pages::default(),
        audit,
        dispatcher: OnceLock::new(),
        own: own.clone(),
    });
    let print_ready = start.print_ready;
    let prepared = Prepared {
        app,
        sql,
        sweeper,
        drain,
        notifier,
        data_dir,
        lock,
        file,
        seen,
        print_ready,
        first,
    };
    Ok((prepared, listeners))
}

impl Listeners {
    fn open(
        settings: &ServerSettings,
        inherited: &mut Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        let mut open = |name, address: SocketAddr| {
            let taken = inherited.as_mut().and_then(|inherited| inherited.take(name, address));
            match taken {
                Some(listener) => Ok(listener),
                None => bind(address).map_err(failed),
            }
        };
        let main = open("main", settings.server.listen)?;
        // Checked with the configuration: empty or an address.
        let admin = settings.server.admin_listen.parse().ok();
        let admin = admin.map(|address| open("admin", address)).transpose()?;
        Ok(Self { main, admin })
    }

    fn copies(&self) -> std::io::Result<Vec<(&'static str, TcpListener)>> {
        let mut copies = vec![("main", self.main.try_clone()?)];
        if let Some(admin) = &self.admin {
            copies.push(("admin", admin.try_clone()?));
        }
        Ok(copies)
    }
}

impl Prepared {
    async fn serve(
        self,
        listeners: Listeners,
        inherited: Option<Inherited>,
        signals: Signals,
    ) -> Result<(), RunError> {
        let Self { app, drain, sweeper, .. } = &self;
        let settings = app.settings.load_full();
        let entrance = Entrance {
            table: Arc::clone(&app.connections),
            sweeper: Arc::clone(sweeper),
            drain: drain.clone(),
            settings: Arc::clone(&app.settings),
        };
        let authenticator = Arc::new(app.identity.authenticator(app.accounts.clone()));
        app.restarter.on_sharing({
            let (app, authenticator) = (app.handle(), Arc::clone(&authenticator));
            move |shared| share(&app, &authenticator, shared)
        });

        let all = routes::endpoints(&settings);
        let public: Vec<&'static Endpoint> = match listeners.admin {
            None => all.clone(),
            Some(_) => routes::public(&all),
        };
        let face = || -> Result<_, RunError> {
            let hosts = hosts(&settings).map_err(refused)?;
            Ok(Face { authenticate: AuthenticateGuard::new(Arc::clone(&authenticator)), hosts })
        };
        let front = Arc::new(stack(app, &public, face()?).map_err(failed)?);
        let admin = match &listeners.admin {
            Some(_) => Some(Arc::new(stack(app, &all, face()?).map_err(failed)?)),
            None => None,
        };
        let dispatcher: Arc<dyn Dispatch> = front.clone();
        let _ = app.dispatcher.set(dispatcher);
        let local = Username::parse("local").map_err(failed)?;
        let local = Face { authenticate: LocalGuard::new(local), hosts: HostRule::default() };
        let local = Arc::new(stack(app, &all, local).map_err(failed)?);

        app.restarter.hold(listeners.copies().map_err(failed)?);
        self.follow_settings();
        let background = self.background();
        app.observatory.ping_once(&self.sql).await;

        let gone = match inherited {
            Some(mut inherited) => {
                app.restarter.set_predecessor(true);
                inherited.ready().await.map_err(failed)?;
                Some(inherited)
            }
            None => None,
        };
        let control = ControlSocket::bind(&self.data_dir.control_socket()).map_err(failed)?;
        let control = tokio::spawn(control.serve(entrance.clone(), local));
        let address = listeners.main.local_addr().map_err(failed)?;
        let admin_address = listeners.admin.as_ref().and_then(|own| own.local_addr().ok());
        let acceptor = |listener| Acceptor::new(listener).map_err(failed);
        let mut accepting =
            vec![tokio::spawn(serve(acceptor(listeners.main)?, entrance.clone(), front))];
        if let (Some(listener), Some(admin)) = (listeners.admin, admin) {
            accepting.push(tokio::spawn(serve(acceptor(listener)?, entrance, admin)));
        }
        app.readiness.advance(State::Ready);
        self.notifier.ready();
        self.warn(&settings);
        self.announce(address, admin_address);
        let succession = self.succeed(gone);
        let outcome = tokio::select! {
            outcome = self.until_drained(signals, &mut accepting) => outcome,
            never = succession => match never {},
        };
        for task in accepting.into_iter().chain(background).chain([control]) {
            task.abort();
        }
        self.finish(outcome).await;
        Ok(())
    }

    /// Waits for the predecessor to go, takes what it left, and then does nothing for ever.
    async fn succeed(&self, predecessor: Option<Inherited>) -> std::convert::Infallible {
        let mut lock = None;
        if let Some(predecessor) = predecessor {
            predecessor.predecessor_gone().await;
            drop(predecessor);
            // What it ended or changed last must be known before its absence is relied on.
            while let Err(error) = self.app.identity.restore().await {
                error!(%error, "cannot learn what the predecessor changed; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            lock = self.data_dir.lock().ok();
            self.app.restarter.set_predecessor(false);
        }
        let never = std::future::pending().await;
        drop(lock);
        never
    }

    /// Lets a reload reach the parts that keep settings of their own.
    fn follow_settings(&self) {
        let app = &self.app;
        let connections = Arc::clone(&app.connections);
        let admission = Arc::clone(&app.admission);
        let telemetry = Arc::clone(&app.telemetry);
        let (accounts, handle) = (app.accounts.clone(), app.handle());
        app.settings.subscribe(move |settings| {
            accounts.set_ttl(settings.cache.ttl);
            if let Some(app) = handle.upgrade() {
                app.caches.set_ttl(settings.cache.ttl);
            }
            connections.set(&settings.limits.connections);
            admission.set(&settings.limits.admission);
            telemetry.set_level(&settings.log.level);
        });
    }

    fn background(&self) -> Vec<JoinHandle<()>> {
        let app = &self.app;
        let resources = Resources::new();
        vec![
            tokio::spawn({
                let (sweeper, app) = (Arc::clone(&self.sweeper), Arc::clone(app));
                async move { sweeper.run(app.clock, &app.settings).await }
            }),
            tokio::spawn({
                let app = Arc::clone(app);
                async move {
                    let open = || app.connections.open();
                    let eyes = &app.observatory;
                    eyes.watch(resources, app.clock, &app.settings, &app.admission, open).await;
                }
            }),
            tokio::spawn({
                let (app, sql) = (Arc::clone(app), self.sql.clone());
                async move { app.observatory.ping(&sql).await }
            }),
            tokio::spawn({
                let telemetry = Arc::clone(&app.telemetry);
                async move { telemetry.upkeep().await }
            }),
            tokio::spawn({
                let (audit, sql) = (app.audit.clone(), self.sql.clone());
                async move { audit.write(&sql).await }
            }),
            tokio::spawn({
                let backups = Arc::clone(&app.backups);
                async move { backups.run().await }
            }),
            tokio::spawn(prune(Arc::clone(app))),
        ]
    }

    /// Only now: a start that fails has one message, the one that matters.
    fn warn(&self, settings: &ServerSettings) {
        for key in settings.not_honoured() {
            warn!(key, "this setting is not honoured yet");
        }
        for (key, reason) in settings.unwise() {
            warn!(key, reason, "this setting is unwise");
        }
    }

    fn announce(&self, address: SocketAddr, admin: Option<SocketAddr>) {
        if self.app.restarter.generation() == 1 {
            crate::cli::greet(address, admin, self.first.as_ref(), self.print_ready);
        }
        let address = address.to_string();
        info!(address, generation = self.app.restarter.generation(), "ready");
    }

    /// Follows signals and the configuration file until the drain is over.
    async fn until_drained(
        &self,
        mut signals: Signals,
        accepting: &mut [JoinHandle<()>],
    ) -> Outcome {
        let mut file = self.file.as_deref().and_then(FileWatch::begin);
        let mut seen = self.seen.clone();
        self.reload_if_changed(&mut seen).await;
        let draining = async {
            self.drain.begun().await;
            self.notifier.stopping();
            self.sweeper.drain();
            info!("draining");
            let (begun, within) = (self.app.now(), self.app.settings.load().lifecycle.drain);
            // Whoever is accepted until then is counted before the last one is waited for.
            for task in accepting {
                let _ = task.await;
            }
            // Now nobody waits in a queue that nobody serves: without a successor, new clients are
            // refused by the system at once.
            self.app.restarter.release();
            let spent = self.app.now().saturating_since(begun);
            self.drain.finished(within.saturating_sub(spent)).await
        };
        tokio::pin!(draining);
        loop {
            let changed = async {
                match &mut file {
                    Some(file) => file.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outcome = &mut draining => return outcome,
                signal = signals.next() => match signal {
                    Signal::Drain if !self.drain.is_draining() => {
                        let notice = self.app.settings.load().lifecycle.notice();
                        self.drain.begin_with_notice(notice);
                    }
                    Signal::Reload => self.reload("SIGHUP").await,
                    _ => return Outcome::Cut { connections: self.drain.open() },
                },
                () = changed => self.reload_if_changed(&mut seen).await,
            }
        }
    }

    async fn reload_if_changed(&self, seen: &mut Option<String>) {
        let text = text(self.file.as_deref());
        if text != *seen {
            *seen = text;
            self.reload("file").await;
        }
    }

    async fn reload(&self, author: &str) {
        if let Err(error) = self.app.config.reload(author).await {
            if let ConfigError::Findings(findings) = &error {
                for finding in findings {
                    error!(%finding, "the configuration has a mistake");
                }
            }
            error!(reason = chain(error), "nothing has changed; the last good configuration stays");
        }
    }

    async fn finish(self, outcome: Outcome) {
        match outcome {
            Outcome::Clean => info!("drained"),
            Outcome::Cut { connections } => warn!(connections, "stopped with connections open"),
        }
        self.app.audit.close();
        self.app.audit.write(&self.sql).await;
        self.sql.close().await;
        drop(self.lock);
    }
}

fn text(file: Option<&Path>) -> Option<String> {
    std::fs::read_to_string(file?).ok()
}

/// Two processes begin or cease to share the store.
fn share<A, S>(
    app: &std::sync::Weak<App>,
    authenticator: &gabion_auth::TokenAuthenticator<A, S>,
    shared: bool,
) where
    A: gabion_auth::Accounts,
    S: gabion_auth::SessionStore,
{
    let Some(app) = app.upgrade() else { return };
    app.accounts.share(shared);
    if shared {
        authenticator.begin_sharing();
    } else {
        authenticator.end_sharing();
    }
}

async fn prune(app: Arc<App>) {
    let mut ticks = tokio::time::interval(PRUNE);
    loop {
        ticks.tick().await;
        if let Err(error) = app.identity.prune().await {
            warn!(%error, "ended sessions could not be pruned");
        }
    }
}
