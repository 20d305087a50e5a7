//! Reading the content credentials of a file.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use c2pa::validation_status::ValidationStatus;
use c2pa::{Context, Error, Manifest, Reader, Settings, ValidationState};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use thiserror::Error as ThisError;

use super::{Action, Ingredient, Provenance, Signer, State};

/// Why nothing can be said.
#[derive(Debug, ThisError)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ProvenanceError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Certificates to be believed that are none.
    #[error("{}: {why}; a PEM file with certificates is expected", path.display())]
    Trust { path: PathBuf, why: String },
}

/// Certificates (PEM) of those who are believed, or of who issued theirs.
#[derive(Clone, Debug)]
pub struct TrustList(String);

impl TrustList {
    /// Of a file.
    ///
    /// # Errors
    /// [`ProvenanceError::Trust`] when it has no certificate, [`ProvenanceError::Read`].
    pub fn read(path: &Path) -> Result<Self, ProvenanceError> {
        let wrong =
            |why: &str| ProvenanceError::Trust { path: path.to_owned(), why: why.to_owned() };
        let bytes = std::fs::read(path)
            .map_err(|source| ProvenanceError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("no text"))?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        match all {
            Ok(all) if all.is_empty() => Err(wrong("no certificate in it")),
            Ok(_) => Ok(Self(text)),
            Err(e) => Err(wrong(&e.to_string())),
        }
    }
}

/// Reads the content credentials of a file.
///
/// # Errors
/// [`ProvenanceError::Read`] when the file itself cannot be read. Whatever is wrong with the credentials
/// is a [`State`].
pub fn read(path: &Path, trust: Option<&TrustList>) -> Result<Provenance, ProvenanceError> {
    let cannot = |source| ProvenanceError::Read { path: path.to_owned(), source };
    // Before it is opened: a pipe would wait for whoever writes.
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err(cannot(io::Error::other("it is no file; content credentials are in files")));
    }
    let file = File::open(path).map_err(cannot)?;
    let format = c2pa::format_from_path(path).unwrap_or_default();
    // Files are anybody's, and their parsers somebody else's.
    let read = catch_unwind(AssertUnwindSafe(|| {
        Reader::from_context(context(trust)?).with_stream(&format, file)
    }));
    Ok(match read {
        Ok(Ok(reader)) => of(&reader, trust.is_some()),
        Ok(Err(error)) => without_manifest(&error, path),
        Err(_) => unreadable("their reader failed", path),
    })
}

/// Nothing of the machine, no network, no list but the one that was named.
fn context(trust: Option<&TrustList>) -> c2pa::Result<Context> {
    let mut settings = Settings::default();
    settings.verify.remote_manifest_fetch = false;
    settings.verify.ocsp_fetch = false;
    settings.trust.trust_anchors = None;
    settings.trust.user_anchors = trust.map(|list| list.0.clone());
    Context::new().with_settings(settings)
}

fn bare(state: State) -> Provenance {
    Provenance {
        state,
        problems: Vec::new(),
        signer: None,
        claim_generator: None,
        title: None,
        actions: Vec::new(),
        ingredients: Vec::new(),
        address: None,
    }
}

/// Credentials that cannot be read; of a file in which there is nothing of the kind, that it has none: its
/// container cannot be read, which is said elsewhere.
fn unreadable(why: &str, path: &Path) -> Provenance {
    if !mentions_manifest(path) {
        return bare(State::Absent);
    }
    let why = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Provenance { problems: vec![why], ..bare(State::Unreadable) }
}

/// Whether the label of a manifest store is anywhere in a file. What cannot be read may have one.
fn mentions_manifest(path: &Path) -> bool {
    const LABEL: &[u8] = b"c2pa";
    let Ok(mut file) = File::open(path) else { return true };
    let mut bytes = vec![0; 1 << 20];
    // What is kept of a part, so that a word across two is seen.
    let mut kept = 0;
    loop {
        let room = bytes.get_mut(kept..).unwrap_or_default();
        let Ok(read) = file.read(room) else { return true };
        let known = bytes.get(..kept + read).unwrap_or_default();
        if known.windows(LABEL.len()).any(|part| part == LABEL) {
            return true;
        }
        if read == 0 {
            return false;
        }
        let length = known.len();
        let tail = length.saturating_sub(LABEL.len() - 1);
        bytes.copy_within(tail..length, 0);
        kept = length - tail;
    }
}

