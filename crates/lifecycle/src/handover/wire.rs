use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{io::Interest, net::UnixStream};

/// Sockets in one hand-over.
pub(super) const MOST_LISTENERS: usize = 16;
/// Bytes in one line, its end included.
const LONGEST_LINE: usize = 16 * 1024;
const CHUNK: usize = 1024;

#[cfg(not(target_vendor = "apple"))]
const FLAGS: (SendFlags, RecvFlags) = (SendFlags::NOSIGNAL, RecvFlags::CMSG_CLOEXEC);
// Apple's systems have neither; a Rust program ignores SIGPIPE from the start.
#[cfg(target_vendor = "apple")]
const FLAGS: (SendFlags, RecvFlags) = (SendFlags::empty(), RecvFlags::empty());

/// Old to new, with one descriptor for each name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) generation: u64,
    pub(super) listeners: Vec<String>,
}

/// New to old, when it has started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) ready: bool,
    pub(super) pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// Old to new, when it may accept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Word {
    pub(super) proceed: bool,
}

/// Lines of JSON over a Unix stream.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    /// Received but not yet a whole line.
    unread: Vec<u8>,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub(super) async fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        self.send_with(message, &[]).await
    }

    pub(super) async fn send_with<T: Serialize>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let (mut rest, mut fds) = (line.as_slice(), fds);
        while !rest.is_empty() {
            let writing = || send_some(&self.stream, rest, fds);
            let sent = self.stream.async_io(Interest::WRITABLE, writing).await?;
            rest = &rest[sent..];
            // They went with the first bytes.
            fds = &[];
        }
        Ok(())
    }

    /// The next message, `None` at the end; descriptors that come along are closed.
    pub(super) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        self.receive_with(&mut Vec::new()).await
    }

    /// The next message, `None` at the end; descriptors that come along are added to `fds`.
    pub(super) async fn receive_with<T: DeserializeOwned>(
        &mut self,
        fds: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<T>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let message = serde_json::from_slice(&self.unread[..end])?;
                self.unread.drain(..=end);
                return Ok(Some(message));
            }
            if self.unread.len() >= LONGEST_LINE {
                return Err(invalid("a line is too long"));
            }
            let mut chunk = [0; CHUNK];
            let reading = || receive_some(&self.stream, &mut chunk, fds);
            let received = self.stream.async_io(Interest::READABLE, reading).await?;
            if received == 0 {
                return Ok(None);
            }
            self.unread.extend_from_slice(&chunk[..received]);
        }
    }

    /// Waits until the other side is gone; what it says meanwhile is for other releases.
    pub(super) async fn ended(&self) {
        let mut chunk = [0; CHUNK];
        loop {
            let reading = || receive_some(&self.stream, &mut chunk, &mut Vec::new());
            match self.stream.async_io(Interest::READABLE, reading).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn send_some(stream: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many listeners"));
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

fn receive_some(
    stream: &UnixStream,
    chunk: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(chunk)], &mut control, FLAGS.1)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) || fds.len() > MOST_LISTENERS {
        return Err(invalid("too many listeners"));
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::fd::AsFd, os::unix::net};

    use super::*;

    fn pair() -> (net::UnixStream, Channel) {
        let (ours, theirs) = net::UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, Channel::new(UnixStream::from_std(theirs).unwrap()))
    }

    #[tokio::test]
    async fn lines_of_a_later_release_are_understood() {
        let (mut other, mut channel) = pair();
        other.write_all(b"{\"ready\":true,\"pid\":7,\"mood\":[1]}\n{\"proceed\":true}\n").unwrap();
        assert_eq!(channel.receive::<Report>().await.unwrap().unwrap().pid, 7);
        assert!(channel.receive::<Word>().await.unwrap().unwrap().proceed);
        drop(other);
        assert!(channel.receive::<Word>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_endless_line_is_refused() {
        let (mut other, mut channel) = pair();
        other.write_all(&vec![b'x'; LONGEST_LINE]).unwrap();
        let error = channel.receive::<Word>().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_line_longer_than_one_read_arrives_whole_with_its_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (sender, mut receiver) = (Channel::new(ours), Channel::new(theirs));
        let header = Header { generation: 9, listeners: vec!["x".repeat(1000); 12] };
        let file = tempfile::tempfile().unwrap();
        let mut fds = Vec::new();
        let passed = [file.as_fd(); 12];
        let (sent, received) = tokio::join!(
            sender.send_with(&header, &passed),
            receiver.receive_with::<Header>(&mut fds)
        );
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap().listeners, header.listeners);
        assert_eq!(fds.len(), 12);
    }

    #[tokio::test]
    async fn more_descriptors_than_agreed_are_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (sender, mut receiver) = (Channel::new(ours), Channel::new(theirs));
        let file = tempfile::tempfile().unwrap();
        let some = [file.as_fd(); MOST_LISTENERS];
        // Half a line each time: every part brings its own.
        for _ in 0..2 {
            send_some(&sender.stream, b"{", &some).unwrap();
        }
        let mut fds = Vec::new();
        assert!(receiver.receive_with::<Word>(&mut fds).await.is_err());
    }
}
