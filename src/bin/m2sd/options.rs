//! How options are read that several commands have.

use std::str::FromStr;

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gst::prelude::*;
use gstm2sd::core::modelinfo::Training;
use gstm2sd::filter::M2sdFilter;
use gstm2sd::infer::{Device, Precision, Provider, gpu_architectures};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::repository::Backend;
use gstm2sd::models::resolve::Search;

use strum::VariantNames;

use crate::error::CliError;

pub fn provider() -> impl TypedValueParser<Value = Provider> {
    named(Provider::names())
}

pub fn precision() -> impl TypedValueParser<Value = Precision> {
    named(Precision::names())
}

pub fn backend() -> impl TypedValueParser<Value = Backend> {
    named(Backend::VARIANTS.to_vec())
}

pub fn training() -> impl TypedValueParser<Value = Training> {
    named(Training::ALL.map(Training::as_str).to_vec())
}

/// One of the words that a type knows, all of which the help lists.
fn named<T>(names: Vec<&'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// The networks, and what runs them.
#[derive(Args, Clone, Debug)]
pub struct NetworkArgs {
    /// Folder with the models
    #[arg(long, value_name = "DIR")]
    pub engines: Option<String>,
    /// Detection model: a path or a name in the engines folder
    #[arg(long, value_name = "MODEL")]
    pub detector: Option<String>,
    /// Landmark model, or "none"
    #[arg(long, value_name = "MODEL")]
    pub aligner: Option<String>,
    /// Classification model; several, separated by commas, which judge together; or "none": faces are
    /// followed and not judged
    #[arg(long, value_name = "MODEL")]
    pub classifier: Option<String>,
    /// What runs the networks
    #[arg(long, value_parser = provider(), default_value = "auto")]
    pub provider: Provider,
    /// Arithmetic of the networks; int8 for a quantised classifier
    #[arg(long, value_parser = precision(), default_value = "auto")]
    pub precision: Precision,
    /// Where the networks run: auto, cpu, or a GPU such as gpu:0
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// CPU threads of one network run (0 = one for each core)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1024))]
    pub threads: u32,
    /// Clips that may share a run, which pays on GPUs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub batch_size: u32,
}

impl NetworkArgs {
    /// An element with these networks; its other properties can still be set.
    pub fn filter(&self) -> Result<M2sdFilter, CliError> {
        let networks = [&self.detector, &self.aligner, &self.classifier];
        let filter = filter(&self.engines, networks)?;
        // The element has the same words.
        filter.set_property_from_str("provider", self.provider.as_str());
        filter.set_property_from_str("precision", self.precision.as_str());
        filter.set_property("device", self.device.to_string());
        filter.set_property("threads", self.threads);
        filter.set_property("batch-size", self.batch_size);
        Ok(filter)
    }
}

/// An element with these networks: detector, aligner, classifier.
///
/// # Errors
/// When it cannot be made.
pub fn filter(
    engines: &Option<String>,
    [detector, aligner, classifier]: [&Option<String>; 3],
) -> Result<M2sdFilter, CliError> {
    let element = gst::ElementFactory::make("m2sdfilter")
        .property("engines-dir", engines)
        .property("detector", detector)
        .property("aligner", aligner)
        .property("classifier", classifier)
        .build();
    let element = element.map_err(CliError::runtime)?;
    element.downcast().map_err(|_| CliError::runtime("another plugin owns the name m2sdfilter"))
}

/// What a transformer should be written for that is to run here.
pub fn tuning_here() -> Tuning {
    if gpu_architectures().is_empty() { Tuning::Cpu } else { Tuning::Gpu }
}

pub fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("expected 0 to 1".into()) }
}

/// Where models are looked for, by every command as by a scan: in the folder that is named first.
///
/// # Errors
/// When that one is not there.
pub fn search<P: AsRef<Path> + ?Sized>(named: Option<&P>) -> Result<Search, CliError> {
    Search::checked(named.map(AsRef::as_ref)).map_err(CliError::runtime)
}

/// The folder that models are written to: `named`, else the first of the search order in which there is one, else
/// the first that exists, else `engines`.
pub fn engines_folder(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named {
        return named.to_owned();
    }
    let search = Search::new(None);
    let has_models = |dir: &&PathBuf| {
        let mut files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        files.any(|file| file.path().extension().is_some_and(|e| e == "onnx" || e == "engine"))
    };
    let dirs = search.dirs();
    let found = dirs.iter().find(has_models).or_else(|| dirs.iter().find(|dir| dir.is_dir()));
    found.cloned().unwrap_or_else(|| PathBuf::from("engines"))
}
