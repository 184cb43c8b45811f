//! The log and the metrics of the process.

use std::{io::IsTerminal, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::{
    log_queue::{LogQueue, LogWriter},
    metrics::LOG_LINES_LOST,
    settings::LogConfig,
};

/// The log and the metrics, once for the process.
pub struct Telemetry {
    metrics: PrometheusHandle,
    filter: reload::Handle<EnvFilter, Registry>,
    log: LogQueue,
}

impl Telemetry {
    /// Starts the log as `config` says, and the metrics; when the writer is dropped, the log is
    /// written to its end.
    pub(crate) fn start(config: &LogConfig) -> (Self, LogWriter) {
        let (log, writer) = LogQueue::new(std::io::stderr());
        let filter = start_log(config, log.clone());
        (Self { metrics: start_metrics(), filter, log }, writer)
    }

    /// Tells from now on what is at least as important as `level`.
    pub fn set_level(&self, level: &str) {
        // Fails only when the subscriber is gone.
        let _ = self.filter.reload(filter(level));
    }

    /// All metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        metrics::counter!(LOG_LINES_LOST).absolute(self.log.lost());
        let mut text = self.metrics.render();
        gabion_monitor::metrics::correct_types(&mut text);
        text
    }

    /// Folds what histograms have gathered, once a second, so that memory stays flat also when nobody
    /// scrapes.
    pub async fn upkeep(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            self.metrics.run_upkeep();
        }
    }
}

fn start_log(config: &LogConfig, writer: LogQueue) -> reload::Handle<EnvFilter, Registry> {
    let (filter, handle) = reload::Layer::new(filter(&config.level));
    let pretty = match config.format.as_str() {
        "pretty" => true,
        "auto" => std::io::stderr().is_terminal(),
        _ => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    // A second subscriber in one process is a test's; the first one stays.
    let _ = if pretty {
        registry.with(fmt::layer().with_writer(writer)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    };
    handle
}

/// h2 warns of what clients do, with a line for each frame; what it comes to is counted.
fn filter(level: &str) -> EnvFilter {
    match level {
        "warn" | "info" => EnvFilter::new(format!("{level},h2=error")),
        _ => EnvFilter::new(level),
    }
}

fn start_metrics() -> PrometheusHandle {
    let duration = Matcher::Full(gabion_monitor::metrics::REQUEST_DURATION.to_owned());
    let builder = PrometheusBuilder::new();
    let builder = builder
        .set_buckets_for_metric(duration, &gabion_monitor::DURATION_BUCKETS)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Fails when there is one already: a test that starts several servers in one process.
    let _ = metrics::set_global_recorder(recorder);
    gabion_monitor::metrics::describe();
    gabion_limits::metrics::describe();
    gabion_auth::metrics::describe();
    gabion_cache::metrics::describe();
    gabion_lifecycle::metrics::describe();
    gabion_tower::metrics::describe();
    crate::metrics::describe();
    handle
}
