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
//! Feature `load` adds the layers (file, environment, flags), live values and the history.

mod byte_size;
mod duration;
mod finding;
mod key;
mod rate;
mod reader;
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
    secret::Secret,
    setting::{Range, Setting},
    settings::Settings,
    value::{Origin, Value},
};
