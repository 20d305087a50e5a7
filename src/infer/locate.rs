//! Where the libraries that run networks lie on this machine.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::InferError;
use crate::models::folders::{data_home, own_file, set_in_env};

/// A library to look for.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// For messages.
    pub name: &'static str,
    /// Its file, less a version.
    pub file: &'static str,
    /// The folder of its wheel that it is in.
    wheel: &'static str,
    /// A variable that names the file, for other programs as well.
    variable: Option<&'static str>,
}

pub const ONNX_RUNTIME: Library = Library {
    name: "ONNX Runtime",
    file: "libonnxruntime.so",
    wheel: "onnxruntime/capi",
    variable: Some("ORT_DYLIB_PATH"),
};
pub const OPENVINO: Library =
    Library { name: "OpenVINO", file: "libopenvino_c.so", wheel: "openvino/libs", variable: None };
/// A plug-in provider of ONNX Runtime, which lies beside it.
pub const TENSORRT_RTX: Library = Library {
    name: "TensorRT for RTX",
    file: "libonnxruntime_providers_nv_tensorrt_rtx.so",
    wheel: "onnxruntime_ep_nv_tensorrt_rtx",
    variable: None,
};

/// How many folders above the plugin or program are searched: `<repository>/target/release/deps`
/// is three below `<repository>/.runtime`.
const PARENTS: usize = 3;

/// A library to load, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub library: PathBuf,
}

/// The outcome of a search.
#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    Found(Found),
    /// In none of these folders: the system's loader is left to ask.
    Nowhere(Vec<String>),
    /// A variable names a place that holds no library. What a user sets is not second-guessed.
    NotAsSet(String),
}

/// The environment of a search, so that tests have their own. Every path is absolute, and none
/// depends on the working directory but a variable that the user sets so.
pub struct Places {
    /// `$M2SD_RUNTIME`: a folder or the library itself.
    pub runtime: Option<PathBuf>,
    /// The library's own variable, and what it says.
    pub dylib: Option<(&'static str, PathBuf)>,
    /// Folders that may hold a runtime, in order.
    pub folders: Vec<Folder>,
}

/// A folder that may hold a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder {
    pub path: PathBuf,
    /// The user whose plugin or program it is searched for, who may put libraries there.
    pub owner: Option<u32>,
}

impl Folder {
    /// Whether somebody else may have put it there: where everyone can make folders, as in `/tmp`,
    /// it has to belong to the administrator, to this user or to the plugin's owner.
    fn is_foreign(&self) -> bool {
        let Some(parent) = self.path.parent().and_then(|parent| parent.metadata().ok()) else {
            return false;
        };
        // SAFETY: the call has no conditions and cannot fail.
        let user = unsafe { libc::geteuid() };
        let ours = |uid| uid == 0 || uid == user || Some(uid) == self.owner;
        // The folder itself and the link through which it is reached.
        let all = [self.path.metadata(), self.path.symlink_metadata()];
        let are_ours = all.into_iter().flatten().all(|found| ours(found.uid()));
        parent.mode() & libc::S_IWOTH != 0 && !are_ours
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let foreign = if self.is_foreign() { " (another user's: not used)" } else { "" };
        write!(f, "{}{foreign}", self.path.display())
    }
}

impl Places {
    /// In order: `.runtime` and `m2sd-runtime` beside the plugin, beside the program and in up to
    /// three folders above each; `$XDG_DATA_HOME/m2sd/runtime`; `/usr/lib/m2sd/runtime`.
    pub fn of_process(library: &Library) -> Self {
        let mut folders = Vec::new();
        for file in [own_file(), std::env::current_exe().ok()].into_iter().flatten() {
            let owner = file.metadata().ok().map(|file| file.uid());
            for above in file.ancestors().skip(1).take(1 + PARENTS).filter(|a| a.is_absolute()) {
                let inside = [".runtime", "m2sd-runtime"].map(|name| above.join(name));
                folders.extend(inside.map(|path| Folder { path, owner }));
            }
        }
        let data = data_home().map(|data| data.join("m2sd/runtime"));
        let fixed = data.into_iter().chain([PathBuf::from("/usr/lib/m2sd/runtime")]);
        folders.extend(fixed.map(|path| Folder { path, owner: None }));
        let mut seen = std::collections::HashSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        let dylib = library.variable.and_then(|name| Some((name, set_in_env(name)?)));
        Self { runtime: set_in_env("M2SD_RUNTIME"), dylib, folders }
    }

