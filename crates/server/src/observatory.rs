//! What the server knows about itself: resources, budgets, alerts, health.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_auth::HashPool;
use gabion_clock::{Clock, SystemClock};
use gabion_config::Live;
use gabion_limits::{
    LimitMode,
    admission::{Admission, Pressure},
};
use gabion_monitor::{
    Alert, Alerts, Budget, BudgetConfig, BudgetMeter, BudgetUse, CheckResult, Health,
    LatencySnapshot, LatencyWindow, LogSink, Probe, ProcessMetrics, PublishedProbe, Resources,
    Sample, Status, usage,
};
use gabion_sql::Sql;
use rustix::fs::statvfs;

use crate::{metrics::CONNECTIONS_OPEN, settings::ServerSettings};

/// How often resources are read and admission is told of them.
const TICK: Duration = Duration::from_millis(100);
/// How often the database is asked whether it answers.
const PING: Duration = Duration::from_secs(5);
/// A disk with less free space than this is low: one backup, or some days of audit.
const LEAST_FREE: u64 = 64 << 20;
/// The part of the cores that hashing passwords is left with while CPU is short.
const LOGINS: f64 = 0.25;
/// CPU is short from this part of its budget on, and until it is below the other.
const SHORT: f64 = 0.9;
const AMPLE: f64 = 0.6;
/// The span that latency and errors are judged over.
const WINDOW: Duration = Duration::from_secs(10);

/// The eyes of the server.
pub struct Observatory {
    /// What `/api/health` tells.
    pub health: Health,
    /// Every admitted request of the last seconds.
    pub window: Arc<LatencyWindow>,
    database: Arc<PublishedProbe>,
    disk: Arc<PublishedProbe>,
    latest: Arc<Mutex<Latest>>,
}

/// Whether a budget is exceeded, for as long as its alert holds: what swings about a limit for a
/// moment makes nobody degraded.
struct BudgetProbe(Arc<Mutex<Latest>>);

impl Probe for BudgetProbe {
    fn name(&self) -> &'static str {
        "budgets"
    }

    fn check(&self) -> CheckResult {
        let latest = lock(&self.0);
        let held = |name| latest.alerts.iter().any(|alert| alert.name == name);
        let exceeded = latest.uses.iter().filter(|used| used.ratio > 1.0);
        let names: Vec<_> =
            exceeded.map(|used| used.budget.name()).filter(|name| held(*name)).collect();
        match names.as_slice() {
            [] => CheckResult::HEALTHY,
            names => CheckResult::degraded(format!("exceeded: {}", names.join(", "))),
        }
    }
}

/// The last reading.
#[derive(Clone)]
pub struct Latest {
    /// What the process uses.
    pub sample: Sample,
    /// How much of each budget that is.
    pub uses: [BudgetUse; 4],
    /// Requests of the last seconds.
    pub requests: LatencySnapshot,
    /// Alerts that hold.
    pub alerts: Vec<Alert>,
}

impl Observatory {
    /// Eyes that have not looked yet.
    #[must_use]
    pub fn new(clock: SystemClock, resources: &mut Resources) -> Self {
        let database = Arc::new(PublishedProbe::new("database", PING * 4, clock));
        let sample = resources.sample(clock.now());
        let requests = LatencySnapshot::default();
        let uses = usage(&sample, &requests, &BudgetConfig::default());
        let latest = Latest { sample, uses, requests, alerts: Vec::new() };
        let latest = Arc::new(Mutex::new(latest));
        let disk = Arc::new(PublishedProbe::new("disk", PING * 4, clock));
        Self {
            health: Health::new()
                .critical(Arc::clone(&database))
                .optional(Arc::clone(&disk))
                .optional(BudgetProbe(Arc::clone(&latest))),
            window: Arc::new(LatencyWindow::new(WINDOW)),
            database,
            disk,
            latest,
        }
    }

    /// The last reading.
    #[must_use]
    pub fn latest(&self) -> Latest {
        self.lock().clone()
    }

    /// The span that [`Latest::requests`] covers.
    #[must_use]
    pub const fn window_span() -> Duration {
        WINDOW
    }

    /// Reads resources ten times a second: for admission, the metrics, and alerts.
    pub async fn watch(
        &self,
        mut resources: Resources,
        clock: SystemClock,
        settings: &Live<ServerSettings>,
        admission: &Admission,
        hashes: &HashPool,
        connections: impl Fn() -> usize,
    ) {
        let mut crowded = false;
        let mut meter = BudgetMeter::new();
        let process = ProcessMetrics::new();
        let open = metrics::gauge!(CONNECTIONS_OPEN);
        let mut alerts = Alerts::new(&settings.load().monitor, vec![Box::new(LogSink)]);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let (now, settings) = (clock.now(), settings.load_full());
            self.window.tick(now);
            let (sample, requests) = (resources.sample(now), self.window.snapshot());
            let uses = meter.observe(&sample, &requests, &settings.budgets, now);
            let ratio = |budget| uses.iter().find(|u| u.budget == budget).map_or(0.0, |u| u.ratio);
            let pressure = Pressure { cpu: ratio(Budget::Cpu), memory: ratio(Budget::Memory) };
            admission.tick(pressure);
            crowded = is_crowded(crowded, pressure.cpu);
            let enforced = settings.limits.admission.mode == LimitMode::Enforce;
            hashes.give_way((enforced && crowded).then_some(LOGINS));
            alerts.retune(&settings.monitor);
            alerts.observe(&uses, now, clock.unix());
            process.set(&sample);
            open.set(connections() as f64);
            let alerts = alerts.active().cloned().collect();
            *self.lock() = Latest { sample, uses, requests, alerts };
        }
    }

    /// Asks the database whether it answers, now and then.
    pub async fn ping(&self, sql: &Sql) {
        let mut ticks = tokio::time::interval(PING);
        loop {
            ticks.tick().await;
            self.ping_once(sql).await;
        }
    }

    /// Asks the database whether it answers, and the disk whether it has room, once.
    pub async fn ping_once(&self, sql: &Sql) {
        let answered = sql.ping().await.is_ok();
        self.database.publish(if answered { Status::Healthy } else { Status::Unhealthy });
        self.disk.publish(match statvfs(sql.path()) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) >= LEAST_FREE => {
                Status::Healthy
            }
            _ => Status::Degraded,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        lock(&self.latest)
    }
}

/// Whether CPU is short at this part of its budget, after it was or was not.
fn is_crowded(was: bool, cpu: f64) -> bool {
    cpu >= if was { AMPLE } else { SHORT }
}

fn lock(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}
