//! TLS 1.2 and 1.3 by rustls, in front of everything that HTTP is.
//!
//! A handshake is the dearest thing that a stranger can ask for: a signature for a few hundred bytes.
//! It has a time of its own (`limits.time.tls_handshake`), kept by the same sweeper as all others, and
//! at most `limits.connections.handshakes` are worked on at once. One that waits for its client is not
//! worked on and keeps no place, so that clients who say nothing more hold up nobody.
//!
//! The certificate is replaced while connections go on: its files are watched, and what they hold is
//! taken only once it has proved to be a pair.

mod certificates;
mod facts;
mod handshake;
mod pair;
mod reported;

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use gabion_clock::{Clock, SystemClock};
use metrics::Counter;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::NoServerSessionStorage,
};
use serde_json::Value;
use tokio::{
    sync::{Notify, Semaphore},
    time::MissedTickBehavior,
};

use self::certificates::Certificates;
pub use self::{
    facts::Facts,
    pair::{CERT_FILE, Contents, Fault, Files, KEY_FILE, Pair, PairError},
};
use crate::{metrics::TLS_HANDSHAKES, settings::ServerSettings, watch_file::FileWatch};

/// How often the files are looked at even when nobody tells of a change, as on a network's file system.
const LOOK: std::time::Duration = std::time::Duration::from_secs(60);

/// What listeners with TLS share.
#[derive(Debug)]
pub struct Tls {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
    /// Replaced as a whole: who waits for a place of an earlier one gets it soon.
    places: ArcSwap<Semaphore>,
    asked: Notify,
    completed: Counter,
    failed: Counter,
    plain: Counter,
}

/// TLS cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate and its key are of no use.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The cryptography refuses.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// The files of `settings`; `None` without TLS.
#[must_use]
pub fn files(settings: &ServerSettings) -> Option<Files> {
    let tls = &settings.server.tls;
    let both = !tls.cert_file.is_empty() && !tls.key_file.is_empty();
    both.then(|| Files { cert: PathBuf::from(&tls.cert_file), key: PathBuf::from(&tls.key_file) })
}

/// The cryptography: named here, so that a default which another crate installs changes nothing.
#[must_use]
pub fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

impl Tls {
    /// TLS as `settings` ask for it; `None` when they do not.
    ///
    /// # Errors
    ///
    /// When the files are no certificate with its key.
    pub fn open(settings: &ServerSettings) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(files) = files(settings) else { return Ok(None) };
        let provider = Arc::new(provider());
        let certificates = Certificates::open(files, Arc::clone(&provider))?;
        let certificates = Arc::new(certificates);
        // 1.2 and 1.3, whose suites all have forward secrecy.
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = match settings.server.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        // The strongest suite that both know.
        config.ignore_client_order = true;
        // Sessions are resumed by tickets, whose keys are replaced every six hours: nothing is kept per
        // client. Data before the end of the handshake could be replayed and stays off.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let counter =
            |outcome: &'static str| metrics::counter!(TLS_HANDSHAKES, "outcome" => outcome);
        let most = settings.limits.connections.handshakes;
        Ok(Some(Arc::new(Self {
            certificates,
            config: Arc::new(config),
            places: ArcSwap::from_pointee(Semaphore::new(most as usize)),
            asked: Notify::new(),
            completed: counter("completed"),
            failed: counter("failed"),
            plain: counter("plain_http"),
        })))
    }

    /// From now on at most so many handshakes are worked on at once.
    pub fn set_handshakes(&self, most: u32) {
        self.places.store(Arc::new(Semaphore::new(most as usize)));
    }

    /// Has the files looked at soon.
    pub fn reload_soon(&self) {
        self.asked.notify_one();
    }

    /// For the status document: `expires_at`, `names`, and the `problem` of files that were not taken.
    #[must_use]
    pub fn status(&self) -> Value {
        self.certificates.status()
    }

    /// Follows the files, and warns of a certificate that is over soon, until the future is dropped.
    pub async fn follow(&self, clock: SystemClock) {
        let files = self.certificates.files();
        let mut cert = FileWatch::begin(&files.cert);
        let mut key = match files.key.parent() == files.cert.parent() {
            true => None,
            false => FileWatch::begin(&files.key),
        };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = changed(&mut cert) => {}
                () = changed(&mut key) => {}
                () = self.asked.notified() => {}
                _ = looks.tick() => {}
            }
            let (certificates, now) = (Arc::clone(&self.certificates), clock.unix());
            let looked = tokio::task::spawn_blocking(move || {
                certificates.reload(now);
                certificates.warn(now);
            });
            // It is cut off with the process and does not panic.
            let _ = looked.await;
        }
    }
}

async fn changed(watch: &mut Option<FileWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
