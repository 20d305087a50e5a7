//! Where the model for a role is.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::folders::{data_home, set_in_env};
use super::manifest::{Manifest, ManifestError};
use super::{advice, engine_file};
use crate::core::modelinfo::{ModelInfo, ModelInfoError, Role};
use crate::core::redact::redact;

/// The folders that are searched, first to last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    dirs: Vec<PathBuf>,
}

/// A model and what its sidecar says.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The model's file.
    pub path: PathBuf,
    /// What its sidecar says; a default one where there is none.
    pub info: ModelInfo,
}

/// Why there is no model for a role.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ResolveError {
    #[error(
        "no {role} model. Looked for {wanted} in {dirs}. {}, or import one with {}, or name a file",
        advice::models(),
        advice::command("models import FILE")
    )]
    Nowhere { role: Role, wanted: String, dirs: Places },
    #[error(
        "there is no {role} model {}; one in an engines folder is named without a slash",
        path.display()
    )]
    NoFile { role: Role, path: PathBuf },
    #[error(
        "there is no engines folder {}. Name one that exists, or none: then the usual places are \
         searched",
        dir.display()
    )]
    NoFolder { dir: PathBuf },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the sidecar of {}: {source}", model.display())]
    Sidecar { model: PathBuf, source: ModelInfoError },
    #[error("{} is a {found} by its sidecar, wanted: a {wanted}", model.display())]
    WrongRole { model: PathBuf, found: Role, wanted: Role },
}

/// Folders in an error message, with those that do not exist marked.
#[derive(Debug)]
pub struct Places(Vec<PathBuf>);

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, dir) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let missing = if dir.is_dir() { "" } else { " (no such folder)" };
            write!(f, "{comma}{}{missing}", dir.display())?;
        }
        Ok(())
    }
}

impl Search {
    /// `engines_dir` (the element's property) first, then `$M2SD_ENGINES`, `./engines`,
    /// `$XDG_DATA_HOME/m2sd/engines` (by default under `~/.local/share`) and
    /// `/usr/share/m2sd/engines`.
    pub fn new(engines_dir: Option<&Path>) -> Self {
        let dirs = [
            engines_dir.map(Path::to_owned),
            set_in_env("M2SD_ENGINES"),
            Some(PathBuf::from("engines")),
            data_home().map(|dir| dir.join("m2sd/engines")),
            Some(PathBuf::from("/usr/share/m2sd/engines")),
        ];
        Self::in_dirs(dirs.into_iter().flatten())
    }

    /// As [`Self::new`], for every command and the element: a folder that is named must be there, for
    /// it is not replaced by another without a word.
    ///
    /// # Errors
    /// [`ResolveError::NoFolder`].
    pub fn checked(engines_dir: Option<&Path>) -> Result<Self, ResolveError> {
        match engines_dir.filter(|dir| !dir.is_dir()) {
            Some(dir) => Err(ResolveError::NoFolder { dir: dir.to_owned() }),
            None => Ok(Self::new(engines_dir)),
        }
    }

    /// These folders; one that is there under two names counts once.
    pub fn in_dirs(dirs: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        let place = |dir: &PathBuf| dir.canonicalize().unwrap_or_else(|_| dir.clone());
        for dir in dirs {
            if !all.iter().any(|other| place(other) == place(&dir)) {
                all.push(dir);
            }
        }
        Self { dirs: all }
    }

    /// First to last.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The models for `role` in the first folder that has any, best first.
    pub fn all(&self, role: Role) -> Result<Vec<Found>, ResolveError> {
        for dir in &self.dirs {
            let models = ranked(dir, role)?;
            if !models.is_empty() {
                return Ok(models);
            }
        }
        Ok(Vec::new())
    }

    /// The model for `role`: the one that `wanted` names, by the name of a file in one of the
    /// folders, with or without its ending, or by a path, which has a slash; without it the best
    /// of the first folder that has any.
    pub fn find(&self, role: Role, wanted: Option<&str>) -> Result<Found, ResolveError> {
        match wanted {
            Some(wanted) => self.named(role, wanted),
            None => self.best(role),
        }
    }

