//! Where the results of a scan go.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::evidence::records::Header;
use gstm2sd::evidence::seal::SEAL_FILE;

use super::args::ScanArgs;
use super::crops::{self, Crops};
use super::earlier::Earlier;
use super::input::Input;
use super::recording::{RecordFile, is_standard_output};
use crate::clip_files::{self, ClipWriter};
use crate::encode::Encoders;
use crate::error::CliError;
use crate::outputs::{self, Named};
use crate::partial_file::{PartialFile, is_left_over, is_special, part_of};
use crate::signals::Signals;
use crate::terminal::note;

/// Names of results; nothing is there yet.
pub struct Targets {
    out: Option<PathBuf>,
    records: Option<PathBuf>,
    /// With what encodes it.
    video: Option<(PathBuf, Encoders)>,
    clips: Option<PathBuf>,
    /// The folder beside whose records crops are kept.
    crops: Option<PathBuf>,
}

/// Results that are being written.
pub struct Files {
    pub records: RecordFile,
    pub video: Option<(PartialFile, Encoders)>,
    pub clips: Option<ClipWriter>,
    /// With the folder beside whose records they are kept.
    pub crops: Option<(PathBuf, Arc<Crops>)>,
}

impl Targets {
    /// # Errors
    /// When a video or picture is wanted and nothing can encode it.
    pub fn of(args: &ScanArgs, input: &Input) -> Result<Self, CliError> {
        let out = args.out.as_deref().map(outputs::settled);
        let records = match (&args.json, &out) {
            (Some(path), _) => Some(outputs::settled(path)),
            (None, Some(out)) => Some(out.join("scores.jsonl")),
            (None, None) => None,
        };
        let video = match out.as_ref().filter(|_| !args.no_video) {
            Some(out) => {
                let encoders = match input.is_picture() {
                    true => Encoders::choose_for_picture()?,
                    false => Encoders::choose()?,
                };
                Some((out.join(format!("annotated.{}", encoders.extension)), encoders))
            }
            None => None,
        };
        let crops = out.clone().filter(|_| !args.no_crops);
        let clips = args.clips.as_deref().map(outputs::settled);
        Ok(Self { out, records, video, clips, crops })
    }

    /// Refuses results that are inputs, or each other.
    ///
    /// # Errors
    /// [`CliError::Usage`], which tells the two names.
    pub fn check(&self, inputs: &[Named]) -> Result<(), CliError> {
        let mut results = Vec::new();
        let records = self.records.as_deref().filter(|path| !is_standard_output(path));
        results.extend(records.iter().flat_map(|path| Named::with_partial("the records", path)));
        let video = self.video.iter();
        results
            .extend(video.flat_map(|(path, _)| Named::with_partial("the annotated video", path)));
        // Clips of before, which may be replaced. A folder that is not there has none.
        let clips = self.clips.as_deref().and_then(|dir| clip_files::list(dir).ok());
        let clips = clips.unwrap_or_default().into_iter();
        results.extend(clips.map(|path| Named::new("a clip", path)));
        let crops = self.crops.iter().flat_map(|out| crops::there(out));
        results.extend(crops.map(|path| Named::new("a row of crops", path)));
        outputs::check(inputs, &results)
    }

    /// What is there before. Results of another scan are not replaced without --force; those that an
    /// unfinished scan of the same left are, and that is told.
    ///
    /// # Errors
    /// [`CliError::Usage`], which tells what is there.
    pub fn before(
        &self,
        header: &Header,
        input: &Input,
        args: &ScanArgs,
    ) -> Result<Before, CliError> {
        let is_there = |path: &&Path| path.symlink_metadata().is_ok() && !is_special(path);
        let video = self.video.as_ref().map(|(path, _)| path.as_path());
        let records = self.records.as_deref().filter(|path| !is_standard_output(path));
        let there = records.filter(is_there);
        if args.force {
            // A link is replaced itself, and what it leads to stays.
            if let Some(path) = there.filter(|path| !path.is_symlink()) {
                refuse_foreign(path, &begin_of(path)?)?;
            }
            return self.refuse_sealed().map(|()| Before::Replaceable);
        }
        let crops = self.crops.as_ref().and_then(|out| crops::there(out).into_iter().next());
        let mut same = None;
        if let Some(path) = there {
            let earlier = read(path)?;
            refuse_foreign(path, &earlier)?;
            if !earlier.is_of(header) {
                return Err(kept(path, &earlier, header));
            }
            same = Some(earlier);
        } else if let Some(path) = video.filter(is_there).or(crops.as_deref()) {
            return Err(CliError::Usage(format!(
                "{} is there, and no records say of what it is. Name another folder, or let --force \
                 replace it",
                path.display()
            )));
        }
        if let Some(dir) = &self.clips {
            clip_files::refuse_same_names(dir, &input.name)?;
        }
        let has_video = video.is_none_or(|path| path.is_file());
        let is_told_again = !args.timings && self.clips.is_none() && has_video;
        match same.filter(|earlier| earlier.is_final() && is_told_again) {
            Some(earlier) => Ok(Before::Same(Box::new(earlier))),
            None => {
                self.refuse_sealed()?;
                self.left_over(records, header).map(|()| Before::Replaceable)
            }
        }
    }

