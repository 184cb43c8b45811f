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
//! [`Source`]), the [`reference()`] of all keys and their [`json_schema`], [`diff`] between two
//! configurations, [`Live`] values and the [`History`] of what was accepted. It never reads the environment by itself and opens no
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
//!
//! # A program that reloads
//!
//! Read, ask, write down, take: in this order nothing is half changed, whatever fails. What asks for the
//! reload (a signal, a changed file, a route) is the program's affair.
//!
#![cfg_attr(feature = "load", doc = "```")]
#![cfg_attr(not(feature = "load"), doc = "```ignore")]
//! use std::{path::Path, sync::{Arc, Mutex}};
//! use gabion_config::{
//!     Changes, Entry, Finding, Layers, Live, Loaded, Refusal, TomlSource, diff, load, settings,
//! };
//!
//! settings! {
//!     /// A shop.
//!     pub struct Shop {
//!         /// Most items in a basket.
//!         live basket: u32 = 20, in 1..=1000;
//!         /// Networks of the office.
//!         live office: Vec<String> = Vec::new();
//!         /// Where it listens.
//!         restart listen: String = String::from("127.0.0.1:80");
//!     }
//! }
//!
//! struct Configuration {
//!     live: Live<Shop>,
//!     entries: Mutex<Vec<Entry>>,
//! }
//!
//! impl Configuration {
//!     fn read(file: &Path) -> Result<Loaded<Shop>, Vec<Finding>> {
//!         load(&Shop::default(), Layers::new().with(TomlSource::read(file)))
//!     }
//!
//!     /// What is different now; with a mistake nothing.
//!     fn reload(&self, file: &Path) -> Result<Changes, Vec<Finding>> {
//!         let loaded = Self::read(file)?;
//!         let mut entries = self.entries.lock().unwrap();
//!         let changes = diff(&entries, &loaded.entries);
//!         // Parts that cannot follow say so before anything has changed.
//!         let prepared = self.live.prepare(loaded.settings.clone(), changes.clone());
//!         let prepared = prepared.map_err(|refused| loaded.findings(&refused))?;
//!         // Here is the place for `History::take`.
//!         prepared.commit();
//!         *entries = loaded.entries;
//!         Ok(changes)
//!     }
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("shop.toml");
//! std::fs::write(&file, "office = ['10.0.0.1']\n")?;
//! let Loaded { settings, entries, .. } = Configuration::read(&file).unwrap();
//! let shop = Configuration { live: Live::new(settings), entries: Mutex::new(entries) };
//!
//! // A part of the program that keeps what it has made of the settings.
//! let office = Arc::new(Mutex::new(Vec::<std::net::IpAddr>::new()));
//! let own = Arc::clone(&office);
//! shop.live.subscribe_checked(move |step| {
//!     let parsed: Result<Vec<_>, _> = step.new.office.iter().map(|it| it.parse()).collect();
//!     let parsed = parsed.map_err(|_| Refusal::new("office", "has no address, accepts 10.0.0.1"))?;
//!     let own = Arc::clone(&own);
//!     Ok(move || *own.lock().unwrap() = parsed)
//! });
//!
//! std::fs::write(&file, "basket = 50\noffice = ['10.0.0.2']\nlisten = '[::]:80'\n")?;
//! let changes = shop.reload(&file).unwrap();
//! assert!(changes.touches("basket") && changes.needs_restart().eq(["listen"]));
//! assert_eq!((shop.live.load().basket, office.lock().unwrap().len()), (50, 1));
//!
//! std::fs::write(&file, "basket = 9\noffice = ['the corner']\n")?;
//! let findings = shop.reload(&file).unwrap_err();
//! assert!(findings[0].to_string().ends_with("shop.toml:2:10: office = [\"the corner\"]: \
//!     has no address, accepts 10.0.0.1"));
//! assert_eq!(shop.live.load().basket, 50);
//! # Ok::<(), std::io::Error>(())
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
mod nearest;
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
    file::io_reason,
    finding::Finding,
    key::{Change, Key},
    nearest::nearest,
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
    history::{Digest, History, HistoryError, Holds, Trial, Version},
    layers::{EnvSource, FlagSource, Layer, Layers, Source, TomlSource},
    live::{Live, Prepared, Refusal, Refused, Step},
    load::{Checks, Entry, Loaded, load, load_checked},
    reference::reference,
    schema::json_schema,
};
