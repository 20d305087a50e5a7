//! What there is to score: a folder, a CSV file or a dataset JSON.

use std::path::{Path, PathBuf};

use gstm2sd::core::counted::counted;
use gstm2sd::core::file_name;
use gstm2sd::measure::dataset::{self, Item, Media};
use gstm2sd::measure::{Class, Video};

use crate::error::CliError;
use crate::media_files;
use crate::terminal::note;

/// Deeper folders are not looked into: links may lead in circles.
const DEEPEST: usize = 24;

/// A video with the files that it is made of.
#[derive(Clone, Debug)]
pub struct Source {
    pub video: Video,
    /// One video or picture, or a video's frames.
    pub files: Vec<PathBuf>,
    pub is_frames: bool,
}

/// The videos of `data`, at least one of each class.
///
/// # Errors
/// When it has another form, or lacks a class.
pub fn read(data: &Path, root: Option<&Path>, split: &str) -> Result<Vec<Source>, CliError> {
    let sources = if data.is_dir() { folder(data)? } else { list(data, root, split)? };
    for class in Class::BOTH {
        if !sources.iter().any(|source| source.video.class == class) {
            return Err(CliError::input(format!(
                "{} has no {class} video; expected at least one real and one fake",
                data.display()
            )));
        }
    }
    Ok(sources)
}

fn list(data: &Path, root: Option<&Path>, split: &str) -> Result<Vec<Source>, CliError> {
    let named =
        |error: &dyn std::fmt::Display| CliError::input(format!("{}: {error}", data.display()));
    let text = std::fs::read_to_string(data).map_err(|error| {
        named(&format!(
            "{error}; expected a folder with real/ and fake/, a CSV file or a JSON file"
        ))
    })?;
    let is_json = data.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let items = if is_json {
        dataset::from_deepfakebench(&text, split).map_err(|error| named(&error))?
    } else {
        dataset::from_csv(text.as_bytes()).map_err(|error| named(&error))?
    };
    let root = root.or(data.parent()).unwrap_or(Path::new(""));
    let source = |Item { video, media }: Item| match media {
        Media::File(file) => Source { video, files: vec![root.join(file)], is_frames: false },
        Media::Frames(frames) => {
            let files = frames.iter().map(|frame| root.join(frame)).collect();
            Source { video, files, is_frames: true }
        }
    };
    Ok(items.into_iter().map(source).collect())
}

fn folder(data: &Path) -> Result<Vec<Source>, CliError> {
    let mut found = Found::default();
    for class in Class::BOTH {
        let dir = data.join(class.as_str());
        if !dir.is_dir() {
            return Err(CliError::input(format!(
                "{} has no folder {class}; expected real/ and fake/ in it, a CSV file with the columns \
                 file, label and group, or a dataset JSON",
                data.display()
            )));
        }
        found.walk(data, &dir, class, 0)?;
    }
    if let Some(first) = &found.first_left_out {
        note(&format!(
            "m2sd: {} left out, no videos or pictures by their names: {} …",
            counted(found.left_out, "file"),
            first.display()
        ));
    }
    Ok(found.sources)
}

#[derive(Default)]
struct Found {
    sources: Vec<Source>,
    left_out: usize,
    first_left_out: Option<PathBuf>,
}

impl Found {
    fn walk(
        &mut self,
        data: &Path,
        dir: &Path,
        class: Class,
        depth: usize,
    ) -> Result<(), CliError> {
        let failed = |e| CliError::input(format!("cannot read {}: {e}", dir.display()));
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        for path in paths {
            let hidden =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if path.is_dir() {
                if depth < DEEPEST {
                    self.walk(data, &path, class, depth + 1)?;
                }
            } else {
                self.file(data, path, class);
            }
        }
        Ok(())
    }

    fn file(&mut self, data: &Path, path: PathBuf, class: Class) {
        if !media_files::is_media(&path) {
            self.left_out += 1;
            self.first_left_out.get_or_insert(path);
            return;
        }
        let name = path.strip_prefix(data).unwrap_or(&path);
        let group = name.parent().and_then(|dir| dir.strip_prefix(class.as_str()).ok());
        let group = group.unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let video = Video { file: file_name::told(name, &absolute), class, group };
        self.sources.push(Source { video, files: vec![path], is_frames: false });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn folders_are_groups() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        put("real/notes.txt");
        std::fs::create_dir_all(dir.path().join("real/empty")).unwrap();
        let error = |dir: &Path| read(dir, None, "test").unwrap_err().to_string();
        assert!(error(dir.path()).contains("no folder fake"), "{}", error(dir.path()));
        put("fake/swap/c23/a.MP4");
        assert!(error(dir.path()).contains("no real video"), "{}", error(dir.path()));
        put("real/b.jpg");
        put("real/.hidden.mp4");
        let sources = read(dir.path(), None, "test").unwrap();
        let read: Vec<_> = sources.iter().map(|s| (&*s.video.file, &*s.video.group)).collect();
        assert_eq!(read, [("real/b.jpg", ""), ("fake/swap/c23/a.MP4", "swap/c23")]);
    }

    #[test]
    fn names_that_are_no_unicode_stay_apart() {
        let dir = tempfile::tempdir().unwrap();
        for name in [&b"real/\xfe.png"[..], b"real/\xff.png", b"fake/a.png"] {
            let path = dir.path().join(OsStr::from_bytes(name));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let sources = read(dir.path(), None, "test").unwrap();
        let names: std::collections::BTreeSet<_> = sources.iter().map(|s| &s.video.file).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names.contains(&"fake/a.png".to_owned()), "{names:?}");
        for source in sources.iter().filter(|source| source.video.class == Class::Real) {
            assert_eq!(file_name::path_of(&source.video.file), source.files[0]);
        }
    }

    #[test]
    fn lists_start_from_their_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join("list.csv");
        std::fs::write(&csv, "file,label,group\na.mp4,real,x\n/b.mp4,fake,\n").unwrap();
        let sources = read(&csv, None, "test").unwrap();
        assert_eq!(sources[0].files, [dir.path().join("a.mp4")]);
        assert_eq!(sources[1].files, [Path::new("/b.mp4")]);
        std::fs::write(&csv, "file,label,group\na.mp4,real,x\nb.mp4,perhaps,\n").unwrap();
        let error = read(&csv, None, "test").unwrap_err().to_string();
        assert!(error.contains("list.csv: line 3") && error.contains("\"perhaps\""), "{error}");
        let error = read(&dir.path().join("nowhere"), None, "test").unwrap_err().to_string();
        assert!(error.contains("expected a folder with real/ and fake/"), "{error}");
    }
}
