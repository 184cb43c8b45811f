//! Places for expensive work, by the names that contracts use.

use std::sync::Arc;

use gabion_limits::bulkhead::{Bulkhead, BulkheadSnapshot};
use gabion_tower::guards::BulkheadGuard;

use crate::settings::BulkheadsConfig;

/// Of what hashes passwords for people who wait for it. Refreshes are not among it, though they come from
/// the same clients: they cost a write, and must get through a flood of logins.
pub(crate) const LOGIN: &str = "login";
/// Of what reads or writes much of the disk.
pub(crate) const EXPORT: &str = "export";

/// The bulkheads of one face of the server.
#[derive(Clone)]
pub struct Bulkheads {
    login: Arc<Bulkhead>,
    export: Arc<Bulkhead>,
}

impl Bulkheads {
    /// Empty ones.
    #[must_use]
    pub fn new(config: &BulkheadsConfig) -> Self {
        Self {
            login: Arc::new(Bulkhead::new(LOGIN, &config.login)),
            export: Arc::new(Bulkhead::new(EXPORT, &config.export)),
        }
    }

    /// From now on these places and waits.
    pub fn set(&self, config: &BulkheadsConfig) {
        self.login.set(&config.login);
        self.export.set(&config.export);
    }

    /// What sends each request to its bulkhead.
    #[must_use]
    pub fn guard(&self) -> BulkheadGuard {
        BulkheadGuard::new(self.all().map(Arc::clone))
    }

    /// What the status document tells.
    #[must_use]
    pub fn snapshots(&self) -> [BulkheadSnapshot; 2] {
        self.all().map(|bulkhead| bulkhead.snapshot())
    }

    fn all(&self) -> [&Arc<Bulkhead>; 2] {
        [&self.login, &self.export]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{routes, settings::ServerSettings};

    #[test]
    fn every_bulkhead_that_a_route_names_is_there() {
        let mut settings = ServerSettings::default();
        settings.demo.enabled = true;
        let bulkheads = Bulkheads::new(&settings.limits.bulkhead);
        let known = bulkheads.snapshots().map(|bulkhead| bulkhead.name);
        let endpoints = routes::endpoints(&settings);
        let named = endpoints.iter().filter_map(|endpoint| endpoint.contract.bulkhead);
        let named: Vec<&str> = named.collect();
        assert!(named.iter().all(|name| known.contains(name)), "{named:?}");
        assert!(known.iter().all(|name| named.contains(name)), "{named:?}");
    }
}
