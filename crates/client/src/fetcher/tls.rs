use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::InvalidFetcher;

/// The authorities whose certificates are trusted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Roots {
    /// Mozilla's, as they were when this crate's dependencies were last updated.
    #[default]
    Mozilla,
    /// These and no others: certificates in PEM, one after the other.
    Only(Vec<u8>),
    /// Mozilla's, and these certificates in PEM.
    MozillaAnd(Vec<u8>),
}

impl Roots {
    fn store(&self) -> Result<RootCertStore, InvalidFetcher> {
        let mut store = RootCertStore::empty();
        if !matches!(self, Self::Only(_)) {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Self::Only(pem) | Self::MozillaAnd(pem) = self {
            let known = store.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| InvalidFetcher::Roots(e.to_string()))?;
                store.add(certificate).map_err(|e| InvalidFetcher::Roots(e.to_string()))?;
            }
            if store.len() == known {
                return Err(InvalidFetcher::NoRoots);
            }
        }
        Ok(store)
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 only, no resumption: a fetch is too seldom to gain from it.
pub(super) fn config(roots: &Roots) -> Result<ClientConfig, InvalidFetcher> {
    // Named here, so that a default which another crate installs for the process changes nothing.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| InvalidFetcher::Tls(e.to_string()))?;
    let mut config = config.with_root_certificates(roots.store()?).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
