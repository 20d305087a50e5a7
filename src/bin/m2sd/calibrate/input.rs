//! The scores that a classifier is calibrated on.

use std::path::{Path, PathBuf};

use gstm2sd::measure::{NOT_DEGRADED, Scores, Table};

use super::CalibrateArgs;
use crate::error::CliError;
use crate::eval::{self, Classifier, Listed};

/// What was read, and where it comes from.
pub struct Input {
    pub scores: Scores,
    pub name: String,
    pub list_sha256: String,
}

/// # Errors
/// When there are no scores of the classifier, or data cannot be scored.
pub fn read(args: &CalibrateArgs, classifier: &Classifier) -> Result<Input, CliError> {
    let (table, folder) = match scores_file(&args.scores)? {
        Some(file) => {
            let failed =
                |e: &dyn std::fmt::Display| CliError::input(format!("{}: {e}", file.display()));
            let opened = std::fs::File::open(&file).map_err(|e| failed(&e))?;
            let table = Table::read(opened).map_err(|e| failed(&e))?;
            (table, file.parent().map(Path::to_owned))
        }
        None => {
            let Some(out) = &args.out else {
                return Err(CliError::usage(format!(
                    "{} is data and no scores.csv; scoring it takes a folder for the results. Name \
                     one with --out, or run `m2sd eval` first",
                    args.scores.display()
                )));
            };
            (eval::table(&args.scores, out, &args.classifier, &args.scoring)?, Some(out.clone()))
        }
    };
    let name = column(&table, classifier)?;
    let scores = table.scores(&name, NOT_DEGRADED);
    let listed = folder.map(|folder| Listed::read(&folder)).transpose()?.unwrap_or_default();
    let list_sha256 = listed.digest(&scores.videos);
    Ok(Input { scores, name: population(&args.scores), list_sha256 })
}

/// The scores.csv that is named, or that is in the folder that is named; `None`: it is data.
fn scores_file(path: &Path) -> Result<Option<PathBuf>, CliError> {
    if path.is_dir() {
        let inside = path.join("scores.csv");
        return Ok(inside.is_file().then_some(inside));
    }
    if !path.is_file() {
        return Err(CliError::input(format!(
            "{} is not there; expected scores.csv of `m2sd eval`, or data as it takes it",
            path.display()
        )));
    }
    let text = std::fs::read(path)
        .map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let has_scores = first.split(',').any(|name| name.trim() == "score");
    Ok(has_scores.then(|| path.to_owned()))
}

/// What the table calls the classifier: by its name, or not at all where it holds one only.
fn column(table: &Table, classifier: &Classifier) -> Result<String, CliError> {
    let known = table.classifiers();
    match known.as_slice() {
        [""] => Ok(String::new()),
        names if names.contains(&classifier.name.as_str()) => Ok(classifier.name.clone()),
        names => Err(CliError::input(format!(
            "the scores are of {}, and there are none of {}; expected scores of the classifier that \
             is calibrated",
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") },
            classifier.name
        ))),
    }
}

/// What the data is called: the folder's name, or the file's without its ending.
fn population(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let is_table = absolute.file_name().is_some_and(|name| name == "scores.csv");
    let named = if is_table { absolute.parent().unwrap_or(&absolute) } else { &absolute };
    let name = if named.is_dir() { named.file_name() } else { named.file_stem() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}
