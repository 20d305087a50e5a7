//! The models of a run: finding their files, loading them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::core::audio::LogMel;
use crate::core::evidence::{Criteria, Fusion, NoSuchPoint, NotAProbability, OperatingPoint};
use crate::core::modelinfo::{FrameRates, ModelInfo, Role, Training};
use crate::core::sampling::NoClipFps;
use crate::filter::analysis::buffer_pool::BufferPool;
use crate::filter::debug::ORT_CAT;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::settings::Settings;
use crate::infer::{
    self, Aligner, CancelToken, Canceller, ClassifierSpec, Detector, EngineOptions, InferError,
    Loading, PoolOptions, Provider, Submitter, Ticket,
};
use crate::models::ModelSource;
use crate::models::remote::RemoteModel;
use crate::models::resolve::{Found, ResolveError, Search};

/// Why a run cannot start, or cannot go on. Each text says what to do.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
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
    #[error("{name} is named twice as a classifier; name each once")]
    Twice { name: String },
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

/// Which networks a run loads, and how.
#[derive(Debug)]
pub struct ModelFiles {
    /// The network that finds faces.
    pub detector: ModelSource,
    /// The network that finds 68 points of a face; `None`: without one.
    pub aligner: Option<ModelSource>,
    /// Those that judge together; none: faces are followed and not judged.
    pub classifiers: Vec<ClassifierFile>,
    /// What runs them all, and how.
    pub options: EngineOptions,
}

/// A classifier of a run.
#[derive(Debug)]
pub struct ClassifierFile {
    /// Where it is.
    pub source: ModelSource,
    /// Its sidecar.
    pub info: ModelInfo,
    /// As it counts for the faces that the run's detector finds.
    pub training: Training,
}

/// A network and what its sidecar says, where that could be asked.
struct Candidate {
    source: ModelSource,
    info: Option<ModelInfo>,
}

/// Whether servers are asked what their networks are.
#[derive(Clone, Copy)]
enum Servers<'a> {
    Asked(&'a CancelToken),
    /// As it would take its time: what only they know is told when the networks are loaded.
    NotAsked,
}

/// Looks for networks.
struct Finder<'a> {
    search: Search,
    servers: Servers<'a>,
}

impl Finder<'_> {
    fn find(&self, role: Role, name: Option<&str>) -> Result<Candidate, SessionError> {
        match name {
            Some(name) if RemoteModel::is_address(name) => {
                let remote = RemoteModel::parse(name).map_err(InferError::from)?;
                let source = ModelSource::from(remote);
                let info = match self.servers {
                    Servers::Asked(cancel) => Some(infer::sidecar_of(&source, cancel)?),
                    Servers::NotAsked => None,
                };
                Ok(Candidate { source, info })
            }
            name => {
                let Found { path, info } = self.search.find(role, name)?;
                Ok(Candidate { source: path.into(), info: Some(info) })
            }
        }
    }

    /// The classifiers that the settings name, separated by commas, else the best one there is, if any.
    fn classifiers(&self, settings: &Settings) -> Result<Vec<Candidate>, SessionError> {
        let find = |name: &str| self.find(Role::Classifier, Some(name));
        match Wanted::of(&settings.classifier) {
            Wanted::None => Ok(Vec::new()),
            // A comma may also be part of a path.
            Wanted::Named(path) if Path::new(path).is_file() => find(path).map(|found| vec![found]),
            Wanted::Named(names) => {
                RemoteModel::split(names).iter().map(|name| find(name)).collect()
            }
            Wanted::Best => match self.find(Role::Classifier, None) {
                Err(SessionError::Models(ResolveError::Nowhere { .. })) => Ok(Vec::new()),
                found => found.map(|found| vec![found]),
            },
        }
    }
}

impl ModelFiles {
    /// Finds the networks that the settings name, else the best ones there are. Servers are asked what
    /// theirs are, which may take some seconds.
    ///
    /// # Errors
    /// [`SessionError`] for what is not there, and for properties that cannot be.
    pub fn find(settings: &Settings, cancel: &CancelToken) -> Result<Self, SessionError> {
        Self::find_with(settings, Servers::Asked(cancel))
    }

