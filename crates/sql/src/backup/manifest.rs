use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Backup, BackupError, BackupId, disk};

/// The database of a backup.
pub(super) const DATA: &str = "data.sqlite3";
/// The configuration of its moment.
pub(super) const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";
/// Says why the last verification failed.
const DAMAGED: &str = "damaged";

/// What a backup promises of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    id: String,
    /// Milliseconds since the Unix epoch.
    created_at: u64,
    #[serde(flatten)]
    pub(super) contents: Contents,
    files: Vec<FileEntry>,
}

/// What is in a database.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) schema_version: u32,
    /// Table to number of rows.
    pub(super) tables: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileEntry {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Writes down what the backup in `folder` has.
    pub(super) fn write(
        folder: &Path,
        id: &BackupId,
        contents: Contents,
        now: UnixTime,
    ) -> Result<(), BackupError> {
        let files = [DATA, CONFIG].map(|name| {
            let path = folder.join(name);
            let (bytes, sha256) = disk::fingerprint(&path).map_err(BackupError::io(&path))?;
            Ok(FileEntry { name: name.into(), bytes, sha256 })
        });
        let files = files.into_iter().collect::<Result<_, BackupError>>()?;
        let manifest = Self { id: id.to_string(), created_at: now.as_millis(), contents, files };
        let path = folder.join(MANIFEST);
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| BackupError::io(&path)(error.into()))?;
        disk::write_new(&path, &json)
    }

    /// Reads the manifest of backup `id`, which must be its own.
    pub(super) fn read(folder: &Path, id: &BackupId) -> Result<Self, BackupError> {
        let damaged = |reason: &str| BackupError::Damaged { id: id.clone(), reason: reason.into() };
        if !folder.is_dir() {
            return Err(BackupError::NotFound(id.clone()));
        }
        let path = folder.join(MANIFEST);
        let mut json = Vec::new();
        match File::open(&path).and_then(|file| file.take(MANIFEST_MAX).read_to_end(&mut json)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("manifest.json is missing"));
            }
            Err(error) => return Err(BackupError::io(&path)(error)),
        }
        let manifest: Self =
            serde_json::from_slice(&json).map_err(|_| damaged("manifest.json cannot be read"))?;
        if manifest.id != id.as_str() {
            return Err(damaged("manifest.json is that of another backup"));
        }
        Ok(manifest)
    }

    /// Compares size and content of each file.
    pub(super) fn check_files(&self, folder: &Path, id: &BackupId) -> Result<(), BackupError> {
        let damaged = |reason: String| BackupError::Damaged { id: id.clone(), reason };
        for name in [DATA, CONFIG] {
            // The names come from here, never from the manifest: they become paths.
            let Some(entry) = self.entry(name) else {
                return Err(damaged(format!("manifest.json does not know {name}")));
            };
            let path = folder.join(name);
            match disk::fingerprint(&path) {
                Ok((bytes, _)) if bytes != entry.bytes => {
                    let promised = entry.bytes;
                    return Err(damaged(format!("{name} has {bytes} bytes instead of {promised}")));
                }
                Ok((_, sha256)) if sha256 != entry.sha256 => {
                    return Err(damaged(format!("{name} has another SHA-256 than promised")));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(damaged(format!("{name} is missing")));
                }
                Err(error) => return Err(BackupError::io(&path)(error)),
            }
        }
        Ok(())
    }

    /// Whether `path` holds the promised database, byte for byte.
    pub(super) fn is_data(&self, path: &Path) -> Result<bool, BackupError> {
        let (bytes, sha256) = disk::fingerprint(path).map_err(BackupError::io(path))?;
        Ok(self.entry(DATA).is_some_and(|entry| (entry.bytes, &entry.sha256) == (bytes, &sha256)))
    }

    /// The backup as a list shows it; sizes are looked at, contents are not.
    pub(super) fn backup(&self, folder: &Path, id: BackupId) -> Backup {
        let has_size = |name: &str| {
            let size = fs::metadata(folder.join(name)).map(|metadata| metadata.len());
            matches!((size, self.entry(name)), (Ok(size), Some(entry)) if size == entry.bytes)
        };
        Backup {
            id,
            created_at: self.created_at(),
            schema_version: self.contents.schema_version,
            bytes: self.bytes(),
            tables: self.contents.tables.clone(),
            damaged: folder.join(DAMAGED).exists() || !has_size(DATA) || !has_size(CONFIG),
        }
    }

    pub(super) fn created_at(&self) -> UnixTime {
        UnixTime::from_millis(self.created_at)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    fn entry(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// Remembers what a verification found, for lists and for the age of the newest good backup.
pub(super) fn remember(folder: &Path, damage: Option<&str>) {
    let path = folder.join(DAMAGED);
    let done = match damage {
        Some(reason) => fs::write(&path, reason),
        None => fs::remove_file(&path),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the state of a backup was not noted");
        }
        _ => {}
    }
}

/// A manifest has some hundred bytes and a few more for each table.
const MANIFEST_MAX: u64 = 1 << 20;
