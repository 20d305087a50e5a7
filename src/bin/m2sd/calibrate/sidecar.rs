//! The sidecar's text with other measurements in it, and all else as whoever wrote it has it.

use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::ModelInfo;

use crate::error::CliError;
use crate::partial_file;

/// A classifier's sidecar.
pub struct Sidecar {
    pub path: PathBuf,
    text: String,
    pub info: ModelInfo,
}

impl Sidecar {
    /// That of a model; an empty one where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(model: &Path) -> Result<Self, CliError> {
        let mut appended = model.as_os_str().to_owned();
        appended.push(".modelinfo");
        let appended = PathBuf::from(appended);
        let path = [appended.clone(), model.with_extension("modelinfo")]
            .into_iter()
            .find(|path| path.is_file())
            .unwrap_or(appended);
        let info = ModelInfo::beside(model)
            .map_err(|e| CliError::runtime(format!("the sidecar of {}: {e}", model.display())))?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "[modelinfo]\nversion=1.0\nrole=classifier\n".to_owned()
            }
            Err(error) => {
                return Err(CliError::runtime(format!("cannot read {}: {error}", path.display())));
            }
        };
        Ok(Self { path, text, info })
    }

    /// The text with the calibration, points and limits of `learned` in place of those that it had.
    ///
    /// # Errors
    /// When it would not be read back as it should.
    pub fn revised(&self, learned: &ModelInfo) -> Result<String, CliError> {
        let text = revised(&self.text, learned);
        let expected = ModelInfo {
            calibration: learned.calibration.clone(),
            points: learned.points.clone(),
            sufficiency: learned.sufficiency,
            ..self.info.clone()
        };
        match text.parse::<ModelInfo>() {
            Ok(read) if read == expected => Ok(text),
            Ok(_) => Err(CliError::runtime(format!(
                "{} would not be read back as it is written",
                self.path.display()
            ))),
            Err(error) => Err(CliError::runtime(format!("{}: {error}", self.path.display()))),
        }
    }

    /// # Errors
    /// When it cannot be written; then it is as before.
    pub fn write(&self, text: &str) -> Result<(), CliError> {
        Ok(partial_file::write(&self.path, text.as_bytes())?)
    }
}

/// Whether a section is one that `calibrate` writes.
fn is_measured(section: &str) -> bool {
    matches!(section, "calibration" | "sufficiency") || section.starts_with("operating-point ")
}

fn section(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']').map(str::trim)
}

fn revised(text: &str, learned: &ModelInfo) -> String {
    let of_learned = learned.to_string();
    let mut result = kept(text, |section| !is_measured(section)).trim_end().to_owned();
    result.push_str("\n\n");
    result.push_str(kept(&of_learned, is_measured).trim());
    result.push('\n');
    result
}

/// The lines of the sections that are `wanted`; lines before the first one stay.
fn kept(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut keeps = wanted("");
    let mut result = String::new();
    for line in text.lines() {
        if let Some(section) = section(line) {
            keeps = wanted(section);
        }
        if keeps {
            result.push_str(line);
            result.push('\n');
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use gstm2sd::core::modelinfo::{Calibration, LlrMap, Population, SufficiencyKeys};

    use super::*;

    #[test]
    fn what_others_wrote_stays() {
        let before = "# by hand\n[modelinfo]\nrole=classifier\ngroup-id=mine\n\n[calibration]\n\
                      method=platt\nslope=9\nintercept=9\nreal=1\nfake=1\n\n[sufficiency]\nclips=3\n\n\
                      [clip]\n; of the input\ndir=input\nfuture=1\n\n[operating-point old]\n\
                      threshold=0.1\nfpr=0,0,1\ntpr=0,0,1\n";
        let map = LlrMap::Platt { slope: 1.5, intercept: -0.25 };
        let learned = ModelInfo {
            calibration: Some(Calibration { map, population: Population::default() }),
            sufficiency: SufficiencyKeys {
                clips: Some(3),
                pose_deg: Some(40.0),
                ..Default::default()
            },
            ..ModelInfo::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("m.onnx");
        std::fs::write(dir.path().join("m.modelinfo"), before).unwrap();
        let sidecar = Sidecar::of(&model).unwrap();
        let text = sidecar.revised(&learned).unwrap();
        for line in ["# by hand", "group-id=mine", "; of the input", "future=1", "slope=1.5"] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(!text.contains("slope=9") && !text.contains("[operating-point old]"), "{text}");
        assert_eq!(text.matches("clips=3").count(), 1);
        sidecar.write(&text).unwrap();
        // Once more changes nothing.
        assert_eq!(Sidecar::of(&model).unwrap().revised(&learned).unwrap(), text);
    }
}