    fn named(&self, role: Role, wanted: &str) -> Result<Found, ResolveError> {
        let is_file = wanted.ends_with(".onnx") || engine_file::is_engine(Path::new(wanted));
        let file = if is_file { wanted.to_owned() } else { format!("{wanted}.onnx") };
        let path = if wanted.contains('/') {
            let found = [wanted, &file].map(PathBuf::from).into_iter().find(|path| path.is_file());
            found.ok_or_else(|| ResolveError::NoFile { role, path: shown(wanted).into() })?
        } else {
            // Never a file of the working directory: who stands somewhere does not thereby choose
            // a model, and a program may be called like one.
            let found = self.dirs.iter().map(|dir| dir.join(&file)).find(|path| path.is_file());
            found.ok_or_else(|| self.not_in_folders(role, wanted, file))?
        };
        let info = sidecar(&path)?;
        match info.role {
            Some(found) if found != role => {
                Err(ResolveError::WrongRole { model: path, found, wanted: role })
            }
            _ => Ok(Found { path, info }),
        }
    }

    fn best(&self, role: Role) -> Result<Found, ResolveError> {
        if let Some(best) = self.all(role)?.into_iter().next() {
            return Ok(best);
        }
        let known = Manifest::builtin()?;
        let names: Vec<_> = known.of_role(role).iter().map(|m| m.file.clone()).collect();
        let wanted = format!("{} or any .onnx whose sidecar says role={role}", names.join(", "));
        Err(self.nowhere(role, wanted))
    }

    fn not_in_folders(&self, role: Role, wanted: &str, file: String) -> ResolveError {
        let here = [wanted, &file].into_iter().find(|name| Path::new(name).is_file());
        let hint = here.map(|name| format!(" (for the file of this folder, write ./{name})"));
        self.nowhere(role, shown(&file) + &hint.unwrap_or_default())
    }

    fn nowhere(&self, role: Role, wanted: String) -> ResolveError {
        ResolveError::Nowhere { role, wanted, dirs: Places(self.dirs.clone()) }
    }
}

/// What was named and is no file: perhaps a mistyped address with a password.
fn shown(name: &str) -> String {
    redact(name).into_owned()
}

/// The models for `role` in one folder, best first.
fn ranked(dir: &Path, role: Role) -> Result<Vec<Found>, ResolveError> {
    let mut models = models_of(dir, role)?;
    models
        .sort_by_key(|(rank, model)| (model.info.training.preference(), *rank, model.path.clone()));
    Ok(models.into_iter().map(|(_, model)| model).collect())
}

/// The rank of models that the manifest does not know: behind those that it recommends, before those
/// that it lists as a last resort.
const STRANGER: u32 = 50;

/// The models for `role` in one folder, each with its rank.
fn models_of(dir: &Path, role: Role) -> Result<Vec<(u32, Found)>, ResolveError> {
    let files = onnx_files(dir);
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = Manifest::of(dir)?;
    let (mut models, mut unreadable) = (Vec::new(), None);
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = manifest.by_file(&name);
        let info = match sidecar(&path) {
            Ok(info) => info,
            // Of another role, or nobody knows of which: others may serve.
            Err(error) => match known {
                Some(known) if known.role == role => return Err(error),
                Some(_) => continue,
                None => {
                    unreadable = unreadable.or(Some(error));
                    continue;
                }
            },
        };
        if info.role.or(known.map(|k| k.role)) == Some(role) {
            models.push((known.map_or(STRANGER, |k| k.rank), Found { path, info }));
        }
    }
    match unreadable {
        Some(error) if models.is_empty() => Err(error),
        _ => Ok(models),
    }
}

/// The `.onnx` files of a folder, sorted; none where the folder cannot be read.
pub fn onnx_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx") && path.is_file())
        .collect();
    files.sort();
    files
}