    /// What can be told to be wrong without asking a server.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn check(settings: &Settings) -> Result<(), SessionError> {
        let files = Self::find_with(settings, Servers::NotAsked)?;
        if files.sources().any(|source| source.path().is_some()) {
            check_runtime(files.options.provider)?;
        }
        Ok(())
    }

    /// All of them.
    pub fn sources(&self) -> impl Iterator<Item = &ModelSource> {
        let classifiers = self.classifiers.iter().map(|classifier| &classifier.source);
        [&self.detector].into_iter().chain(&self.aligner).chain(classifiers)
    }

    fn find_with(settings: &Settings, servers: Servers<'_>) -> Result<Self, SessionError> {
        let engines_dir = settings.engines_dir();
        let finder = Finder { search: Search::checked(engines_dir.as_deref())?, servers };
        let aligner = match Wanted::of(&settings.aligner) {
            Wanted::None => None,
            Wanted::Named(name) => Some(finder.find(Role::Aligner, Some(name))?.source),
            // Scores do not depend on it, so a missing one is no error.
            Wanted::Best => finder.find(Role::Aligner, None).ok().map(|found| found.source),
        };
        if aligner.is_none() && settings.landmark_source == crate::filter::LandmarkSource::Aligner {
            return Err(SessionError::NoAligner);
        }
        let detector = settings.detector.as_deref().filter(|name| !name.is_empty());
        let detector = finder.find(Role::Detector, detector)?;
        let found = finder.classifiers(settings)?;
        let point = settings.point()?;
        for info in found.iter().filter_map(|classifier| classifier.info.as_ref()) {
            // Told before anything is loaded.
            OperatingPoint::of(info, &point)?;
        }
        let of_detector = detector.info.unwrap_or_default().training;
        let file = |found: Candidate| {
            let info = found.info.unwrap_or_default();
            let training = info.training.on_faces_of(of_detector);
            ClassifierFile { source: found.source, info, training }
        };
        let classifiers: Vec<_> = found.into_iter().map(file).collect();
        if let Some(name) = twice(&classifiers) {
            return Err(SessionError::Twice { name });
        }
        let options = settings.engine_options()?;
        settings.clip_fps()?;
        let files = Self { detector: detector.source, aligner, classifiers, options };
        let file = files.sources().find_map(ModelSource::path);
        match file.filter(|_| files.options.provider == Provider::Kserve) {
            Some(path) => Err(InferError::NotRemote { path: path.to_owned() }.into()),
            None => Ok(files),
        }
    }
}

/// A classifier that is named more than once: it would count for two.
fn twice(files: &[ClassifierFile]) -> Option<String> {
    let is_before = |n: usize| files.iter().take(n).any(|other| other.source == files[n].source);
    (1..files.len()).find(|n| is_before(*n)).map(|n| files[n].source.to_string())
}

/// Whether a run with these settings will have a classifier, as far as can be said before it starts.
pub fn has_classifier(settings: &Settings) -> bool {
    let search = Search::new(settings.engines_dir().as_deref());
    let finder = Finder { search, servers: Servers::NotAsked };
    !finder.classifiers(settings).is_ok_and(|found| found.is_empty())
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
        let aligner = files.aligner.as_ref();
        let aligner =
            aligner.map(|source| infer::load_aligner(source, &beside, loading)).transpose()?;
        Ok(Self { detector, aligner })
    }
}

/// What scores clips: one classifier, or several together.
pub struct ClipEngine {
    /// At least one.
    pub members: Vec<ClipMember>,
    /// Of several.
    pub fusion: Option<Fusion>,
    /// Who scores; all of them.
    pub classifier: Arc<ClassifierName>,
    pub criteria: Arc<Criteria>,
}

/// One classifier that scores clips.
pub struct ClipMember {
    /// This element's place in the classifier's queue, which elements in one process share.
    pub submitter: Submitter,
    pub buffers: BufferPool,
    /// For a classifier that listens.
    pub log_mel: Option<LogMel>,
    pub classifier: Arc<ClassifierName>,
}

/// Clips of one element that may wait while one is being scored.
const WAITING_CLIPS: usize = 2;

