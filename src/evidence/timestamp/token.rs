//! A time stamp token: CMS signed data (RFC 5652) around what the authority says (RFC 3161, 2.4.2).

use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, OctetString};
use der::oid::ObjectIdentifier;
use der::oid::db::{rfc5911, rfc5912};
use der::{Decode, Encode, Sequence};
use jiff::Timestamp;
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, ring as algorithms};
use x509_tsp::{Accuracy, TstInfo};

use super::roots::Roots;
use super::{TimestampError, TimestampFacts, Vouched};
use crate::core::hex::hex;

const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// The attribute that names the signer's certificate, by SHA-1 and by others.
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

type Checked<T> = Result<T, TimestampError>;

fn invalid<T>(why: impl Into<String>) -> Checked<T> {
    Err(TimestampError::Invalid(why.into()))
}

fn unreadable(error: der::Error) -> TimestampError {
    TimestampError::Invalid(format!("it cannot be read: {error}"))
}

/// Checks a token (DER) to be a time stamp of `bytes`: the imprint, the signature, that the certificate
/// is one for time stamps, valid at that time, and the one that the signature names. With `roots`
/// also who vouches for it.
///
/// # Errors
/// [`TimestampError::Invalid`].
pub fn verify(token: &[u8], bytes: &[u8], roots: Option<&Roots>) -> Checked<TimestampFacts> {
    let (signed, info) = of_signed(token)?;
    check_imprint(&info, bytes)?;
    let [signer] = signed.signer_infos.0.as_slice() else {
        return invalid(format!("{} signers, not one", signed.signer_infos.0.len()));
    };
    let certificates = certificates(&signed);
    let Some(certificate) = certificates.iter().find(|one| is_of(&signer.sid, one)) else {
        return invalid("the signer's certificate is not in it");
    };
    let der = certificate.to_der().map_err(unreadable)?;
    check_attributes(&signed, signer, &der)?;
    check_signature(signer, &der)?;
    let second = info.gen_time.to_unix_duration().as_secs();
    check_certificate(certificate, second)?;
    let others: Vec<_> = certificates.iter().filter_map(|other| other.to_der().ok()).collect();
    Ok(TimestampFacts {
        time: i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .ok_or_else(|| TimestampError::Invalid("its time is none".to_owned()))?,
        accuracy_ms: info.accuracy.as_ref().map(milliseconds),
        authority: certificate.tbs_certificate.subject.to_string(),
        certificate_sha256: hex(digest::digest(&digest::SHA256, &der)),
        serial: hex(info.serial_number.as_bytes()),
        vouched: roots.map_or(Vouched::NotChecked, |roots| {
            match roots.lead_to(&der, &others, second) {
                Ok(()) => Vouched::Yes,
                Err(why) => Vouched::No { why },
            }
        }),
    })
}

fn milliseconds(accuracy: &Accuracy) -> u64 {
    let positive = |part: Option<i16>| part.and_then(|part| u64::try_from(part).ok()).unwrap_or(0);
    let whole = accuracy.seconds.unwrap_or(0).saturating_mul(1000);
    // Rounded up, as it is a bound.
    whole.saturating_add(positive(accuracy.millis) + positive(accuracy.micros).div_ceil(1000))
}

/// The signed data, and what it says, neither of which is checked.
pub(super) fn of_signed(token: &[u8]) -> Checked<(SignedData, TstInfo)> {
    let content = ContentInfo::from_der(token).map_err(unreadable)?;
    if content.content_type != rfc5911::ID_SIGNED_DATA {
        return invalid("it is no signed data");
    }
    let signed: SignedData = content.content.decode_as().map_err(unreadable)?;
    if signed.encap_content_info.econtent_type != TST_INFO {
        return invalid("it is signed data of another kind");
    }
    let info = TstInfo::from_der(&said(&signed)?).map_err(unreadable)?;
    Ok((signed, info))
}

