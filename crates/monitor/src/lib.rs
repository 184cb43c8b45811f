//! Request ids, trace context, HTTP metrics, resources, health and alerts, decided without a runtime.
