use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use gabion_clock::UnixTime;
use zeroize::Zeroizing;

use super::{
    KeyRingError,
    file::{self, Problem},
    keys::{Keys, Signer},
};
use crate::token::SigningKey;

/// The folder of the keys, locked against every other process that changes them.
pub(super) struct Folder {
    path: PathBuf,
    /// Unlocked when dropped.
    _lock: File,
}

const RING: &str = "ring.jwks";
const REFRESH: &str = "refresh.jwk";
/// The form before there were several keys.
const SINGLE: &str = "signing.jwk";

/// Largest file: 64 RSA keys of 8192 bits are smaller.
const MAX_FILE: u64 = 1 << 20;

impl Folder {
    pub(super) fn lock(path: &Path) -> Result<Self, KeyRingError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot_use(path))?;
        let file = path.join(".lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&file);
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(cannot_use(&file))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The keys as they are now. A file is replaced as a whole, so that no lock is needed.
    pub(super) fn peek(path: &Path) -> Result<Option<Keys>, KeyRingError> {
        match read(&path.join(RING))? {
            Some(json) => keys(&path.join(RING), &json).map(Some),
            None => Ok(single(&path.join(SINGLE))?.map(Keys::of)),
        }
    }

    pub(super) fn ring(&self) -> PathBuf {
        self.path.join(RING)
    }

    /// Whether there is one; its absence means the former form, or no keys at all.
    pub(super) fn has_ring(&self) -> bool {
        self.ring().exists()
    }

    /// The keys, those of the former form if there are no others.
    pub(super) fn keys(&self) -> Result<Option<Keys>, KeyRingError> {
        Self::peek(&self.path)
    }

    /// The keys of a ring that was opened before.
    pub(super) fn present_keys(&self) -> Result<Keys, KeyRingError> {
        let gone = || cannot_use(&self.ring())(io::ErrorKind::NotFound.into());
        self.keys()?.ok_or_else(gone)
    }

    pub(super) fn write(&self, keys: &Keys) -> Result<(), KeyRingError> {
        let json = file::ring_json(keys).map_err(malformed(&self.ring()))?;
        self.replace(&self.ring(), &json)
    }

    /// Removes the file of the former form once its key is in the ring. Another key there is nobody's
    /// any more: taking it would bring back one that was retired.
    pub(super) fn forget_single(&self, keys: &Keys) -> Result<(), KeyRingError> {
        let file = self.path.join(SINGLE);
        let found = match single(&file) {
            Err(KeyRingError::Malformed { .. }) => None,
            found => found?,
        };
        match found {
            Some(found) if keys.has(&found.key.verifying_key()) => {
                fs::remove_file(&file).map_err(cannot_use(&file))
            }
            _ => Ok(()),
        }
    }

    /// The key of refresh tokens; a new one if there is none.
    pub(super) fn refresh_key(&self, now: UnixTime) -> Result<Zeroizing<[u8; 32]>, KeyRingError> {
        let path = self.path.join(REFRESH);
        let mut key = Zeroizing::new([0; 32]);
        if let Some(json) = read(&path)? {
            let found = file::secret(&json).map_err(malformed(&path))?;
            if found.secret.len() != key.len() {
                let problem = "has a secret of the wrong length, 32 bytes are needed";
                return Err(malformed(&path)(problem.into()));
            }
            key.copy_from_slice(&found.secret);
            return Ok(key);
        }
        rand::fill(&mut key[..]);
        let json = file::secret_json(&key[..], now).map_err(malformed(&path))?;
        self.replace(&path, &json)?;
        Ok(key)
    }

    /// Writes the whole file or nothing: a crash leaves at most a temporary file.
    fn replace(&self, path: &Path, json: &[u8]) -> Result<(), KeyRingError> {
        let temporary = path.with_extension("tmp");
        let written = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            // An old temporary file keeps its mode; this one is about to hold keys.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(json)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(cannot_use(path))
    }
}

/// What the file says, if there is one.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyRingError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_use(path)(error)),
    };
    // Asked of the open file, so that it cannot be another one by now.
    let metadata = file.metadata().map_err(cannot_use(path))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyRingError::Permissions(path.to_owned()));
    }
    if metadata.len() > MAX_FILE {
        return Err(malformed(path)("is larger than 1 MiB".into()));
    }
    // Room for all of it: a vector that grows leaves copies behind.
    let mut json = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(MAX_FILE).read_to_end(&mut json).map_err(cannot_use(path))?;
    Ok(Some(json))
}

fn keys(path: &Path, json: &[u8]) -> Result<Keys, KeyRingError> {
    file::ring(json).map_err(malformed(path))
}

fn single(path: &Path) -> Result<Option<Signer>, KeyRingError> {
    let Some(json) = read(path)? else { return Ok(None) };
    let file::Secret { id, created_at, secret } = file::secret(&json).map_err(malformed(path))?;
    let key = match id {
        Some(id) => SigningKey::hs256_named(id, &secret),
        None => SigningKey::hs256(&secret),
    };
    let key = key.map_err(|weak| malformed(path)(format!("is too short: {weak}").into()))?;
    Ok(Some(Signer { key, created_at }))
}

fn malformed(path: &Path) -> impl Fn(Problem) -> KeyRingError {
    let ends = if path.ends_with(REFRESH) { "every session" } else { "every access token" };
    let file = path.to_owned();
    move |problem| KeyRingError::Malformed { file: file.clone(), problem, ends }
}

fn cannot_use(path: &Path) -> impl Fn(io::Error) -> KeyRingError {
    let file = path.to_owned();
    move |cause| KeyRingError::Io { file: file.clone(), cause }
}