/// The bytes of what is signed.
fn said(signed: &SignedData) -> Checked<Vec<u8>> {
    let Some(content) = &signed.encap_content_info.econtent else {
        return invalid("it holds no time");
    };
    let content: OctetString = content.decode_as().map_err(unreadable)?;
    Ok(content.into_bytes())
}

fn check_imprint(info: &TstInfo, bytes: &[u8]) -> Checked<()> {
    let imprint = &info.message_imprint;
    let algorithm = digest_of(imprint.hash_algorithm.oid)?;
    if digest::digest(algorithm, bytes).as_ref() != imprint.hashed_message.as_bytes() {
        return invalid("it is of something else");
    }
    Ok(())
}

fn digest_of(oid: ObjectIdentifier) -> Checked<&'static digest::Algorithm> {
    match oid {
        rfc5912::ID_SHA_256 => Ok(&digest::SHA256),
        rfc5912::ID_SHA_384 => Ok(&digest::SHA384),
        rfc5912::ID_SHA_512 => Ok(&digest::SHA512),
        other => invalid(format!("the hash {other}; SHA-256, SHA-384 or SHA-512 is expected")),
    }
}

fn certificates(signed: &SignedData) -> Vec<Certificate> {
    let all = signed.certificates.iter().flat_map(|set| set.0.as_slice());
    all.filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate.clone()),
        CertificateChoices::Other(_) => None,
    })
    .collect()
}

fn is_of(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let inner = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == inner.issuer && named.serial_number == inner.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => inner
            .get::<SubjectKeyIdentifier>()
            .is_ok_and(|found| found.is_some_and(|(_, found)| found == *named)),
    }
}

/// The values of a signed attribute, which is there once.
fn attribute(signer: &SignerInfo, oid: ObjectIdentifier) -> Option<&Any> {
    let all = signer.signed_attrs.as_ref()?;
    let mut found = all.iter().filter(|attribute| attribute.oid == oid);
    match (found.next(), found.next()) {
        (Some(attribute), None) if attribute.values.len() == 1 => attribute.values.get(0),
        _ => None,
    }
}

/// RFC 2634 and RFC 5035, as far as is needed.
#[derive(Sequence)]
struct Named {
    certificates: Vec<Any>,
    #[asn1(optional = "true")]
    _policies: Option<Any>,
}

fn check_attributes(signed: &SignedData, signer: &SignerInfo, certificate: &[u8]) -> Checked<()> {
    let kind = attribute(signer, rfc5911::ID_CONTENT_TYPE);
    let kind = kind.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    if kind != Some(TST_INFO) {
        return invalid("its signature is not of a time stamp");
    }
    let expected = digest::digest(digest_of(signer.digest_alg.oid)?, &said(signed)?);
    let stated = attribute(signer, rfc5911::ID_MESSAGE_DIGEST);
    let stated = stated.and_then(|any| any.decode_as::<OctetString>().ok());
    if stated.as_ref().map(OctetString::as_bytes) != Some(expected.as_ref()) {
        return invalid("what it says is not what was signed");
    }
    let named = if let Some(any) = attribute(signer, SIGNING_CERTIFICATE_V2) {
        named_hash(any, &digest::SHA256)
    } else if let Some(any) = attribute(signer, SIGNING_CERTIFICATE) {
        named_hash(any, &digest::SHA1_FOR_LEGACY_USE_ONLY)
    } else {
        return invalid("its signature does not name the signer's certificate");
    };
    let (algorithm, hash) = named?;
    if digest::digest(algorithm, certificate).as_ref() != hash {
        return invalid("its signature names another certificate than the one in it");
    }
    Ok(())
}

/// The hash of the first certificate that is named: the signer's.
fn named_hash(
    any: &Any,
    default: &'static digest::Algorithm,
) -> Checked<(&'static digest::Algorithm, Vec<u8>)> {
    let named: Named = any.decode_as().map_err(unreadable)?;
    let Some(first) = named.certificates.first() else {
        return invalid("its signature names no certificate");
    };
    let parts: Vec<Any> = first.decode_as().map_err(unreadable)?;
    match parts.as_slice() {
        // An algorithm comes first, unless it is the default.
        [algorithm, hash, ..] if hash.decode_as::<OctetString>().is_ok() => {
            let parts: Vec<Any> = algorithm.decode_as().map_err(unreadable)?;
            let oid = parts.first().and_then(|oid| oid.decode_as().ok());
            let algorithm = digest_of(oid.unwrap_or(TST_INFO))?;
            Ok((algorithm, hash.value().to_owned()))
        }
        [hash, ..] => Ok((default, hash.value().to_owned())),
        [] => invalid("its signature names no certificate"),
    }
}

