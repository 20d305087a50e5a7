//! `m2sd models export-repository`: networks as Triton Inference Server loads them.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::models::repository::{Backend, ExportOptions, export};

use crate::error::CliError;
use crate::options;
use crate::terminal::{escape, print_line};

#[derive(Args)]
pub struct ExportArgs {
    /// The model repository; made if need be. Models that are there get a further version
    folder: PathBuf,
    /// What runs the networks there: onnxruntime; tensorrt, which is ONNX Runtime's TensorRT provider; or
    /// openvino. TensorRT engines (.engine) are run by Triton's own TensorRT back end
    #[arg(long, value_parser = options::backend(), default_value = "onnxruntime")]
    backend: Backend,
    /// Requests that may share a run
    #[arg(long, default_value = "8", value_parser = clap::value_parser!(u32).range(1..=64))]
    max_batch: u32,
    /// Copies of each network, on each GPU
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    instances: u32,
    /// Folder with the models
    #[arg(long, value_name = "DIR")]
    engines: Option<String>,
    /// Detection model: a path or a name in the engines folder, or "none"
    #[arg(long, value_name = "MODEL")]
    detector: Option<String>,
    /// Landmark model, or "none"
    #[arg(long, value_name = "MODEL")]
    aligner: Option<String>,
    /// Classification model, several separated by commas, or "none"
    #[arg(long, value_name = "MODEL")]
    classifier: Option<String>,
}

pub fn run(args: &ExportArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let options = ExportOptions {
        backend: args.backend,
        largest_batch: at_least_one(args.max_batch),
        instances: at_least_one(args.instances),
    };
    let models = args.models()?;
    for (role, model) in &models {
        let exported = export(model, &args.folder, &options).map_err(CliError::input)?;
        let was_there = if exported.was_there { ", as it was" } else { "" };
        let property = format!("{role}=kserve://HOST:8001/{}", exported.name);
        print_line(&format!(
            "{}: version {}{was_there}; for the element: {}",
            escape(&args.folder.join(&exported.name).display().to_string()),
            exported.version,
            escape(&property)
        ))?;
    }
    let folder = std::path::absolute(&args.folder).unwrap_or_else(|_| args.folder.clone());
    let folder = folder.display().to_string();
    print_line(&format!("Serve them: tritonserver --model-repository={}", escape(&folder)))
}

impl ExportArgs {
    /// The models that a scan with the same options would use.
    fn models(&self) -> Result<Vec<(Role, PathBuf)>, CliError> {
        let networks = [&self.detector, &self.aligner, &self.classifier];
        let filter = options::filter(&self.engines, networks)?;
        let models = filter.model_paths().map_err(CliError::runtime)?;
        if models.is_empty() {
            return Err(CliError::usage("no model is named"));
        }
        Ok(models)
    }
}
