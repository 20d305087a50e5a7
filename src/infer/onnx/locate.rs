//! Where ONNX Runtime lies on this machine.

use std::ffi::{CStr, OsStr, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const LIBRARY: &str = "libonnxruntime.so";
const OPENVINO_PLUGIN: &str = "libonnxruntime_providers_openvino_plugin.so";

/// How many folders above the plugin or program are searched: `<repository>/target/release/deps`
/// is three below `<repository>/.runtime`.
const PARENTS: usize = 3;

/// A library to load, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub library: PathBuf,
    /// The OpenVINO plug-in provider of the same set-up.
    pub openvino: Option<PathBuf>,
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

/// The environment of a search, so that tests have their own.
pub struct Places {
    /// `$M2SD_RUNTIME`: a folder or the library itself.
    pub runtime: Option<PathBuf>,
    /// `$ORT_DYLIB_PATH`: the library, the variable that other programs use.
    pub dylib: Option<PathBuf>,
    /// Folders that may hold a runtime, in order.
    pub folders: Vec<PathBuf>,
}

impl Places {
    /// In order: `./.runtime`; `.runtime` and `m2sd-runtime` beside the plugin, beside the
    /// program and in up to three folders above each; `$XDG_DATA_HOME/m2sd/runtime`;
    /// `/usr/lib/m2sd/runtime`.
    pub fn of_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let mut folders = vec![PathBuf::from(".runtime")];
        for file in [own_file(), std::env::current_exe().ok()].into_iter().flatten() {
            for above in file.ancestors().skip(1).take(1 + PARENTS) {
                folders.extend([above.join(".runtime"), above.join("m2sd-runtime")]);
            }
        }
        let data =
            set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        folders.extend(data.map(|data| data.join("m2sd/runtime")));
        folders.push(PathBuf::from("/usr/lib/m2sd/runtime"));
        let mut seen = std::collections::HashSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        Self { runtime: set("M2SD_RUNTIME"), dylib: set("ORT_DYLIB_PATH"), folders }
    }

    pub fn search(&self) -> Search {
        for (variable, set) in [("M2SD_RUNTIME", &self.runtime), ("ORT_DYLIB_PATH", &self.dylib)] {
            if let Some(path) = set {
                return match at(path) {
                    Some(found) => Search::Found(found),
                    None => Search::NotAsSet(format!("${variable} = {}", path.display())),
                };
            }
        }
        match self.folders.iter().find_map(|folder| at(folder)) {
            Some(found) => Search::Found(found),
            None => Search::Nowhere(self.folders.iter().map(|f| f.display().to_string()).collect()),
        }
    }
}

/// The library at `path`: the file itself, or in a folder laid out flat or like unzipped wheels.
fn at(path: &Path) -> Option<Found> {
    let library = if path.is_file() {
        path.to_owned()
    } else {
        newest_library(path).or_else(|| newest_library(&path.join("onnxruntime/capi")))?
    };
    // The loader looks up a path without a slash elsewhere.
    let library = std::path::absolute(&library).ok()?;
    let openvino = openvino_near(&library);
    Some(Found { library, openvino })
}

/// `libonnxruntime.so`, else the highest `libonnxruntime.so.X.Y.Z` in `folder`.
fn newest_library(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(LIBRARY);
    if plain.is_file() {
        return Some(plain);
    }
    let version = |path: &Path| -> Option<Vec<u32>> {
        let suffix = path.file_name()?.to_str()?.strip_prefix(LIBRARY)?.strip_prefix('.')?;
        suffix.split('.').map(|part| part.parse().ok()).collect()
    };
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.filter_map(|path| Some((version(&path)?, path))).max().map(|(_, path)| path)
}

/// Beside the library, or where the OpenVINO wheel puts it: `onnxruntime_ep_openvino/`, which lies
/// beside `onnxruntime/capi/`.
fn openvino_near(library: &Path) -> Option<PathBuf> {
    let folders = library.ancestors().skip(1).take(3);
    folders
        .flat_map(|f| {
            [f.join(OPENVINO_PLUGIN), f.join("onnxruntime_ep_openvino").join(OPENVINO_PLUGIN)]
        })
        .find(|path| path.is_file())
}

/// The file that this code was loaded from: the plugin, or the program it is linked into.
fn own_file() -> Option<PathBuf> {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    let here = own_file as *const c_void;
    // SAFETY: `info` is written when the call returns non-zero, and only read then; its name is a
    // C string that lives as long as the library, which is the one running.
    let name = unsafe {
        if libc::dladdr(here, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        if name.is_null() {
            return None;
        }
        CStr::from_ptr(name).to_bytes()
    };
    Path::new(OsStr::from_bytes(name)).canonicalize().ok()
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
        Places { runtime: None, dylib: None, folders }
    }

    #[test]
    fn the_highest_version_in_the_wheels_layout_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let capi = dir.path().join("onnxruntime/capi");
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime.so.x"] {
            touch(&capi.join(name));
        }
        let plugin = dir.path().join("onnxruntime_ep_openvino").join(OPENVINO_PLUGIN);
        touch(&plugin);

        let nowhere = dir.path().join("nowhere");
        let search = places(vec![nowhere, dir.path().to_owned()]).search();
        let library = capi.join("libonnxruntime.so.1.32.0");
        assert_eq!(search, Search::Found(Found { library, openvino: Some(plugin) }));
    }

    #[test]
    fn a_variable_that_points_nowhere_is_not_ignored() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join(LIBRARY));
        let mut places = places(vec![dir.path().to_owned()]);
        assert!(matches!(places.search(), Search::Found(_)));
        places.runtime = Some("/nonexistent".into());
        assert_eq!(places.search(), Search::NotAsSet("$M2SD_RUNTIME = /nonexistent".into()));
    }

    #[test]
    fn the_repository_is_above_its_build() {
        let file = own_file().unwrap();
        assert!(file.is_absolute(), "{}", file.display());
        let folders = Places::of_process().folders;
        assert!(folders.contains(&file.parent().unwrap().join(".runtime")));
    }
}
