//! `m2sd engines …`: build, list, prune.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::engine_cache::{self, CacheKey, Cached, Stale};
use gstm2sd::infer::{
    self, CancelToken, Device, EngineInfo, EngineOptions, InferError, LoadStep, Loading, Precision,
    Provider, Shapes,
};
use gstm2sd::models::resolve::Search;
use gstm2sd::models::{advice, onnx_files};

use crate::error::CliError;
use crate::options;
use crate::signals::Signals;
use crate::terminal::{Page, Tone, bar, escape, note, print_line, print_page};

#[derive(Subcommand)]
pub enum EnginesCommand {
    /// Build the engines that are not there, for the networks that a scan would use
    Build(BuildArgs),
    /// Show the engines, and which of them will never be loaded again
    List(Cache),
    /// Remove the engines that will never be loaded again
    Prune(PruneArgs),
}

#[derive(Args)]
pub struct Cache {
    /// Folder with the models; the engines are in its folder cache [default: the one that a scan
    /// would use, see docs/models.md]
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
}

#[derive(Args)]
pub struct BuildArgs {
    /// The networks, by file or name in the folder [default: the best of each role]
    #[arg(value_name = "ROLE=MODEL", value_parser = role_and_model)]
    models: Vec<(Role, String)>,
    /// Whose engines: auto is TensorRT's where it works, else those of TensorRT for RTX
    #[arg(long, value_enum, default_value = "auto")]
    provider: Builder,
    /// As the element's property of this name; auto is int8 for a quantised model, else fp16
    #[arg(long, value_parser = options::precision(), default_value = "auto")]
    precision: Precision,
    /// As the element's property of this name
    #[arg(long, default_value = "auto")]
    device: Device,
    /// As the element's property of this name
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    batch_size: u32,
    /// As the element's property of this name
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=750))]
    max_faces: u32,
    /// As the element's property of this name; 0 is frames of up to UHD
    #[arg(long, default_value_t = 0)]
    detect_size: u32,
    #[command(flatten)]
    cache: Cache,
}

#[derive(Args)]
pub struct PruneArgs {
    /// Remove the others as well
    #[arg(long)]
    all: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cache: Cache,
}

/// The providers that build engines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Builder {
    Auto,
    #[value(name = "tensorrt")]
    TensorRt,
    #[value(name = "tensorrt-rtx")]
    TensorRtRtx,
}

impl Builder {
    fn providers(self) -> &'static [Provider] {
        match self {
            Self::Auto => &[Provider::TensorRt, Provider::TensorRtRtx],
            Self::TensorRt => &[Provider::TensorRt],
            Self::TensorRtRtx => &[Provider::TensorRtRtx],
        }
    }
}

impl Cache {
    fn search(&self) -> Result<Search, CliError> {
        options::search(self.engines.as_deref())
    }

    /// The folders whose engines are meant: that which is named, alone, else all.
    fn own(&self) -> Result<Vec<PathBuf>, CliError> {
        let search = self.search()?;
        Ok(self.engines.as_ref().map_or_else(|| search.dirs().to_vec(), |dir| vec![dir.clone()]))
    }
}

fn role_and_model(text: &str) -> Result<(Role, String), String> {
    let (role, model) = text.split_once('=').ok_or("expected ROLE=MODEL")?;
    let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
    let role = role.ok_or("expected detector=, aligner= or classifier=")?;
    Ok((role, model.to_owned()))
}

pub fn run(command: &EnginesCommand) -> Result<(), CliError> {
    match command {
        EnginesCommand::Build(args) => build(args),
        EnginesCommand::List(cache) => list(cache),
        EnginesCommand::Prune(args) => prune(args),
    }
}

fn build(args: &BuildArgs) -> Result<(), CliError> {
    let detect_px = match args.detect_size {
        0 => Shapes::default().detect_px,
        px => px as usize,
    };
    let (batch, faces) = (args.batch_size as usize, args.max_faces as usize);
    let options = EngineOptions {
        provider: Provider::Auto,
        device: args.device,
        precision: args.precision,
        threads: 0,
        // Beside each model, where a scan looks for it.
        cache_dir: None,
        shapes: Shapes { batch, faces, detect_px },
    };
    let cancel = CancelToken::new();
    let on_signal = cancel.clone();
    Signals::take()?.on_first(move || on_signal.cancel());
    for (role, model) in networks(args)? {
        build_on_first(args.provider.providers(), role, &model, &options, &cancel)?;
    }
    Ok(())
}

/// The networks to build for, detector first.
fn networks(args: &BuildArgs) -> Result<Vec<(Role, PathBuf)>, CliError> {
    let search = args.cache.search()?;
    let mut networks = Vec::new();
    for role in Role::ALL {
        let named: Vec<_> = args.models.iter().filter(|(of, _)| *of == role).collect();
        for (_, model) in &named {
            let found = search.find(role, Some(model)).map_err(CliError::runtime)?;
            networks.push((role, found.path));
        }
        if args.models.is_empty() {
            match search.find(role, None) {
                Ok(found) => networks.push((role, found.path)),
                // The element does without.
                Err(_) if role != Role::Detector => {}
                Err(error) => return Err(CliError::runtime(error)),
            }
        }
    }
    Ok(networks)
}

