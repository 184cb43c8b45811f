use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use gabion_errors::Rejection;
use gabion_limits::{Forwarding, TrustedProxies};
use tracing::warn;

use crate::{Exchange, Guard};

/// Finds the client behind trusted proxies; every later guard uses its address.
#[derive(Debug)]
pub struct ClientGuard {
    proxies: ArcSwap<TrustedProxies>,
    warned_of_stranger: AtomicBool,
    warned_of_contradiction: AtomicBool,
}

impl ClientGuard {
    /// Believes forwarding headers from `proxies` only.
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        let [warned_of_stranger, warned_of_contradiction] = [false, false].map(AtomicBool::new);
        let proxies = ArcSwap::from_pointee(proxies);
        Self { proxies, warned_of_stranger, warned_of_contradiction }
    }

    /// From now on believes forwarding headers from `proxies` only.
    pub fn set(&self, proxies: TrustedProxies) {
        self.proxies.store(Arc::new(proxies));
    }
}

impl Guard for ClientGuard {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        let peer = exchange.peer.0.ip();
        let (client, forwarding) = self.proxies.load().account(peer, &exchange.head.headers);
        exchange.client = client;
        match forwarding {
            Forwarding::Ignored if once(&self.warned_of_stranger) => {
                warn!(%peer, "a forwarding header from an untrusted peer is ignored; \
                    set server.trusted_proxies if this is your proxy (told once)");
            }
            // Anybody can bring this about who gets a header through the proxy.
            Forwarding::Contradictory if once(&self.warned_of_contradiction) => {
                warn!(%peer, "Forwarded and X-Forwarded-For name different clients, so the request \
                    counts as the proxy's own; let the proxy remove the header that it does not write \
                    (told once)");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether `warned` is false for the last time.
fn once(warned: &AtomicBool) -> bool {
    !warned.load(Ordering::Relaxed) && !warned.swap(true, Ordering::Relaxed)
}
