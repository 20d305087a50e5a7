//! The engines that TensorRT has built, each in a folder whose name says all that it depends on:
//! one that is stale is never found. What was not finished is built again.

mod key;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use self::key::{CacheKey, Machine};
use super::cancel::CancelToken;
use super::error::InferError;
use super::options::{EngineOptions, Provider};

/// Written last: an engine without it was not finished.
const KEY_FILE: &str = "engine.txt";
/// What TensorRT for RTX has compiled, as an ONNX file that holds it.
pub const COMPILED_FILE: &str = "compiled.onnx";
/// The folder of a cache that has what OpenVINO compiled, which is no engine of TensorRT.
pub const COMPILED_FOLDER: &str = "openvino";
/// How often a wait for another process looks whether anyone still waits.
const GLANCE: Duration = Duration::from_millis(50);

/// Where the engines of `model` are kept: where the options say, else `cache` beside it.
pub fn root(options: &EngineOptions, model: &Path) -> PathBuf {
    let beside = || model.parent().unwrap_or(Path::new("")).join("cache");
    options.cache_dir.clone().unwrap_or_else(beside)
}

/// The place of one engine, which nobody else builds or removes meanwhile.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    key: CacheKey,
    /// Locked while this lives.
    _lock: File,
}

impl Place {
    /// The place for an engine of this key. Waits for another process that has it; empties it
    /// if what it holds was not finished.
    ///
    /// # Errors
    /// [`InferError::Cache`] where the folder cannot be written, [`InferError::Cancelled`].
    pub fn open(root: &Path, key: CacheKey, cancel: &CancelToken) -> Result<Self, InferError> {
        let dir = root.join(key.folder());
        let failed = |source| InferError::Cache { path: dir.clone(), source };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = lock(&dir.with_added_extension("lock"), cancel)?;
        let place = Self { dir: dir.clone(), key, _lock: lock };
        if !place.is_built() {
            place.clear()?;
        }
        Ok(place)
    }

    /// Where the engine's files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the engine is there, whole.
    pub fn is_built(&self) -> bool {
        read_key(&self.dir).is_some_and(|key| key == self.key) && !engines(&self.dir).is_empty()
    }

    /// Removes what is there.
    ///
    /// # Errors
    /// [`InferError::Cache`].
    pub fn clear(&self) -> Result<(), InferError> {
        let failed = |source| InferError::Cache { path: self.dir.clone(), source };
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        fs::create_dir_all(&self.dir).map_err(failed)
    }

    /// Says that the engine is whole.
    ///
    /// # Errors
    /// [`InferError::Cache`].
    pub fn finish(&self) -> Result<(), InferError> {
        fs::write(self.dir.join(KEY_FILE), self.key.to_string())
            .map_err(|source| InferError::Cache { path: self.dir.clone(), source })
    }
}

/// Locks a file, which is made if need be.
pub(super) fn lock(path: &Path, cancel: &CancelToken) -> Result<File, InferError> {
    let failed = |source| InferError::Cache { path: path.to_owned(), source };
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            // Who removed the engine removed the file that was waited for, too.
            Ok(()) if file.metadata().map_err(failed)?.nlink() == 0 => {}
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                return Err(InferError::Cancelled);
            }
            Err(TryLockError::WouldBlock) => thread::sleep(GLANCE),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

fn read_key(dir: &Path) -> Option<CacheKey> {
    fs::read_to_string(dir.join(KEY_FILE)).ok()?.parse().ok()
}

/// What providers have built, in a folder.
fn engines(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_engine = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "engine") || path.ends_with(COMPILED_FILE)
    };
    files.filter(is_engine).collect()
}

/// One engine of a cache.
#[derive(Debug)]
pub struct Cached {
    /// Its folder.
    pub dir: PathBuf,
    /// `None`: it was not finished, or its record is damaged.
    pub key: Option<CacheKey>,
    /// The size of the folder's files.
    pub bytes: u64,
}

