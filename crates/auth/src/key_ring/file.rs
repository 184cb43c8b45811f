use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::token::KeyId;

/// The key ring cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Others may read a key.
    #[error("the key file {file} may be read by others, run: chmod 600 {file}", file = .0.display())]
    Permissions(PathBuf),
    /// A key file is not what it must be.
    #[error("the key file {} {problem}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {}", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// The folder of the keys, locked against other processes that open it.
pub(super) struct Folder {
    path: PathBuf,
    /// Unlocked when dropped.
    _lock: File,
}

/// A key as its file holds it.
pub(super) struct KeyFile {
    pub(super) id: Option<KeyId>,
    pub(super) created_at: Option<UnixTime>,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

/// A symmetric JSON Web Key (RFC 7518 §6.4), with the time of its making as `iat`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    k: String,
}

impl Drop for Jwk {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

/// Largest key file.
const MAX_FILE: u64 = 16 * 1024;

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, KeyRingError> {
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |cause| KeyRingError::Io { file, cause }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
        let file = path.join(".lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&file);
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(failed(&file))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The key of that file; a new one if there is none.
    pub(super) fn key(&self, name: &str, now: UnixTime) -> Result<KeyFile, KeyRingError> {
        let path = self.path.join(name);
        let failed = |cause| KeyRingError::Io { file: path.clone(), cause };
        match File::open(&path) {
            Ok(file) => read(&path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyFile::random(Some(now));
                self.write(&path, &key).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn weak(&self, name: &str) -> KeyRingError {
        malformed(&self.path.join(name), "has a secret of the wrong length, 32 bytes are needed")
    }

    /// Writes the whole file or nothing: a crash leaves at most a temporary file.
    fn write(&self, path: &Path, key: &KeyFile) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        // An old temporary file keeps its mode; this one is about to hold a key.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(&key.to_json()?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.path)?.sync_all()
    }
}

fn read(path: &Path, file: File) -> Result<KeyFile, KeyRingError> {
    let failed = |cause| KeyRingError::Io { file: path.to_owned(), cause };
    // Asked of the open file, so that it cannot be another one by now.
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyRingError::Permissions(path.to_owned()));
    }
    let mut json = Zeroizing::new(Vec::with_capacity(1024));
    file.take(MAX_FILE).read_to_end(&mut json).map_err(failed)?;
    KeyFile::from_json(&json).map_err(|problem| malformed(path, problem))
}

fn malformed(path: &Path, problem: &'static str) -> KeyRingError {
    KeyRingError::Malformed { file: path.to_owned(), problem }
}

impl KeyFile {
    pub(super) fn random(created_at: Option<UnixTime>) -> Self {
        let mut secret = Zeroizing::new(vec![0; 32]);
        rand::fill(&mut secret[..]);
        // A file holds whole seconds.
        let created_at = created_at.map(|at| UnixTime::from_secs(at.as_secs()));
        Self { id: None, created_at, secret }
    }

    fn to_json(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let jwk = Jwk {
            kty: "oct".into(),
            alg: "HS256".into(),
            kid: self.id.as_ref().map(ToString::to_string),
            iat: self.created_at.map(UnixTime::as_secs),
            k: URL_SAFE_NO_PAD.encode(&self.secret),
        };
        Ok(Zeroizing::new(serde_json::to_vec(&jwk)?))
    }

    fn from_json(json: &[u8]) -> Result<Self, &'static str> {
        // The parser's own message may quote the file.
        let jwk: Jwk = serde_json::from_slice(json).map_err(|_| "is not a JSON Web Key")?;
        if jwk.kty != "oct" || jwk.alg != "HS256" {
            return Err("is not a key for HS256");
        }
        let id = jwk.kid.as_deref().map(KeyId::parse).transpose();
        Ok(Self {
            id: id.map_err(|_| "has an invalid kid")?,
            created_at: jwk.iat.map(UnixTime::from_secs),
            secret: Zeroizing::new(
                URL_SAFE_NO_PAD.decode(&jwk.k).map_err(|_| "has a secret that is not base64url")?,
            ),
        })
    }
}
