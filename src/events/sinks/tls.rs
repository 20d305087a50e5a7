//! Whom TLS connections believe.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::SinkError;
use super::address::Address;

/// The certificates of a file, or those of the system.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// As the parameter `ca` says.
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        let Some(path) = address.file("ca") else {
            return Ok(Self { certificates: rustls_native_certs::load_native_certs().certs });
        };
        let failed = |path: PathBuf, reason: String| SinkError::Certificates {
            address: address.shown.clone(),
            path,
            reason,
        };
        match certificates(&path) {
            Ok(certificates) if certificates.is_empty() => {
                Err(failed(path, "it holds none; PEM is expected".to_owned()))
            }
            Ok(certificates) => Ok(Self { certificates }),
            Err(reason) => Err(failed(path, reason)),
        }
    }

    pub(super) fn client(&self) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // Those that cannot be read only leave their servers without a witness.
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        let provider = rustls::crypto::ring::default_provider();
        let builder = ClientConfig::builder_with_provider(provider.into());
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    read.collect::<Result<_, _>>().map_err(|e| e.to_string())
}
