//! `files.csv`: what was evaluated, with hashes, so that a calibration can say what it was made on.

use std::collections::BTreeMap;
use std::path::Path;

use gstm2sd::measure::Video;
use gstm2sd::models::sha256;

use super::data::Source;
use super::records::digest;
use crate::error::CliError;
use crate::partial_file;

/// The file in the folder of results.
const FILE: &str = "files.csv";

/// The hash of each file; of a video that is made of frames, of their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed(BTreeMap<String, String>);

impl Listed {
    /// Hashes the files. One that cannot be read has no hash.
    pub fn of(sources: &[Source]) -> Self {
        let hash = |source: &Source| -> std::io::Result<String> {
            match source.files.as_slice() {
                [one] => sha256(one),
                many => {
                    let hashes: Vec<_> =
                        many.iter().map(|file| sha256(file)).collect::<Result<_, _>>()?;
                    Ok(digest(hashes.iter().map(|hash| hash.as_bytes())))
                }
            }
        };
        let of = |source: &Source| (source.video.file.clone(), hash(source).unwrap_or_default());
        Self(sources.iter().map(of).collect())
    }

    pub fn write(&self, out: &Path, sources: &[Source]) -> Result<(), CliError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = sources.iter().map(|source| {
            let Video { file, class, group } = &source.video;
            [file, class.as_str(), group, self.hash(file)]
        });
        for row in std::iter::once(["file", "label", "group", "sha256"]).chain(rows) {
            writer.write_record(row).map_err(CliError::runtime)?;
        }
        let text = writer.into_inner().map_err(CliError::runtime)?;
        Ok(partial_file::write(&out.join(FILE), &text)?)
    }

    /// Of a folder of results; empty where it has none.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(out: &Path) -> Result<Self, CliError> {
        let path = out.join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let failed = |e: csv::Error| CliError::input(format!("{}: {e}", path.display()));
        let mut hashes = BTreeMap::new();
        for row in csv::Reader::from_path(&path).map_err(failed)?.records() {
            let row = row.map_err(failed)?;
            let text = |n| row.get(n).unwrap_or_default().to_owned();
            hashes.insert(text(0), text(3));
        }
        Ok(Self(hashes))
    }

    fn hash(&self, file: &str) -> &str {
        self.0.get(file).map_or("", String::as_str)
    }

    /// One hash for the list: of names, labels and hashes, whatever their order.
    pub fn digest(&self, videos: &[Video]) -> String {
        let line = |v: &Video| format!("{}\t{}\t{}", v.file, v.class, self.hash(&v.file));
        let mut lines: Vec<_> = videos.iter().map(line).collect();
        lines.sort();
        digest(lines.iter().map(|line| line.as_bytes()))
    }
}