impl ClipMember {
    /// Loads a classifier, or joins those in this process who have.
    fn load(
        ClassifierFile { source, training, .. }: &ClassifierFile,
        files: &ModelFiles,
        settings: &Settings,
        loading: Loading<'_>,
    ) -> Result<Self, SessionError> {
        let pool = PoolOptions {
            queue: WAITING_CLIPS.max(settings.batch_size as usize),
            batch_size: settings.batch_size as usize,
            batch_timeout: Duration::from_nanos(settings.batch_timeout),
        };
        let pool = infer::shared_classifier(source, &files.options, pool, loading)?;
        let spec = pool.spec();
        let side_px = u32::try_from(spec.size_px).unwrap_or(u32::MAX);
        let criteria = Criteria::new(&spec.sidecar, *training, side_px, &settings.point()?)?;
        let name = source.name();
        // Without it, it cannot be named so exactly; it scores all the same.
        let sha256 = infer::sha256_of(source, loading.token());
        Ok(Self {
            classifier: Arc::new(ClassifierName { name, sha256, criteria: Arc::new(criteria) }),
            submitter: pool.submitter(),
            buffers: BufferPool::default(),
            log_mel: pool.spec().audio.map(|audio| LogMel::new(audio.mels, audio.frames)),
        })
    }

    pub fn spec(&self) -> &ClassifierSpec {
        self.submitter.pool().spec()
    }
}

impl ClipEngine {
    /// Loads the classifiers one after the other. `None` for a run without one.
    pub fn load(
        files: &ModelFiles,
        settings: &Settings,
        loading: Loading<'_>,
    ) -> Result<Option<Self>, SessionError> {
        let load = |file| ClipMember::load(file, files, settings, loading);
        let members = files.classifiers.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let [first, ..] = members.as_slice() else { return Ok(None) };
        let all: Vec<_> =
            members.iter().map(|member| Arc::clone(&member.classifier.criteria)).collect();
        let fusion = Fusion::of(&all);
        let classifier = match &fusion {
            None => Arc::clone(&first.classifier),
            Some(fusion) => {
                let names: Vec<_> =
                    members.iter().map(|member| member.classifier.name.as_str()).collect();
                let hashes: Option<Vec<_>> =
                    members.iter().map(|member| member.classifier.sha256.as_deref()).collect();
                Arc::new(ClassifierName {
                    name: names.join(","),
                    sha256: hashes.map(|hashes| hashes.join(",")),
                    criteria: Arc::clone(fusion.criteria()),
                })
            }
        };
        let criteria = Arc::clone(&classifier.criteria);
        Ok(Some(Self { members, fusion, classifier, criteria }))
    }

    /// The frames of a clip: of the classifier that has most.
    pub fn frames(&self) -> usize {
        self.members.iter().map(|member| member.spec().frames).max().unwrap_or_default()
    }

    /// The rates that clips of several frames should have: those that suit all of the classifiers, else
    /// those of the one with most frames.
    pub fn rates(&self) -> Option<FrameRates> {
        let mut specs: Vec<_> = self.members.iter().map(ClipMember::spec).collect();
        specs.sort_by_key(|spec| std::cmp::Reverse(spec.frames));
        let mut rates = specs.iter().filter(|spec| spec.frames > 1).map(|spec| spec.sidecar.fps);
        let first = rates.next().flatten()?;
        Some(rates.flatten().fold(first, |all, other| {
            let lowest = all.lowest.max(other.lowest);
            let highest = all.highest.min(other.highest);
            if lowest <= highest { FrameRates { lowest, highest } } else { all }
        }))
    }

    /// The side of what is copied around a face, in sides of its box: as much as any needs.
    pub fn crop_scale(&self) -> f64 {
        let scales = self.members.iter().map(|member| member.spec().alignment.crop_scale);
        scales.fold(1.0, f64::max)
    }

    /// What clips of this generation are submitted with, to each of the classifiers.
    pub fn tickets(&self) -> Tickets {
        self.members.iter().map(|member| member.submitter.ticket()).collect()
    }

    /// What drops and cancels the clips of all of them.
    pub fn cancellers(&self) -> Vec<Canceller> {
        self.members.iter().map(|member| member.submitter.canceller()).collect()
    }

    /// Clips that wait where most do.
    pub fn waiting(&self) -> usize {
        self.members.iter().map(|member| member.submitter.waiting()).max().unwrap_or_default()
    }
}

/// One for each classifier.
pub type Tickets = Arc<[Ticket]>;
