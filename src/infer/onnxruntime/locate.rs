//! Where ONNX Runtime lies on this machine.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::models::folders::{data_home, own_file, set_in_env};

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

/// The environment of a search, so that tests have their own. Every path is absolute, and none
/// depends on the working directory but a variable that the user sets so.
pub struct Places {
    /// `$M2SD_RUNTIME`: a folder or the library itself.
    pub runtime: Option<PathBuf>,
    /// `$ORT_DYLIB_PATH`: the library, the variable that other programs use.
    pub dylib: Option<PathBuf>,
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
    pub fn of_process() -> Self {
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
        Self { runtime: set_in_env("M2SD_RUNTIME"), dylib: set_in_env("ORT_DYLIB_PATH"), folders }
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
        let mut usable = self.folders.iter().filter(|folder| !folder.is_foreign());
        match usable.find_map(|folder| at(&folder.path)) {
            Some(found) => Search::Found(found),
            None => Search::Nowhere(self.folders.iter().map(Folder::to_string).collect()),
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
    // The loader looks up a path without a slash elsewhere, and a relative one in the working
    // directory.
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

/// Beside the library, or where the OpenVINO wheel puts it: `onnxruntime_ep_openvino/`, beside the
/// library or beside the `onnxruntime/capi/` that it is in. Nowhere else: a folder further up may
/// be anyone's.
fn openvino_near(library: &Path) -> Option<PathBuf> {
    let folder = library.parent()?;
    let wheels = folder.ends_with("onnxruntime/capi").then(|| folder.ancestors().nth(2)).flatten();
    let inside = |folder: &Path| folder.join("onnxruntime_ep_openvino").join(OPENVINO_PLUGIN);
    let places = [folder.join(OPENVINO_PLUGIN), inside(folder)];
    places.into_iter().chain(wheels.map(inside)).find(|path| path.is_file())
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
        let beside = file.parent().unwrap().join(".runtime");
        assert!(folders.iter().any(|folder| folder.path == beside));
        assert!(folders.iter().all(|folder| folder.path.is_absolute()), "{folders:?}");
    }

    #[test]
    fn in_a_folder_of_everyone_only_a_runtime_of_ours_is_used() {
        use std::os::unix::fs::{PermissionsExt, chown};
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join(".runtime");
        touch(&runtime.join(LIBRARY));
        let places = places(vec![runtime.clone()]);
        let everyone = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(dir.path(), everyone).unwrap();
        assert!(matches!(places.search(), Search::Found(_)), "our own");
        if chown(&runtime, Some(12_345), None).is_err() {
            println!("only root can give files away: the rest was not tested");
            return;
        }
        let Search::Nowhere(looked) = places.search() else { panic!("another user's was used") };
        assert!(looked[0].ends_with(".runtime (another user's: not used)"), "{looked:?}");
        // Where only we can make folders, we have put it there.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(places.search(), Search::Found(_)));
    }

    #[test]
    fn openvino_is_taken_from_the_same_set_up_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        touch(&folder.join(LIBRARY));
        touch(&dir.path().join("a").join(OPENVINO_PLUGIN));
        assert_eq!(at(&folder).unwrap().openvino, None);
        touch(&folder.join(OPENVINO_PLUGIN));
        assert_eq!(at(&folder).unwrap().openvino, Some(folder.join(OPENVINO_PLUGIN)));
    }
}
