//! The log and the metrics of the process.

use std::{io::IsTerminal, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::{metrics::LOG_LINES_LOST, settings::LogConfig};

/// Log lines that wait for a slow terminal or disk; beyond them lines are lost, and counted.
const LINES_WAITING: usize = 16_384;

/// The log and the metrics, once for the process.
pub struct Telemetry {
    metrics: PrometheusHandle,
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    lost: Option<tracing_appender::non_blocking::ErrorCounter>,
    _writer: Option<WorkerGuard>,
}

impl Telemetry {
    /// Starts the log as `config` says, and the metrics.
    #[must_use]
    pub fn start(config: &LogConfig) -> Self {
        let (filter, lost, writer) = start_log(config);
        Self {
            metrics: start_metrics(),
            filter: Some(filter),
            lost: Some(lost),
            _writer: Some(writer),
        }
    }

    /// Tells from now on what is at least as important as `level`.
    pub fn set_level(&self, level: &str) {
        if let Some(filter) = &self.filter {
            // Fails only when the subscriber is gone.
            let _ = filter.reload(EnvFilter::new(level));
        }
    }

    /// All metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(lost) = &self.lost {
            metrics::counter!(LOG_LINES_LOST).absolute(lost.dropped_lines() as u64);
        }
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

fn start_log(
    config: &LogConfig,
) -> (reload::Handle<EnvFilter, Registry>, tracing_appender::non_blocking::ErrorCounter, WorkerGuard)
{
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING)
        .lossy(true)
        .finish(std::io::stderr());
    let lost = writer.error_counter();
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&config.level));
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
    (handle, lost, guard)
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
    crate::metrics::describe();
    handle
}