    /// What is sealed stays as it is.
    fn refuse_sealed(&self) -> Result<(), CliError> {
        let records = self.records.as_deref().and_then(Path::parent);
        let folders = [self.out.as_deref(), records, self.clips.as_deref()];
        match folders.into_iter().flatten().find(|folder| folder.join(SEAL_FILE).is_file()) {
            Some(folder) => Err(CliError::Usage(format!(
                "{} is sealed, and results in it would be a change. Name another folder",
                folder.display()
            ))),
            None => Ok(()),
        }
    }

    /// Tells what a scan left that was killed.
    fn left_over(&self, records: Option<&Path>, header: &Header) -> Result<(), CliError> {
        let Some(part) = records.map(part_of).filter(|part| is_left_over(part)) else {
            return Ok(());
        };
        let earlier = read(&part)?;
        refuse_foreign(&part, &earlier)?;
        // One that was killed before its first record has left nothing.
        let Some(of) = &earlier.header else { return Ok(()) };
        if !earlier.is_of(header) {
            return Err(kept(&part, &earlier, header));
        }
        note(&format!(
            "m2sd: {} is of a scan that was killed: {} frames and {} clips of {:?}. It is scanned anew \
             from its start",
            part.display(),
            earlier.frames,
            earlier.clips,
            of.input.name
        ));
        Ok(())
    }

    /// Makes the folders and begins the files, which from then on are finished when a signal comes.
    /// One that comes while a pipe still waits for its reader ends the process.
    ///
    /// # Errors
    /// When something cannot be written, or somebody else writes it.
    pub fn begin(&self, input: &Input) -> Result<(Files, Signals), CliError> {
        let records = self.records.as_deref();
        let special = records.map(RecordFile::open_special).transpose()?.flatten();
        let signals = Signals::take()?;
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out)
                .map_err(|e| CliError::input(format!("cannot make {}: {e}", out.display())))?;
        }
        let video = self.video.as_ref().map(|(path, encoders)| -> Result<_, CliError> {
            Ok((PartialFile::create(path)?, *encoders))
        });
        let clips = self.clips.as_deref().map(|dir| ClipWriter::new(dir, &input.name));
        let records = match (special, records) {
            (Some(special), _) => special,
            (None, Some(path)) => RecordFile::Partial(PartialFile::create(path)?),
            (None, None) => RecordFile::Nowhere,
        };
        let files = Files {
            records,
            video: video.transpose()?,
            clips: clips.transpose()?,
            crops: self.crops.clone().map(|out| (out, Arc::default())),
        };
        Ok((files, signals))
    }
}

/// What results are replaced by a scan.
pub enum Before {
    /// Those of the same scan, complete.
    Same(Box<Earlier>),
    /// None, or what may go.
    Replaceable,
}

impl Files {
    /// Files that are written for as long as the scan runs.
    pub fn open(&self) -> Vec<File> {
        let records = match &self.records {
            RecordFile::Partial(file) => Some(file),
            _ => None,
        };
        let files = records.into_iter().chain(self.video.as_ref().map(|(file, _)| file));
        // Where there are no more, they are synced at their ends.
        files.filter_map(|file| file.file().try_clone().ok()).collect()
    }
}

fn read(path: &Path) -> Result<Earlier, CliError> {
    Earlier::read(path).map_err(|error| unreadable(path, &error))
}

fn begin_of(path: &Path) -> Result<Earlier, CliError> {
    Earlier::read_header(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::input(format!("cannot read {}: {error}", path.display()))
}

/// Whatever --force says, it is about results of scans.
fn refuse_foreign(path: &Path, there: &Earlier) -> Result<(), CliError> {
    let is_empty = path.metadata().is_ok_and(|is| is.is_file() && is.len() == 0);
    if is_empty || there.header.is_some() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} is there, and holds no records of a scan. Name another file for the records",
        path.display()
    )))
}

fn kept(path: &Path, earlier: &Earlier, header: &Header) -> CliError {
    let differs = match &earlier.header {
        Some(_) => format!(" of another scan ({})", earlier.differences(header)),
        None => String::new(),
    };
    CliError::Usage(format!(
        "{} is there: {}{differs}. Name another folder or file for the results, or let --force replace \
         these",
        path.display(),
        earlier.in_words()
    ))
}

/// What is read beside the input: models, with their sidecars.
pub fn models<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<Named> {
    let files = paths.flat_map(|path| [path.to_owned()].into_iter().chain(ModelInfo::places(path)));
    files.map(|file| Named::new("the model", file)).collect()
}
