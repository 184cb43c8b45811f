//! Reload when a file changes: the configuration, or a certificate.

use std::{path::Path, time::Duration};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tracing::warn;

/// Editors write a file in several steps; the last one counts.
const QUIET: Duration = Duration::from_millis(200);
/// In a folder where something is written all the time, as a log, the file is looked at all the same.
const LONGEST: Duration = Duration::from_secs(2);

/// Tells of changes of one file, also when it is replaced or its folder's symlinks are swapped, as
/// Kubernetes does.
pub(crate) struct FileWatch {
    changes: mpsc::Receiver<()>,
    /// Watches until it is dropped.
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Watches the folder of `file`; `None` when the system cannot.
    pub(crate) fn begin(file: &Path) -> Option<Self> {
        let (sender, changes) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // Full: a change is waiting to be seen already.
                let _ = sender.try_send(());
            }
        };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Some(Self { changes, _watcher: watcher }),
            Err(error) => {
                let file = file.display();
                warn!(%error, %file, "changes of a file are not noticed; reload with SIGHUP");
                None
            }
        }
    }

    /// Waits for the next change to be over.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let quiet = async {
            while tokio::time::timeout(QUIET, self.changes.recv()).await.is_ok_and(|c| c.is_some())
            {
            }
        };
        let _ = tokio::time::timeout(LONGEST, quiet).await;
    }
}
