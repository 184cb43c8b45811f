//! The status document: what `/api/admin/status`, `/api/admin/events` and `gabion status` tell.

mod schema;

use std::{collections::BTreeMap, time::Duration};

use gabion_cache::CacheSnapshot;
use gabion_clock::Instant;
use gabion_config::format_duration;
use gabion_limits::{Class, bulkhead::BulkheadSnapshot};
use gabion_monitor::{Budget, BudgetUse};
use gabion_tower::guards::OftenRefused;
use serde_json::{Value, json};

pub(crate) use self::schema::schema;
use crate::{app::App, observatory::Observatory};

/// The document as things are at `now`.
pub(crate) fn document(app: &App, now: Instant) -> Value {
    let settings = app.settings.load_full();
    let latest = app.observatory.latest();
    let trial = app.config.trial();
    let admission = app.admission.snapshot();
    let sample = &latest.sample;
    let caches: Vec<Value> = std::iter::once(app.accounts.snapshot())
        .chain(app.caches.snapshots())
        .map(|cache| cache_document(&cache))
        .collect();
    let hashes = app.identity.hashes();
    let fractions = Class::ALL.map(Class::as_str).into_iter().zip(admission.fractions);
    let fractions: BTreeMap<&str, f64> = fractions.collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": app.restarter.generation(),
        "state": app.state_name(),
        "started_at": sample.start_time.to_string(),
        "uptime_seconds": app.uptime(now).as_secs(),
        "budgets": latest.uses.map(|used| budget(used, sample.cores)),
        "traffic": {
            "requests_per_second":
                latest.requests.count as f64 / Observatory::window_span().as_secs_f64(),
            "p50_ms": latest.requests.p50.as_secs_f64() * 1000.0,
            "p99_ms": latest.requests.p99.as_secs_f64() * 1000.0,
            "error_ratio": latest.requests.error_ratio(),
        },
        "admission": {
            "mode": admission.mode.as_str(),
            "limit": admission.limit,
            "in_flight": admission.in_flight,
            "fractions": fractions,
        },
        "limits": {
            "rate_table_bytes": app.rates.memory(),
            "connections_open": app.connections_open(),
            "connections_limit": settings.limits.connections.total,
            "bulkheads": app.bulkheads.snapshots().map(bulkhead),
            "heavy_hitters": app.rates.often_refused(now).iter().map(often_refused).collect::<Value>(),
        },
        "cache": caches,
        "resources": {
            "cpu_cores_used": sample.cpu_cores_used,
            "cores": sample.cores,
            "cpu_ratio": sample.cpu_ratio,
            "rss_bytes": sample.rss,
            "memory_limit_bytes": sample.memory_limit,
            "open_fds": sample.open_fds,
        },
        "auth": {
            "hashing_threads": hashes.threads(),
            "hashing_memory_bytes": hashes.memory_bytes(),
            "ended_sessions": app.identity.revocations().len(),
        },
        "tls": app.tls.as_ref().map(|tls| tls.status()),
        "alerts": latest.alerts,
        "last_restart": app.restarter.last(),
        "config": {
            "version": app.config.current().0,
            "needs_restart": app.config.needs_restart(),
            "confirm_by": trial.map(|trial| trial.until.to_string()),
            "otherwise": trial.map(|trial| trial.before),
        },
    })
}

/// A budget in numbers and in words, both by the same measure.
fn budget(used: BudgetUse, cores: f64) -> Value {
    let memory = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    let (told, limit) = match used.budget {
        Budget::Latency => (
            format!("{:.1} ms", used.used * 1000.0),
            format_duration(Duration::from_secs_f64(used.limit)),
        ),
        Budget::Cpu => (
            format!("{:.1} %", used.used * 100.0),
            format!("{:.0} % of {cores} cores", used.limit * 100.0),
        ),
        Budget::Memory => (memory(used.used), memory(used.limit)),
        Budget::Errors => {
            (format!("{:.3} %", used.used * 100.0), format!("{} %", used.limit * 100.0))
        }
    };
    json!({
        "budget": used.budget.name(),
        "used_ratio": used.ratio,
        "used": told,
        "limit": limit,
    })
}

fn bulkhead(it: BulkheadSnapshot) -> Value {
    json!({"name": it.name, "places": it.places, "used": it.used, "waiting": it.waiting})
}

fn often_refused(it: &OftenRefused) -> Value {
    json!({"limit": it.limit, "key": it.key, "refusals": it.refusals})
}

fn cache_document(cache: &CacheSnapshot) -> Value {
    json!({
        "name": cache.name,
        "entries": cache.entries,
        "max_entries": cache.max_entries,
        "weight": cache.weight,
        "hits": cache.hits,
        "misses": cache.misses,
        "evicted": cache.evicted,
    })
}
