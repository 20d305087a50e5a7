//! Where a network is: in a file here, or on a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::remote::RemoteModel;

/// Where a network is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelSource {
    /// A file here.
    File(PathBuf),
    /// A network that a server runs.
    Remote(Arc<RemoteModel>),
}

impl ModelSource {
    /// Its file; `None` on a server.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Remote(_) => None,
        }
    }

    /// The file without its folder, or the address.
    pub fn file_name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Remote(remote) => remote.to_string(),
        }
    }

    /// The file's stem, as DL Streamer names models, or what the server calls it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Remote(remote) => remote.model.clone(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&PathBuf> for ModelSource {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<RemoteModel> for ModelSource {
    fn from(remote: RemoteModel) -> Self {
        Self::Remote(Arc::new(remote))
    }
}

impl From<&ModelSource> for ModelSource {
    fn from(source: &ModelSource) -> Self {
        source.clone()
    }
}
