//! What a service knows of itself: who asked, how long it took, what it uses, how well it is.
//!
//! It protects against the failures of looking: metrics that a client can multiply, logs that a
//! client can forge, health checks that hang with what they check, alerts that flap, and the figures
//! of the whole machine where a container's quota is what counts.
//!
//! This is not a metrics library: it writes to the [`metrics`](::metrics) facade, and an exporter of
//! your choice reads. Nor is it a tracer: [`TraceContext`] continues a trace, it records none. What
//! the budgets need to know inside the process is measured beside the exporter, in fixed memory.
//!
//! Everything here is decided without a runtime: time comes in as a value, and traits never block.
//!
//! With defaults, a request's share:
//!
//! ```
//! use gabion_monitor::{HttpMetrics, LatencyWindow, RequestId};
//! use std::time::Duration;
//!
//! let metrics = HttpMetrics::new();
//! let route = metrics.route("GET", "/items/{id}");
//! let recent = LatencyWindow::default();
//!
//! let id = RequestId::accept(b"from-the-proxy-7").unwrap_or_else(RequestId::random);
//! assert_eq!(id.as_str(), "from-the-proxy-7");
//! route.began();
//! let took = Duration::from_millis(3);
//! route.record(200, took);
//! recent.record(took);
//! route.ended();
//! assert!(recent.p99() <= Duration::from_millis(4));
//! ```
//!
//! Customised, the share of a task that watches the budgets, with a sink of its own:
//!
//! ```
//! use gabion_clock::{Clock, SystemClock};
//! use gabion_monitor::{
//!     Alert, AlertSink, Alerts, BudgetConfig, BudgetMeter, LatencyWindow, LogSink, MonitorConfig,
//!     Resources,
//! };
//! use std::time::Duration;
//!
//! struct Pager;
//! impl AlertSink for Pager {
//!     fn alert(&self, alert: &Alert) {
//!         // Queue it: a sink never blocks.
//!         let _ = (alert.name, &alert.message);
//!     }
//! }
//!
//! let budgets = BudgetConfig { cpu: 0.75, ..BudgetConfig::default() };
//! let alerting = MonitorConfig { alert_hold: Duration::from_secs(30), ..MonitorConfig::default() };
//! let clock = SystemClock::new();
//! let requests = LatencyWindow::default();
//! let mut resources = Resources::new();
//! let mut meter = BudgetMeter::new();
//! let mut alerts = Alerts::new(&alerting, vec![Box::new(LogSink), Box::new(Pager)]);
//!
//! // Ten times a second:
//! let now = clock.now();
//! requests.tick(now);
//! let uses = meter.observe(&resources.sample(now), &requests.snapshot(), &budgets, now);
//! alerts.observe(&uses, now, clock.unix());
//! assert_eq!(alerts.active().count(), 0);
//! ```

pub mod alert;
pub mod audit;
pub mod budget;
pub mod health;
mod http_metrics;
pub mod latency;
pub mod metrics;
#[cfg(test)]
mod recorded;
mod request_id;
pub mod resources;
mod rfc3339;
mod slo;
mod trace_context;

pub use self::{
    alert::{Alert, AlertSink, AlertState, Alerts, LogSink, Transition},
    audit::{AuditEvent, Auditor, LogAuditor, QueueAuditor},
    budget::{Budget, BudgetConfig, BudgetMeter, BudgetUse, MonitorConfig, usage},
    health::{Check, CheckResult, Health, Probe, PublishedProbe, Report, Status},
    http_metrics::{DURATION_BUCKETS, HttpMetrics, RouteMetrics},
    latency::{LatencySnapshot, LatencyWindow},
    request_id::RequestId,
    resources::{ProcessMetrics, Resources, Sample},
    slo::burn_rate,
    trace_context::TraceContext,
};
