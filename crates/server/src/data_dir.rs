//! The folder of everything that outlives the process.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// The data folder, with the places in it.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// It cannot be made or written.
    #[error(
        "the data folder {} cannot be written: make it writable for this user, or set \
         server.data_dir to another one", .0.display()
    )]
    NotWritable(PathBuf, #[source] io::Error),
    /// Others can put files into it, which would be taken for ours.
    #[error(
        "others can write to the data folder {path}: set server.data_dir to a folder of its own, or, if \
         this one is for gabion alone, run: chmod 700 {path}", path = .0.display()
    )]
    Shared(PathBuf),
    /// Another process works in it.
    #[error(
        "another process works in the data folder {}: stop it, or set server.data_dir to another one",
        .0.display()
    )]
    InUse(PathBuf),
}

impl DataDir {
    /// The folder at `path`, which may not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder with mode 0700 if it is missing, and proves that it can be written. One that
    /// is there stays as it is: others may look into it, since everything in it is private by itself.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or can be by others.
    pub fn create(&self) -> Result<(), DataDirError> {
        let wrong = |source| DataDirError::NotWritable(self.0.clone(), source);
        if !self.0.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(wrong)?;
        }
        self.check()?;
        self.lock_file().map(drop).map_err(wrong)
    }

    /// Whether somebody else could have put something into it; changes nothing.
    ///
    /// # Errors
    ///
    /// When others can write to the folder, or to one that lies in it.
    pub fn check(&self) -> Result<(), DataDirError> {
        for folder in [self.0.clone(), self.keys(), self.config(), self.backups("")] {
            let mode = fs::metadata(&folder).map(|folder| folder.permissions().mode());
            if mode.is_ok_and(|mode| mode & 0o022 != 0) {
                return Err(DataDirError::Shared(folder));
            }
        }
        Ok(())
    }

    /// Keeps every other process from working in the folder, until the lock is dropped.
    ///
    /// # Errors
    ///
    /// When another process has it, or the folder cannot be written.
    pub fn lock(&self) -> Result<DataLock, DataDirError> {
        let file = self.lock_file();
        let file = file.map_err(|error| DataDirError::NotWritable(self.0.clone(), error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DataLock(file)),
            Err(_) => Err(DataDirError::InUse(self.0.clone())),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.0.join("server.lock"))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The embedded database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("gabion.sqlite3")
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The history of the configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("config")
    }

    /// Where backups go: `dir` if it is set.
    #[must_use]
    pub fn backups(&self, dir: &str) -> PathBuf {
        if dir.is_empty() { self.0.join("backups") } else { dir.into() }
    }

    /// Where commands reach the running server.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Where a new process meets the old one.
    #[must_use]
    pub fn handover_socket(&self) -> PathBuf {
        self.0.join("handover.sock")
    }
}

/// The right to work in a data folder.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);
