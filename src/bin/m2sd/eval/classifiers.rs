//! The classifiers that are evaluated.

use std::path::{Path, PathBuf};

use gstm2sd::core::evidence::{OperatingPoint, PointChoice};
use gstm2sd::core::modelinfo::{ModelInfo, Role};
use gstm2sd::models::resolve::Search;
use gstm2sd::models::sha256;

use crate::error::CliError;
use crate::options;

/// A classifier that was found.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// The file's name without its ending.
    pub name: String,
    pub path: PathBuf,
    pub info: ModelInfo,
    /// Of the file, and of what the sidecar says that decides scores.
    pub sha256: String,
    /// Of the limits by which the sidecar has clips count for no verdict: records tell which do.
    pub gates: String,
}

impl Classifier {
    /// Those that are named, or the one that a scan would take.
    ///
    /// # Errors
    /// When one is not there, or two have one name.
    pub fn find(names: &[String], engines: Option<&str>) -> Result<Vec<Self>, CliError> {
        let search = options::search(engines)?;
        let found = if names.is_empty() {
            vec![Self::find_one(&search, None)?]
        } else {
            names
                .iter()
                .map(|name| Self::find_one(&search, Some(name)))
                .collect::<Result<_, _>>()?
        };
        for (n, one) in found.iter().enumerate() {
            if let Some(other) = found.iter().take(n).find(|other| other.name == one.name) {
                return Err(CliError::Usage(format!(
                    "{} and {} have one name; expected classifiers of different names. Rename one, \
                     or evaluate them into different folders",
                    other.path.display(),
                    one.path.display()
                )));
            }
        }
        Ok(found)
    }

    /// The one that is named.
    ///
    /// # Errors
    /// When it is not there.
    pub fn one(name: &str, engines: Option<&str>) -> Result<Self, CliError> {
        Self::find_one(&options::search(engines)?, Some(name))
    }

    fn find_one(search: &Search, name: Option<&str>) -> Result<Self, CliError> {
        let found = search.find(Role::Classifier, name).map_err(CliError::runtime)?;
        let stem = found.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let limits = ModelInfo { sufficiency: found.info.sufficiency, ..ModelInfo::default() };
        let gates = super::records::digest([limits.to_string().as_bytes()]);
        Ok(Self {
            name: stem,
            sha256: identity(&found.path, &found.info)?,
            gates: gates.get(..16).unwrap_or_default().to_owned(),
            path: found.path,
            info: found.info,
        })
    }

    /// P(fake) above which it calls a face fake, of the operating point of this name, or of the one
    /// that a scan would take; `None`: it has none.
    ///
    /// # Errors
    /// When it has none of this name.
    pub fn threshold(&self, point: Option<&str>) -> Result<Option<f64>, CliError> {
        let named = |name: &str| PointChoice::Named(name.to_owned());
        let choice = point.map_or(PointChoice::Best, named);
        let point = OperatingPoint::of(&self.info, &choice);
        let point = point.map_err(|e| CliError::usage(format!("{}: {e}", self.path.display())))?;
        Ok(point.map(|point| point.threshold.get()))
    }
}

/// What stays the same as long as the scores do: the file's hash, and the sidecar without what is
/// concluded from scores or only told to people.
fn identity(path: &Path, info: &ModelInfo) -> Result<String, CliError> {
    let hash = sha256(path)
        .map_err(|e| CliError::runtime(format!("cannot read {}: {e}", path.display())))?;
    let scoring = ModelInfo {
        title: None,
        licence: None,
        source: None,
        terms: None,
        threshold: None,
        sufficiency: Default::default(),
        calibration: None,
        points: Vec::new(),
        ..info.clone()
    };
    let sidecar = super::records::digest([scoring.to_string().as_bytes()]);
    Ok(format!("{hash}+{}", sidecar.get(..16).unwrap_or_default()))
}
