//! Which models a run has, by what its settings name.

use std::path::{Path, PathBuf};

use super::error::SessionError;
use crate::core::evidence::OperatingPoint;
use crate::core::modelinfo::{ModelInfo, Role, Training};
use crate::filter::debug::ORT_CAT;
use crate::filter::settings::Settings;
use crate::infer::{self, CancelToken, Connection, EngineOptions, InferError, Provider};
use crate::models::ModelSource;
use crate::models::remote::RemoteModel;
use crate::models::resolve::{Found, ResolveError, Search};

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
    /// To the servers that were asked: loading uses them.
    _connections: Vec<Connection>,
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
    connection: Option<Connection>,
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

impl<'a> Finder<'a> {
    fn new(settings: &Settings, servers: Servers<'a>) -> Result<Self, SessionError> {
        let engines_dir = settings.engines_dir();
        Ok(Self { search: Search::checked(engines_dir.as_deref())?, servers })
    }

    fn find(&self, role: Role, name: Option<&str>) -> Result<Candidate, SessionError> {
        match name {
            Some(name) if RemoteModel::is_address(name) => {
                let remote = RemoteModel::parse(name).map_err(InferError::from)?;
                let source = ModelSource::from(remote);
                let (info, connection) = match self.servers {
                    Servers::Asked(cancel) => {
                        let (info, connection) = infer::sidecar_of(&source, cancel)?;
                        (Some(info), connection)
                    }
                    Servers::NotAsked => (None, None),
                };
                Ok(Candidate { source, info, connection })
            }
            name => {
                let Found { path, info } = self.search.find(role, name)?;
                Ok(Candidate { source: path.into(), info: Some(info), connection: None })
            }
        }
    }

    fn detector(&self, settings: &Settings) -> Result<Candidate, SessionError> {
        let named = settings.detector.as_deref().filter(|name| !name.is_empty());
        self.find(Role::Detector, named)
    }

    fn aligner(&self, settings: &Settings) -> Result<Option<Candidate>, SessionError> {
        match Wanted::of(&settings.aligner) {
            Wanted::None => Ok(None),
            Wanted::Named(name) => self.find(Role::Aligner, Some(name)).map(Some),
            // Scores do not depend on it, so a missing one is no error.
            Wanted::Best => Ok(self.find(Role::Aligner, None).ok()),
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

    /// The files of the networks that the settings name, for those who take them elsewhere: as
    /// [`Self::find`] finds them, but that a detector, too, may be `none`.
    ///
    /// # Errors
    /// [`SessionError`] for what is not there, or is on a server.
    pub fn paths(settings: &Settings) -> Result<Vec<(Role, PathBuf)>, SessionError> {
        let finder = Finder::new(settings, Servers::NotAsked)?;
        let detector = match settings.detector.as_deref() {
            Some(NONE) => None,
            _ => Some(finder.detector(settings)?),
        };
        let of = |role| move |found| (role, found);
        let found = detector.into_iter().map(of(Role::Detector));
        let found = found.chain(finder.aligner(settings)?.into_iter().map(of(Role::Aligner)));
        let found =
            found.chain(finder.classifiers(settings)?.into_iter().map(of(Role::Classifier)));
        let path = |(role, found): (Role, Candidate)| match found.source {
            ModelSource::File(path) => Ok((role, path)),
            ModelSource::Remote(model) => {
                Err(SessionError::NoFile { role, address: model.to_string() })
            }
        };
        found.map(path).collect()
    }

    /// All of them.
    pub fn sources(&self) -> impl Iterator<Item = &ModelSource> {
        let classifiers = self.classifiers.iter().map(|classifier| &classifier.source);
        [&self.detector].into_iter().chain(&self.aligner).chain(classifiers)
    }

    fn find_with(settings: &Settings, servers: Servers<'_>) -> Result<Self, SessionError> {
        let finder = Finder::new(settings, servers)?;
        let aligner = finder.aligner(settings)?;
        if aligner.is_none() && settings.landmark_source == crate::filter::LandmarkSource::Aligner {
            return Err(SessionError::NoAligner);
        }
        let detector = finder.detector(settings)?;
        let found = finder.classifiers(settings)?;
        let point = settings.point()?;
        for info in found.iter().filter_map(|classifier| classifier.info.as_ref()) {
            // Told before anything is loaded.
            OperatingPoint::of(info, &point)?;
        }
        let of_detector = detector.info.as_ref().map(|info| info.training).unwrap_or_default();
        let connections = [&detector].into_iter().chain(&aligner).chain(&found);
        let connections = connections.filter_map(|found| found.connection.clone()).collect();
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
        let files = Self {
            detector: detector.source,
            aligner: aligner.map(|found| found.source),
            classifiers,
            options,
            _connections: connections,
        };
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
fn check_runtime(provider: Provider) -> Result<(), SessionError> {
    infer::onnxruntime::set_log_sink(|severity, text| match severity {
        infer::onnxruntime::Severity::Error => gst::error!(ORT_CAT, "{text}"),
        infer::onnxruntime::Severity::Warning => gst::warning!(ORT_CAT, "{text}"),
    });
    infer::check_library(provider)?;
    Ok(())
}
