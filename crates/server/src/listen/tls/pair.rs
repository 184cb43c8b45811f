use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use gabion_clock::UnixTime;
use gabion_config::io_reason;
use rustls::{
    Error, InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};

use super::Facts;

/// The setting that names the chain.
pub const CERT_FILE: &str = "server.tls.cert_file";
/// The setting that names the key.
pub const KEY_FILE: &str = "server.tls.key_file";

/// A chain of certificates is some kilobytes, a key less. What is sent of it goes to everybody who says
/// hello.
const MAX_FILE: u64 = 64 * 1024;

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct Files {
    /// The chain in PEM, the server's own certificate first.
    pub cert: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
}

/// A certificate with the key that belongs to it.
#[derive(Debug)]
pub struct Pair {
    /// As handshakes use it.
    pub key: Arc<CertifiedKey>,
    /// What is told of it.
    pub facts: Facts,
}

/// What the files hold, not looked at yet.
pub struct Contents {
    files: Files,
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// Two files are no certificate with its key.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {} {fault}", .file.display())]
pub struct PairError {
    /// The setting to look at.
    pub setting: &'static str,
    /// The file that it names.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a file, in the words of a mistake in the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be read.
    #[error("cannot be read: {}, accepts a file in PEM that this user may read", io_reason(.0))]
    Unreadable(io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is not a file, accepts a file in PEM that this user may read")]
    NoFile,
    /// It is larger than any chain of use.
    #[error("has more than {} KiB, accepts a chain of certificates without a list of authorities", MAX_FILE / 1024)]
    TooLarge,
    /// The key is not its owner's alone.
    #[error("can be read by others, accepts a key that is its owner's alone; use chmod 600")]
    Shared,
    /// It holds no chain of certificates.
    #[error("{0}, accepts a chain of certificates in PEM, the server's own first")]
    NoChain(String),
    /// It holds no key.
    #[error("{0}, accepts an unencrypted key in PEM: RSA, ECDSA or Ed25519")]
    NoKey(String),
    /// The certificate is over.
    #[error("expired at {0}, accepts a certificate that is still valid")]
    Expired(UnixTime),
    /// The key is another certificate's.
    #[error(
        "does not belong to the first certificate in {}, accepts the key that it was made for",
        .0.display()
    )]
    Mismatch(PathBuf),
}

impl Files {
    /// Reads both.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or others may read the key.
    pub fn read(&self) -> Result<Contents, PairError> {
        let cert = read(CERT_FILE, &self.cert, |_| true)?;
        let key = read(KEY_FILE, &self.key, is_private)?;
        Ok(Contents { files: self.clone(), cert, key })
    }

    /// Reads both and checks that they are a pair.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub fn load(&self, provider: &CryptoProvider) -> Result<Pair, PairError> {
        self.read()?.pair(provider)
    }
}

fn read(
    setting: &'static str,
    path: &Path,
    fits: impl Fn(&Metadata) -> bool,
) -> Result<Vec<u8>, PairError> {
    let error = |fault| PairError { setting, file: path.to_owned(), fault };
    let unreadable = |cause| error(Fault::Unreadable(cause));
    // A pipe would be waited for.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(error(Fault::NoFile));
    }
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that it cannot be another one by now.
    if !fits(&file.metadata().map_err(unreadable)?) {
        return Err(error(Fault::Shared));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(error(Fault::TooLarge));
    }
    Ok(bytes)
}

/// Whether a key is its owner's alone. One that root owns may be read by a group, since a service that
/// is not root gets it in no other way, as from a volume of Kubernetes with `fsGroup`.
fn is_private(metadata: &Metadata) -> bool {
    let mode = metadata.permissions().mode() & 0o777;
    mode & 0o077 == 0 || metadata.uid() == 0 && mode & 0o037 == 0
}

impl Contents {
    /// Tells these contents from others.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.cert.len().to_be_bytes());
        digest.update(&self.cert);
        digest.update(&self.key);
        digest.finalize().into()
    }

    /// Checks that they are a pair. One that has expired is one: a server that clients refuse can still be
    /// reached by those who look after it.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub fn pair(self, provider: &CryptoProvider) -> Result<Pair, PairError> {
        let Self { files, cert, key } = self;
        let in_chain = |fault| PairError { setting: CERT_FILE, file: files.cert.clone(), fault };
        let in_key = |fault| PairError { setting: KEY_FILE, file: files.key.clone(), fault };
        let no_chain = |problem: &str| in_chain(Fault::NoChain(problem.to_owned()));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
        let chain = chain.map_err(|_| no_chain("is not PEM"))?;
        let own = chain.first().ok_or_else(|| no_chain("holds no certificate"))?;
        let facts =
            Facts::of(own).ok_or_else(|| no_chain("begins with a malformed certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| in_key(Fault::NoKey("holds no such key".to_owned())))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                in_key(Fault::Mismatch(files.cert.clone()))
            }
            Error::InvalidCertificate(error) => in_chain(Fault::NoChain(error.to_string())),
            error => in_key(Fault::NoKey(format!("holds a key of no use ({error})"))),
        })?;
        Ok(Pair { key: Arc::new(key), facts })
    }
}
