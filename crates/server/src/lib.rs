//! The reference server: it reads the configuration, builds the parts, and stacks them once.
//!
//! This crate is a composition and no library: what is reusable lives in the crates below it. Where to
//! look first: [`stack`] is the order of everything that happens to a request, [`routes`] has every
//! route with its contract, [`run`] is a process from its start to its end.
//!
//! The settings are a tree of the crates' own groups:
//!
//! ```
//! use gabion_config::ByteSize;
//! use gabion_server::settings::ServerSettings;
//!
//! let settings = ServerSettings::default();
//! assert_eq!(settings.limits.size.body, ByteSize::mib(10));
//! ```
//!
//! The API document comes from the routes that the settings mount:
//!
//! ```
//! use gabion_server::{openapi, routes, settings::ServerSettings};
//!
//! let document = openapi::document(&routes::endpoints(&ServerSettings::default()));
//! assert!(document["paths"]["/api/auth/login"]["post"].is_object());
//! ```

pub mod accounts;
pub mod app;
mod audit;
pub mod backups;
pub mod body;
pub mod bootstrap;
mod bulkheads;
pub mod caches;
pub mod cli;
pub mod config;
pub mod control;
pub mod data_dir;
mod guards;
mod handler;
mod keys;
pub mod listen;
mod log_line;
mod log_queue;
pub mod metrics;
pub mod observatory;
mod once_more;
pub mod openapi;
pub mod rates;
pub mod restart;
pub mod routes;
pub mod run;
pub mod settings;
pub mod stack;
mod status;
pub mod telemetry;
mod view;
mod watch_file;