fn check_signature(signer: &SignerInfo, certificate: &[u8]) -> Checked<()> {
    let Some(attributes) = &signer.signed_attrs else {
        return invalid("its signature is not of a time stamp");
    };
    // As a set in its own right: RFC 5652, 5.4.
    let message = attributes.to_der().map_err(unreadable)?;
    let certificate = CertificateDer::from(certificate);
    let end = EndEntityCert::try_from(&certificate)
        .map_err(|e| TimestampError::Invalid(format!("its certificate: {e}")))?;
    let candidates = candidates(signer)?;
    let fits = candidates.iter().any(|algorithm| {
        end.verify_signature(*algorithm, &message, signer.signature.as_bytes()).is_ok()
    });
    if fits { Ok(()) } else { invalid("its signature does not fit its certificate") }
}

type Algorithms = Vec<&'static dyn SignatureVerificationAlgorithm>;

/// The algorithms that a signature may be of.
fn candidates(signer: &SignerInfo) -> Checked<Algorithms> {
    let oid = signer.signature_algorithm.oid;
    // RSA may be named without its hash, which is that of the content then.
    let hash = match oid {
        rfc5912::SHA_256_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_256 => rfc5912::ID_SHA_256,
        rfc5912::SHA_384_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_384 => rfc5912::ID_SHA_384,
        _ => signer.digest_alg.oid,
    };
    let is_rsa = matches!(
        oid,
        rfc5912::RSA_ENCRYPTION
            | rfc5912::SHA_256_WITH_RSA_ENCRYPTION
            | rfc5912::SHA_384_WITH_RSA_ENCRYPTION
            | rfc5912::SHA_512_WITH_RSA_ENCRYPTION
    );
    let is_ecdsa = matches!(oid, rfc5912::ECDSA_WITH_SHA_256 | rfc5912::ECDSA_WITH_SHA_384);
    match (hash, is_rsa, is_ecdsa) {
        (rfc5912::ID_SHA_256, true, _) => Ok(vec![algorithms::RSA_PKCS1_2048_8192_SHA256]),
        (rfc5912::ID_SHA_384, true, _) => Ok(vec![algorithms::RSA_PKCS1_2048_8192_SHA384]),
        (rfc5912::ID_SHA_512, true, _) => Ok(vec![algorithms::RSA_PKCS1_2048_8192_SHA512]),
        (rfc5912::ID_SHA_256, _, true) => {
            Ok(vec![algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256])
        }
        (rfc5912::ID_SHA_384, _, true) => {
            Ok(vec![algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384])
        }
        _ => invalid(format!(
            "a signature of the kind {oid} with the hash {hash}, which m2sd does not check; RSA, or \
             ECDSA with SHA-256 or SHA-384, is"
        )),
    }
}

/// That it is for time stamps alone, and was valid then.
fn check_certificate(certificate: &Certificate, second: u64) -> Checked<()> {
    let inner = &certificate.tbs_certificate;
    let usage = inner.get::<ExtendedKeyUsage>().map_err(unreadable)?;
    if usage.map(|(_, usage)| usage.0) != Some(vec![rfc5912::ID_KP_TIME_STAMPING]) {
        return invalid("its certificate is not one for time stamps");
    }
    let (from, to) = (inner.validity.not_before, inner.validity.not_after);
    if second < from.to_unix_duration().as_secs() || second > to.to_unix_duration().as_secs() {
        return invalid(format!("its certificate was valid from {from} to {to}, and not then"));
    }
    Ok(())
}
