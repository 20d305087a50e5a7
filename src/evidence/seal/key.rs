//! Ed25519 keys: those that sign, and those that tell who signed.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::DecodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use pkcs8::der::zeroize::Zeroizing;
use ring::rand::{SecureRandom, SystemRandom};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{Algorithm, HashAlg, PrivateKey};

use super::error::SealError;
use crate::models;

/// The environment variable that holds the pass phrase of an encrypted key.
pub const PASSPHRASE_VARIABLE: &str = "M2SD_KEY_PASSPHRASE";

/// No key file is longer.
const MOST_BYTES: u64 = 1 << 16;

/// A private key. Nothing shows it.
pub struct SigningKey(PrivateKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint())
    }
}

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn generate() -> Result<Self, SealError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| SealError::Random)?;
        Ok(Self::of_seed(&seed))
    }

    fn of_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519Keypair::from_seed(seed).into())
    }

    /// That of a file: OpenSSH's format or PKCS#8 in PEM, which an encrypted one opens with
    /// `passphrase`.
    ///
    /// # Errors
    /// [`SealError::Read`], and [`SealError::Key`], which says what was found and what helps.
    pub fn read(path: &Path, passphrase: Option<&str>) -> Result<Self, SealError> {
        let text = Zeroizing::new(read_text(path)?);
        Self::parse(&text, passphrase).map_err(|why| SealError::Key { path: path.to_owned(), why })
    }

    fn parse(text: &str, passphrase: Option<&str>) -> Result<Self, String> {
        let wanted = || {
            passphrase.ok_or_else(|| {
                format!("the key is encrypted; set {PASSPHRASE_VARIABLE} to its pass phrase")
            })
        };
        match pem_label(text) {
            Some("OPENSSH PRIVATE KEY") => {
                let key = PrivateKey::from_openssh(text).map_err(|e| {
                    format!("no key that can be read ({e}); {EXPECTED}: {MAKE_ONE}")
                })?;
                let kind = key.algorithm();
                if kind != Algorithm::Ed25519 {
                    return Err(wrong_kind(kind.as_str()));
                }
                if !key.is_encrypted() {
                    return Ok(Self(key));
                }
                let key = key.decrypt(wanted()?).map_err(|_| wrong_passphrase())?;
                Ok(Self(key))
            }
            Some("PRIVATE KEY") => {
                let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text)
                    .map_err(|e| format!("no Ed25519 key in PKCS#8: {e}; {MAKE_ONE}"))?;
                Ok(Self::of_seed(key.as_bytes()))
            }
            Some("ENCRYPTED PRIVATE KEY") => {
                let (_, der) = pkcs8::SecretDocument::from_pem(text).map_err(|e| e.to_string())?;
                let key = pkcs8::EncryptedPrivateKeyInfo::try_from(der.as_bytes())
                    .map_err(|e| format!("no encrypted PKCS#8 key: {e}"))?;
                let key = key.decrypt(wanted()?).map_err(|e| match e {
                    pkcs8::Error::EncryptedPrivateKey(_) => wrong_passphrase(),
                    other => format!("it cannot be decrypted: {other}"),
                })?;
                let key = ed25519_dalek::SigningKey::from_pkcs8_der(key.as_bytes())
                    .map_err(|e| format!("no Ed25519 key in PKCS#8: {e}; {MAKE_ONE}"))?;
                Ok(Self::of_seed(key.as_bytes()))
            }
            Some(label @ ("RSA PRIVATE KEY" | "EC PRIVATE KEY" | "DSA PRIVATE KEY")) => {
                Err(wrong_kind(label))
            }
            Some("PUBLIC KEY") => Err("a public key; signing takes the private one".to_owned()),
            None if text.trim_start().starts_with("ssh-") => {
                Err("a public key; signing takes the private one".to_owned())
            }
            Some(label) => Err(format!("a PEM file of {label:?}; {EXPECTED}")),
            None => Err(format!("no private key; {EXPECTED}")),
        }
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.0.public_key().key_data().clone())
    }

    /// Writes a key that nobody has seen yet: PKCS#8 in PEM for its owner alone, and beside it the public
    /// half as OpenSSH writes it, at `path` with `.pub`, whose path this returns. The folder is made.
    ///
    /// # Errors
    /// [`SealError::KeyExists`] when one of the two is there, [`SealError::Write`].
    pub fn write_new(&self, path: &Path) -> Result<PathBuf, SealError> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        for there in [path, &public] {
            if there.symlink_metadata().is_ok() {
                return Err(SealError::KeyExists(there.to_owned()));
            }
        }
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| match source.kind() {
                io::ErrorKind::AlreadyExists => SealError::KeyExists(path),
                _ => SealError::Write { path, source },
            }
        };
        let folder = models::folder(path);
        std::fs::create_dir_all(folder).map_err(cannot(folder))?;
        let pem = self.to_pkcs8_pem().map_err(SealError::Sign)?;
        models::write_new(path, pem.as_bytes(), 0o600).map_err(cannot(path))?;
        let line = format!("{}\n", self.public());
        models::write_new(&public, line.as_bytes(), 0o644).map_err(cannot(&public))?;
        Ok(public)
    }

    fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, String> {
        let KeypairData::Ed25519(pair) = self.0.key_data() else {
            return Err(wrong_kind(self.0.algorithm().as_str()));
        };
        // Without the public half: OpenSSL reads no more than that.
        let bytes = KeypairBytes { secret_key: pair.private.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).map_err(|e| e.to_string())
    }

    /// Signs as `ssh-keygen -Y sign -n NAMESPACE` does; the signature in its armour.
    pub(super) fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, SealError> {
        let signed = self.0.sign(namespace, HashAlg::Sha512, message);
        let armoured = signed.and_then(|signature| signature.to_pem(LineEnding::LF));
        armoured.map_err(|e| SealError::Sign(e.to_string()))
    }
}

