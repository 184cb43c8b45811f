//! Files for their owner alone, and the steps that put them on the disk for good.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    panic,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::BackupError;

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(cause) => panic::resume_unwind(cause),
            Err(_) => {
                let source = io::Error::other("the runtime is shutting down");
                Err(BackupError::Io { path: PathBuf::new(), source })
            }
        },
    }
}

pub(super) fn create_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).create(path).map_err(BackupError::io(path))
}

pub(super) fn create_folders(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(BackupError::io(path))
}

pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    let mut file = new_file(path)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(BackupError::io(path))
}

pub(super) fn copy_new(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(BackupError::io(from))?;
    let mut target = new_file(to)?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(BackupError::io(to))
}

fn new_file(path: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(BackupError::io(path))
}

/// Puts a file's content, or a folder's entries, on the disk.
pub(super) fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(BackupError::io(path))
}

/// A file's size and the SHA-256 of its content in hexadecimal digits.
pub(super) fn fingerprint(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hex))
}

/// The path with `suffix` behind its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, BackupError> {
    std::path::absolute(path).map_err(BackupError::io(path))
}
