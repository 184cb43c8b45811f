use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gabion_clock::UnixTime;
use metrics::Gauge;
use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::{error, info, warn};

use super::{CERT_FILE, Fault, Files, Pair, PairError};
use crate::metrics::{TLS_EXPIRY, TLS_REFUSED};

/// How long before its end a certificate is warned of.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// How often.
const AGAIN: Duration = Duration::from_secs(86_400);

/// The certificate in use, replaced while connections go on.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Files,
    provider: Arc<CryptoProvider>,
    held: ArcSwap<Pair>,
    tried: Mutex<Tried>,
    expiry: Gauge,
    refused: Gauge,
}

/// What was last made of the files.
#[derive(Debug)]
struct Tried {
    digest: [u8; 32],
    /// Why they were not taken.
    problem: Option<String>,
    warned: Option<UnixTime>,
}

impl Certificates {
    pub(super) fn open(files: Files, provider: Arc<CryptoProvider>) -> Result<Self, PairError> {
        let contents = files.read()?;
        let digest = contents.digest();
        let pair = contents.pair(&provider)?;
        let this = Self {
            files,
            provider,
            held: ArcSwap::from_pointee(pair),
            tried: Mutex::new(Tried { digest, problem: None, warned: None }),
            expiry: metrics::gauge!(TLS_EXPIRY),
            refused: metrics::gauge!(TLS_REFUSED),
        };
        this.refused.set(0.0);
        this.expiry.set(this.held.load().facts.expires.as_secs() as f64);
        Ok(this)
    }

    /// Reads the files again, and takes what they hold if it is another pair and a good one. What is
    /// wrong is told once.
    pub(super) fn reload(&self, now: UnixTime) {
        // Before the lock: a disk that does not answer holds up nobody who asks for the status.
        let read = self.files.read();
        let mut tried = self.lock();
        let digest = match &read {
            Ok(contents) => contents.digest(),
            Err(error) => Sha256::digest(error.to_string()).into(),
        };
        if tried.digest == digest {
            return;
        }
        tried.digest = digest;
        let pair = read.and_then(|contents| contents.pair(&self.provider));
        match pair.and_then(|pair| self.not_worse(pair, now)) {
            Ok(pair) => {
                let facts = &pair.facts;
                info!(expires = %facts.expires, names = facts.names.join(" "), "certificate taken");
                self.expiry.set(facts.expires.as_secs() as f64);
                self.held.store(Arc::new(pair));
                (tried.problem, tried.warned) = (None, None);
            }
            Err(error) => {
                let (key, file, reason) = (error.setting, error.file.display(), &error.fault);
                error!(key, %file, %reason, "the certificate is not replaced; the last good one stays");
                tried.problem = Some(error.to_string());
            }
        }
        self.refused.set(if tried.problem.is_some() { 1.0 } else { 0.0 });
    }

    /// Refuses a certificate that has expired in place of one that has not.
    fn not_worse(&self, pair: Pair, now: UnixTime) -> Result<Pair, PairError> {
        let (expires, held) = (pair.facts.expires, self.held.load().facts.expires);
        if expires > now || held <= now {
            return Ok(pair);
        }
        let (file, fault) = (self.files.cert.clone(), Fault::Expired(expires));
        Err(PairError { setting: CERT_FILE, file, fault })
    }

    /// Warns of a certificate that is over soon, once a day.
    pub(super) fn warn(&self, now: UnixTime) {
        let expires = self.held.load().facts.expires;
        let mut tried = self.lock();
        let told = tried.warned.is_some_and(|warned| now.saturating_since(warned) < AGAIN);
        if now + SOON < expires || told {
            return;
        }
        tried.warned = Some(now);
        let file = self.files.cert.display();
        if expires <= now {
            error!(%expires, %file, "the certificate has expired; clients refuse it");
        } else {
            warn!(%expires, %file, "the certificate expires soon");
        }
    }

    /// For the status document.
    pub(super) fn status(&self) -> Value {
        let facts = &self.held.load().facts;
        json!({
            "expires_at": facts.expires.to_string(),
            "names": facts.names,
            "problem": self.lock().problem,
        })
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    fn lock(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held.load().key))
    }
}
