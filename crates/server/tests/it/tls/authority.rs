//! An authority of certificates, and clients that trust it and nobody else.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use gabion_clock::{Clock, SystemClock, UnixTime};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    version,
};

use super::Config;
use crate::{
    client::{Wire, dial},
    server::Home,
};

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Wire for TlsStream {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
pub(crate) struct Made {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn make(&self, name: &str) -> Made {
        self.make_until(
            name,
            SystemClock::new().unix() + std::time::Duration::from_secs(86_400 * 365),
        )
    }

    /// One that is good until the day begins that `end` is in.
    pub(crate) fn make_until(&self, name: &str, end: UnixTime) -> Made {
        let names = [name.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let end = end.to_string();
        let number = |at: std::ops::Range<usize>| end[at].parse::<u16>().expect("a date");
        let (month, day) = (number(5..7) as u8, number(8..10) as u8);
        params.not_after = date_time_ymd(number(0..4).into(), month, day);
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        Made { cert: made.pem(), key: key.serialize_pem(), der: made.der().clone() }
    }

    /// Writes a certificate and its key, and returns the settings that name them.
    pub(crate) fn settings(&self, home: &Home, name: &str) -> [&'static str; 2] {
        let made = self.make(name);
        home.write("cert.pem", made.cert);
        home.write("key.pem", made.key);
        // Servers work in the folder.
        ["server.tls.cert_file=cert.pem", "server.tls.key_file=key.pem"]
    }

    pub(crate) fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Config {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub(crate) fn connect(
        &self,
        address: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<TlsStream> {
        self.dial(address, &self.config(versions, protocols))
    }

    /// Connects, and shakes hands to the end.
    pub(crate) fn dial(&self, address: SocketAddr, config: &Config) -> io::Result<TlsStream> {
        shake(dial(address)?, config)
    }

    /// A connection as most clients make it.
    #[track_caller]
    pub(crate) fn stream(&self, address: SocketAddr) -> TlsStream {
        let versions = [&version::TLS12, &version::TLS13];
        self.connect(address, &versions, &["http/1.1"]).expect("a handshake")
    }
}

/// Shakes hands over `socket` to the end.
pub(crate) fn shake(mut socket: TcpStream, config: &Config) -> io::Result<TlsStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(client, socket))
}
