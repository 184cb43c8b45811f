//! Configuration whose every value knows where it came from.
//!
//! A crate declares its settings with [`settings!`]: type, default, range, live or restart, and the
//! words for the reference, once. From that come the struct, its defaults, the reading with all
//! mistakes at once, and the reference itself.
//!
//! ```
//! use gabion_config::{ByteSize, Reader, Settings, settings};
//!
//! settings! {
//!     /// Bounds of a body.
//!     pub struct BodyConfig {
//!         /// Largest body.
//!         live limit: ByteSize = ByteSize::mib(10), in ByteSize::new(1)..=ByteSize::gib(64);
//!         /// Where uploads go.
//!         restart folder: String = String::from("uploads");
//!     }
//! }
//! assert_eq!(BodyConfig::default().limit, ByteSize::mib(10));
//!
//! // Text comes from the environment and from flags; a file gives typed values.
//! let mut reader = Reader::from_text([("body.limit", "64 parsecs"), ("body.lmit", "1MiB")]);
//! let config = BodyConfig::default().read("body", &mut reader);
//! let findings = reader.finish();
//! assert_eq!(findings.len(), 2);
//! assert!(findings.iter().any(|finding| finding.to_string().contains("did you mean body.limit?")));
//! ```
//!
//! The words alone, without files, are enough for most crates:
//!
//! ```
//! use gabion_config::{Rate, Secret};
//!
//! let rate: Rate = "100/s".parse().unwrap();
//! assert_eq!(rate.to_string(), "100/s");
//! assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
//! ```
//!
//! Feature `load` adds the layers ([`TomlSource`], [`EnvSource`], [`FlagSource`], or your own
//! [`Source`]), the [`reference()`] of all keys, [`diff`] between two configurations, [`Live`] values
//! and the [`History`] of what was accepted. It never reads the environment by itself and opens no
//! file that was not named to it.
//!
#![cfg_attr(feature = "load", doc = "```")]
#![cfg_attr(not(feature = "load"), doc = "```ignore")]
//! use gabion_config::{EnvSource, Layers, TomlSource, load, settings};
//!
//! settings! {
//!     /// The log.
//!     pub struct Log {
//!         /// How much is written.
//!         live level: String = String::from("info"), in ["debug", "info", "warn"].as_slice();
//!     }
//! }
//! let file = TomlSource::new("gabion.toml", "level = 'loud'\nlevle = 'info'\n".into());
//! let findings = load(&Log::default(), Layers::new().with(file.clone())).unwrap_err();
//! assert_eq!(findings.len(), 2);
//! assert!(findings[0].to_string().starts_with(r#"gabion.toml:1:9: level = "loud": "#));
//!
//! let file = TomlSource::new("gabion.toml", "level = 'warn'".into());
//! let environment = EnvSource::new([]);
//! let loaded = load(&Log::default(), Layers::new().with(file).with(environment)).unwrap();
//! assert_eq!(loaded.entries[0].to_string(), r#"level = "warn"  # gabion.toml:1:9"#);
//! ```

mod byte_size;
#[cfg(feature = "load")]
mod diff;
mod duration;
mod file;
mod finding;
#[cfg(feature = "load")]
mod history;
mod key;
#[cfg(feature = "load")]
mod layers;
#[cfg(feature = "load")]
mod live;
#[cfg(feature = "load")]
mod load;
mod rate;
mod reader;
#[cfg(feature = "load")]
mod reference;
#[cfg(feature = "load")]
mod schema;
mod secret;
mod setting;
mod settings;
mod value;

pub use self::{
    byte_size::ByteSize,
    duration::{format_duration, parse_duration},
    finding::Finding,
    key::{Change, Key},
    rate::Rate,
    reader::{Reader, declare, join},
    secret::{Secret, SecretFileError},
    setting::{Bounds, Form, Range, Setting},
    settings::Settings,
    value::{Origin, Value},
};
#[cfg(feature = "load")]
pub use self::{
    diff::{Changed, Changes, diff},
    history::{Digest, History, HistoryError, Trial, Version},
    layers::{EnvSource, FlagSource, Layer, Layers, Source, TomlSource},
    live::{Live, Prepared, Refusal, Refused, Step},
    load::{Checks, Entry, Loaded, load, load_checked},
    reference::reference,
    schema::json_schema,
};
