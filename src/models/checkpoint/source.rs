//! What the user names: a file, or a folder as Hugging Face lays it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CheckpointError;

const INDEX: &str = ".index.json";
/// In the order in which they are looked for.
const IN_A_FOLDER: [&str; 3] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
/// Files that one checkpoint may be split into.
const MOST_SHARDS: usize = 256;
/// Configurations are kilobytes, indices some hundred bytes a tensor.
const LARGEST_JSON_BYTES: u64 = 16 << 20;

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file of tensors, or the index of several.
    file: PathBuf,
    /// The folder that was named.
    folder: Option<PathBuf>,
}

/// The files of a checkpoint, in order, each with the tensors that are in it.
pub(super) struct Shards {
    pub(super) files: BTreeMap<PathBuf, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Source {
    /// Of what `path` names.
    ///
    /// # Errors
    /// [`CheckpointError::Folder`] for a folder without a checkpoint.
    pub fn new(path: &Path) -> Result<Self, CheckpointError> {
        if !path.is_dir() {
            return Ok(Self { file: path.to_owned(), folder: None });
        }
        let files = IN_A_FOLDER.map(|name| path.join(name));
        match files.into_iter().find(|file| file.is_file()) {
            Some(file) => Ok(Self { file, folder: Some(path.to_owned()) }),
            None => Err(CheckpointError::Folder { found: some_of(path) }),
        }
    }

    /// The file of tensors, or the index of several.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it is called: the folder's name, where that was named, else the file's.
    pub fn name(&self) -> String {
        let named = self.folder.as_deref().unwrap_or(&self.file);
        let name = named.file_name().map(|name| name.to_string_lossy().into_owned());
        let whole = || named.canonicalize().ok()?.file_name()?.to_str().map(str::to_owned);
        name.or_else(whole).unwrap_or_default()
    }

    /// What its model is called, where nobody says otherwise.
    pub fn stem(&self) -> String {
        let name = self.name();
        let stem = Path::new(&name).file_stem().filter(|_| self.folder.is_none());
        stem.map_or(name.clone(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The files that hold its tensors, and their index.
    pub fn files(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut files = vec![self.file.clone()];
        if let Some(Shards { files: shards }) = self.shards()? {
            files.extend(shards.into_keys());
        }
        Ok(files)
    }

    /// The text of `config.json` beside it, where there is one that belongs to it.
    pub(super) fn config(&self) -> Result<Option<String>, CheckpointError> {
        let name = self.file.to_string_lossy().to_ascii_lowercase();
        let belongs =
            self.folder.is_some() || name.ends_with(".safetensors") || name.ends_with(INDEX);
        if !belongs {
            return Ok(None);
        }
        match text(&self.file.with_file_name("config.json")) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(CheckpointError::Config(e.to_string())),
        }
    }

    /// The files that an index names; `None`: it is no index.
    pub(super) fn shards(&self) -> Result<Option<Shards>, CheckpointError> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(INDEX) {
            return Ok(None);
        }
        let wrong = |problem: String| CheckpointError::Index(problem);
        let index: Index =
            serde_json::from_str(&text(&self.file)?).map_err(|e| wrong(e.to_string()))?;
        let mut files = BTreeMap::<PathBuf, BTreeSet<String>>::new();
        for (tensor, file) in index.weight_map {
            // Another folder's files are none of its.
            if Path::new(&file).file_name().is_none_or(|plain| plain != file.as_str()) {
                return Err(wrong(format!("{file:?} is not a file name")));
            }
            files.entry(self.file.with_file_name(file)).or_default().insert(tensor);
        }
        if files.len() > MOST_SHARDS {
            return Err(wrong(format!("{} files, more than {MOST_SHARDS}", files.len())));
        }
        Ok(Some(Shards { files }))
    }
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST_JSON_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST_JSON_BYTES {
        return Err(std::io::Error::other(format!("larger than {LARGEST_JSON_BYTES} bytes")));
    }
    Ok(text)
}

/// Some of a folder's files, for people.
fn some_of(folder: &Path) -> String {
    const MOST: usize = 8;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).take(1 << 10).collect();
    names.sort();
    names.truncate(MOST);
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