/// The engines in `root`, by name; none where there is no such folder.
pub fn list(root: &Path) -> Vec<Cached> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut dirs: Vec<_> =
        entries.filter(|path| path.is_dir() && !path.ends_with(COMPILED_FOLDER)).collect();
    dirs.sort();
    let cached = |dir: PathBuf| {
        let key = read_key(&dir).filter(|_| !engines(&dir).is_empty());
        let files = fs::read_dir(&dir).into_iter().flatten().flatten();
        let bytes = files.filter_map(|file| file.metadata().ok()).map(|m| m.len()).sum();
        Cached { key, bytes, dir }
    };
    dirs.into_iter().map(cached).collect()
}

/// Why an engine will never be loaded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its build was interrupted, or its record is damaged.
    Unfinished,
    /// No model has its hash: the file was replaced or removed.
    Model,
    /// It was built with another version of this than the one that is there now.
    Version {
        /// What has changed, such as `TensorRT`.
        what: &'static str,
        /// The version that it was built with.
        built: String,
        /// The version that is there now.
        now: String,
    },
    /// No GPU here is of its architecture.
    Gpu(String),
}

/// What is there now, that engines may have been built for.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Of the models' files.
    pub models_sha256: BTreeSet<String>,
    /// `None`: it is not known, so that no engine is stale for it.
    pub tensorrt: Option<String>,
    /// Of TensorRT for RTX; `None`: not known, as above.
    pub tensorrt_rtx: Option<String>,
    /// Of NVIDIA's driver; `None`: not known, as above.
    pub driver: Option<String>,
    /// Of ONNX Runtime; `None`: not known, as above.
    pub runtime: Option<String>,
    /// Empty: not known.
    pub gpu_archs: Vec<String>,
}

impl Cached {
    /// Whether it will never be loaded again, and why. Where it is not known what is there now,
    /// the benefit of the doubt is the engine's.
    pub fn stale(&self, present: &Present) -> Option<Stale> {
        let Some(key) = &self.key else { return Some(Stale::Unfinished) };
        let machine = &key.machine;
        if !present.models_sha256.contains(&key.model_sha256) {
            return Some(Stale::Model);
        }
        let builder = match key.provider {
            Provider::TensorRtRtx => ("TensorRT for RTX", &machine.tensorrt, &present.tensorrt_rtx),
            _ => ("TensorRT", &machine.tensorrt, &present.tensorrt),
        };
        let versions = [
            builder,
            ("driver", &machine.driver, &present.driver),
            ("ONNX Runtime", &machine.runtime, &present.runtime),
        ];
        for (what, built, now) in versions {
            if let Some(now) = now.as_ref().filter(|now| *now != built) {
                return Some(Stale::Version { what, built: built.clone(), now: now.clone() });
            }
        }
        let known = !present.gpu_archs.is_empty();
        (known && !present.gpu_archs.contains(&machine.gpu_arch))
            .then(|| Stale::Gpu(machine.gpu_arch.clone()))
    }