const EXPECTED: &str = "an Ed25519 key is expected, as OpenSSH writes it or as PKCS#8 in PEM";
const MAKE_ONE: &str = "`m2sd key new` or `ssh-keygen -t ed25519` makes one";

fn wrong_kind(kind: &str) -> String {
    format!("a key of the kind {kind:?}; {EXPECTED}: {MAKE_ONE}")
}

fn wrong_passphrase() -> String {
    format!("the pass phrase in {PASSPHRASE_VARIABLE} does not open the key")
}

/// What a PEM file says it is of.
fn pem_label(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN "))?;
    line.strip_suffix("-----")
}

fn read_text(path: &Path) -> Result<String, SealError> {
    let cannot = |source| SealError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    let wrong = |why: String| SealError::Key { path: path.to_owned(), why };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(wrong(format!("longer than any key; {EXPECTED}")));
    }
    String::from_utf8(bytes).map_err(|_| wrong(format!("no text; {EXPECTED}")))
}

/// A public key; shown as OpenSSH writes it, `ssh-ed25519 AAAA…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(ssh_key::PublicKey);

impl PublicKey {
    pub(super) fn of(key: ssh_key::public::KeyData) -> Self {
        Self(ssh_key::PublicKey::new(key, ""))
    }

    /// Of a file: a line of OpenSSH's or a PEM file.
    ///
    /// # Errors
    /// [`SealError::Read`], [`SealError::Key`].
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let text = read_text(path)?;
        Self::parse(&text).map_err(|why| SealError::Key { path: path.to_owned(), why })
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let key = match pem_label(text) {
            Some("PUBLIC KEY") => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text)
                    .map_err(|e| format!("no Ed25519 key in this PEM file: {e}"))?;
                let bytes = ssh_key::public::Ed25519PublicKey(key.to_bytes());
                ssh_key::public::KeyData::Ed25519(bytes)
            }
            Some(label) if label.ends_with("PRIVATE KEY") => {
                return Err("a private key; name the public one, which ends in .pub".to_owned());
            }
            _ => ssh_key::PublicKey::from_openssh(text.trim())
                .map_err(|e| format!("no public key as OpenSSH writes it, nor PEM: {e}"))?
                .key_data()
                .clone(),
        };
        if key.algorithm() == Algorithm::Ed25519 {
            Ok(Self::of(key))
        } else {
            Err(wrong_kind(key.algorithm().as_str()))
        }
    }

    /// As `ssh-keygen -l` shows it: `SHA256:` and 43 characters.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether this key made the signature of these bytes.
    pub(super) fn has_signed(
        &self,
        namespace: &str,
        message: &[u8],
        signature: &ssh_key::SshSig,
    ) -> bool {
        self.0.verify(namespace, message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It has no comment that could make it fail.
        f.write_str(&self.0.to_openssh().map_err(|_| fmt::Error)?)
    }
}

/// Whether others than its owner may read a private key.
pub fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}
