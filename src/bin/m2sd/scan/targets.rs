//! Where the results of a scan go.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::evidence::records::{CropsFile, Footer, Header};
use gstm2sd::evidence::seal::sealed_above;

use super::args::ScanArgs;
use super::crops::{self, Crops};
use super::earlier::Earlier;
use super::input::Input;
use super::recording::{RecordFile, is_standard_output};
use crate::clip_files::{self, ClipWriter};
use crate::encode::{self, Encoders};
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
    /// What the records that are replaced say of other files, which go with them.
    replaced: Vec<PathBuf>,
    /// The last, as what is in it goes before.
    _folder: Option<NewFolder>,
}

/// A folder that was made for results, and goes again where none came.
struct NewFolder(PathBuf);

impl NewFolder {
    /// `None`: it was there before.
    fn make(path: &Path) -> Result<Option<Self>, CliError> {
        if path.is_dir() {
            return Ok(None);
        }
        let made = std::fs::create_dir_all(path);
        made.map_err(|e| CliError::input(format!("cannot make {}: {e}", path.display())))?;
        Ok(Some(Self(path.to_owned())))
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // One that holds something stays.
        let _ = std::fs::remove_dir(&self.0);
    }
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
                Some((out.join(annotated(encoders.extension)), encoders))
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
        if let Some(path) = self.crops.as_deref().and_then(crops::in_the_way) {
            return Err(CliError::Usage(format!(
                "{} is no folder, and the crops of faces go into one of this name. Name another folder for \
                 the results, or scan with --no-crops",
                path.display()
            )));
        }
        let is_there = |path: &&Path| path.symlink_metadata().is_ok() && !is_special(path);
        let video = self.video.as_ref().map(|(path, _)| path.as_path());
        let records = self.records.as_deref().filter(|path| !is_standard_output(path));
        let there = records.filter(is_there);
        if args.force {
            // A link is replaced itself, and what it leads to stays.
            let edges = there.filter(|path| !path.is_symlink()).map(edges_of).transpose()?;
            self.refuse_unclaimed(edges.as_ref(), |path| !path.is_symlink())?;
            self.refuse_sealed()?;
            return Ok(Before::Replaceable(self.claimed(edges.as_ref())));
        }
        let mut same = None;
        if let Some(path) = there {
            let earlier = read(path)?;
            if !earlier.is_of(header) {
                return Err(kept(path, &earlier, header));
            }
            same = Some(earlier);
        }
        self.refuse_unclaimed(same.as_ref(), |_| true)?;
        if let Some(dir) = &self.clips {
            clip_files::refuse_same_names(dir, &input.name)?;
        }
        let is_whole = |path: &Path| path.metadata().is_ok_and(|is| is.is_file() && is.len() > 0);
        let has_video = video.is_none_or(is_whole);
        let is_told_again = !args.timings && self.clips.is_none() && has_video;
        match same {
            Some(earlier) if is_told_again && earlier.is_final() && self.has_crops_of(&earlier) => {
                Ok(Before::Same(Box::new(earlier)))
            }
            same => {
                self.refuse_sealed()?;
                self.left_over(records, header)?;
                Ok(Before::Replaceable(self.claimed(same.as_ref())))
            }
        }
    }

    /// Whether the crops that the records name are there, where crops are wanted: a scan that scored clips and
    /// names none could not write them, or did not want any.
    fn has_crops_of(&self, earlier: &Earlier) -> bool {
        let (Some(out), Some(footer)) = (&self.crops, &earlier.footer) else { return true };
        let is_there = |crops: &CropsFile| out.join(&crops.file).is_file();
        (footer.counts.clips_scored == 0 || !footer.crops.is_empty())
            && footer.crops.iter().all(is_there)
    }

    /// Files of a scan's names that these records say their scan wrote.
    fn claimed(&self, earlier: Option<&Earlier>) -> Vec<PathBuf> {
        let footer = earlier.and_then(|earlier| earlier.footer.as_ref());
        let (Some(out), Some(footer)) = (&self.out, footer) else { return Vec::new() };
        let videos = encode::EXTENSIONS.map(|extension| out.join(annotated(extension)));
        let all = videos.into_iter().chain(crops::there(out));
        let goes =
            |path: &PathBuf| path.is_file() && !path.is_symlink() && is_claimed(footer, out, path);
        all.filter(goes).collect()
    }

    /// Refuses what is in the places of the video and the crops, but what records of a scan say that it wrote;
    /// where one was killed, it had looked for others' files before it began.
    fn refuse_unclaimed(
        &self,
        earlier: Option<&Earlier>,
        counts: impl Fn(&Path) -> bool,
    ) -> Result<(), CliError> {
        let Some(out) = &self.out else { return Ok(()) };
        let footer = earlier.and_then(|earlier| earlier.footer.as_ref());
        let part = self.records.as_deref().filter(|path| !is_special(path)).map(part_of);
        let unfinished =
            part.filter(|part| is_left_over(part)).map(|part| Earlier::read_edges(&part));
        if unfinished.is_some_and(|read| read.is_ok_and(|of| of.header.is_some())) {
            return Ok(());
        }
        let video = self.video.iter().map(|(path, _)| path.clone());
        let crops = self.crops.iter().flat_map(|out| crops::there(out));
        for path in video.chain(crops).filter(|path| counts(path)) {
            let ours = footer.is_some_and(|footer| is_claimed(footer, out, &path));
            let found = "no records of a scan say that it wrote it";
            outputs::refuse_foreign(&path, ours, found).map_err(CliError::Usage)?;
        }
        Ok(())
    }

    /// What is sealed stays as it is.
    fn refuse_sealed(&self) -> Result<(), CliError> {
        let records = self.records.as_deref().and_then(Path::parent);
        let folders = [self.out.as_deref(), records, self.clips.as_deref()];
        match folders.into_iter().flatten().find_map(sealed_above) {
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
    pub fn begin(
        &self,
        input: &Input,
        replaced: Vec<PathBuf>,
    ) -> Result<(Files, Signals), CliError> {
        let records = self.records.as_deref();
        let special = records.map(RecordFile::open_special).transpose()?.flatten();
        let signals = Signals::take()?;
        let folder = self.out.as_deref().map(NewFolder::make).transpose()?.flatten();
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
            replaced,
            _folder: folder,
        };
        Ok((files, signals))
    }
}