/// Builds with the first of `providers` that is there.
fn build_on_first(
    providers: &[Provider],
    role: Role,
    model: &Path,
    options: &EngineOptions,
    cancel: &CancelToken,
) -> Result<(), CliError> {
    let mut missing = Vec::new();
    for provider in providers {
        let options = EngineOptions { provider: *provider, ..options.clone() };
        match build_one(role, model, &options, cancel)? {
            Ok(told) => return print_line(&told),
            Err(error) => missing.push(error.to_string()),
        }
    }
    Err(CliError::runtime(missing.join("\n")))
}

/// What was built, or that its provider is missing.
fn build_one(
    role: Role,
    model: &Path,
    options: &EngineOptions,
    cancel: &CancelToken,
) -> Result<Result<String, InferError>, CliError> {
    let name = escape(&model.file_name().unwrap_or_default().to_string_lossy());
    let bar = bar(None).with_message(format!("{role} {name}: looking"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let started = Instant::now();
    let built = std::cell::Cell::new(false);
    let told = |LoadStep::Building { .. }: LoadStep<'_>| {
        built.set(true);
        if bar.is_hidden() {
            note(&format!("{role} {name}: building, which takes minutes"));
        }
        bar.set_message(format!("{role} {name}: building, which takes minutes"));
    };
    let loaded = load(role, model, options, Loading::new(cancel, &told));
    bar.finish_and_clear();
    let info = match loaded {
        Err(error @ InferError::ProviderMissing { .. }) => return Ok(Err(error)),
        loaded => loaded.map_err(CliError::runtime)?,
    };
    let took = started.elapsed().as_secs();
    let what = if built.get() { format!("built in {took} s") } else { "is there".to_owned() };
    let (precision, assigned) = (info.precision, info.assigned.join(", "));
    Ok(Ok(format!("{role} {name}: {what} ({precision}, {assigned})")))
}

fn load(
    role: Role,
    model: &Path,
    options: &EngineOptions,
    loading: Loading<'_>,
) -> Result<EngineInfo, InferError> {
    let beside = options.beside_the_classifier();
    Ok(match role {
        Role::Detector => infer::load_detector(model, &beside, loading)?.info().clone(),
        Role::Aligner => infer::load_aligner(model, &beside, loading)?.info().clone(),
        Role::Classifier => infer::load_classifier(model, options, loading)?.spec().info.clone(),
    })
}

/// The engines beside the models of a folder, TensorRT's before OpenVINO's, each with why it is stale, if
/// it is.
fn engines(folder: &Path) -> Vec<(Cached, Option<Stale>)> {
    let (models, root) = (onnx_files(folder), cache(folder));
    let mut all = infer::openvino::compiled(&root, &models);
    let engines = engine_cache::list(&root);
    if !engines.is_empty() {
        let present = infer::onnxruntime::present(&models);
        let stale = |engine: Cached| {
            let stale = engine.stale(&present);
            (engine, stale)
        };
        all.splice(..0, engines.into_iter().map(stale));
    }
    all
}

fn cache(folder: &Path) -> PathBuf {
    folder.join("cache")
}

fn list(args: &Cache) -> Result<(), CliError> {
    let folders = args.own()?;
    let engines: Vec<_> = folders.iter().flat_map(|dir| engines(dir)).collect();
    if engines.is_empty() {
        let roots: Vec<_> = folders.iter().map(|dir| cache(dir).display().to_string()).collect();
        let build = advice::command("engines build");
        print_line(&format!("No engines in {}. Build them with {build}.", roots.join(", ")))?;
    }
    let mut page = Page::default();
    for (engine, stale) in &engines {
        let megabytes = engine.bytes as f64 / 1e6;
        let state = stale.as_ref().map_or("usable".to_owned(), |why| format!("STALE: {why}"));
        let tone = if stale.is_some() { Tone::Caution } else { Tone::Good };
        page.item(name(engine) + "  ", tone, format!("{megabytes:.1} MB  {state}"));
        if let Some(key) = &engine.key {
            let CacheKey { profile: [min, _, max], machine, .. } = key;
            page.item("    ", Tone::Plain, format!("{min} to {max}"));
            let made = format!(
                "{} {}, driver {}, {}, ONNX Runtime {}",
                builder(key.provider),
                machine.tensorrt,
                machine.driver,
                machine.gpu_arch,
                machine.runtime
            );
            page.item("    ", Tone::Plain, made);
        }
    }
    print_page(&page)
}

fn builder(provider: Provider) -> &'static str {
    match provider {
        Provider::TensorRtRtx => "TensorRT for RTX",
        _ => "TensorRT",
    }
}

fn prune(args: &PruneArgs) -> Result<(), CliError> {
    let mut kept = 0;
    let engines = args.cache.own()?.into_iter().flat_map(|dir| engines(&dir));
    for (engine, stale) in engines {
        let name = name(&engine);
        let Some(why) = stale.map(|why| why.to_string()).or(args.all.then(|| "--all".to_owned()))
        else {
            kept += 1;
            continue;
        };
        if args.dry_run {
            print_line(&format!("would remove {name}: {why}"))?;
            continue;
        }
        match engine.remove() {
            Ok(true) => print_line(&format!("removed {name}: {why}"))?,
            Ok(false) => print_line(&format!("kept {name}: it is in use"))?,
            Err(error) => {
                return Err(CliError::runtime(format!("cannot remove {name}: {error}")));
            }
        }
    }
    print_line(&format!("Usable engines: {kept}"))
}

fn name(engine: &Cached) -> String {
    engine.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
