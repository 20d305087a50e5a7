//! The folder of recordings: what is in it, and what has to go.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Limits, stills};
use crate::events::body::{FaceBox, HealthStatus};
use crate::events::{CameraId, EventId, UtcTime};
use crate::models::write_whole;
use crate::watch::status::RecordingStatus;

/// What is written beside a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Notes {
    camera: CameraId,
    begun: UtcTime,
    /// The name of the video file.
    video: String,
    #[serde(default)]
    stills: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Clone, Debug)]
struct Recording {
    notes: Notes,
    unfinished: bool,
}

/// Hears how recordings do.
type Hears = Box<dyn Fn(HealthStatus, &str) + Send + Sync>;

/// All recordings, of all cameras.
pub struct Recordings {
    folder: PathBuf,
    limits: Limits,
    tell: Hears,
    /// The last one failed.
    is_failing: AtomicBool,
    /// A leaf lock; not held while files are written or removed.
    known: Mutex<BTreeMap<EventId, Recording>>,
}

impl Recordings {
    /// Opens the folder, which is made where it is missing. What a process of before has left
    /// unfinished gets its name: it plays as far as it was written. `tell` hears of recordings that fail,
    /// and of the first that does not again.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        folder: PathBuf,
        limits: Limits,
        tell: impl Fn(HealthStatus, &str) + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        // Faces are nobody else's.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let Some(id) = notes_id(&path) else { continue };
            // Notes that cannot be read are somebody else's, or cut short: left alone.
            let Ok(text) = fs::read(&path) else { continue };
            let Ok(notes) = serde_json::from_slice::<Notes>(&text) else { continue };
            let video = folder.join(&notes.video);
            let part = part_of(&video);
            if part.is_file() && !video.exists() {
                fs::rename(&part, &video)?;
            }
            known.insert(id, Recording { notes, unfinished: false });
        }
        let (tell, is_failing) = (Box::new(tell), AtomicBool::new(false));
        let this = Self { folder, limits, tell, is_failing, known: Mutex::new(known) };
        let this = Arc::new(this);
        this.remove_oldest();
        Ok(this)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EventId, Recording>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is recorded.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Begins a recording; where its video is to be.
    pub(super) fn begin(&self, id: EventId, camera: &CameraId, extension: &str) -> PathBuf {
        let notes = Notes {
            camera: camera.clone(),
            begun: UtcTime::now(),
            video: format!("{id}.{extension}"),
            stills: Vec::new(),
            failure: None,
        };
        let path = self.folder.join(&notes.video);
        self.lock().insert(id, Recording { notes, unfinished: true });
        path
    }

    /// Writes down that it is being made.
    pub(super) fn note(&self, id: EventId) {
        self.change(id, |_| {});
    }

    pub(super) fn finished(&self, id: EventId) {
        self.change(id, |recording| recording.unfinished = false);
        if self.is_failing.swap(false, Ordering::Relaxed) {
            (self.tell)(HealthStatus::Ok, "alerts are recorded again");
        }
        self.remove_oldest();
    }

    /// What was written stays, under its name, since it plays.
    pub(super) fn failed(&self, id: EventId, reason: &str) {
        self.change(id, |recording| {
            recording.unfinished = false;
            recording.notes.failure = Some(reason.to_owned());
        });
        self.is_failing.store(true, Ordering::Relaxed);
        (self.tell)(HealthStatus::Degraded, &format!("recording {id}: {reason}"));
        let video = self.lock().get(&id).map(|recording| self.folder.join(&recording.notes.video));
        if let Some(video) = video {
            // There may be none.
            let _ = fs::rename(part_of(&video), video);
        }
        self.remove_oldest();
    }

    /// Adds pictures of the moment to a recording: the whole frame with what is drawn on it, and the
    /// face alone. Encodes, so not for a streaming thread. Returns their names.
    ///
    /// # Errors
    /// When they cannot be encoded or written.
    pub fn add_stills(
        &self,
        id: EventId,
        frame: &gst::Sample,
        face: FaceBox,
    ) -> Result<Vec<String>, String> {
        let before = self.lock().get(&id).map(|recording| recording.notes.stills.len());
        let number = before.ok_or_else(|| format!("there is no recording {id}"))? / 2 + 1;
        let pictures = [("frame", stills::whole(frame)?), ("face", stills::face(frame, face)?)];
        let mut names = Vec::new();
        for (what, picture) in pictures {
            let name = format!("{id}-{number}-{what}.jpg");
            write_whole(&self.folder.join(&name), &picture).map_err(|e| e.to_string())?;
            names.push(name);
        }
        self.change(id, |recording| recording.notes.stills.extend(names.clone()));
        Ok(names)
    }

    fn change(&self, id: EventId, change: impl FnOnce(&mut Recording)) {
        let notes = {
            let mut known = self.lock();
            let Some(recording) = known.get_mut(&id) else { return };
            change(recording);
            recording.notes.clone()
        };
        let text = serde_json::to_vec_pretty(&notes).unwrap_or_default();
        if let Err(error) = write_whole(&self.folder.join(format!("{id}.json")), &text) {
            gst::warning!(super::super::CAT, "Cannot write the notes of recording {id}: {error}");
        }
    }

    /// The newest first.
    pub fn list(&self) -> Vec<RecordingStatus> {
        let known = self.lock().clone();
        let status = |(id, recording): (EventId, Recording)| {
            let Notes { camera, video, stills, failure, .. } = recording.notes;
            let path = self.folder.join(&video);
            let path = if recording.unfinished { part_of(&path) } else { path };
            RecordingStatus {
                id: id.to_string(),
                camera,
                unfinished: recording.unfinished,
                bytes: path.metadata().map_or(0, |metadata| metadata.len()),
                video: Some(video).filter(|_| !recording.unfinished && path.is_file()),
                stills,
                failure,
            }
        };
        known.into_iter().rev().map(status).collect()
    }

    /// The file of this name, if it is one of a recording: its video, when it is finished, or a still.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let known = self.lock();
        let is_file = |recording: &Recording| {
            let Notes { video, stills, .. } = &recording.notes;
            (video == name && !recording.unfinished) || stills.iter().any(|still| still == name)
        };
        let found = known.values().any(is_file);
        found.then(|| self.folder.join(name)).filter(|path| path.is_file())
    }

    /// Removes the oldest finished recordings until the rest fits.
    fn remove_oldest(&self) {
        let known = self.lock().clone();
        let sizes: Vec<_> = known
            .iter()
            .map(|(id, recording)| (*id, recording.unfinished, self.bytes_of(*id, recording)))
            .collect();
        let mut bytes: u64 = sizes.iter().map(|(.., bytes)| bytes).sum();
        for (id, unfinished, size) in sizes {
            if bytes <= self.limits.max_bytes {
                break;
            }
            if unfinished {
                continue;
            }
            if let Some(recording) = self.lock().remove(&id) {
                for file in self.files_of(id, &recording) {
                    // It may have been removed by hand.
                    let _ = fs::remove_file(file);
                }
                bytes -= size;
            }
        }
    }

    fn files_of(&self, id: EventId, recording: &Recording) -> Vec<PathBuf> {
        let video = self.folder.join(&recording.notes.video);
        let stills = recording.notes.stills.iter().map(|still| self.folder.join(still));
        let fixed = [part_of(&video), video, self.folder.join(format!("{id}.json"))];
        stills.chain(fixed).collect()
    }

    fn bytes_of(&self, id: EventId, recording: &Recording) -> u64 {
        let files = self.files_of(id, recording);
        files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

/// Where a recording is written until it is finished.
pub(super) fn part_of(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

/// The recording whose notes this file is.
fn notes_id(path: &Path) -> Option<EventId> {
    let is_notes = path.extension().is_some_and(|extension| extension == "json");
    path.file_stem().filter(|_| is_notes)?.to_str()?.parse().ok()
}
