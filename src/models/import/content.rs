//! What is written for each kind of file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::network::Network;
use super::recognised::told;
use super::{ImportOptions, ImportReport, Problem, Trial};
use crate::core::image::Normalization;
use crate::core::modelinfo::{DetectorFamily, ModelInfo, Port, PortType, Role};
use crate::models::arch::Tensors;
use crate::models::checkpoint::{Checkpoint, Source};
use crate::models::engine_file;
use crate::models::graph::Graph;
use crate::models::manifest::Recognised;
use crate::models::onnx::{self, Dim, Summary, bytes_in};
use crate::models::store::store;

/// A model that is ready to be written.
pub(super) struct Content {
    body: Body,
    network: String,
    pub(super) info: ModelInfo,
    ignored: Vec<String>,
    note: Option<String>,
    /// The model's file, where the source has the name of another network's.
    pub(super) own_file: Option<&'static str>,
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
    pub(super) fn onnx(
        source: &Path,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        let summary = onnx::summary(source)?;
        let beside = ModelInfo::beside(source)?;
        let mut info = match told(recognised, &input_name(&summary)) {
            Some(mut known) => {
                known.take_measured(&beside);
                known
            }
            None => beside,
        };
        if info.role.is_none() {
            info.role = Some(role_of(&summary)?);
        }
        if info.role == Some(Role::Detector) {
            info.family = info.family.or(family_of(&summary));
        }
        let file = File::open(source).map_err(Problem::Read)?;
        let network = info.title.clone().unwrap_or_else(|| "ONNX network".to_owned());
        let content = Self {
            body: Body::Copied(file),
            network,
            info,
            ignored: Vec::new(),
            note: None,
            own_file: None,
        };
        let reads_bytes = summary.inputs.iter().any(|p| p.element == Some(PortType::Uint8));
        if options.bytes_in && !reads_bytes { content.reading_bytes() } else { Ok(content) }
    }

    /// An engine of TensorRT, inside a model.
    pub(super) fn engine(source: &Path) -> Result<Self, Problem> {
        let (model, info) = engine_file::embedded(source)?;
        let network = info.title.clone().unwrap_or_else(|| "TensorRT engine".to_owned());
        Ok(Self {
            body: Body::Whole(model),
            network,
            info,
            ignored: Vec::new(),
            note: None,
            own_file: None,
        })
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

    pub(super) fn checkpoint(
        source: &Source,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        let mut checkpoint = Checkpoint::open(source, &Network::signatures(), options.kept)?;
        let network = Network::of(&checkpoint)?.told_apart(&mut checkpoint, recognised, options)?;
        let own_file = network.own_file();
        let config = checkpoint.config().clone();
        let mut tensors = Tensors::new(&mut checkpoint);
        let (graph, description) = network.build(&mut tensors, &config, &options.transformer)?;
        let used = tensors.used().clone();
        let unused = checkpoint.names().filter(|name| !used.contains(*name));
        let mut ignored: Vec<_> = unused.map(str::to_owned).collect();
        ignored.extend(checkpoint.ignored().iter().cloned());
        ignored.sort();
        let name = source.name();
        let told = told(recognised, network.input()).filter(|_| own_file.is_none());
        let info = network.info(told, &name, &config);
        let note = checkpoint.note().map(str::to_owned);
        let body = Body::Built { graph: Box::new(graph), checkpoint: Box::new(checkpoint) };
        let content = Self { body, network: description, info, ignored, note, own_file };
        if options.bytes_in { content.reading_bytes() } else { Ok(content) }
    }

    /// Writes it, unless a trial finds that it cannot be used.
    pub(super) fn write(
        self,
        model: PathBuf,
        source_name: &str,
        trial: Option<Trial>,
    ) -> Result<ImportReport, Problem> {
        let stored = store(&model, &self.info, source_name, |partial| {
            self.body.write(partial)?;
            partial.flush().map_err(Problem::Copy)?;
            let Some(trial) = trial else { return Ok(()) };
            // What is said names the file that it is to be.
            let [at, named] = [partial.path(), &model].map(|path| path.display().to_string());
            trial(partial.path(), &self.info)
                .map_err(|why| Problem::Trial(why.replace(&at, &named)))
        })?;
        Ok(ImportReport {
            model,
            sidecar: stored.sidecar,
            network: self.network,
            info: self.info,
            ignored: self.ignored,
            sha256: stored.sha256,
            note: self.note,
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

/// The family of detectors that an ONNX file's outputs show.
fn family_of(summary: &Summary) -> Option<DetectorFamily> {
    DetectorFamily::of_outputs(summary.outputs.iter().map(|port| match port.dims.last() {
        Some(Dim::Fixed(columns)) => Some(*columns),
        _ => None,
    }))
}

/// The role that an ONNX file's shapes show.
fn role_of(summary: &Summary) -> Result<Role, Problem> {
    let rank = |ports: &[onnx::Port]| ports.first().map(|p| p.dims.len());
    let last = summary.outputs.first().and_then(|p| p.dims.last());
    match (rank(&summary.inputs), summary.outputs.len(), last) {
        (Some(5), 1, _) => Ok(Role::Classifier),
        (Some(4), 3, _) => Ok(Role::Detector),
        (Some(4), _, _) if family_of(summary).is_some() => Ok(Role::Detector),
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
