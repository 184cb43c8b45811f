//! Every setting of the server: the sections of its crates under the names of the file.

use std::{net::SocketAddr, time::Duration};

use gabion_auth::AuthConfig;
use gabion_cache::CacheConfig;
use gabion_config::{ByteSize, Rate, Secret, settings};
use gabion_lifecycle::LifecycleConfig;
use gabion_limits::{
    BulkheadConfig, ConnectionConfig, LimitMode, SizeConfig, TimeConfig,
    admission::AdmissionConfig, rate::QuotaConfig,
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
        /// The folder of database, keys, configuration history and backups; made with mode 0700. One
        /// that is there must be writable for its owner alone.
        restart data_dir: String = String::from("gabion-data");
        /// Networks (CIDR) whose Forwarded and X-Forwarded-For headers are believed, right to left.
        live trusted_proxies: Vec<String> = Vec::new();
        /// Hosts that are served, without port; empty: any well-formed Host.
        live allowed_hosts: Vec<String> = Vec::new();
        /// Whether HTTP/2 is spoken beside HTTP/1.1.
        restart http2: bool = true;
        /// Whether connections to listen come from trusted_proxies alone and begin with a PROXY
        /// protocol header (v1 or v2) that names the client; all others are closed then.
        restart proxy_protocol: bool = false;
        /// TLS; both files set: on.
        section tls: TlsConfig = TlsConfig::default();
    }
}

settings! {
    /// TLS 1.2 and 1.3.
    pub struct TlsConfig {
        /// The certificate chain in PEM, the server's own first; read again when it changes.
        restart cert_file: String = String::new();
        /// Its private key in PEM, readable for its owner alone; read again when it changes.
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
        /// How much at once of what is expensive.
        section bulkhead: BulkheadsConfig = BulkheadsConfig::default();
        /// How many leading bits of an IPv6 address count as one client, for rates and connections.
        live ipv6_prefix: u8 = 64, in 32..=128;
    }
}

settings! {
    /// Small groups of places for expensive work, apart from everything else.
    pub struct BulkheadsConfig {
        /// Logins and changed passwords. As many as wait for a hash at most; refreshes do not wait here.
        section login: BulkheadConfig = BulkheadConfig { places: 32, ..BulkheadConfig::default() };
        /// Backups and the audit trail.
        section export: BulkheadConfig = BulkheadConfig::default();
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
        section login: QuotaConfig = QuotaConfig { quota: Rate::per_minute(20), burst: 20, ..QuotaConfig::default() };
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
        let defaults = Self::default();
        [
            ("store.sql", !self.store.sql.is_empty()),
            ("store.redis", !self.store.redis.is_empty()),
            ("monitor.webhook", !self.monitor.webhook.is_empty()),
            ("lifecycle.probation", self.lifecycle.probation != defaults.lifecycle.probation),
        ]
        .into_iter()
        .filter_map(|(key, set)| set.then_some(key))
        .collect()
    }

    /// What is set as few should want it, with the reason, for one warning each at the start.
    #[must_use]
    pub fn unwise(&self) -> Vec<(&'static str, &'static str)> {
        let Self { server, auth, limits, .. } = self;
        let (password, rate) = (&auth.password, &limits.rate);
        let anybody = server.trusted_proxies.iter().any(|network| network.ends_with("/0"));
        let off = |limit: &QuotaConfig| limit.mode != LimitMode::Enforce;
        let everything = limits.connections.per_address >= limits.connections.total;
        [
            ("server.trusted_proxies", anybody, "every client may say which address it has"),
            ("auth.access_ttl", auth.access_ttl > DAY, "a stolen token is good for days"),
            ("auth.refresh_ttl", auth.refresh_ttl > DAY * 366, "a session hardly ever ends"),
            ("auth.leeway", auth.leeway > MINUTE * 5, "tokens are good long after their end"),
            ("auth.password.min_length", password.min_length < 8, "short passwords are guessed"),
            ("auth.password.min_strength", password.min_strength < 2, "weak passwords are guessed"),
            (
                "auth.password.memory",
                password.memory < ByteSize::mib(7),
                "stolen hashes are cheap to try passwords on",
            ),
            (
                "limits.rate.address.quota",
                rate.address.quota.as_per_second() > MANY,
                "it limits hardly anybody",
            ),
            (
                "limits.rate.caller.quota",
                rate.caller.quota.as_per_second() > MANY,
                "it limits hardly anybody",
            ),
            (
                "limits.rate.login.quota",
                rate.login.quota.as_per_second() > 10.0,
                "one address may try many passwords",
            ),
            ("limits.rate.address.mode", off(&rate.address), "no address is held to its quota"),
            ("limits.rate.caller.mode", off(&rate.caller), "no caller is held to its quota"),
            ("limits.rate.login.mode", off(&rate.login), "anybody may try passwords without end"),
            ("limits.connections.per_address", everything, "one address may take every connection"),
            (
                "limits.admission.mode",
                limits.admission.mode != LimitMode::Enforce,
                "nothing is refused under overload, so the budgets do not hold",
            ),
        ]
        .into_iter()
        .filter_map(|(key, set, reason)| set.then_some((key, reason)))
        .collect()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Requests in a second: more than one client sends in good faith.
const MANY: f64 = 100_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_wise() {
        assert_eq!(ServerSettings::default().unwise(), []);
    }

    #[test]
    fn each_unwise_value_is_named() {
        let mut settings = ServerSettings::default();
        settings.auth.password.min_length = 1;
        settings.auth.access_ttl = DAY * 14;
        settings.limits.rate.address.quota = Rate::per_second(10_000_000);
        settings.limits.admission.mode = LimitMode::Off;
        settings.server.trusted_proxies = vec!["10.0.0.0/8".into(), "::/0".into()];
        let keys: Vec<_> = settings.unwise().into_iter().map(|(key, _)| key).collect();
        let wanted = [
            "server.trusted_proxies",
            "auth.access_ttl",
            "auth.password.min_length",
            "limits.rate.address.quota",
            "limits.admission.mode",
        ];
        assert_eq!(keys, wanted);
    }
}
