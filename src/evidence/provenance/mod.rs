//! What a file says of where it comes from: content credentials, as C2PA has them. They tell who signed
//! what was done to it, and have nothing to do with any score.
//!
//! Nothing is fetched: what lies elsewhere is named only.

#[cfg(feature = "c2pa")]
mod read;

use serde::{Deserialize, Serialize};

#[cfg(feature = "c2pa")]
pub use self::read::{ProvenanceError, TrustList, read};

/// What content credentials of a file are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// There are none, which says nothing of the file.
    Absent,
    /// It names an address where they are; nobody looked there.
    Elsewhere,
    /// Of this kind of file none can be read.
    Unsupported,
    /// There are some, which cannot be read.
    Unreadable,
    /// The file or they were changed since they were signed, or they never were right.
    Invalid,
    /// The file is as it was signed; who signed is nobody who was named as trusted.
    Valid,
    /// The file is as it was signed, by somebody for whom a certificate that was named vouches.
    Trusted,
}

/// What a file says of where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Provenance {
    /// How far the file's credentials hold.
    pub state: State,
    /// Why it is not valid, in words, with C2PA's code for it.
    pub problems: Vec<String>,
    /// Who signed them; `None`: nobody, or it cannot be read.
    pub signer: Option<Signer>,
    /// The program that wrote them, with its version.
    pub claim_generator: Option<String>,
    /// What the file is called in them.
    pub title: Option<String>,
    /// What was done to it, as the signer says, the newest last.
    pub actions: Vec<Action>,
    /// What it was made of.
    pub ingredients: Vec<Ingredient>,
    /// Where the credentials are, if elsewhere.
    pub address: Option<String>,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signer {
    /// Names in the certificate: whom it is of, and the organisation.
    pub name: Option<String>,
    /// The organisation, where the certificate names one.
    pub organisation: Option<String>,
    /// Of the certificate, decimal.
    pub serial: Option<String>,
    /// When, by a time stamp in the credentials; in UTC, RFC 3339.
    pub time: Option<String>,
    /// Whether a certificate that was named vouches; `None` when none was named.
    pub trusted: Option<bool>,
}

/// Something that was done to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action {
    /// `c2pa.created`, `c2pa.edited`, `c2pa.color_adjustments`, …
    pub action: String,
    /// When, as the file says it; nobody vouches for that time.
    pub when: Option<String>,
    /// The program that did it.
    pub software: Option<String>,
    /// What was done, in the program's words.
    pub description: Option<String>,
    /// The end of IPTC's address of the kind of source, such as `trainedAlgorithmicMedia`.
    pub source_type: Option<String>,
}

/// Something that a file was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ingredient {
    /// What the ingredient is called.
    pub title: Option<String>,
    /// `parentOf`, `componentOf`, `inputTo`.
    pub relationship: String,
    /// What was found wrong with it when it was put in.
    pub problems: Vec<String>,
}
