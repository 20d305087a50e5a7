//! Loading the models of a run.

use std::sync::Arc;
use std::time::Duration;

use super::error::SessionError;
use super::finding::{ClassifierFile, ModelFiles};
use crate::core::audio::LogMel;
use crate::core::evidence::{Criteria, Fusion};
use crate::core::modelinfo::FrameRates;
use crate::filter::analysis::buffer_pool::BufferPool;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::settings::Settings;
use crate::infer::{
    self, Aligner, Canceller, ClassifierSpec, Detector, Loading, PoolOptions, Submitter, Ticket,
};

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
