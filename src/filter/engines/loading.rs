//! The models of a run: finding their files, loading them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::core::audio::LogMel;
use crate::core::evidence::{NotAProbability, Probability, REFERENCE_THRESHOLD};
use crate::core::modelinfo::{ModelInfo, Role};
use crate::filter::analysis::buffer_pool::BufferPool;
use crate::filter::debug::ORT_CAT;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::settings::Settings;
use crate::infer::{
    self, Aligner, Detector, EngineOptions, InferError, Loading, PoolOptions, Provider, Submitter,
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
    #[error("loading the models panicked, please report this")]
    LoadPanicked,
    #[error("the detection thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error("landmark-source=aligner needs an aligner; name one with the property aligner")]
    NoAligner,
}

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
        if aligner.is_none() && settings.landmark_source == crate::filter::LandmarkSource::Aligner {
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

/// Opens the library that the models' provider needs, and has its warnings in our log.
pub fn check_runtime(provider: Provider) -> Result<(), SessionError> {
    infer::onnxruntime::set_log_sink(|severity, text| match severity {
        infer::onnxruntime::Severity::Error => gst::error!(ORT_CAT, "{text}"),
        infer::onnxruntime::Severity::Warning => gst::warning!(ORT_CAT, "{text}"),
    });
    infer::check_library(provider)?;
    Ok(())
}

/// What finds faces.
pub struct FaceEngines {
    pub detector: Detector,
    pub aligner: Option<Aligner>,
}

impl FaceEngines {
    /// Loads the detector and the aligner one after the other.
    pub fn load(files: &ModelFiles, loading: Loading<'_>) -> Result<Self, SessionError> {
        let beside = files.options.beside_the_classifier();
        let detector = infer::load_detector(&files.detector, &beside, loading)?;
        let aligner = files.aligner.as_deref();
        let aligner =
            aligner.map(|path| infer::load_aligner(path, &beside, loading)).transpose()?;
        Ok(Self { detector, aligner })
    }
}

/// What scores clips.
pub struct ClipEngine {
    /// This element's place in the classifier's queue, which elements in one process share.
    pub submitter: Submitter,
    pub buffers: BufferPool,
    /// For a classifier that listens.
    pub log_mel: Option<LogMel>,
    pub classifier: Arc<ClassifierName>,
    /// P(fake) above which a face is fake.
    pub threshold: Probability,
}

/// Clips of one element that may wait while one is being scored.
const WAITING_CLIPS: usize = 2;

impl ClipEngine {
    /// Loads the classifier, or joins those in this process who have.
    pub fn load(
        files: &ModelFiles,
        settings: &Settings,
        loading: Loading<'_>,
    ) -> Result<Self, SessionError> {
        let pool = PoolOptions {
            queue: WAITING_CLIPS.max(settings.batch_size as usize),
            batch_size: settings.batch_size as usize,
            batch_timeout: Duration::from_nanos(settings.batch_timeout),
        };
        let pool = infer::shared_classifier(&files.classifier, &files.options, pool, loading)?;
        let sidecar = &pool.spec().sidecar;
        let threshold = match settings.threshold {
            own if own >= 0.0 => own,
            _ => sidecar.threshold.unwrap_or(REFERENCE_THRESHOLD),
        };
        Ok(Self {
            classifier: Arc::new(classifier_name(&files.classifier, sidecar)),
            threshold: Probability::new(threshold)?,
            submitter: pool.submitter(),
            buffers: BufferPool::default(),
            log_mel: pool.spec().audio.map(|audio| LogMel::new(audio.mels, audio.frames)),
        })
    }
}

/// The file's stem, as DL Streamer names models.
fn classifier_name(path: &Path, sidecar: &ModelInfo) -> ClassifierName {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    ClassifierName { name: stem.into_owned(), training: sidecar.training() }
}
