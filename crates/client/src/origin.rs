//! A server on loopback that tests fetch from, as well-behaved or hostile as they like.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::AbortHandle,
    time::interval,
};
use tokio_rustls::TlsAcceptor;

/// What follows a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// These bytes, then `b"x"` each millisecond, for ever.
    Drip(Vec<u8>),
    /// Nothing, and no end.
    Silence,
}

impl Reply {
    /// A complete 200 with `body` and `fields`, each with its line end.
    pub(crate) fn ok(fields: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        Self::Bytes(text.into_bytes())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

type Replies = dyn Fn(&str) -> Reply + Send + Sync;

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub(crate) async fn plain(replies: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(replies)).await
    }

    pub(crate) async fn tls(
        authority: &Authority,
        name: &str,
        replies: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Self::start(Some(authority.acceptor(&params)), Arc::new(replies)).await
    }

    /// Its certificate ended with the year 2024.
    pub(crate) async fn expired(authority: &Authority, name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2024, 12, 31);
        Self::start(Some(authority.acceptor(&params)), Arc::new(|_: &str| Reply::ok("", ""))).await
    }

    async fn start(tls: Option<TlsAcceptor>, replies: Arc<Replies>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (tls, replies) = (tls.clone(), Arc::clone(&replies));
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &*replies).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &*replies).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, connections, task: task.abort_handle() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, replies: &Replies) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    match replies(&String::from_utf8_lossy(&head)) {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Drip(bytes) => {
            let mut pace = interval(Duration::from_millis(1));
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                pace.tick().await;
            }
        }
        // Until the other side has had enough.
        Reply::Silence => drop(stream.read(&mut [0]).await),
    }
}

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    fn acceptor(&self, params: &CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
