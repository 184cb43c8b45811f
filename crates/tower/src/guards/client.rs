use std::sync::atomic::{AtomicBool, Ordering};

use gabion_errors::Rejection;
use gabion_limits::TrustedProxies;
use tracing::warn;

use crate::{Exchange, Guard};

/// Finds the client behind trusted proxies; every later guard uses its address.
#[derive(Debug)]
pub struct ClientGuard {
    proxies: TrustedProxies,
    warned: AtomicBool,
}

impl ClientGuard {
    /// Believes forwarding headers from `proxies` only.
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        Self { proxies, warned: AtomicBool::new(false) }
    }
}

impl Guard for ClientGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let (peer, headers) = (exchange.peer.0.ip(), &exchange.head.headers);
        exchange.client = self.proxies.client_addr(peer, headers);
        if !self.warned.load(Ordering::Relaxed)
            && self.proxies.ignored_forwarding(peer, headers)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            warn!(%peer, "a forwarding header from an untrusted peer is ignored; \
                set server.trusted_proxies if this is your proxy (told once)");
        }
        Ok(())
    }
}
