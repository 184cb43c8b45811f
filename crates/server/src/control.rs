//! The control socket: how commands reach the running server.
//!
//! It speaks the same HTTP as the service, on a Unix socket in the data folder that only its owner can
//! open. Whoever can has the data itself, so no token is asked for.

use std::{
    fs::{self, DirBuilder},
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_errors::BoxError;
use gabion_limits::{ConnectionConfig, ConnectionTable};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tracing::{debug, warn};

use crate::listen::{Answer, Entrance, connection};

/// Commands that are answered at the same time.
const CONNECTIONS: u32 = 64;
/// How long a command waits for its answer: longer than any request may take by default.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same where all data is copied.
const PATIENCE_WITH_DISKS: Duration = Duration::from_secs(900);
/// The largest answer that a command reads.
const LARGEST_ANSWER: usize = 64 << 20;

/// The socket; its file is removed when it is dropped, unless a successor has put its own there.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it made.
    file: (u64, u64),
}

impl ControlSocket {
    /// Listens at `path`, in place of a predecessor that listened there; at no moment is there none.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        // A socket is born with the mode that the umask leaves. Where others may look into the data
        // folder they must not be able to connect before it has its own.
        let private = path.with_file_name(".new");
        match fs::remove_dir_all(&private) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&private)?;
        let made = private.join("sock");
        let listener = UnixListener::bind(&made)?;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
        let file = file(&made)?;
        fs::rename(&made, path)?;
        fs::remove_dir(&private)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }

    /// Answers commands until the future is dropped.
    pub async fn serve<A: Answer>(self, entrance: Entrance, answer: Arc<A>) {
        let bounds = ConnectionConfig {
            total: CONNECTIONS,
            per_address: CONNECTIONS,
            ..ConnectionConfig::default()
        };
        let table = Arc::new(ConnectionTable::new(&bounds));
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, path = %self.path.display(), "the control socket fails");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match table.admit(nobody.ip()) {
                Ok(permit) => {
                    let watched = entrance.sweeper.watch();
                    let (entrance, answer) = (entrance.clone(), Arc::clone(&answer));
                    tokio::spawn(connection(stream, watched, nobody, permit, entrance, answer));
                }
                Err(full) => debug!(reason = %full, "command refused"),
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if file(&self.path).is_ok_and(|file| file == self.file) {
            // What stays is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells one file from every other that exists.
fn file(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A command could not be carried out by the running server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No server listens there.
    #[error("no server is running")]
    NotRunning,
    /// The connection failed.
    #[error("the running server does not answer")]
    Broken(#[source] BoxError),
    /// It is there and says nothing.
    #[error(
        "the running server has not answered for {} s; look at its log, or end the process and start \
         it again", .0.as_secs()
    )]
    Mute(Duration),
    /// The server refused.
    #[error("{}", refusal(.0, .1))]
    Refused(StatusCode, Value),
}

fn refusal(status: &StatusCode, problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let mut told = match text("detail") {
        detail if detail.is_empty() => status.to_string(),
        detail => detail,
    };
    for error in problem["errors"].as_array().into_iter().flatten() {
        let part = |name: &str| error[name].as_str().unwrap_or_default();
        told.push_str("\n  ");
        if part("code") != "config" {
            told.push_str(part("pointer"));
            told.push(' ');
        }
        told.push_str(part("detail"));
    }
    told
}

/// Sends one request to the server that listens at `socket`; an empty answer is null.
///
/// # Errors
///
/// When no server runs, or it refuses.
pub async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, ControlError> {
    let within =
        if path.starts_with("/api/admin/backups") { PATIENCE_WITH_DISKS } else { PATIENCE };
    let answer = tokio::time::timeout(within, exchange(socket, method, path, body)).await;
    answer.unwrap_or(Err(ControlError::Mute(within)))
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, ControlError> {
    let broken = |error: BoxError| ControlError::Broken(error);
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning,
        _ => broken(error.into()),
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broken(e.into()))?;
    let driven = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let bytes = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let request = request.body(Full::new(bytes)).map_err(|e| broken(e.into()))?;
    let response = sender.send_request(request).await.map_err(|e| broken(e.into()))?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(broken)?;
    drop(sender);
    driven.abort();
    let bytes = body.to_bytes();
    let value = match bytes.as_ref() {
        b"" => Value::Null,
        bytes => serde_json::from_slice(bytes).map_err(|e| broken(e.into()))?,
    };
    if status.is_success() { Ok(value) } else { Err(ControlError::Refused(status, value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_mute_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _mute = ControlSocket::bind(&path).unwrap();
        let answer = ask(&path, Method::GET, "/api/health", None).await;
        assert!(matches!(answer, Err(ControlError::Mute(PATIENCE))), "{answer:?}");
    }

    #[tokio::test]
    async fn the_file_goes_with_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert!(path.exists());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_is_private_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn the_successors_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let before = ControlSocket::bind(&path).unwrap();
        let _successor = ControlSocket::bind(&path).unwrap();
        drop(before);
        assert!(path.exists());
    }
}
