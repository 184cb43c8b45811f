//! Every setting of the server: the sections of its crates under the names of the file.

use std::net::SocketAddr;

use gabion_auth::AuthConfig;
use gabion_cache::CacheConfig;
use gabion_config::{Rate, Secret, settings};
use gabion_lifecycle::LifecycleConfig;
use gabion_limits::{
    ConnectionConfig, SizeConfig, TimeConfig, admission::AdmissionConfig, rate::QuotaConfig,
};
use gabion_monitor::{BudgetConfig, MonitorConfig};
use gabion_sql::backup::BackupConfig;

settings! {
    /// The whole configuration.
    pub struct ServerSettings {
        /// Where it listens and keeps its data.
        section server: ListenConfig = ListenConfig::default();
        /// Tokens, passwords and logins.
        section auth: AuthConfig = AuthConfig::default();
        /// What clients are held to.
        section limits: LimitsConfig = LimitsConfig::default();
        /// The cache in memory.
        section cache: CacheConfig = CacheConfig::default();
        /// What the server promises to stay inside.
        section budgets: BudgetConfig = BudgetConfig::default();
        /// Warnings before a budget is used up.
        section monitor: MonitorConfig = MonitorConfig::default();
        /// Drain and restart.
        section lifecycle: LifecycleConfig = LifecycleConfig::default();
        /// Backups of data and configuration.
        section backup: BackupConfig = BackupConfig::default();
        /// Where data is kept.
        section store: StoreConfig = StoreConfig::default();
        /// The log.
        section log: LogConfig = LogConfig::default();
        /// Routes for load tests and examples.
        section demo: DemoConfig = DemoConfig::default();
    }
}

settings! {
    /// Where the server listens and keeps its data.
    pub struct ListenConfig {
        /// The address of the service.
        restart listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Another address that metrics, restart, the admin API and the status page move to; empty:
        /// they stay at `listen`.
        restart admin_listen: String = String::new();
        /// The folder of database, keys, configuration history and backups; made with mode 0700.
        restart data_dir: String = String::from("gabion-data");
        /// Networks (CIDR) whose Forwarded and X-Forwarded-For headers are believed, right to left.
        restart trusted_proxies: Vec<String> = Vec::new();
        /// Hosts that are served, without port; empty: any well-formed Host.
        restart allowed_hosts: Vec<String> = Vec::new();
        /// Whether HTTP/2 is spoken beside HTTP/1.1.
        restart http2: bool = true;
        /// TLS; both files set: on.
        section tls: TlsConfig = TlsConfig::default();
    }
}

settings! {
    /// TLS 1.2 and 1.3.
    pub struct TlsConfig {
        /// The certificate chain in PEM.
        restart cert_file: String = String::new();
        /// The private key in PEM.
        restart key_file: String = String::new();
    }
}

settings! {
    /// What clients are held to.
    pub struct LimitsConfig {
        /// How often.
        section rate: RatesConfig = RatesConfig::default();
        /// How big.
        section size: SizeConfig = SizeConfig::default();
        /// How slow.
        section time: TimeConfig = TimeConfig::default();
        /// How many connections.
        section connections: ConnectionConfig = ConnectionConfig::default();
        /// How much at once.
        section admission: AdmissionConfig = AdmissionConfig::default();
    }
}

settings! {
    /// How often.
    pub struct RatesConfig {
        /// Per address, before authentication.
        section address: QuotaConfig = QuotaConfig::default();
        /// Per caller, after it.
        section caller: QuotaConfig = QuotaConfig::default();
        /// Per address, on the login and refresh routes.
        section login: QuotaConfig = QuotaConfig { quota: Rate::per_minute(20), burst: 20 };
    }
}

settings! {
    /// Where data is kept.
    pub struct StoreConfig {
        /// Empty: SQLite in the data folder. Not yet honoured: postgres://… for a server.
        restart sql: Secret = Secret::default();
        /// Not yet honoured: redis://… for shared limits, sessions, revocation and cache.
        restart redis: Secret = Secret::default();
    }
}

settings! {
    /// The log.
    pub struct LogConfig {
        /// The least level that is told.
        live level: String = String::from("info"), in ["error", "warn", "info", "debug", "trace"].as_slice();
        /// auto: pretty on a terminal, else JSON lines.
        restart format: String = String::from("auto"), in ["auto", "json", "pretty"].as_slice();
    }
}

settings! {
    /// Routes for load tests and examples.
    pub struct DemoConfig {
        /// Adds /api/demo/*.
        restart enabled: bool = false;
    }
}

impl ServerSettings {
    /// What is set but not honoured yet, for one warning each at the start.
    #[must_use]
    pub fn not_honoured(&self) -> Vec<&'static str> {
        let (tls, defaults) = (&self.server.tls, Self::default());
        [
            ("server.tls.cert_file", !tls.cert_file.is_empty()),
            ("server.tls.key_file", !tls.key_file.is_empty()),
            ("auth.algorithm", self.auth.algorithm != "HS256"),
            ("store.sql", !self.store.sql.is_empty()),
            ("store.redis", !self.store.redis.is_empty()),
            ("monitor.webhook", !self.monitor.webhook.is_empty()),
            ("lifecycle.probation", self.lifecycle.probation != defaults.lifecycle.probation),
        ]
        .into_iter()
        .filter_map(|(key, set)| set.then_some(key))
        .collect()
    }
}