    /// Removes it, unless it is being built or loaded at this moment: `false` then.
    ///
    /// # Errors
    /// Of the file system.
    pub fn remove(&self) -> io::Result<bool> {
        let lock = self.dir.with_added_extension("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        fs::remove_dir_all(&self.dir)?;
        fs::remove_file(&lock)?;
        Ok(true)
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("not finished"),
            Self::Model => f.write_str("its model is gone or has changed"),
            Self::Version { what, built, now } => write!(f, "built with {what} {built}, now {now}"),
            Self::Gpu(arch) => write!(f, "built for {arch}, no such GPU here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key::tests::key;
    use super::*;

    fn open(root: &Path, key: CacheKey) -> Place {
        Place::open(root, key, &CancelToken::new()).unwrap()
    }

    /// As ONNX Runtime and a load that went well leave it.
    fn build(root: &Path, key: CacheKey) -> PathBuf {
        let place = open(root, key);
        assert!(!place.is_built());
        fs::write(place.dir().join("TRTKernel_sm90.engine"), "bytes").unwrap();
        place.finish().unwrap();
        place.dir().to_owned()
    }

    #[test]
    fn an_engine_is_found_again_and_any_change_finds_none() {
        let root = tempfile::tempdir().unwrap();
        build(root.path(), key());
        assert!(open(root.path(), key()).is_built());
        let mut upgraded = key();
        upgraded.machine.tensorrt = "10.4.0".into();
        assert!(!open(root.path(), upgraded).is_built());
    }

    #[test]
    fn what_tensorrt_for_rtx_compiled_is_found_again() {
        let root = tempfile::tempdir().unwrap();
        let key = || CacheKey {
            provider: Provider::TensorRtRtx,
            precision: crate::infer::Precision::Auto,
            ..key()
        };
        let place = open(root.path(), key());
        fs::write(place.dir().join(COMPILED_FILE), "network").unwrap();
        place.finish().unwrap();
        drop(place);
        assert!(open(root.path(), key()).is_built());
        let mut present = Present { tensorrt_rtx: Some("9.9".into()), ..Present::default() };
        present.models_sha256 = [key().model_sha256].into();
        let stale = list(root.path())[0].stale(&present).unwrap().to_string();
        assert_eq!(stale, "built with TensorRT for RTX 10.3.0, now 9.9");
    }

    #[test]
    fn what_was_not_finished_or_has_another_key_is_built_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = build(root.path(), key());
        let record = dir.join("engine.txt");
        let text = fs::read_to_string(&record).unwrap();
        for damage in [None, Some(""), Some(text.replace("550", "551").as_str())] {
            fs::write(dir.join("TRTKernel_sm90.engine"), "bytes").unwrap();
            match damage {
                Some(damage) => fs::write(&record, damage).unwrap(),
                None => fs::remove_file(&record).unwrap(),
            }
            let place = open(root.path(), key());
            assert!(!place.is_built() && engines(place.dir()).is_empty());
        }
    }

    #[test]
    fn who_builds_has_the_place_alone() {
        let root = tempfile::tempdir().unwrap();
        let place = open(root.path(), key());
        let cancel = CancelToken::new();
        thread::scope(|scope| {
            let other = scope.spawn(|| Place::open(root.path(), key(), &cancel));
            thread::sleep(2 * GLANCE);
            assert!(!other.is_finished());
            cancel.cancel();
            assert!(matches!(other.join().unwrap(), Err(InferError::Cancelled)));
        });
        assert!(!list(root.path())[0].remove().unwrap());
        drop(place);
        assert!(list(root.path())[0].remove().unwrap());
        assert!(list(root.path()).is_empty());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_stale_says_why() {
        let root = tempfile::tempdir().unwrap();
        build(root.path(), key());
        let engine = &list(root.path())[0];
        assert_eq!(engine.bytes, 5 + key().to_string().len() as u64);
        let machine = key().machine;
        let present = Present {
            models_sha256: [key().model_sha256].into(),
            tensorrt: Some(machine.tensorrt),
            // The other one's version says nothing of it.
            tensorrt_rtx: Some("1.0".into()),
            driver: Some(machine.driver),
            runtime: Some(machine.runtime),
            gpu_archs: vec!["sm_89".into(), "sm_90".into()],
        };
        assert_eq!(engine.stale(&present), None);
        let unknown =
            Present { models_sha256: present.models_sha256.clone(), ..Present::default() };
        assert_eq!(engine.stale(&unknown), None);

        let reason = |present: Present| engine.stale(&present).unwrap().to_string();
        let gone = Present { models_sha256: BTreeSet::new(), ..present.clone() };
        assert_eq!(reason(gone), "its model is gone or has changed");
        let upgraded = Present { driver: Some("560.1".into()), ..present.clone() };
        assert_eq!(reason(upgraded), "built with driver 550.54.15, now 560.1");
        let other = Present { gpu_archs: vec!["sm_89".into()], ..present.clone() };
        assert_eq!(reason(other), "built for sm_90, no such GPU here");
        fs::remove_file(engine.dir.join("engine.txt")).unwrap();
        assert_eq!(list(root.path())[0].stale(&present), Some(Stale::Unfinished));
    }
}
