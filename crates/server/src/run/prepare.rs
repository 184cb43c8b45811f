use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gabion_auth::Identity;
use gabion_clock::{Clock, SystemClock};
use gabion_config::{Secret, TomlSource};
use gabion_lifecycle::{Drain, Handover, Inherited, Notifier, Readiness};
use gabion_limits::{
    ConnectionTable,
    admission::{Admission, Fixed},
};
use gabion_monitor::Resources;
use gabion_sql::Sql;
use tokio::sync::Semaphore;

use super::{RunError, Start, failed, listeners::Listeners, refused};
use crate::{
    accounts::CachedAccounts,
    app::App,
    audit::AuditTrail,
    backups::BackupKeeper,
    bootstrap::first_account,
    bulkheads::Bulkheads,
    caches::Caches,
    config::{ConfigKeeper, in_effect},
    data_dir::{DataDir, DataLock},
    keys,
    listen::{Sweeper, Tls},
    log_queue::LogWriter,
    observatory::Observatory,
    rates::Rates,
    restart::Restarter,
    routes::Pages,
    telemetry::Telemetry,
};

/// Requests in flight at once; beyond it the least important wait for another try.
const IN_FLIGHT: u32 = 1024;
/// Those who follow the events at once: each costs a status document a second.
const FOLLOWERS: usize = 64;
/// Rate limit states: 4 MiB.
const RATE_KEYS: usize = 100_000;

/// Everything that is built before the first request.
pub(super) struct Prepared {
    pub(super) app: Arc<App>,
    pub(super) sql: Sql,
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) drain: Drain,
    pub(super) notifier: Arc<Notifier>,
    pub(super) data_dir: DataDir,
    pub(super) lock: Option<DataLock>,
    pub(super) file: Option<PathBuf>,
    /// The file's text before it was read: what has changed since then is a change too.
    pub(super) seen: Option<String>,
    pub(super) print_ready: bool,
    pub(super) first: Option<(String, Secret)>,
    /// Last: what the others have to say at the end is written too.
    _log: LogWriter,
}

pub(super) async fn prepare(
    start: &Start,
    clock: SystemClock,
    mut inherited: Option<&mut Inherited>,
) -> Result<(Prepared, Listeners), RunError> {
    let begun = clock.now();
    let file = start.sources.file.clone();
    let seen = text(file.as_deref());
    let data_dir = start.sources.data_dir();
    // Mistakes are told before anything is made.
    in_effect(&start.sources, &data_dir.config(), clock.unix())?;
    data_dir.create()?;
    let lock = match &inherited {
        // The predecessor has it; this process gets it when that one is gone.
        Some(_) => None,
        None => Some(data_dir.lock()?),
    };
    let config = Arc::new(ConfigKeeper::open(start.sources.clone(), &data_dir.config(), clock)?);
    let live = Arc::clone(config.live());
    let settings = live.load_full();
    let (telemetry, log) = Telemetry::start(&settings.log);
    let telemetry = Arc::new(telemetry);

    // Bound before anything is made that would have to be told twice, as the first password.
    let listeners = Listeners::open(&settings, &mut inherited)?;
    let tls = Tls::open(&settings).map_err(refused)?;
    let sql = Sql::open(&data_dir.database()).await.map_err(failed)?;
    let keys = keys::open(&data_dir, &settings.auth, clock.unix()).map_err(refused)?;
    let keys = Arc::new(keys);
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
    let [connections, admin_connections] = [(); 2].map(|()| {
        let table = ConnectionTable::new(&settings.limits.connections);
        table.set_ipv6_prefix(settings.limits.ipv6_prefix);
        Arc::new(table)
    });
    let authenticator = Arc::new(identity.authenticator(accounts.clone()));
    let app = Arc::new_cyclic(|own| App {
        clock,
        begun,
        settings: live,
        config,
        identity,
        keys,
        accounts,
        authenticator,
        followers: Arc::new(Semaphore::new(FOLLOWERS)),
        admission: Arc::new(admission),
        bulkheads: Bulkheads::new(&settings.limits.bulkhead),
        rates: Rates::new(RATE_KEYS, &settings.limits),
        connections,
        admin_connections,
        tls,
        observatory,
        telemetry,
        readiness,
        restarter: Arc::new(restarter),
        backups: Arc::new(backups),
        caches: Caches::new(&settings.cache),
        pages: Pages::default(),
        audit,
        sql: sql.clone(),
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
        _log: log,
    };
    Ok((prepared, listeners))
}

/// What `file` says now.
pub(super) fn text(file: Option<&Path>) -> Option<String> {
    TomlSource::read(file?).ok().map(|file| file.text().to_owned())
}