    pub fn search(&self, library: &Library) -> Search {
        let runtime = self.runtime.as_ref().map(|path| ("M2SD_RUNTIME", path));
        let dylib = self.dylib.as_ref().map(|(variable, path)| (*variable, path));
        if let Some((variable, path)) = runtime.or(dylib) {
            return match at(path, library) {
                Some(found) => Search::Found(found),
                None => Search::NotAsSet(format!("${variable} = {}", path.display())),
            };
        }
        let mut usable = self.folders.iter().filter(|folder| !folder.is_foreign());
        match usable.find_map(|folder| at(&folder.path, library)) {
            Some(found) => Search::Found(found),
            None => Search::Nowhere(self.folders.iter().map(Folder::to_string).collect()),
        }
    }
}

/// The library at `path`: the file itself, or in a folder laid out flat or like unzipped wheels.
fn at(path: &Path, library: &Library) -> Option<Found> {
    let file = if path.is_file() {
        match names_another(path, library) {
            true => beside(path, library)?,
            false => path.to_owned(),
        }
    } else {
        in_folder(path, library)?
    };
    // The loader looks up a path without a slash elsewhere, and a relative one in the working
    // directory.
    Some(Found { library: std::path::absolute(&file).ok()? })
}

/// Whether a file is called like one of the other libraries.
fn names_another(path: &Path, library: &Library) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let others = [ONNX_RUNTIME, OPENVINO].into_iter().filter(|other| other.file != library.file);
    others.into_iter().any(|other| name.starts_with(other.file))
}

/// In the set-up that another library is from: beside it, or around the folder of a wheel that it
/// is in. Nowhere else: a folder further up may be anyone's.
pub fn beside(other: &Path, library: &Library) -> Option<PathBuf> {
    let folder = other.parent()?;
    let is_wheel = [ONNX_RUNTIME, OPENVINO].iter().any(|known| folder.ends_with(known.wheel));
    let wheels = is_wheel.then(|| folder.ancestors().nth(2)).flatten();
    in_folder(folder, library).or_else(|| in_folder(wheels?, library))
}

fn in_folder(folder: &Path, library: &Library) -> Option<PathBuf> {
    let inside = || newest(&folder.join(library.wheel), library.file);
    newest(folder, library.file).or_else(inside)
}

/// The plain `file`, else the one of the highest version, such as `file.1.32.0`, in `folder`.
fn newest(folder: &Path, file: &str) -> Option<PathBuf> {
    let plain = folder.join(file);
    if plain.is_file() {
        return Some(plain);
    }
    let version = |path: &Path| -> Option<Vec<u32>> {
        let suffix = path.file_name()?.to_str()?.strip_prefix(file)?.strip_prefix('.')?;
        suffix.split('.').map(|part| part.parse().ok()).collect()
    };
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.filter_map(|path| Some((version(&path)?, path))).max().map(|(_, path)| path)
}

/// Why a library that was found does not open.
pub enum OpenError {
    /// The loader's own words.
    Loader(String),
    Unusable(String),
    TooOld {
        found: String,
        needed: String,
    },
}

/// Has `from` open a library where it lies on this machine: where [`Places`] says, else where the
/// system's loader looks.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn open<T>(
    library: &Library,
    from: impl FnOnce(&Found) -> Result<T, OpenError>,
) -> Result<T, InferError> {
    let missing = |looked| InferError::LibraryMissing { library: library.name, looked };
    let mut looked = match Places::of_process(library).search(library) {
        Search::Found(found) => {
            return from(&found).map_err(|error| open_error(error, library, &found.library));
        }
        Search::NotAsSet(place) => return Err(missing(vec![place])),
        Search::Nowhere(looked) => looked,
    };
    if loader_looks_here(std::env::var_os("LD_LIBRARY_PATH").as_deref()) {
        let reason = "an entry of LD_LIBRARY_PATH is empty or relative, and means the working \
                      directory";
        looked.push(format!("the system's library folders (not used: {reason})"));
        return Err(missing(looked));
    }
    let plain = Found { library: PathBuf::from(library.file) };
    from(&plain).map_err(|error| match error {
        OpenError::Loader(_) => {
            looked.push("the system's library folders".to_owned());
            missing(looked)
        }
        error => open_error(error, library, &plain.library),
    })
}

fn open_error(error: OpenError, library: &Library, path: &Path) -> InferError {
    let (library, path) = (library.name, path.to_owned());
    match error {
        OpenError::Loader(reason) | OpenError::Unusable(reason) => {
            InferError::LibraryUnusable { library, path, reason }
        }
        OpenError::TooOld { found, needed } => {
            InferError::LibraryTooOld { library, path, found, needed }
        }
    }
}

