use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Digest, History, HistoryError, durable::at, version_file};

/// The version that holds in place of the file, and what the file said when it was put there.
#[derive(Serialize, Deserialize)]
pub(super) struct Active {
    pub(super) version: u64,
    /// `None`: there was no file.
    file_sha256: Option<String>,
}

const NAME: &str = "active.json";

/// An applied or rolled-back configuration holds, across restarts, until the file changes again or
/// another one is applied.
impl History {
    /// From now on `version` holds, as long as the file's text has the digest `file`; `None` when
    /// there is no file. It is kept as long as it is active.
    ///
    /// # Errors
    ///
    /// When there is no such version, or nothing can be written.
    pub fn set_active(&self, version: u64, file: Option<Digest>) -> Result<(), HistoryError> {
        let writing = self.folder.lock()?;
        let path = self.folder.path(&version_file::name(version));
        if !path.try_exists().map_err(at(&path))? {
            return Err(HistoryError::NoSuchVersion(version));
        }
        let active = Active { version, file_sha256: file.map(|digest| digest.to_string()) };
        self.folder.write(&writing, NAME, serde_json::json!(active).to_string().as_bytes())
    }

    /// The version that holds in place of the file whose text has the digest `file`, if that is still
    /// what it was; changes nothing.
    ///
    /// # Errors
    ///
    /// When the note on disk cannot be read or is damaged.
    pub fn active(&self, file: Option<Digest>) -> Result<Option<u64>, HistoryError> {
        let present = file.map(|digest| digest.to_string());
        let active = self.stored_active()?.filter(|active| active.file_sha256 == present);
        Ok(active.map(|active| active.version))
    }

    /// From now on the file holds.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub fn clear_active(&self) -> Result<(), HistoryError> {
        let writing = self.folder.lock()?;
        self.folder.remove(&writing, NAME)
    }

    pub(super) fn stored_active(&self) -> Result<Option<Active>, HistoryError> {
        let path = self.folder.path(NAME);
        match fs::read(&path) {
            Ok(content) => {
                serde_json::from_slice(&content).map(Some).map_err(|_| HistoryError::Damaged(path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }
}
