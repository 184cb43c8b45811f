//! The log and the metrics of the process.

use std::{io::IsTerminal, time::Duration};

use gabion_errors::log_panics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::{
    log_line::Style,
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
        let style = style(&config.format);
        let (log, writer) = LogQueue::new(style, std::io::stderr());
        let filter = start_log(&config.level, style, log.clone());
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

fn style(format: &str) -> Style {
    let terminal = std::io::stderr().is_terminal();
    match format {
        "pretty" | "auto" if terminal => Style::Colours,
        "pretty" => Style::Plain,
        _ => Style::Json,
    }
}

fn start_log(level: &str, style: Style, writer: LogQueue) -> reload::Handle<EnvFilter, Registry> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(writer);
    // A second subscriber in one process is a test's; the first one stays.
    let begun = match style {
        Style::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Style::Plain => registry.with(layer.with_ansi(false)).try_init(),
        // They are left out where the environment says so.
        Style::Colours => registry.with(layer).try_init(),
    };
    if begun.is_ok() {
        log_panics();
    }
    handle
}

/// What `level` lets through, and less of h2 at every level: of requests that are none it tells paths
/// and fields below `info`, and those may hold a token; at `warn` it has a line for each frame that a
/// client gets wrong, which is counted instead.
///
/// The others that write to this log may tell all they know: statements of SQL come without their values.
fn filter(level: &str) -> EnvFilter {
    let h2 = if matches!(level, "debug" | "trace") { "info" } else { "error" };
    EnvFilter::new(format!("{level},h2={h2}"))
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
