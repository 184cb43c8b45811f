use std::time::Duration;

use gabion_config::settings;

const DAY: Duration = Duration::from_secs(86_400);

settings! {
    /// When backups are made, where they go and how many stay: `[backup]`.
    pub struct BackupConfig {
        /// Folder of the backups; empty: `backups` in the data folder.
        restart dir: String = String::new();
        /// Time from one backup to the next.
        live every: Duration = DAY, in Duration::from_millis(1)..=DAY * 3650;
        /// How many good backups stay; older ones are removed.
        live keep: u32 = 7, in 1..=1_000_000;
    }
}
