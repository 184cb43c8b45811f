use gabion_config::settings;

settings! {
    /// Most connections at the same time.
    pub struct ConnectionConfig {
        /// In all; the last 16 answer probes only.
        live total: u32 = 10_000, in 1..=1_000_000;
        /// From one address, or one /64 network of IPv6.
        live per_address: u32 = 256, in 1..=1_000_000;
    }
}
