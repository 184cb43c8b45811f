use gabion_config::settings;

settings! {
    /// Most connections at the same time.
    pub struct ConnectionConfig {
        /// In all; the last 16 answer probes only.
        live total: u32 = 10_000, in 1..=1_000_000;
        /// From one address, or one /64 network of IPv6.
        live per_address: u32 = 256, in 1..=1_000_000;
        /// Requests on one connection; it ends with the answer to the last of them.
        live requests: u32 = 10_000, in 1..=1_000_000;
        /// TLS handshakes that are worked on at the same time; the others wait inside their time. One that
        /// waits for its client is not worked on.
        live handshakes: u32 = 64, in 1..=1_000_000;
    }
}