fn without_manifest(error: &Error, path: &Path) -> Provenance {
    match error {
        Error::JumbfNotFound => bare(State::Absent),
        Error::UnsupportedType => bare(State::Unsupported),
        Error::RemoteManifestUrl(address) | Error::RemoteManifestFetch(address) => {
            Provenance { address: Some(address.clone()), ..bare(State::Elsewhere) }
        }
        other => unreadable(&other.to_string(), path),
    }
}

/// C2PA's word for a signer whom nobody named as trusted.
const UNTRUSTED: &str = "signingCredential.untrusted";

fn of(reader: &Reader, has_list: bool) -> Provenance {
    let state = match reader.validation_state() {
        ValidationState::Invalid => State::Invalid,
        ValidationState::Valid => State::Valid,
        ValidationState::Trusted => State::Trusted,
    };
    let results = reader.validation_results();
    let failures =
        results.and_then(|results| results.active_manifest()).map(|codes| codes.failure());
    let failures = failures.into_iter().flatten().filter(|status| status.code() != UNTRUSTED);
    let mut provenance = Provenance { problems: failures.map(problem).collect(), ..bare(state) };
    let Some(manifest) = reader.active_manifest() else { return provenance };
    provenance.signer = manifest.signature_info().map(|info| Signer {
        name: info.common_name.clone(),
        organisation: info.issuer.clone(),
        serial: info.cert_serial_number.clone(),
        time: info.time.clone(),
        trusted: has_list.then_some(state == State::Trusted),
    });
    provenance.claim_generator = generator(manifest);
    provenance.title = manifest.title().map(str::to_owned);
    provenance.actions = actions(manifest);
    provenance.ingredients = manifest.ingredients().iter().map(ingredient).collect();
    provenance
}

fn problem(status: &ValidationStatus) -> String {
    match status.explanation() {
        Some(explanation) => format!("{} ({})", explanation, status.code()),
        None => status.code().to_owned(),
    }
}

fn ingredient(ingredient: &c2pa::Ingredient) -> Ingredient {
    let relationship = serde_json::to_value(ingredient.relationship()).ok();
    let relationship = relationship.and_then(|word| word.as_str().map(str::to_owned));
    let statuses = ingredient.validation_status().unwrap_or_default();
    Ingredient {
        title: ingredient.title().map(str::to_owned),
        relationship: relationship.unwrap_or_default(),
        problems: statuses
            .iter()
            .filter(|status| status.code() != UNTRUSTED)
            .map(problem)
            .collect(),
    }
}

fn generator(manifest: &Manifest) -> Option<String> {
    let info = manifest.claim_generator_info.as_ref().and_then(|all| all.first());
    let named = info.map(|info| match &info.version {
        Some(version) => format!("{} {version}", info.name),
        None => info.name.clone(),
    });
    named.or_else(|| manifest.claim_generator().map(str::to_owned))
}

/// As loosely as its writers write it.
fn actions(manifest: &Manifest) -> Vec<Action> {
    let assertions = manifest.assertions().iter();
    let lists = assertions.filter(|assertion| assertion.label().starts_with("c2pa.actions"));
    let lists = lists.filter_map(|assertion| assertion.value().ok());
    lists
        .filter_map(|value| value.get("actions")?.as_array())
        .flatten()
        .map(|action| {
            let text = |name: &str| action.get(name).and_then(Value::as_str).map(str::to_owned);
            let source = text("digitalSourceType");
            Action {
                action: text("action").unwrap_or_default(),
                when: text("when"),
                software: action.get("softwareAgent").and_then(software),
                description: text("description"),
                source_type: source
                    .map(|source| source.rsplit('/').next().unwrap_or_default().to_owned()),
            }
        })
        .collect()
}

/// A name, or an object with a name and perhaps a version.
fn software(agent: &Value) -> Option<String> {
    if let Some(name) = agent.as_str() {
        return Some(name.to_owned());
    }
    let name = agent.get("name")?.as_str()?;
    let version = agent.get("version").and_then(Value::as_str);
    Some(version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}