/// Whether the loader would look for libraries in the working directory, or from there on.
fn loader_looks_here(path: Option<&OsStr>) -> bool {
    let Some(path) = path.filter(|path| !path.is_empty()) else { return false };
    let mut entries = path.as_bytes().split(|byte| matches!(byte, b':' | b';'));
    entries.any(|entry| !entry.starts_with(b"/"))
}

/// The whole chain of an error: the loader's own words are in its sources.
pub fn sources(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |&e| e.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    fn places(folders: Vec<PathBuf>) -> Places {
        let folders = folders.into_iter().map(|path| Folder { path, owner: None }).collect();
        Places { runtime: None, dylib: None, folders }
    }

    #[test]
    fn the_highest_version_in_the_wheels_layout_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let capi = dir.path().join("onnxruntime/capi");
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime.so.x"] {
            touch(&capi.join(name));
        }
        let openvino = dir.path().join("openvino/libs/libopenvino_c.so.2641");
        touch(&openvino);

        let nowhere = dir.path().join("nowhere");
        let places = places(vec![nowhere, dir.path().to_owned()]);
        let library = capi.join("libonnxruntime.so.1.32.0");
        assert_eq!(places.search(&ONNX_RUNTIME), Search::Found(Found { library }));
        assert_eq!(places.search(&OPENVINO), Search::Found(Found { library: openvino }));
    }

    #[test]
    fn a_variable_that_points_nowhere_is_not_ignored() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join(ONNX_RUNTIME.file));
        let mut places = places(vec![dir.path().to_owned()]);
        assert!(matches!(places.search(&ONNX_RUNTIME), Search::Found(_)));
        places.runtime = Some("/nonexistent".into());
        assert_eq!(
            places.search(&ONNX_RUNTIME),
            Search::NotAsSet("$M2SD_RUNTIME = /nonexistent".into())
        );
    }

    #[test]
    fn the_repository_is_above_its_build() {
        let file = own_file().unwrap();
        assert!(file.is_absolute(), "{}", file.display());
        let folders = Places::of_process(&ONNX_RUNTIME).folders;
        let beside = file.parent().unwrap().join(".runtime");
        assert!(folders.iter().any(|folder| folder.path == beside));
        assert!(folders.iter().all(|folder| folder.path.is_absolute()), "{folders:?}");
    }

    #[test]
    fn in_a_folder_of_everyone_only_a_runtime_of_ours_is_used() {
        use std::os::unix::fs::{PermissionsExt, chown};
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join(".runtime");
        touch(&runtime.join(ONNX_RUNTIME.file));
        let places = places(vec![runtime.clone()]);
        let everyone = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(dir.path(), everyone).unwrap();
        assert!(matches!(places.search(&ONNX_RUNTIME), Search::Found(_)), "our own");
        if chown(&runtime, Some(12_345), None).is_err() {
            println!("only root can give files away: the rest was not tested");
            return;
        }
        let Search::Nowhere(looked) = places.search(&ONNX_RUNTIME) else {
            panic!("another user's was used")
        };
        assert!(looked[0].ends_with(".runtime (another user's: not used)"), "{looked:?}");
        // Where only we can make folders, we have put it there.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(places.search(&ONNX_RUNTIME), Search::Found(_)));
    }

    #[test]
    fn a_set_up_that_is_named_by_one_library_has_the_other_or_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let wheels = dir.path().join("a");
        let runtime = wheels.join("onnxruntime/capi/libonnxruntime.so.1.32.0");
        touch(&runtime);
        touch(&dir.path().join(OPENVINO.file));
        assert_eq!(at(&runtime, &OPENVINO), None, "a folder further up may be anyone's");
        let openvino = wheels.join("openvino/libs").join(OPENVINO.file);
        touch(&openvino);
        assert_eq!(at(&runtime, &OPENVINO).unwrap().library, openvino);
        assert_eq!(at(&openvino, &ONNX_RUNTIME).unwrap().library, runtime);
        // Whatever else a file is called, it is what the user says.
        let own = wheels.join("my-build.so");
        touch(&own);
        assert_eq!(at(&own, &ONNX_RUNTIME).unwrap().library, own);
    }

    #[test]
    fn tensorrt_for_rtx_is_found_where_its_wheel_is_unzipped() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join("onnxruntime/capi/libonnxruntime.so.1.32.0");
        touch(&runtime);
        assert_eq!(beside(&runtime, &TENSORRT_RTX), None);
        let plugin = dir.path().join("onnxruntime_ep_nv_tensorrt_rtx").join(TENSORRT_RTX.file);
        touch(&plugin);
        assert_eq!(beside(&runtime, &TENSORRT_RTX), Some(plugin));
    }
}
