//! A recorder that keeps everything, for the tests of this crate.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

#[derive(Default)]
pub(crate) struct Recorded(Mutex<BTreeMap<String, Arc<Series>>>);

#[derive(Default)]
struct Series(Mutex<Vec<f64>>);

impl Recorded {
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    /// Every value that the series took, or every sample of a histogram.
    pub(crate) fn values(&self, series: &str) -> Vec<f64> {
        let all = self.0.lock().unwrap();
        let found = all.get(series).unwrap_or_else(|| panic!("no {series} in {:?}", all.keys()));
        found.0.lock().unwrap().clone()
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }
}

impl Series {
    fn push(&self, next: impl FnOnce(f64) -> f64) {
        let mut values = self.0.lock().unwrap();
        let last = values.last().copied().unwrap_or_default();
        values.push(next(last));
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.push(|last| last + value as f64);
    }

    fn absolute(&self, value: u64) {
        self.push(|_| value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.push(|last| last + value);
    }

    fn decrement(&self, value: f64) {
        self.push(|last| last - value);
    }

    fn set(&self, value: f64) {
        self.push(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.push(|_| value);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}
