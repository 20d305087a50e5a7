//! Which networks are measured.

use gst::prelude::*;
use gstm2sd::filter::{M2sdFilter, ModelFiles};
use gstm2sd::models::ModelSource;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{self, Synth, TransformerShape};

use super::{BenchArgs, Mode};
use crate::error::CliError;
use crate::options::{NetworkArgs, tuning_here};

/// Multiplications and additions of one clip of the published M2SD, in 10⁹ (docs/method.md, "The M2SD
/// network").
const M2SD_GFLOP: f64 = 361.0;

/// The files, and what the element is told of them.
pub struct Networks {
    pub files: ModelFiles,
    pub classifier: ModelSource,
    pub gflop: Option<f64>,
    named: NetworkArgs,
    /// Where the made-up ones are.
    pub made: tempfile::TempDir,
}

impl Networks {
    /// Finds the networks, and makes up those that are asked for.
    pub fn prepare(args: &BenchArgs) -> Result<Self, CliError> {
        let made = tempfile::tempdir().map_err(CliError::input)?;
        let make = |network: &Synth| -> Result<Option<String>, CliError> {
            let floats = tempfile::tempdir_in(made.path()).map_err(CliError::runtime)?;
            let path = synth::write(network, floats.path()).map_err(CliError::runtime)?;
            // As checkpoints are imported.
            let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
            let report = import(&path, made.path(), &options).map_err(CliError::runtime)?;
            Ok(Some(report.model.display().to_string()))
        };
        let mut named = args.networks.clone();
        if named.detector.is_none() && (args.synthetic || args.video.is_none()) {
            // A trained one does not find drawn faces.
            named.detector = make(&Synth::Detector)?;
        }
        if named.aligner.is_none() && args.synthetic {
            named.aligner = make(&Synth::Aligner)?;
        }
        let mut gflop = args.gflop;
        if named.classifier.is_none() && args.synthetic {
            let (shape, tuning) = (TransformerShape::BASE, tuning_here());
            named.classifier = make(&Synth::Transformer { shape, seed: 1, tuning })?;
            gflop = gflop.or(Some(M2SD_GFLOP));
        }
        let files = filter(args, &named)?.model_files().map_err(CliError::runtime)?;
        let classifier = match files.classifiers.as_slice() {
            [_, _, ..] => {
                return Err(CliError::usage(
                    "the benchmark is of one classifier; name one with --classifier",
                ));
            }
            found => found.first().map(|classifier| classifier.source.clone()),
        };
        let classifier = classifier.ok_or_else(|| {
            CliError::runtime(
                "there is no classifier to measure: name one with --classifier, or make one up with \
                 --synthetic",
            )
        })?;
        Ok(Self { files, classifier, gflop, named, made })
    }

    /// An element that uses them.
    pub fn filter(&self, args: &BenchArgs) -> Result<M2sdFilter, CliError> {
        filter(args, &self.named)
    }
}

fn filter(args: &BenchArgs, networks: &NetworkArgs) -> Result<M2sdFilter, CliError> {
    let mode = match args.mode {
        Mode::Complete => "complete",
        Mode::Live => "live",
    };
    let filter = networks.filter()?;
    filter.set_property("detect-interval", args.detect_interval);
    filter.set_property("draw", !args.no_draw);
    filter.set_property_from_str("mode", mode);
    Ok(filter)
}
