//! The seal as a file: what is sealed, as indented JSON, then as its last members the signature of all
//! bytes before them, and the time stamp of the signature.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use base64ct::{Base64, Encoding};
use ssh_key::SshSig;

use super::key::PublicKey;
use super::manifest::{FORMAT, Manifest};
use crate::core::hex::hex;

/// What OpenSSH calls the namespace of signatures: what they are for.
pub(super) const NAMESPACE: &str = "m2sd-seal";

/// What the signed bytes end before. Inside strings of JSON no line begins.
const SIGNATURE: &str = "  \"signature\": ";

/// The last members of a seal, which are not signed themselves.
#[derive(Serialize, Deserialize)]
struct Tail {
    signature: String,
    timestamp: Option<Stamp>,
}

/// A time stamp token with its hash, which tells damage in parts of it that its own signature does not
/// cover.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    sha256: String,
    /// RFC 3161's `TimeStampToken`, in base64.
    token: String,
}

/// A seal that was read and is whole: its signature fits.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) manifest: Manifest,
    pub(super) key: PublicKey,
    /// What the time stamp is of.
    pub(super) signature: String,
    /// RFC 3161's `TimeStampToken` in DER.
    pub(super) token: Option<Vec<u8>>,
}

/// The bytes that are signed.
pub(super) fn signed_part(manifest: &Manifest) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(manifest)?;
    // The closing brace, for the members that follow.
    text.truncate(text.trim_end_matches(['}', '\n']).len());
    text.push_str(",\n");
    Ok(text)
}

/// All of the file, from its signed bytes on.
pub(super) fn render(
    mut signed: String,
    signature: &str,
    token: Option<&[u8]>,
) -> Result<String, serde_json::Error> {
    let timestamp = token.map(|token| Stamp {
        sha256: hex(Sha256::digest(token)),
        token: Base64::encode_string(token),
    });
    let tail = Tail { signature: signature.to_owned(), timestamp };
    let tail = serde_json::to_string_pretty(&tail)?;
    signed.push_str(tail.trim_start_matches(['{', '\n']));
    signed.push('\n');
    Ok(signed)
}

/// Reads a seal and checks its signature; what is wrong with it, in words, otherwise. Every byte counts.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let mut places = text.match_indices(SIGNATURE).filter(|(at, _)| text[..*at].ends_with('\n'));
    let (Some((end, _)), None) = (places.next(), places.next()) else {
        return Err("its signature is not where that of a seal is".to_owned());
    };
    let (signed, rest) = text.split_at(end);
    let tail: Tail = serde_json::from_str(&format!("{{\n{rest}"))
        .map_err(|e| format!("its last members are not those of a seal: {e}"))?;
    let token = tail.timestamp.map(|stamp| {
        let token = Base64::decode_vec(&stamp.token).map_err(|e| format!("its time stamp: {e}"))?;
        match hex(Sha256::digest(&token)) == stamp.sha256 {
            true => Ok(token),
            false => Err("its time stamp is not the one that was put there".to_owned()),
        }
    });
    let token = token.transpose()?;
    let rendered = render(signed.to_owned(), &tail.signature, token.as_deref());
    if rendered.ok().as_deref() != Some(text) {
        return Err("its last members are not as a seal is written".to_owned());
    }
    let key = check(signed.as_bytes(), &tail.signature)?;
    let manifest = manifest(signed)?;
    if manifest.key != key.to_string() {
        return Err(format!("it names the key {:?} and is signed by {key}", manifest.key));
    }
    Ok(Document { manifest, key, signature: tail.signature, token })
}

/// Whose signature of these bytes it is.
fn check(signed: &[u8], armoured: &str) -> Result<PublicKey, String> {
    let signature = SshSig::from_pem(armoured)
        .map_err(|e| format!("its signature is no signature of OpenSSH's: {e}"))?;
    let written = signature.to_pem(ssh_key::LineEnding::LF);
    if written.ok().as_deref() != Some(armoured) {
        return Err("its signature is not as OpenSSH writes it".to_owned());
    }
    let key = PublicKey::of(signature.public_key().clone());
    if key.has_signed(NAMESPACE, signed, &signature) {
        Ok(key)
    } else {
        Err(format!("it is not what {} signed", key.fingerprint()))
    }
}

fn manifest(signed: &str) -> Result<Manifest, String> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let text = format!("{}\n}}", signed.trim_end_matches([',', '\n']));
    let not = |e: serde_json::Error| format!("it is signed, but no seal: {e}");
    let Format { format } = serde_json::from_str(&text).map_err(not)?;
    if format == FORMAT {
        serde_json::from_str(&text).map_err(not)
    } else {
        Err(format!("its format is {format:?}, and this m2sd reads {FORMAT:?}"))
    }
}
