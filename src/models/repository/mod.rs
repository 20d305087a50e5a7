//! Networks as Triton Inference Server loads them: a model repository.
//!
//! ```text
//! DIR/NAME/config.pbtxt            tensors, batching, instances; sidecar and sha256 as parameters
//! DIR/NAME/VERSION/model.onnx      the network, or model.plan
//! ```
//!
//! A client asks the server for the configuration, and so knows from the parameters `modelinfo` (the text
//! of the sidecar) and `sha256` (of the network's file) what the network is, as if its file were here.

mod config;

use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use self::config::Backend;
use self::config::{Config, Content, MARK, Tensor};
use super::file::{self, AtomicFile};
use super::onnx::{self, Dim, OnnxError};
use super::{engine_file, known_sha256};
use crate::core::modelinfo::{Direction, ModelInfo, ModelInfoError, PortType};

/// The parameter of a configuration that holds the text of the sidecar.
pub const MODELINFO: &str = "modelinfo";
/// The parameter of a configuration that holds the SHA-256 of the network's file.
pub const SHA256: &str = "sha256";

/// How models are to be run.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// What runs the models in the server.
    pub backend: Backend,
    /// Requests that may share a run, where the network takes any number.
    pub largest_batch: NonZeroU32,
    /// Copies of a model, for each GPU.
    pub instances: NonZeroU32,
}

/// A model that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// By which clients ask for it.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// Whether it was there already, with the same network.
    pub was_there: bool,
}

/// Why a model cannot be written into a repository.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum RepositoryError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Onnx { path: PathBuf, source: OnnxError },
    #[error("the sidecar of {}: {source}", path.display())]
    Sidecar { path: PathBuf, source: ModelInfoError },
    #[error("{} does not say of its tensor {tensor} what is in it", path.display())]
    Undescribed { path: PathBuf, tensor: String },
    #[error(
        "{} is not from this command; name another folder, or move it away",
        path.display()
    )]
    NotOurs { path: PathBuf },
}

/// Writes the network at `model` into the repository `folder`, as the next version of the model of its
/// name. Versions that are there stay; Triton serves the newest.
///
/// # Errors
/// [`RepositoryError`] for files that cannot be read or written, and for a model folder whose
/// configuration somebody else has written.
pub fn export(
    model: &Path,
    folder: &Path,
    options: &ExportOptions,
) -> Result<Exported, RepositoryError> {
    let name = name_of(model);
    let path = folder.join(&name);
    let configured = path.join("config.pbtxt");
    match std::fs::read_to_string(&configured) {
        Ok(text) if text.starts_with(MARK) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {}
        _ => return Err(RepositoryError::NotOurs { path }),
    }
    let text = configuration(model, &name, options)?;
    let content = content(model, options.backend);
    let hash = sha256_of(model)?;
    let newest = newest_version(&path);
    let file_of = |version: u32| path.join(version.to_string()).join(content.file_name());
    let same = newest.filter(|version| known_sha256(&file_of(*version)).is_ok_and(|h| h == hash));
    let version = same.unwrap_or_else(|| newest.map_or(1, |newest| newest.saturating_add(1)));
    if same.is_none() {
        copy(model, &file_of(version))?;
    }
    let write = |source| RepositoryError::Write { path: configured.clone(), source };
    file::write_whole(&configured, text.as_bytes()).map_err(write)?;
    Ok(Exported { name, version, was_there: same.is_some() })
}

/// The file's name as one that Triton takes and an address needs not encode.
fn name_of(model: &Path) -> String {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    stem.chars().map(allowed).collect()
}

fn newest_version(folder: &Path) -> Option<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
}

fn sha256_of(model: &Path) -> Result<String, RepositoryError> {
    known_sha256(model).map_err(|source| RepositoryError::Read { path: model.to_owned(), source })
}

fn copy(model: &Path, target: &Path) -> Result<(), RepositoryError> {
    let read = |source| RepositoryError::Read { path: model.to_owned(), source };
    let write = |source| RepositoryError::Write { path: target.to_owned(), source };
    let folder = file::folder(target);
    std::fs::create_dir_all(folder).map_err(write)?;
    let mut source = File::open(model).map_err(read)?;
    let mut partial = AtomicFile::new(folder).map_err(write)?;
    io::copy(&mut source, &mut partial).map_err(write)?;
    partial.publish(target).map_err(write)
}

fn content(model: &Path, backend: Backend) -> Content {
    match engine_file::is_engine(model) {
        true => Content::Plan,
        false => Content::Onnx(backend),
    }
}

fn configuration(
    model: &Path,
    name: &str,
    options: &ExportOptions,
) -> Result<String, RepositoryError> {
    let (inputs, outputs) = tensors(model)?;
    let mut parameters = vec![(SHA256, sha256_of(model)?)];
    if let Some(sidecar) = ModelInfo::places(model).into_iter().find(|path| path.is_file()) {
        let text = std::fs::read_to_string(&sidecar)
            .map_err(|source| RepositoryError::Read { path: sidecar, source })?;
        parameters.push((MODELINFO, text));
    }
    let config = Config {
        name,
        content: content(model, options.backend),
        inputs,
        outputs,
        largest_batch: options.largest_batch.get(),
        instances: options.instances.get(),
        side: 640,
        parameters,
    };
    Ok(config.text())
}

/// What goes in and out, by the network's file; of an engine, by its sidecar.
fn tensors(model: &Path) -> Result<(Vec<Tensor>, Vec<Tensor>), RepositoryError> {
    let path = || model.to_owned();
    let undescribed =
        |tensor: &str| RepositoryError::Undescribed { path: path(), tensor: tensor.to_owned() };
    let tensor = |name: &str, element: Option<PortType>, dims: Option<Vec<Option<usize>>>| {
        let (Some(element), Some(dims)) = (element, dims) else { return Err(undescribed(name)) };
        Ok(Tensor { name: name.to_owned(), element, dims })
    };
    if engine_file::is_engine(model) {
        let info = ModelInfo::beside(model)
            .map_err(|source| RepositoryError::Sidecar { path: path(), source })?;
        let of = |direction| {
            let ports = info.ports.iter().filter(|port| port.direction == direction);
            ports
                .map(|port| tensor(&port.name, port.element, port.dims.clone()))
                .collect::<Result<Vec<_>, _>>()
        };
        return Ok((of(Direction::Input)?, of(Direction::Output)?));
    }
    let summary =
        onnx::summary(model).map_err(|source| RepositoryError::Onnx { path: path(), source })?;
    let of = |ports: &[onnx::Port]| {
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(*size),
            Dim::Dynamic(_) => None,
        };
        let dims = |port: &onnx::Port| Some(port.dims.iter().map(size).collect());
        let all = ports.iter().map(|port| tensor(&port.name, port.element, dims(port)));
        all.collect::<Result<Vec<_>, _>>()
    };
    Ok((of(&summary.inputs)?, of(&summary.outputs)?))
}
