//! Networks that OpenVINO has compiled, so that the next start need not: one folder for each, named
//! for all that it was compiled from. A file there that is not as it was written is removed, and
//! compiled again.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::blobs;
use crate::core::hex::hex;
use crate::infer::cancel::CancelToken;
use crate::infer::engine_cache::{self, COMPILED_FOLDER, Cached, Stale};
use crate::infer::error::InferError;

/// Says what a folder is for.
const RECORD: &str = "compiled.txt";

/// What a network was compiled from. A change of any of it makes another folder, so that no file
/// is written anew that another process may be reading.
pub(super) struct Key<'a> {
    pub model: &'a Path,
    pub device: &'a str,
    /// OpenVINO's word for the arithmetic; empty: the device's own choice.
    pub arithmetic: &'a str,
    pub openvino: &'a str,
}

impl fmt::Display for Key<'_> {
    /// One `key=value` a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model={}", file_name(self.model))?;
        writeln!(f, "state={}", state(self.model))?;
        writeln!(f, "device={}\narithmetic={}", self.device, self.arithmetic)?;
        writeln!(f, "openvino={}", self.openvino)
    }
}

/// A name of the model's author, which brings no lines of its own.
fn file_name(model: &Path) -> String {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    name.replace(char::is_control, " ")
}

/// What tells a file from one that replaces it, without reading either: its size and the time of
/// its last change.
fn state(model: &Path) -> String {
    let written = |found: Metadata| {
        let since = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{} bytes, {} ns", found.len(), since.as_nanos()))
    };
    model.metadata().ok().and_then(written).unwrap_or_default()
}

/// The folder of one compiled network, which nobody else writes or removes meanwhile.
pub(super) struct Place {
    pub dir: PathBuf,
    /// What was compiled is there, as it was written.
    is_whole: bool,
    /// Locked while this lives.
    _lock: File,
}

impl Place {
    /// The place in the cache `root`. `None` where nothing can be written: a cache that is not there
    /// costs time, and nothing else.
    ///
    /// # Errors
    /// [`InferError::Cancelled`], while another process compiles the same network.
    pub fn open(
        root: &Path,
        key: &Key<'_>,
        cancel: &CancelToken,
    ) -> Result<Option<Self>, InferError> {
        let record = key.to_string();
        let hash = hex(&Sha256::digest(&record)[..8]);
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let stem = key.model.file_stem().unwrap_or_default().to_string_lossy();
        let stem: String = stem.chars().take(48).map(plain).collect();
        let dir = root.join(COMPILED_FOLDER).join(format!("{stem}-{hash}"));
        if is_read_only(root) || fs::create_dir_all(&dir).is_err() {
            return Ok(None);
        }
        let lock = match engine_cache::lock(&dir.with_added_extension("lock"), cancel) {
            Ok(lock) => lock,
            Err(InferError::Cancelled) => return Err(InferError::Cancelled),
            Err(_) => return Ok(None),
        };
        // Who waited for one who removed it finds it gone.
        let written = fs::create_dir_all(&dir).and_then(|()| fs::write(dir.join(RECORD), record));
        let is_whole = blobs::are_whole(&dir);
        if written.is_err() || !is_whole && blobs::remove(&dir).is_err() {
            return Ok(None);
        }
        Ok(Some(Self { dir, is_whole, _lock: lock }))
    }

    /// Records what was compiled. Should that fail, it is compiled again the next time.
    pub fn finish(&self) {
        if !self.is_whole {
            let _may_fail = blobs::record(&self.dir);
        }
    }
}

/// Whether the folder, or the one that it would be made in, is for nobody to write to: also not for
/// the administrator, whom the system would let.
fn is_read_only(root: &Path) -> bool {
    let existing = root.ancestors().find_map(|folder| folder.metadata().ok());
    existing.is_some_and(|folder| folder.permissions().readonly())
}

/// The compiled networks in the cache `root`, each with why it will never be loaded again, if it
/// will not; `models` are the files that there are.
pub fn compiled(root: &Path, models: &[PathBuf]) -> Vec<(Cached, Option<Stale>)> {
    let version = super::version().ok();
    let all = engine_cache::list(&root.join(COMPILED_FOLDER)).into_iter();
    all.map(|cached| {
        let record = fs::read_to_string(cached.dir.join(RECORD)).unwrap_or_default();
        let is_short = || (!blobs::have_their_length(&cached.dir)).then_some(Stale::Unfinished);
        let stale = stale(&record, models, version.as_deref()).or_else(is_short);
        (cached, stale)
    })
    .collect()
}

fn stale(record: &str, models: &[PathBuf], version: Option<&str>) -> Option<Stale> {
    let values: BTreeMap<_, _> = record.lines().filter_map(|line| line.split_once('=')).collect();
    let (Some(&model), Some(&built)) = (values.get("model"), values.get("openvino")) else {
        return Some(Stale::Unfinished);
    };
    let is_it = |path: &&PathBuf| file_name(path) == model;
    let is_as_it_was =
        |path: &PathBuf| values.get("state").is_some_and(|&known| known == state(path));
    if !models.iter().find(is_it).is_some_and(is_as_it_was) {
        return Some(Stale::Model);
    }
    let now = version.filter(|now| *now != built)?;
    Some(Stale::Version { what: "OpenVINO", built: built.to_owned(), now: now.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_changed_model_or_library_has_another_place_and_leaves_a_stale_one() {
        let dir = tempfile::tempdir().unwrap();
        let (root, model) = (dir.path().join("cache"), dir.path().join("net.onnx"));
        fs::write(&model, "one").unwrap();
        let key = |openvino| Key { model: &model, device: "CPU", arithmetic: "bf16", openvino };
        let open = |openvino| {
            let place = Place::open(&root, &key(openvino), &CancelToken::new());
            place.unwrap().unwrap().dir
        };
        let first = open("2026.4.1");
        assert_eq!(first, open("2026.4.1"));
        assert_ne!(first, open("2026.4.2"));
        let record = fs::read_to_string(first.join(RECORD)).unwrap();
        let models = [model.clone()];
        let why = |version| stale(&record, &models, version).map(|why| why.to_string());
        assert_eq!((why(Some("2026.4.1")), why(None)), (None, None));
        let newer = "built with OpenVINO 2026.4.1, now 2026.4.2";
        assert_eq!(why(Some("2026.4.2")).as_deref(), Some(newer));

        fs::write(&model, "three").unwrap();
        assert_ne!(first, open("2026.4.1"));
        assert_eq!(why(None).as_deref(), Some("its model is gone or has changed"));
        assert_eq!(stale("", &models, None), Some(Stale::Unfinished));

        assert!(engine_cache::list(&root).is_empty(), "engines of TensorRT are others");
        let mut found = compiled(&root, &models);
        assert_eq!(found.len(), 3);
        assert!(found.remove(0).0.remove().unwrap());
        assert_eq!(compiled(&root, &models).len(), 2);
    }

    #[test]
    fn where_nothing_can_be_written_there_is_no_place_and_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("net.onnx");
        let key = Key { model: &model, device: "CPU", arithmetic: "", openvino: "2026.4.1" };
        // A file where the folder would be, which also stops those who may write everywhere.
        let root = dir.path().join("cache");
        fs::write(&root, "").unwrap();
        let place = || Place::open(&root, &key, &CancelToken::new()).unwrap();
        assert!(place().is_none());
        fs::remove_file(&root).unwrap();
        let mode =
            |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o555);
        assert!(place().is_none());
        mode(0o755);
        assert!(place().is_some());
    }
}
