//! What an authority is asked, and its reply.

use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::asn1::{Int, OctetString};
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Decode, Encode};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion};

use super::TimestampError;
use super::token::{self, of_signed};

/// A request for a time stamp of some bytes, with a nonce that no old reply knows.
pub struct Request {
    bytes: Vec<u8>,
    nonce: Int,
}

impl Request {
    /// Of these bytes.
    ///
    /// # Errors
    /// [`TimestampError::Random`].
    pub fn new(bytes: &[u8]) -> Result<Self, TimestampError> {
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| TimestampError::Random)?;
        // Positive, and of full length: some authorities shorten others.
        nonce[0] = nonce[0] & 0x7f | 0x40;
        let nonce = Int::new(&nonce).map_err(invalid)?;
        Ok(Self { bytes: bytes.to_owned(), nonce })
    }

    /// `TimeStampReq` in DER, the body of an HTTP request of the type `application/timestamp-query`.
    ///
    /// # Errors
    /// [`TimestampError::Invalid`]
    pub fn to_der(&self) -> Result<Vec<u8>, TimestampError> {
        let hashed = OctetString::new(Sha256::digest(&self.bytes).as_slice()).map_err(invalid)?;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None },
                hashed_message: hashed,
            },
            req_policy: None,
            nonce: Some(self.nonce.clone()),
            // Whoever verifies it has no network to get it from.
            cert_req: true,
            extensions: None,
        };
        request.to_der().map_err(invalid)
    }

    /// The token (`TimeStampToken` in DER) in a reply (`TimeStampResp`), which is a time stamp of the
    /// bytes and an answer to this request.
    ///
    /// # Errors
    /// [`TimestampError::Refused`], [`TimestampError::Invalid`].
    pub fn token(&self, reply: &[u8]) -> Result<Vec<u8>, TimestampError> {
        let reply = TimeStampResp::from_der(reply).map_err(|e| {
            TimestampError::Invalid(format!("{} bytes that are no reply: {e}", reply.len()))
        })?;
        let Some(token) = reply.time_stamp_token else {
            let texts = reply.status.status_string.iter().flatten();
            let texts: Vec<_> = texts.map(|text| text.as_str().to_owned()).collect();
            let status = format!("{:?}", reply.status.status);
            return Err(TimestampError::Refused(match texts.is_empty() {
                true => status,
                false => format!("{status}: {}", texts.join("; ")),
            }));
        };
        let token = token.to_der().map_err(invalid)?;
        token::verify(&token, &self.bytes, None)?;
        let (_, info) = of_signed(&token)?;
        if info.nonce.as_ref() != Some(&self.nonce) {
            return Err(TimestampError::Invalid(
                "it answers another request: its nonce is not the one that was sent".to_owned(),
            ));
        }
        Ok(token)
    }
}

fn invalid(error: der::Error) -> TimestampError {
    TimestampError::Invalid(error.to_string())
}