/// Whether records of this footer in the folder `out` say that their scan wrote the file at `path`.
fn is_claimed(footer: &Footer, out: &Path, path: &Path) -> bool {
    let name = path.strip_prefix(out).ok().and_then(Path::to_str);
    name.is_some_and(|name| footer.has_written(name))
}

/// The name of an annotated video or picture.
fn annotated(extension: &str) -> String {
    format!("annotated.{extension}")
}

/// What results are replaced by a scan.
pub enum Before {
    /// Those of the same scan, complete.
    Same(Box<Earlier>),
    /// None, or what may go; with the files that the records there speak of.
    Replaceable(Vec<PathBuf>),
}

impl Files {
    /// Takes away what these files replace, and these clips, the records first: until the new ones have their
    /// names, nobody takes what is there for results. Whether there were records.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn take_replaced(&mut self, clips: BTreeSet<PathBuf>) -> io::Result<bool> {
        let records = match &self.records {
            RecordFile::Partial(file) => Some(file.path().to_owned()),
            _ => None,
        };
        let had_records = records.as_ref().is_some_and(|path| path.exists());
        let replaced = std::mem::take(&mut self.replaced);
        for path in records.into_iter().chain(replaced).chain(clips) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(had_records)
    }

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

/// The records at a path, and nothing else.
fn read(path: &Path) -> Result<Earlier, CliError> {
    records_of(path, Earlier::read(path))
}

/// Their header and footer.
fn edges_of(path: &Path) -> Result<Earlier, CliError> {
    records_of(path, Earlier::read_edges(path))
}

fn records_of(path: &Path, read: io::Result<Earlier>) -> Result<Earlier, CliError> {
    let there =
        read.map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))?;
    let found = "it holds no records of a scan";
    outputs::refuse_foreign(path, there.header.is_some(), found).map_err(CliError::Usage)?;
    Ok(there)
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
