//! What is done when a scan is over: its last record, its table, and the names of its files.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstm2sd::evidence::records::{CropsFile, Footer, InputKind, WallEnd};
use gstm2sd::filter::M2sdFilter;
use gstm2sd::models::advice::quoted;

use super::args::ScanArgs;
use super::crops::Crops;
use super::header::now;
use super::input::Input;
use super::notes::notes;
use super::outcome::{Outcome, Unscored};
use super::pipeline::ScanPipeline;
use super::play::Cause;
use super::record::Totals;
use super::recording::{RecordFile, Recording};
use super::summary::{self, Judged};
use super::targets::Files;
use crate::bounded;
use crate::clip_files::ClipWriter;
use crate::error::CliError;
use crate::partial_file::PartialFile;
use crate::report;
use crate::terminal::{self, Page, note};

/// How long the records may take to be written out when a scan has ended.
const RECORDS_TIME: Duration = Duration::from_secs(2);

/// What is needed to finish a scan's files.
pub struct Finish<'a> {
    pub args: &'a ScanArgs,
    pub input: &'a Input,
    pub judged: Option<&'a Judged>,
    pub scan: &'a ScanPipeline,
    pub filter: &'a M2sdFilter,
    pub started: Instant,
}

impl Finish<'_> {
    /// Finishes the files before the pipeline is stopped, and says what is in them. A scan that
    /// ends before its first frame leaves what was there before.
    pub fn run(
        &self,
        cause: Cause,
        mut files: Files,
        recording: &Arc<Recording>,
        clips: Option<&Mutex<ClipWriter>>,
    ) -> Result<(), CliError> {
        let shared = Arc::clone(recording);
        // A frame that is being recorded may be held up by who reads it.
        let keeps = bounded::run(RECORDS_TIME, move || shared.has_frames_or_ends());
        let keeps = keeps.unwrap_or(true);
        let closed = if keeps { self.close(recording) } else { Some(Totals::default()) };
        // Of records that nobody takes it is not known what is in them.
        let is_known = closed.is_some();
        let totals =
            closed.unwrap_or_else(|| Totals { frames: recording.frames(), ..Totals::default() });
        let unscored = Unscored::of(self.filter, &totals);
        let mut seen = self.scan.watch.seen();
        let lost = usize::from(seen.truncated.is_some()) < seen.damage.len();
        seen.is_damaged = lost && self.input.kind != InputKind::Stream;
        if !matches!(cause, Cause::End) {
            seen.forget_end();
        }
        let outcome = Outcome::of(cause, &seen, totals.frames, &unscored, &self.input.name);
        if !keeps {
            return outcome.result(None);
        }
        let mut footer = outcome.footer(&totals, &unscored, seen);
        footer.notes = notes(self.input, self.filter, &totals.sightings);
        // What has no end keeps no name.
        let video_has_end = self.scan.video_is_written();
        let video = files.video.as_ref().map(|(file, _)| file).filter(|_| video_has_end);
        footer.annotated = video.filter(|file| holds_some(file)).and_then(PartialFile::name);
        let earlier = clips.map(|clips| lock(clips).take_earlier()).unwrap_or_default();
        let had_results = files.take_replaced(earlier).unwrap_or_else(|error| {
            recording.fail(error.kind(), error.to_string());
            false
        });
        if let Some((out, crops)) = &files.crops {
            footer.crops = Self::crops(out, crops, recording);
        }
        footer.wall =
            WallEnd { end: now(), seconds: self.started.elapsed().as_millis() as f64 / 1e3 };
        let mut page = if is_known {
            summary::page(totals.frames, &totals.faces, self.judged)
        } else {
            summary::unknown_page(totals.frames)
        };
        page.text(also(&footer) + &credentials(self.input));
        let shared = Arc::clone(recording);
        let end = move || is_known && shared.end(footer);
        let ended = bounded::run(RECORDS_TIME, end).unwrap_or(false);
        tell(self.args, &page)?;
        if let Some(words) = unscored.in_words() {
            note(&format!("NOT ALL IS SCORED: {words}."));
        }
        self.name(files, ended, video_has_end)?;
        if let Some(out) = self.args.out.as_deref().filter(|_| had_results) {
            note_reports(out);
        }
        if let (Some(clips), Some(dir)) = (clips, &self.args.clips) {
            note(&format!("Clips: {} in {}", lock(clips).written(), dir.display()));
        }
        outcome.result(recording.failure().map(|(_, text)| text.as_str()))
    }

    /// Gives the files their names: those that have an end.
    fn name(
        &self,
        Files { records, video, .. }: Files,
        ended: bool,
        video_has_end: bool,
    ) -> Result<(), CliError> {
        let unfinished = |path: &Path, what: &str| {
            note(&format!("m2sd: {} has no end: {what}", path.display()));
        };
        if let Some((file, encoders)) = video
            && holds_some(&file)
        {
            if video_has_end {
                let what = if encoders.is_of_picture() { "picture" } else { "video" };
                note(&format!("Annotated {what}: {}", file.keep()?.display()));
            } else {
                unfinished(&file.leave(), "it plays up to its last second");
            }
        }
        // Last: with their name all is said to be there.
        match records {
            RecordFile::Partial(file) if !ended => {
                unfinished(&file.leave(), "its records are whole up to where they stop");
            }
            records => drop(records.keep()?),
        }
        Ok(())
    }

    /// Writes what is kept of what the classifier saw: which files. Without it the records say all that
    /// they would.
    fn crops(out: &Path, crops: &Crops, recording: &Recording) -> Vec<CropsFile> {
        crops.write(out).unwrap_or_else(|error| {
            recording.fail(io::ErrorKind::Other, error.to_string());
            Vec::new()
        })
    }

    /// Has what waits written: what was recorded. A reader that does not read is not waited for: `None`.
    fn close(&self, recording: &Arc<Recording>) -> Option<Totals> {
        let (shared, filter) = (Arc::clone(recording), self.filter.clone());
        bounded::run(RECORDS_TIME, move || shared.close(&filter))
    }
}

/// Reports are the work of another command, and stay; but they tell of the results that were replaced.
fn note_reports(out: &Path) {
    for name in report::NAMES.iter().filter(|name| out.join(name).is_file()) {
        note(&format!(
            "m2sd: {} is of the results that were here before: `m2sd report {}` writes it anew",
            out.join(name).display(),
            quoted(&out.to_string_lossy())
        ));
    }
}

fn lock(clips: &Mutex<ClipWriter>) -> MutexGuard<'_, ClipWriter> {
    clips.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether anything was written into a file.
fn holds_some(file: &PartialFile) -> bool {
    file.file().metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// The table goes to standard output where nothing else is asked for.
pub fn tell(args: &ScanArgs, page: &Page) -> Result<(), CliError> {
    if args.out.is_none() && args.json.is_none() && args.clips.is_none() {
        return terminal::print_page(page);
    }
    terminal::note_page(page);
    Ok(())
}

/// What the footer says beside the counts.
pub fn also(footer: &Footer) -> String {
    let damage = footer.damage.iter().map(|damage| {
        let end = damage.end.map_or_else(|| "?".to_owned(), |end| format!("{end:.2}"));
        format!("Damaged: {:.2} to {end} s: {}.\n", damage.start, damage.why)
    });
    let notes = footer.notes.iter().map(|text| format!("Note: {text}.\n"));
    damage.chain(notes).collect()
}

/// The content credentials of the input, apart from the scores; nothing where there are none.
pub fn credentials(input: &Input) -> String {
    let found = input.provenance.as_ref();
    found.and_then(crate::provenance::in_short).map_or(String::new(), |line| line + "\n")
}
