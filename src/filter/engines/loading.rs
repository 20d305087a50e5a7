//! The models of a run: finding their files, loading them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::core::audio::LogMel;
use crate::core::evidence::{Criteria, NoSuchPoint, NotAProbability, OperatingPoint};
use crate::core::modelinfo::{Role, Training};
use crate::core::sampling::NoClipFps;
use crate::filter::analysis::buffer_pool::BufferPool;
use crate::filter::debug::ORT_CAT;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::settings::Settings;
use crate::infer::{
    self, Aligner, Detector, EngineOptions, InferError, Loading, PoolOptions, Provider, Submitter,
};
use crate::models::resolve::{Found, ResolveError, Search};

/// Why a run cannot start, or cannot go on. Each text says what to do.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Models(#[from] ResolveError),
    #[error("device: {0}")]
    Device(#[from] infer::UnknownName),
    #[error("clip-fps: {0}")]
    ClipFps(#[from] NoClipFps),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error("threshold: {0}")]
    Threshold(#[from] NotAProbability),
    #[error("operating-point: {0}")]
    Point(#[from] NoSuchPoint),
    #[error("loading the models panicked, please report this")]
    LoadPanicked,
    #[error("the detection thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error("the classifier is not there any more, and no other one is")]
    ClassifierGone,
    #[error("landmark-source=aligner needs an aligner; name one with the property aligner")]
    NoAligner,
}

/// `aligner=none`, `classifier=none`.
const NONE: &str = "none";

/// What a property says of a model that a run can do without.
enum Wanted<'a> {
    Named(&'a str),
    /// The best one that is there, if any.
    Best,
    None,
}

impl<'a> Wanted<'a> {
    fn of(property: &'a Option<String>) -> Self {
        match property.as_deref() {
            Some(NONE) => Self::None,
            Some(name) if !name.is_empty() => Self::Named(name),
            _ => Self::Best,
        }
    }
}

/// Which files a run loads, and how.
#[derive(Debug)]
pub struct ModelFiles {
    pub detector: PathBuf,
    pub aligner: Option<PathBuf>,
    /// `None`: faces are followed and not judged.
    pub classifier: Option<ClassifierFile>,
    pub options: EngineOptions,
}

/// The classifier of a run.
#[derive(Debug)]
pub struct ClassifierFile {
    pub path: PathBuf,
    /// As it counts for the faces that the run's detector finds.
    pub training: Training,
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
        let aligner = match Wanted::of(&settings.aligner) {
            Wanted::None => None,
            Wanted::Named(name) => Some(search.find(Role::Aligner, Some(name))?.path),
            // Scores do not depend on it, so a missing one is no error.
            Wanted::Best => search.find(Role::Aligner, None).ok().map(|found| found.path),
        };
        if aligner.is_none() && settings.landmark_source == crate::filter::LandmarkSource::Aligner {
            return Err(SessionError::NoAligner);
        }
        let detector = settings.detector.as_deref().filter(|name| !name.is_empty());
        let detector = search.find(Role::Detector, detector)?;
        let classifier = classifier(&search, settings)?;
        if let Some(found) = &classifier {
            // Told before anything is loaded.
            OperatingPoint::of(&found.info, &settings.point()?)?;
        }
        let classifier = classifier.map(|found| ClassifierFile {
            path: found.path,
            training: found.info.training.on_faces_of(detector.info.training),
        });
        let options = settings.engine_options()?;
        settings.clip_fps()?;
        Ok(Self { detector: detector.path, aligner, classifier, options })
    }
}

/// The classifier that the settings name, else the best one there is, if any.
fn classifier(search: &Search, settings: &Settings) -> Result<Option<Found>, ResolveError> {
    match Wanted::of(&settings.classifier) {
        Wanted::None => Ok(None),
        Wanted::Named(name) => search.find(Role::Classifier, Some(name)).map(Some),
        Wanted::Best => match search.find(Role::Classifier, None) {
            Err(ResolveError::Nowhere { .. }) => Ok(None),
            found => found.map(Some),
        },
    }
}

/// Whether a run with these settings will have a classifier, as far as can be said before it starts.
pub fn has_classifier(settings: &Settings) -> bool {
    let engines_dir = settings.engines_dir();
    !matches!(classifier(&Search::new(engines_dir.as_deref()), settings), Ok(None))
}

/// Whether the settings say that no classifier is wanted.
pub fn wants_no_classifier(settings: &Settings) -> bool {
    matches!(Wanted::of(&settings.classifier), Wanted::None)
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
    pub criteria: Arc<Criteria>,
}

/// Clips of one element that may wait while one is being scored.
const WAITING_CLIPS: usize = 2;

impl ClipEngine {
    /// Loads the classifier, or joins those in this process who have. `None` for a run without one.
    pub fn load(
        files: &ModelFiles,
        settings: &Settings,
        loading: Loading<'_>,
    ) -> Result<Option<Self>, SessionError> {
        let Some(ClassifierFile { path, training }) = &files.classifier else { return Ok(None) };
        let pool = PoolOptions {
            queue: WAITING_CLIPS.max(settings.batch_size as usize),
            batch_size: settings.batch_size as usize,
            batch_timeout: Duration::from_nanos(settings.batch_timeout),
        };
        let pool = infer::shared_classifier(path, &files.options, pool, loading)?;
        let spec = pool.spec();
        let side_px = u32::try_from(spec.size_px).unwrap_or(u32::MAX);
        let criteria = Criteria::new(&spec.sidecar, *training, side_px, &settings.point()?)?;
        let criteria = Arc::new(criteria);
        // The file's stem, as DL Streamer names models.
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(Self {
            classifier: Arc::new(ClassifierName { name, criteria: Arc::clone(&criteria) }),
            criteria,
            submitter: pool.submitter(),
            buffers: BufferPool::default(),
            log_mel: pool.spec().audio.map(|audio| LogMel::new(audio.mels, audio.frames)),
        }))
    }
}