fn sidecar(model: &Path) -> Result<ModelInfo, ResolveError> {
    ModelInfo::beside(model)
        .map_err(|source| ResolveError::Sidecar { model: model.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str, sidecar: &str) {
        std::fs::write(dir.join(name), "").unwrap();
        std::fs::write(dir.join(format!("{name}.modelinfo")), sidecar).unwrap();
    }

    fn name(found: &Found) -> String {
        found.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn the_first_folder_then_the_best_rank_wins() {
        let [a, b] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let role = "[modelinfo]\nrole=classifier";
        put(a.path(), "m2sd_tiny.onnx", role);
        put(a.path(), "ftcn.onnx", role);
        put(a.path(), "aaa.onnx", role);
        put(b.path(), "m2sd.onnx", role);
        let search = Search::in_dirs([a.path().to_owned(), b.path().to_owned()]);
        let find = |wanted| search.find(Role::Classifier, wanted).unwrap();
        assert_eq!(name(&find(None)), "ftcn.onnx");
        assert_eq!(name(&find(Some("aaa"))), "aaa.onnx");
        let path = b.path().join("m2sd.onnx");
        assert_eq!(find(Some(path.to_str().unwrap())).path, path);
    }

    #[test]
    fn a_folder_counts_once_and_one_that_is_named_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let [plain, dotted] = [dir.path().to_owned(), dir.path().join(".")];
        assert_eq!(Search::in_dirs([plain.clone(), dotted.clone()]).dirs(), [plain]);
        assert!(Search::checked(Some(&dotted)).is_ok() && Search::checked(None).is_ok());
        let error = Search::checked(Some(&dir.path().join("gone"))).unwrap_err();
        assert!(matches!(error, ResolveError::NoFolder { .. }), "{error}");
    }

    #[test]
    fn a_bare_name_is_never_a_file_of_the_working_directory() {
        // Tests run in the package's folder.
        let here = "Cargo.toml";
        assert!(Path::new(here).is_file());
        let dir = tempfile::tempdir().unwrap();
        let search = Search::in_dirs([dir.path().to_owned()]);
        let error = search.find(Role::Classifier, Some(here)).unwrap_err();
        assert!(matches!(error, ResolveError::Nowhere { .. }), "{error}");
        assert!(error.to_string().contains("./Cargo.toml"), "{error}");
        // A path says where it is.
        let path = search.find(Role::Classifier, Some("./Cargo.toml")).unwrap().path;
        assert_eq!(path, Path::new("./Cargo.toml"));
        put(dir.path(), "Cargo.toml.onnx", "[modelinfo]\nrole=classifier");
        assert_eq!(name(&search.find(Role::Classifier, Some(here)).unwrap()), "Cargo.toml.onnx");
    }

    #[test]
    fn a_broken_sidecar_of_another_role_stands_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "meso4_df.onnx", "[modelinfo]\nfake-index=7");
        put(dir.path(), "found.onnx", "[modelinfo]\nrole=detector");
        let search = Search::in_dirs([dir.path().to_owned()]);
        assert_eq!(name(&search.find(Role::Detector, None).unwrap()), "found.onnx");
        let error = search.find(Role::Classifier, None).unwrap_err().to_string();
        assert!(error.contains("fake-index=7"), "{error}");
    }

    #[test]
    fn untrained_strangers_come_last() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "a.onnx", "[modelinfo]\nrole=classifier\ntrained=false");
        put(dir.path(), "b.onnx", "[modelinfo]\nrole=classifier");
        let search = Search::in_dirs([dir.path().to_owned()]);
        assert_eq!(name(&search.find(Role::Classifier, None).unwrap()), "b.onnx");
    }

    #[test]
    fn the_last_resort_comes_after_any_other_trained_classifier() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "meso4_df.onnx", "[modelinfo]\nrole=classifier\ntraining=trained");
        let search = Search::in_dirs([dir.path().to_owned()]);
        let best = || name(&search.find(Role::Classifier, None).unwrap());
        assert_eq!(best(), "meso4_df.onnx");
        put(dir.path(), "mine.onnx", "[modelinfo]\nrole=classifier\ntraining=trained");
        assert_eq!(best(), "mine.onnx");
        put(dir.path(), "gend.onnx", "[modelinfo]\nrole=classifier\ntraining=trained");
        assert_eq!(best(), "gend.onnx");
    }

    #[test]
    fn a_rank_that_a_name_gives_does_not_outweigh_training() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "m2sd.onnx", "[modelinfo]\nrole=classifier");
        put(dir.path(), "meso4_df.onnx", "[modelinfo]\nrole=classifier\ntrained=true");
        let search = Search::in_dirs([dir.path().to_owned()]);
        let best = || name(&search.find(Role::Classifier, None).unwrap());
        assert_eq!(best(), "meso4_df.onnx");
        put(dir.path(), "m2sd.onnx", "[modelinfo]\nrole=classifier\ntrained=true");
        assert_eq!(best(), "m2sd.onnx");
    }

    #[test]
    fn what_is_missing_is_named_with_all_places() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "m2sd.onnx", "[modelinfo]\nrole=classifier");
        let search = Search::in_dirs([dir.path().to_owned(), PathBuf::from("/nowhere")]);
        let message = search.find(Role::Detector, None).unwrap_err().to_string();
        for part in ["retinaface_mobilenet0.25.onnx", "/nowhere (no such folder)", "import FILE"] {
            assert!(message.contains(part), "{message}");
        }
        let wrong = search.find(Role::Detector, Some("m2sd")).unwrap_err();
        assert!(matches!(wrong, ResolveError::WrongRole { found: Role::Classifier, .. }));
    }
}
