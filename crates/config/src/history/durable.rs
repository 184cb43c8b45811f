use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::HistoryError;

/// A folder whose files are replaced whole or not at all.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// Proof that no other thread or process writes; ends when dropped, and with the process.
#[derive(Debug)]
pub(super) struct Writing {
    _lock: File,
}

const LOCK: &str = "lock";
const TEMPORARY: &str = ".pending-";

impl Folder {
    pub(super) fn create(dir: &Path) -> Result<Self, HistoryError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(at(dir))?;
        Ok(Self(dir.to_owned()))
    }

    pub(super) fn existing(dir: &Path) -> Option<Self> {
        dir.is_dir().then(|| Self(dir.to_owned()))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Waits for its turn; others hold the lock for one write at most.
    pub(super) fn lock(&self) -> Result<Writing, HistoryError> {
        let path = self.path(LOCK);
        let mut options = private();
        let lock = options.create(true).truncate(false).open(&path).map_err(at(&path))?;
        lock.lock().map_err(at(&path))?;
        Ok(Writing { _lock: lock })
    }

    /// Names in UTF-8, temporary ones left out.
    pub(super) fn names(&self) -> Result<Vec<String>, HistoryError> {
        let mut names = self.all_names().map_err(at(&self.0))?;
        names.retain(|name| !name.starts_with(TEMPORARY));
        Ok(names)
    }

    /// Nobody else is writing, so whatever is temporary was left by a crash.
    pub(super) fn remove_temporary(&self, _: &Writing) -> Result<(), HistoryError> {
        for name in self.all_names().map_err(at(&self.0))? {
            if name.starts_with(TEMPORARY) {
                let path = self.path(&name);
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// Replaces the file `name`; when this returns it is on disk.
    pub(super) fn write(
        &self,
        _: &Writing,
        name: &str,
        content: &[u8],
    ) -> Result<(), HistoryError> {
        let temporary = self.path(&format!("{TEMPORARY}{name}"));
        let path = self.path(name);
        let outcome = write_new(&temporary, content)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| self.sync());
        if outcome.is_err() {
            // On a full disk its blocks are wanted elsewhere.
            let _ = fs::remove_file(&temporary);
        }
        outcome.map_err(at(&path))
    }

    /// The content of the file `name`, if it is there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Gives the file `from` the name `to`; when this returns that is on disk.
    pub(super) fn rename(&self, _: &Writing, from: &str, to: &str) -> Result<(), HistoryError> {
        let path = self.path(to);
        fs::rename(self.path(from), &path).and_then(|()| self.sync()).map_err(at(&path))
    }

    /// Removes the file `name` if it is there; when this returns it is gone from the disk.
    pub(super) fn remove(&self, _: &Writing, name: &str) -> Result<(), HistoryError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => self.sync().map_err(at(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at(&path)(error)),
        }
    }

    fn all_names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// A rename is durable once its folder is.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> HistoryError {
    move |source| HistoryError::Io { path: path.to_owned(), source }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // A leftover may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
