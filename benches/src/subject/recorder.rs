use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Installs the recorder that the server has, once: without one, counting would cost nothing here.
///
/// # Panics
///
/// When another recorder was installed before.
pub fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let duration = Matcher::Full(gabion_monitor::metrics::REQUEST_DURATION.to_owned());
        PrometheusBuilder::new()
            .set_buckets_for_metric(duration, &gabion_monitor::DURATION_BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .expect("nothing else installs a recorder, and the list of buckets is not empty")
    })
}
