//! The certificates that whoever verifies believes, and whether one of them leads to an authority.

use std::path::Path;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::TimestampError;

/// Of `id-kp-timeStamping`, 1.3.6.1.5.5.7.3.8, as in a certificate.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// Certificates of authorities, or of who issued theirs.
#[derive(Clone, Debug)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// Of a PEM file.
    ///
    /// # Errors
    /// [`TimestampError::Roots`] when it has none, or one that is broken.
    pub fn read(path: &Path) -> Result<Self, TimestampError> {
        let wrong = |why: String| TimestampError::Roots(format!("{}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let all = all.map_err(|e| wrong(format!("no PEM file: {e}")))?;
        if all.is_empty() {
            return Err(wrong("no certificate in it; a PEM file of them is expected".to_owned()));
        }
        for certificate in &all {
            anchor_from_trusted_cert(certificate)
                .map_err(|e| wrong(format!("a certificate that cannot be read: {e}")))?;
        }
        Ok(Self(all))
    }

    /// Whether one of these leads to a certificate for time stamps that was valid at a time; else why not.
    pub(super) fn lead_to(
        &self,
        certificate: &[u8],
        others: &[Vec<u8>],
        second: u64,
    ) -> Result<(), String> {
        let certificate = CertificateDer::from(certificate);
        let others: Vec<_> =
            others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let cannot = |e: webpki::Error| e.to_string();
        let anchors: Result<Vec<_>, _> = self.0.iter().map(anchor_from_trusted_cert).collect();
        let end = EndEntityCert::try_from(&certificate).map_err(cannot)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(second));
        let usage = KeyUsage::required(TIME_STAMPING);
        let anchors = anchors.map_err(cannot)?;
        end.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &others, time, usage, None, None)
            .map(|_| ())
            .map_err(cannot)
    }
}
