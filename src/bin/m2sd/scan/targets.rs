//! Where the results of a scan go.

use std::path::{Path, PathBuf};

use super::ScanArgs;
use super::input::Input;
use super::recording::{RecordFile, is_standard_output};
use crate::clip_files::{self, ClipWriter};
use crate::encode::Encoders;
use crate::error::CliError;
use crate::outputs::{self, Named};
use crate::partial_file::PartialFile;

/// Names of results; nothing is there yet.
pub struct Targets {
    out: Option<PathBuf>,
    records: Option<PathBuf>,
    /// With what encodes it.
    video: Option<(PathBuf, Encoders)>,
    clips: Option<PathBuf>,
}

/// Results that are being written.
pub struct Files {
    pub records: RecordFile,
    pub video: Option<(PartialFile, Encoders)>,
    pub clips: Option<ClipWriter>,
}

impl Targets {
    /// # Errors
    /// When a video is wanted and nothing can encode it.
    pub fn of(args: &ScanArgs) -> Result<Self, CliError> {
        let records = match (&args.json, &args.out) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(out)) => Some(out.join("scores.jsonl")),
            (None, None) => None,
        };
        let video = match args.out.as_ref().filter(|_| !args.no_video) {
            Some(out) => {
                let encoders = Encoders::choose()?;
                Some((out.join(format!("annotated.{}", encoders.extension)), encoders))
            }
            None => None,
        };
        Ok(Self { out: args.out.clone(), records, video, clips: args.clips.clone() })
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
        outputs::check(inputs, &results)
    }

    /// Makes the folders and begins the files.
    ///
    /// # Errors
    /// When something cannot be written, or somebody else writes it.
    pub fn begin(&self, input: &Input) -> Result<Files, CliError> {
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out)
                .map_err(|e| CliError::input(format!("cannot make {}: {e}", out.display())))?;
        }
        let video = self.video.as_ref().map(|(path, encoders)| -> Result<_, CliError> {
            Ok((PartialFile::create(path)?, *encoders))
        });
        let clips = self.clips.as_deref().map(|dir| ClipWriter::new(dir, &input.name));
        Ok(Files {
            records: RecordFile::open(self.records.as_deref())?,
            video: video.transpose()?,
            clips: clips.transpose()?,
        })
    }
}

/// What is read beside the input: models, with their sidecars.
pub fn models<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<Named> {
    let with_sidecar = |path: &Path| {
        ["", ".modelinfo"].map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            Named::new("the model", name)
        })
    };
    let sidecar = |path: &Path| Named::new("the model", path.with_extension("modelinfo"));
    paths.flat_map(|p| with_sidecar(p).into_iter().chain([sidecar(p)])).collect()
}
