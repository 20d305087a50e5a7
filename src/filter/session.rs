//! The networks of a run: finding their files, loading them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use thiserror::Error;

use super::messages::ClassifierName;
use super::settings::Settings;
use super::spare::SpareClips;
use crate::core::audio::LogMel;
use crate::core::modelinfo::{ModelInfo, Role};
use crate::core::score::{NotAProbability, Probability, REFERENCE_THRESHOLD};
use crate::infer::{
    self, Aligner, Detector, EngineOptions, InferError, Loading, PoolOptions, Submitter,
};
use crate::models::resolve::{ResolveError, Search};

/// Why a run cannot start, or cannot go on. Each text says what to do.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Models(#[from] ResolveError),
    #[error("device: {0}")]
    Device(#[from] infer::UnknownName),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error("threshold: {0}")]
    Threshold(#[from] NotAProbability),
    #[error("loading the networks panicked, please report this")]
    LoadPanicked,
    #[error("points-from=aligner needs an aligner; name one with the property aligner")]
    NoAligner,
}

static ORT_CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    let colours = gst::DebugColorFlags::empty();
    gst::DebugCategory::new("m2sdfilter-ort", colours, Some("ONNX Runtime's own log"))
});

/// `aligner=none`.
const NO_ALIGNER: &str = "none";

/// Which files a run loads, and how.
#[derive(Debug)]
pub struct ModelFiles {
    pub detector: PathBuf,
    pub aligner: Option<PathBuf>,
    pub classifier: PathBuf,
    pub options: EngineOptions,
}

impl ModelFiles {
    /// Finds the files that the settings name, else the best ones there are.
    pub fn find(settings: &Settings) -> Result<Self, SessionError> {
        let engines_dir = settings.engines_dir();
        // Asked for by name, it is not replaced by another without a word.
        if let Some(dir) = engines_dir.as_ref().filter(|dir| !dir.is_dir()) {
            return Err(ResolveError::NoFolder { dir: dir.clone() }.into());
        }
        let search = Search::new(engines_dir.as_deref());
        let find = |role, name: &Option<String>| {
            let name = name.as_deref().filter(|n| !n.is_empty());
            search.find(role, name).map(|found| found.path)
        };
        let aligner = match settings.aligner.as_deref() {
            Some(NO_ALIGNER) => None,
            Some(name) if !name.is_empty() => Some(find(Role::Aligner, &settings.aligner)?),
            // Scores do not depend on it, so a missing one is no error.
            _ => find(Role::Aligner, &None).ok(),
        };
        if aligner.is_none() && settings.points_from == super::PointsFrom::Aligner {
            return Err(SessionError::NoAligner);
        }
        Ok(Self {
            detector: find(Role::Detector, &settings.detector)?,
            aligner,
            classifier: find(Role::Classifier, &settings.classifier)?,
            options: settings.engine_options()?,
        })
    }
}

/// Opens ONNX Runtime's library, which every network needs, and has its warnings in our log.
pub fn check_runtime() -> Result<(), SessionError> {
    infer::onnx::set_log_sink(|severity, text| match severity {
        infer::onnx::Severity::Error => gst::error!(ORT_CAT, "{text}"),
        infer::onnx::Severity::Warning => gst::warning!(ORT_CAT, "{text}"),
    });
    infer::runtime_version()?;
    Ok(())
}

/// Loaded networks.
pub struct Engines {
    pub detector: Detector,
    pub aligner: Option<Aligner>,
    pub clips: Arc<ClipEngine>,
    pub classifier: ClassifierName,
    /// P(fake) above which a face is fake.
    pub threshold: Probability,
}

/// What scores clips.
pub struct ClipEngine {
    /// This element's place in the classifier's queue, which elements in one process share.
    pub submitter: Submitter,
    pub spare: Arc<SpareClips>,
    /// For a classifier that listens.
    pub log_mel: Option<LogMel>,
}

/// Clips of one element that may wait while one is being scored.
const WAITING_CLIPS: usize = 2;

impl Engines {
    /// Loads the networks one after the other.
    pub fn load(
        files: &ModelFiles,
        settings: &Settings,
        loading: Loading<'_>,
    ) -> Result<Self, SessionError> {
        let options = &files.options;
        let beside = options.beside_the_classifier();
        let detector = infer::load_detector(&files.detector, &beside, loading)?;
        let aligner = files.aligner.as_deref();
        let aligner =
            aligner.map(|path| infer::load_aligner(path, &beside, loading)).transpose()?;
        let pool = PoolOptions {
            queue: WAITING_CLIPS.max(settings.batch_size as usize),
            batch_size: settings.batch_size as usize,
            batch_timeout: Duration::from_nanos(settings.batch_timeout),
        };
        let pool = infer::shared_classifier(&files.classifier, options, pool, loading)?;
        let sidecar = &pool.spec().sidecar;
        let threshold = match settings.threshold {
            own if own >= 0.0 => own,
            _ => sidecar.threshold.unwrap_or(REFERENCE_THRESHOLD),
        };
        Ok(Self {
            detector,
            aligner,
            classifier: classifier_name(&files.classifier, sidecar),
            threshold: Probability::new(threshold)?,
            clips: Arc::new(ClipEngine {
                submitter: pool.submitter(),
                spare: Arc::default(),
                log_mel: pool.spec().audio.map(|audio| LogMel::new(audio.mels, audio.frames)),
            }),
        })
    }
}

/// The file's stem, as DL Streamer names models. Weights nobody vouches for count as trained:
/// only a sidecar can say that they are not.
fn classifier_name(path: &Path, sidecar: &ModelInfo) -> ClassifierName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    ClassifierName { name: stem.into_owned(), trained: sidecar.trained.unwrap_or(true) }
}
