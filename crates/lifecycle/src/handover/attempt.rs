use std::{
    fs, io,
    os::{
        fd::BorrowedFd,
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    pin::pin,
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::UnixListener,
    time::{Instant, timeout, timeout_at},
};

use super::{
    ENVIRONMENT, Failure, HandoverError, Shared, Successor,
    successor::Process,
    wire::{Channel, Header, MOST_LISTENERS, Report, Word},
};

/// What a process that has just ended may have said before.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The one restart under way. See [`Handover::reserve`](super::Handover::reserve).
///
/// Dropped without success, it lets the next one begin.
#[derive(Debug)]
#[must_use = "dropping it gives the restart up"]
pub struct Attempt {
    shared: Arc<Shared>,
    succeeded: bool,
}

impl Attempt {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, succeeded: false }
    }

    /// The generation that the new process will be.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.generation + 1
    }

    /// Starts `command` and hands it `listeners` (at most 16, each with its name); returns when it
    /// is ready and was told to proceed. The caller stops accepting then, and drains.
    ///
    /// The new process finds the place to meet in its environment ([`ENVIRONMENT`]); everything
    /// else of `command` is the caller's. `within` bounds the time until it is ready.
    ///
    /// # Errors
    ///
    /// When the new process cannot be started, or fails before it is ready. It does not run any
    /// more then, and the listeners are as they were.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the new process.
    pub async fn start(
        mut self,
        command: Command,
        listeners: &[(&str, BorrowedFd<'_>)],
        within: Duration,
    ) -> Result<Successor, HandoverError> {
        let result = self.run(command, listeners, within).await;
        match &result {
            Ok(_) => self.succeeded = true,
            Err(HandoverError::Undone { .. }) => self.shared.restarts.undone.increment(1),
            Err(_) => self.shared.restarts.failed.increment(1),
        }
        result
    }

    async fn run(
        &self,
        mut command: Command,
        listeners: &[(&str, BorrowedFd<'_>)],
        within: Duration,
    ) -> Result<Successor, HandoverError> {
        let deadline = Deadline { at: Instant::now() + within, within };
        let path = &self.shared.path;
        let meeting = check(listeners)
            .and_then(|()| Meeting::open(path))
            .map_err(|source| HandoverError::Socket { path: path.clone(), source })?;
        command.env(ENVIRONMENT, path);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut process =
            Process::spawn(command).map_err(|source| HandoverError::Spawn { program, source })?;

        let pid = process.pid();
        let channel = match attend(&mut process, meeting.admit(pid), deadline).await {
            Ok(channel) => channel,
            Err(failure) => return Err(process.undo(failure).await),
        };
        let header = Header {
            generation: self.generation(),
            listeners: listeners.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        let fds: Vec<_> = listeners.iter().map(|(_, fd)| *fd).collect();
        let mut successor = Successor { process, channel, generation: self.generation() };
        let Successor { process, channel, .. } = &mut successor;
        if let Err(failure) = attend(process, converse(channel, &header, &fds), deadline).await {
            return Err(process.undo(failure).await);
        }
        process.acquit();
        tracing::info!(pid, generation = self.generation(), "the new process takes over");
        Ok(successor)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.succeeded {
            self.shared.under_way.store(false, Ordering::Release);
        }
    }
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    within: Duration,
}

fn check(listeners: &[(&str, BorrowedFd<'_>)]) -> io::Result<()> {
    // A header of this size fits into one line.
    let fit = listeners.len() <= MOST_LISTENERS && listeners.iter().all(|(n, _)| n.len() <= 64);
    if fit {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "too many listeners"))
    }
}

/// Does one part of the conversation, while `process` lives and time is left.
async fn attend<T>(
    process: &mut Process,
    part: impl Future<Output = Result<T, Failure>>,
    deadline: Deadline,
) -> Result<T, Failure> {
    let mut part = pin!(part);
    tokio::select! {
        biased;
        done = timeout_at(deadline.at, &mut part) => {
            done.unwrap_or(Err(Failure::TimedOut(deadline.within)))
        }
        () = process.ended() => match timeout(LAST_WORDS, part).await {
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(_)) | Err(_) => Err(Failure::Exited),
        },
    }
}

async fn converse(
    channel: &mut Channel,
    header: &Header,
    fds: &[BorrowedFd<'_>],
) -> Result<(), Failure> {
    channel.send_with(header, fds).await.map_err(Failure::Broken)?;
    let Some(report) = channel.receive::<Report>().await.map_err(Failure::Broken)? else {
        return Err(Failure::Closed);
    };
    if !report.ready {
        let reason = report.reason.unwrap_or_else(|| "not ready".into());
        return Err(Failure::Refused(reason.chars().take(1000).collect()));
    }
    channel.send(&Word { proceed: true }).await.map_err(Failure::Broken)
}

/// The place to meet; it is gone as soon as this is.
struct Meeting {
    socket: UnixListener,
    path: PathBuf,
}

impl Meeting {
    fn open(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            // Left behind by a process that was killed.
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        let meeting = Self { socket: UnixListener::bind(path)?, path: path.to_owned() };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(meeting)
    }

    /// Lets in the process `pid` and nobody else.
    async fn admit(self, pid: u32) -> Result<Channel, Failure> {
        loop {
            let (stream, _) = self.socket.accept().await.map_err(Failure::Broken)?;
            let peer = stream.peer_cred().ok().and_then(|peer| peer.pid());
            if peer.and_then(|peer| u32::try_from(peer).ok()) == Some(pid) {
                return Ok(Channel::new(stream));
            }
            tracing::warn!(?peer, "a stranger was turned away from the hand-over socket");
        }
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // Who finds it connects to nobody.
        let _ = fs::remove_file(&self.path);
    }
}
