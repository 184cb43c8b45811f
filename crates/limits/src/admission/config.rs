use gabion_config::settings;

use crate::LimitMode;

settings! {
    /// Refusing the least important work first when there is too much of it.
    pub struct AdmissionConfig {
        /// enforce; shadow: decide and count, never refuse; off.
        live mode: LimitMode = LimitMode::Enforce;
    }
}
