//! The seal of a folder of results: which files there are, line by line what is recorded, and who says
//! so, in one signed file. Its format is in docs/evidence.md.
//!
//! ```
//! use gstm2sd::evidence::seal::{SealRequest, SigningKey, Trusted, seal, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("scores.jsonl"), "{\"score\":0.5}\n")?;
//! let key = SigningKey::generate()?;
//! seal(&SealRequest::new(folder.path(), &key))?;
//! let mine = Trusted::named(key.public());
//! assert!(verify(folder.path(), &mine)?.findings.is_empty());
//! std::fs::write(folder.path().join("scores.jsonl"), "{\"score\":0.4}\n")?;
//! assert_eq!(verify(folder.path(), &mine)?.findings.len(), 1);
//! # Ok(())
//! # }
//! ```

mod above;
mod chain;
mod document;
mod error;
mod folder;
mod key;
mod manifest;
mod state;
mod trust;
mod verify;
mod write;

pub use self::above::sealed_above;
pub use self::chain::{Difference, Link};
pub use self::error::SealError;
pub use self::key::{PASSPHRASE_VARIABLE, PublicKey, SigningKey, is_open_to_others};
pub use self::manifest::{Manifest, SealedFile, SealedLink, SealedRecords, SkippedEntry};
pub use self::trust::{Trust, Trusted};
pub use self::verify::{Finding, SealFacts, Verification, verify};
pub use self::write::{SealRequest, Sealed, seal};

/// The name of the seal in the folder that it is of.
pub const SEAL_FILE: &str = "seal.json";
