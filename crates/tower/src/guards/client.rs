use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use gabion_errors::Rejection;
use gabion_limits::TrustedProxies;
use http::HeaderMap;
use tracing::warn;

use crate::{Exchange, Guard};

/// Finds the client behind trusted proxies; every later guard uses its address.
#[derive(Debug)]
pub struct ClientGuard {
    proxies: TrustedProxies,
    warned_of_stranger: AtomicBool,
    warned_of_contradiction: AtomicBool,
}

impl ClientGuard {
    /// Believes forwarding headers from `proxies` only.
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        let [warned_of_stranger, warned_of_contradiction] = [false, false].map(AtomicBool::new);
        Self { proxies, warned_of_stranger, warned_of_contradiction }
    }
}

impl Guard for ClientGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let (peer, headers) = (exchange.peer.0.ip(), &exchange.head.headers);
        exchange.client = self.proxies.client_addr(peer, headers);
        let once = |warned: &AtomicBool,
                    reason: fn(&TrustedProxies, IpAddr, &HeaderMap) -> bool| {
            !warned.load(Ordering::Relaxed)
                && reason(&self.proxies, peer, headers)
                && !warned.swap(true, Ordering::Relaxed)
        };
        if once(&self.warned_of_stranger, TrustedProxies::ignored_forwarding) {
            warn!(%peer, "a forwarding header from an untrusted peer is ignored; \
                set server.trusted_proxies if this is your proxy (told once)");
        }
        // Anybody can bring this about who gets a header through the proxy.
        if once(&self.warned_of_contradiction, TrustedProxies::contradictory_forwarding) {
            warn!(%peer, "Forwarded and X-Forwarded-For name different clients, so the request counts \
                as the proxy's own; let the proxy remove the header that it does not write (told once)");
        }
        Ok(())
    }
}
