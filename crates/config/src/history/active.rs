use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Digest, History, HistoryError};

/// The version that holds in place of the file, and what the file said when it was put there.
#[derive(Serialize, Deserialize)]
pub(super) struct Active {
    pub(super) version: u64,
    /// `None`: there was no file.
    file_sha256: Option<String>,
}

pub(super) const NAME: &str = "active.json";

impl Active {
    pub(super) fn new(version: u64, file: Option<Digest>) -> Self {
        Self { version, file_sha256: file.map(|digest| digest.to_string()) }
    }

    pub(super) fn render(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }
}

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
        self.must_exist(version)?;
        self.folder.write(&writing, NAME, &Active::new(version, file).render())
    }

    /// The note that tells which version holds in place of the file; without it the file does.
    #[must_use]
    pub fn active_path(&self) -> PathBuf {
        self.folder.path(NAME)
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
        let Some(content) = self.folder.read(NAME)? else { return Ok(None) };
        let damaged = |_| HistoryError::Damaged(self.folder.path(NAME));
        serde_json::from_slice(&content).map(Some).map_err(damaged)
    }
}
