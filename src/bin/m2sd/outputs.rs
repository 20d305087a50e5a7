//! Whether what a scan writes is something that it reads, or writes, under another name.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::error::CliError;
use crate::partial_file::{is_special, part_of};

/// A file with what it is to the scan, such as `--json`.
#[derive(Clone, Debug)]
pub struct Named {
    role: &'static str,
    path: PathBuf,
}

impl Named {
    pub fn new(role: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { role, path: path.into() }
    }

    /// The file itself, and the one that it is written under until it is finished.
    pub fn with_partial(role: &'static str, path: &Path) -> [Self; 2] {
        [Self::new(role, path), Self::new(role, part_of(path))]
    }
}

/// What makes two names one file.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// Device and inode, through links.
    File(u64, u64),
    /// Not there yet: its folder, if that is there, and its name.
    Name(PathBuf),
}

fn identity(path: &Path) -> Identity {
    if let Ok(metadata) = path.metadata() {
        return Identity::File(metadata.dev(), metadata.ino());
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    Identity::Name(match (folder, absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    })
}

/// Where a path will lead when its folders are made: `..` behind one that is not there yet goes back by name,
/// as there is no link that could lead elsewhere.
pub fn settled(path: &Path) -> PathBuf {
    let mut settled = PathBuf::new();
    for part in path.components() {
        let goes_back = part == Component::ParentDir
            && settled.file_name().is_some()
            && settled.symlink_metadata().is_err();
        if goes_back {
            settled.pop();
        } else {
            settled.push(part);
        }
    }
    if settled.as_os_str().is_empty() { PathBuf::from(".") } else { settled }
}

/// Refuses outputs that are inputs or each other, by any names. Devices and pipes may be shared.
///
/// # Errors
/// [`CliError::Usage`], which tells the two names.
pub fn check(inputs: &[Named], outputs: &[Named]) -> Result<(), CliError> {
    let outputs: Vec<_> = outputs.iter().filter(|output| !is_special(&output.path)).collect();
    for (place, output) in outputs.iter().enumerate() {
        let written = identity(&output.path);
        let before = outputs[..place].iter().copied().filter(|other| other.role != output.role);
        let same = inputs.iter().chain(before).find(|other| identity(&other.path) == written);
        if let Some(other) = same {
            return Err(CliError::Usage(format!(
                "{} {:?} and {} {:?} are one file, which would be overwritten. Name another file \
                 or folder for the results",
                output.role, output.path, other.role, other.path
            )));
        }
    }
    Ok(())
}

/// Refuses to replace what somebody else has put in the place of a result, whatever --force says: a file that
/// is not `ours`. One that is empty holds nothing of anybody's; devices and pipes are written as they are. `found`
/// says what it is, behind "is there, and".
///
/// # Errors
/// In words, with what to do.
pub fn refuse_foreign(path: &Path, ours: bool, found: &str) -> Result<(), String> {
    let is_free = match path.metadata() {
        Ok(there) => there.is_file() && there.len() == 0,
        // Nothing is there, or a link that leads nowhere.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if ours || is_free || is_special(path) {
        return Ok(());
    }
    Err(format!(
        "{} is there, and {found}. Name another place for results, or move it away",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_known_under_all_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("a"), "").unwrap();
        std::fs::write(at("b"), "").unwrap();
        std::fs::create_dir(at("d")).unwrap();
        std::os::unix::fs::symlink(at("a"), at("soft")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("d/up")).unwrap();
        std::fs::hard_link(at("a"), at("hard")).unwrap();
        let input = [Named::new("the input", at("a"))];
        for same in ["a", "soft", "hard", "d/../a", "d/up/a"] {
            let error = check(&input, &[Named::new("--json", at(same))]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains("--json") && text.contains("the input"), "{text}");
        }
        for other in ["b", "new", "d/new"] {
            assert!(check(&input, &[Named::new("--json", at(other))]).is_ok(), "{other}");
        }
        let two = |x: &str, y: &str| {
            check(&[], &[Named::new("--json", at(x)), Named::new("the video", at(y))])
        };
        assert!(two("new", "d/up/new").is_err());
        assert!(two("new", "d/new").is_ok());
        // Behind folders that are not there yet, too.
        for (path, expected) in
            [("new/../a", "a"), ("new/er/../../a", "a"), ("d/../a", "d/../a"), ("new/x", "new/x")]
        {
            assert_eq!(settled(&at(path)), at(expected), "{path}");
        }
        assert_eq!(settled(Path::new("none-such/..")), Path::new("."));
        let null = || [Named::new("--json", "/dev/null")];
        assert!(check(&null(), &null()).is_ok());
    }
}
