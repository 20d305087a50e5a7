//! What REST has changed: it holds over restarts, and over what the configuration file says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::CameraConfig;
use crate::events::CameraId;
use crate::models::write_private;

const FILE: &str = "cameras.json";

/// How a camera of the file differs from what it says there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    Changed,
    Removed,
}

/// Cameras that were added, changed and removed while the process ran.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    changes: Changes,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    /// Instead of, or beside, those of the file.
    put: BTreeMap<CameraId, CameraConfig>,
    /// Of the file, and not watched.
    removed: BTreeSet<CameraId>,
}

impl Kept {
    /// What was kept in this folder; nothing where nothing was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let changes = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                format!(
                    "{} is not what this version keeps there: {error}; move it away, and put its \
                     cameras again",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Changes::default(),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        Ok(Self { path, changes })
    }

    /// The cameras of the file as they have become, and those beside them.
    pub fn over(&self, file: &[CameraConfig]) -> Vec<CameraConfig> {
        let Changes { put, removed } = &self.changes;
        let of_file = file.iter().filter(|camera| !removed.contains(&camera.id));
        let of_file = of_file.map(|camera| put.get(&camera.id).unwrap_or(camera));
        let others = put.values().filter(|camera| file.iter().all(|other| other.id != camera.id));
        of_file.chain(others).cloned().collect()
    }

    /// Which cameras of the file are not as it says, and how they differ.
    pub fn hidden<'a>(
        &'a self,
        file: &'a [CameraConfig],
    ) -> impl Iterator<Item = (&'a CameraId, Hidden)> {
        let Changes { put, removed } = &self.changes;
        let how = |camera: &CameraConfig| {
            if removed.contains(&camera.id) {
                return Some(Hidden::Removed);
            }
            put.get(&camera.id).filter(|put| *put != camera).map(|_| Hidden::Changed)
        };
        file.iter().filter_map(move |camera| Some((&camera.id, how(camera)?)))
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a camera.
    ///
    /// # Errors
    /// When it cannot be written: nothing has changed then.
    pub fn put(&mut self, camera: CameraConfig) -> Result<(), String> {
        let mut changes = self.changes.clone();
        changes.removed.remove(&camera.id);
        changes.put.insert(camera.id.clone(), camera);
        self.write(changes)
    }

    /// Keeps that a camera is not watched.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn remove(&mut self, id: &CameraId, is_in_file: bool) -> Result<(), String> {
        let mut changes = self.changes.clone();
        changes.put.remove(id);
        if is_in_file {
            changes.removed.insert(id.clone());
        }
        self.write(changes)
    }

    fn write(&mut self, changes: Changes) -> Result<(), String> {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            // Addresses may hold passwords.
            write_private(&self.path, &serde_json::to_vec_pretty(&changes)?)
        };
        write().map_err(|error| format!("cannot keep it in {}: {error}", self.path.display()))?;
        self.changes = changes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(id: &str, uri: &str) -> CameraConfig {
        CameraConfig::new(CameraId::new(id).unwrap(), uri)
    }

    fn uris(cameras: &[CameraConfig]) -> Vec<&str> {
        cameras.iter().map(|camera| camera.uri.as_str()).collect()
    }

    #[test]
    fn changes_hold_over_restarts_and_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = [camera("a", "test://ball"), camera("b", "test://snow")];
        let mut kept = Kept::read(folder.path()).unwrap();
        assert_eq!(uris(&kept.over(&file)), ["test://ball", "test://snow"]);
        kept.put(camera("c", "test://bar")).unwrap();
        kept.put(camera("b", "test://smpte")).unwrap();
        kept.remove(&file[0].id, true).unwrap();
        let mut kept = Kept::read(folder.path()).unwrap();
        assert_eq!(uris(&kept.over(&file)), ["test://smpte", "test://bar"]);
        let hidden: Vec<_> = kept.hidden(&file).map(|(id, how)| (id.as_str(), how)).collect();
        assert_eq!(hidden, [("a", Hidden::Removed), ("b", Hidden::Changed)]);
        kept.put(file[0].clone()).unwrap();
        assert_eq!(uris(&kept.over(&file)), ["test://ball", "test://smpte", "test://bar"]);
        kept.remove(&camera("c", "").id, false).unwrap();
        assert_eq!(uris(&Kept::read(folder.path()).unwrap().over(&[])).len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "{\"cameras\": []}").unwrap();
        let error = Kept::read(folder.path()).unwrap_err();
        assert!(error.contains("cameras.json") && error.contains("move it away"), "{error}");
        assert!(path.is_file());
    }
}
