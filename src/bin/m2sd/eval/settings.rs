//! What decides the scores in a folder of results, so that no folder holds scores of two kinds.

use std::collections::BTreeMap;
use std::path::Path;

use gstm2sd::core::modelinfo::Role;
use gstm2sd::models::sha256;
use serde::{Deserialize, Serialize};

use super::ScoringArgs;
use super::classifiers::Classifier;
use crate::error::CliError;
use crate::options;
use crate::partial_file;

/// The file in the folder of results that holds them.
const FILE: &str = "eval.json";

/// Names and values; each decides scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Of the options, and of the networks that all classifiers share.
    pub options: BTreeMap<String, String>,
    /// The classifiers' hashes by their names; more may come.
    pub classifiers: BTreeMap<String, String>,
}

impl Settings {
    /// # Errors
    /// When there is no detector.
    pub fn of(args: &ScoringArgs, classifiers: &[Classifier]) -> Result<Self, CliError> {
        let search = options::search(args.engines.as_deref())?;
        let hash = |role, name: Option<&str>| -> Result<String, CliError> {
            let found = search.find(role, name).map_err(CliError::runtime)?;
            let hash = sha256(&found.path);
            hash.map_err(|e| {
                CliError::runtime(format!("cannot read {}: {e}", found.path.display()))
            })
        };
        let aligner = match args.aligner.as_deref() {
            Some("none") => "none".to_owned(),
            Some(name) => hash(Role::Aligner, Some(name))?,
            // A scan goes without where there is none.
            None => hash(Role::Aligner, None).unwrap_or_else(|_| "none".to_owned()),
        };
        let options = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("detector", hash(Role::Detector, args.detector.as_deref())?),
            ("aligner", aligner),
            ("provider", args.provider.to_string()),
            ("precision", args.precision.to_string()),
            ("device", args.device.to_string()),
            ("clip-stride", args.clip_stride.to_string()),
            ("detect-interval", args.detect_interval.to_string()),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into();
        let hashes = classifiers.iter().map(|one| (one.name.clone(), one.sha256.clone()));
        Ok(Self { options, classifiers: hashes.collect() })
    }

    /// Holds them against those of what is in `out`, and leaves them there.
    ///
    /// # Errors
    /// [`CliError::Usage`] when scores there were made otherwise.
    pub fn hold(&self, out: &Path) -> Result<(), CliError> {
        let path = out.join(FILE);
        let mut all = self.clone();
        match std::fs::read(&path) {
            Ok(text) => {
                let before: Self = serde_json::from_slice(&text).map_err(|e| {
                    CliError::input(format!(
                        "{} is damaged: {e}. Name another --out, or remove this one",
                        path.display()
                    ))
                })?;
                self.compare(&before, out)?;
                all.classifiers.extend(before.classifiers);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(CliError::input(format!("cannot read {}: {error}", path.display())));
            }
        }
        let text = serde_json::to_string_pretty(&all).map_err(CliError::runtime)?;
        Ok(partial_file::write(&path, (text + "\n").as_bytes())?)
    }

    fn compare(&self, before: &Self, out: &Path) -> Result<(), CliError> {
        let differing = |now: &BTreeMap<String, String>, then: &BTreeMap<String, String>| {
            let mut names = now
                .iter()
                .filter(|(name, value)| then.get(*name).is_some_and(|before| before != *value));
            names.next().map(|(name, value)| (name.clone(), value.clone()))
        };
        let differs = differing(&self.options, &before.options)
            .or_else(|| differing(&self.classifiers, &before.classifiers));
        let Some((name, now)) = differs else { return Ok(()) };
        let then = before.options.get(&name).or(before.classifiers.get(&name));
        Err(CliError::Usage(format!(
            "the scores in {} were made with {name} {}, and now it is {now}; expected the same for \
             one evaluation. Name another --out, or remove this one",
            out.display(),
            then.map_or("", String::as_str)
        )))
    }
}
