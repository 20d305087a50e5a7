//! Which networks are measured.

use gst::prelude::*;
use gstm2sd::filter::{M2sdFilter, ModelFiles};
use gstm2sd::models::synth::{self, Synth, TransformerShape};

use super::{BenchArgs, Mode};
use crate::error::CliError;
use crate::options::tuning_here;

/// Multiplications and additions of one clip of the published M2SD (REFERENCE §5), in 10⁹.
const M2SD_GFLOP: f64 = 361.0;

/// The files, and what the element is told of them.
pub struct Networks {
    pub files: ModelFiles,
    pub gflop: Option<f64>,
    detector: Option<String>,
    aligner: Option<String>,
    classifier: Option<String>,
    /// Where the made-up ones are.
    pub made: tempfile::TempDir,
}

impl Networks {
    /// Finds the networks, and makes up those that are asked for.
    pub fn prepare(args: &BenchArgs) -> Result<Self, CliError> {
        let made = tempfile::tempdir().map_err(CliError::input)?;
        let make = |network: &Synth| -> Result<Option<String>, CliError> {
            let path = synth::write(network, made.path()).map_err(CliError::runtime)?;
            Ok(Some(path.display().to_string()))
        };
        let mut detector = args.detector.clone();
        if detector.is_none() && (args.synthetic || args.video.is_none()) {
            // A trained one does not find drawn faces.
            detector = make(&Synth::Detector)?;
        }
        let (mut aligner, mut classifier) = (args.aligner.clone(), args.classifier.clone());
        if aligner.is_none() && args.synthetic {
            aligner = make(&Synth::Aligner)?;
        }
        let mut gflop = args.gflop;
        if classifier.is_none() && args.synthetic {
            let (shape, tuning) = (TransformerShape::BASE, tuning_here());
            classifier = make(&Synth::Transformer { shape, seed: 1, tuning })?;
            gflop = gflop.or(Some(M2SD_GFLOP));
        }
        let filter = filter(args, &detector, &aligner, &classifier)?;
        let files = filter.model_files().map_err(CliError::runtime)?;
        Ok(Self { files, gflop, detector, aligner, classifier, made })
    }

    /// An element that uses them.
    pub fn filter(&self, args: &BenchArgs) -> Result<M2sdFilter, CliError> {
        filter(args, &self.detector, &self.aligner, &self.classifier)
    }
}

fn filter(
    args: &BenchArgs,
    detector: &Option<String>,
    aligner: &Option<String>,
    classifier: &Option<String>,
) -> Result<M2sdFilter, CliError> {
    let mode = match args.mode {
        Mode::Complete => "complete",
        Mode::Live => "live",
    };
    let element = gst::ElementFactory::make("m2sdfilter")
        .property("engines-dir", &args.engines)
        .property("detector", detector)
        .property("aligner", aligner)
        .property("classifier", classifier)
        .property_from_str("provider", &args.provider.to_string())
        .property_from_str("precision", &args.precision.to_string())
        .property("threads", args.threads)
        .property("detect-interval", args.detect_interval)
        .property("draw", !args.no_draw)
        .property_from_str("mode", mode)
        .build();
    let element = element.map_err(CliError::runtime)?;
    element.downcast().map_err(|_| CliError::runtime("another plugin owns the name m2sdfilter"))
}
