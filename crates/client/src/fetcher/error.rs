use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use gabion_config::ByteSize;

use crate::{InvalidCidr, RefusedAddress};

/// A fetcher cannot be made of this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFetcher {
    /// A network to allow is none.
    #[error(transparent)]
    Network(#[from] InvalidCidr),
    /// The root certificates could not be read.
    #[error("the root certificates are not PEM certificates: {0}")]
    Roots(String),
    /// There is none among them.
    #[error("the PEM text of the root certificates holds no certificate")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A document was not fetched: whose, and why. Its source is that of the fault.
#[derive(Debug, Clone)]
pub struct FetchError {
    /// The host that was asked.
    pub host: Arc<str>,
    /// What happened.
    pub fault: Fault,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.fault)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

/// Why a document was not fetched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The URL does without TLS, and the fetcher does not allow it.
    #[error("it would be asked without TLS: use https, or set allow_http")]
    PlainHttp,
    /// The name has no address, or cannot be looked up.
    #[error("its name cannot be resolved: check the spelling and the resolver of this host")]
    Resolve(#[source] Option<Arc<io::Error>>),
    /// An address of the name must not be connected to; then none of them is.
    #[error("{0}, which is not connected to: add its network to allow if this is meant")]
    Address(RefusedAddress),
    /// No address takes a connection.
    #[error("it cannot be connected to")]
    Connect(#[source] Arc<io::Error>),
    /// Looking up, connecting and TLS took too long.
    #[error("no connection after {0:?}")]
    Connecting(Duration),
    /// TLS failed, most often since the certificate is not trusted.
    #[error(
        "no TLS with it: the certificate must be for this name, in its time, and of an authority among the roots"
    )]
    Tls(#[source] Arc<io::Error>),
    /// The head of the answer took too long.
    #[error("no answer {0:?} after the request")]
    FirstByte(Duration),
    /// The whole took too long.
    #[error("the answer was not complete after {0:?}")]
    Whole(Duration),
    /// The answer points elsewhere.
    #[error("it answers {0}, a redirect, which is not followed: configure the URL it leads to")]
    Redirect(u16),
    /// The answer has another status than 200.
    #[error("it answers {0} instead of 200")]
    Status(u16),
    /// The body is larger than allowed.
    #[error("its answer is larger than {0}")]
    TooLarge(ByteSize),
    /// The body is compressed, though that was not offered.
    #[error("its answer is compressed, which was not asked for")]
    Encoded,
    /// What it sends is no HTTP/1.1, or ends too early.
    #[error("its answer is not HTTP or not complete")]
    Http(#[source] Arc<io::Error>),
}

impl Fault {
    /// The label of the metrics: a closed list.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::PlainHttp | Self::Address(_) => "address",
            Self::Resolve(_) | Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Connecting(_) | Self::FirstByte(_) | Self::Whole(_) => "timeout",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "size",
            Self::Encoded | Self::Http(_) => "http",
        }
    }
}
