use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::process::parent_id,
    path::Path,
    process,
    time::Duration,
};

use tokio::{net::UnixStream, time::timeout};

use super::{
    InheritError,
    wire::{Channel, Header, Report, Word, invalid},
};
use crate::{listener::adopt, metrics::Restarts};

/// The predecessor sends as soon as one connects.
const HEADER_WITHIN: Duration = Duration::from_secs(10);

/// The new process's side of a restart: what its predecessor handed over.
///
/// In this order: [`connect`](Self::connect), open stores and check everything,
/// [`ready`](Self::ready), and only then accept.
#[derive(Debug)]
pub struct Inherited {
    /// The listening sockets with their names, in the predecessor's order.
    pub listeners: Vec<(String, TcpListener)>,
    /// Which process of its line this is, counted from 1.
    pub generation: u64,
    pub(super) channel: Channel,
}

impl Inherited {
    /// Takes over from the process that started this one; `path` is the value of
    /// [`ENVIRONMENT`](super::ENVIRONMENT).
    ///
    /// # Errors
    ///
    /// When nobody is there, or not the parent, or it does not send listeners within 10 s.
    pub async fn connect(path: &Path) -> Result<Self, InheritError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| InheritError::Connect { path: path.to_owned(), source })?;
        let peer = stream.peer_cred().ok().and_then(|peer| peer.pid());
        if peer.and_then(|peer| u32::try_from(peer).ok()) != Some(parent_id()) {
            return Err(InheritError::NotParent { path: path.to_owned() });
        }
        timeout(HEADER_WITHIN, Self::receive(Channel::new(stream)))
            .await
            .map_err(|_| InheritError::Silent(HEADER_WITHIN))?
            .map_err(InheritError::Broken)
    }

    async fn receive(mut channel: Channel) -> io::Result<Self> {
        let mut fds = Vec::new();
        let header: Option<Header> = channel.receive_with(&mut fds).await?;
        let Header { generation, listeners } = header.ok_or(io::ErrorKind::UnexpectedEof)?;
        if listeners.len() != fds.len() {
            return Err(invalid("not one socket for each name"));
        }
        let listeners = listeners.into_iter().zip(fds);
        let listeners =
            listeners.map(|(name, fd)| Ok((name, adopt(fd)?))).collect::<io::Result<_>>()?;
        Ok(Self { listeners, generation, channel })
    }

    /// Takes the listener `name` out, if there is one and it stands at `address`, where port 0 is
    /// any port. Another address was configured meanwhile, then it must be bound anew.
    pub fn take(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let index = self.listeners.iter().position(|(known, listener)| {
            known == name
                && listener.local_addr().is_ok_and(|at| {
                    at.ip() == address.ip() && (address.port() == 0 || at.port() == address.port())
                })
        })?;
        Some(self.listeners.remove(index).1)
    }

    /// Reports that this process has checked itself, and waits for the word to proceed; accept only
    /// then.
    ///
    /// A predecessor that died meanwhile gives no word, but it does not serve either: that counts as
    /// the word.
    ///
    /// # Errors
    ///
    /// When the predecessor says something else; it goes on serving, this process should end.
    pub async fn ready(&mut self) -> Result<(), InheritError> {
        let report = Report { ready: true, pid: process::id(), reason: None };
        match self.exchange(&report).await {
            Ok(Some(Word { proceed: true })) => {}
            Ok(Some(Word { proceed: false })) => {
                return Err(InheritError::Broken(invalid("not told to proceed")));
            }
            Ok(None) => tracing::warn!("the predecessor ended before it gave the word"),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(InheritError::Broken(error));
            }
            Err(error) => tracing::warn!(%error, "the predecessor ended before it gave the word"),
        }
        Restarts::completed(self.generation.saturating_sub(1));
        Ok(())
    }

    async fn exchange(&mut self, report: &Report) -> io::Result<Option<Word>> {
        self.channel.send(report).await?;
        self.channel.receive().await
    }

    /// Reports that this process cannot serve, and why (its first 1000 characters count); it should
    /// end then. The predecessor goes on.
    pub async fn refuse(self, reason: &str) {
        let reason = Some(reason.chars().take(1000).collect());
        let report = Report { ready: false, pid: process::id(), reason };
        if let Err(error) = self.channel.send(&report).await {
            tracing::warn!(%error, "cannot tell the predecessor");
        }
    }

    /// Waits until the predecessor is gone: it has drained, or died.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn predecessor_gone(&self) {
        self.channel.ended().await;
    }
}
