//! Checkpoints of PyTorch and of Hugging Face: which tensors a file holds, and their numbers on demand.
//!
//! Every kind of file is read into the same two things: dictionaries of tensors, as views of storages
//! (as pickles describe them), and the places of the storages. Opening checks both against the file, so
//! that a truncated or lying file fails before any work is done. Which dictionary is the network is found
//! by looking for tensors that a known network has ([`Signature`]). The numbers stay in the file until
//! [`Checkpoint::read`] asks for one tensor: importing a large network never holds all of it.

mod choose;
mod config;
mod dicts;
mod error;
mod safetensors;
mod source;
mod tensor;
mod torch;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use self::choose::Choice;
use self::dicts::{Contents, Dict, Entry};
use self::tensor::{Tensor, converter, read_flat};
pub use choose::{Kept, Signature};
pub use config::Config;
pub use error::CheckpointError;
pub use source::Source;

/// An opened checkpoint.
///
/// ```
/// use gstm2sd::models::checkpoint::Checkpoint;
///
/// // A file of safetensors: the length of its header, the header, the numbers.
/// let header = br#"{"head.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
/// let mut file = (header.len() as u64).to_le_bytes().to_vec();
/// file.extend(header);
/// file.extend([0.5f32, -1.0].map(f32::to_le_bytes).concat());
///
/// let mut checkpoint = Checkpoint::new(std::io::Cursor::new(file))?;
/// assert_eq!(checkpoint.shape("head.bias"), Some(&[2][..]));
/// assert_eq!(checkpoint.read("head.bias")?, [0.5, -1.0]);
/// # Ok::<(), gstm2sd::models::checkpoint::CheckpointError>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint<R = File> {
    /// The files that it lies in.
    files: Vec<R>,
    tensors: BTreeMap<String, Tensor>,
    /// Entries that are something that is not read, with what that is called.
    placeholders: BTreeMap<String, String>,
    ignored: Vec<String>,
    config: Config,
    note: Option<String>,
}

/// A file, or several, with what is in them.
struct Opened<R> {
    files: Vec<R>,
    contents: Contents,
    /// The file and the first byte of each storage.
    places: HashMap<String, (usize, u64)>,
}

impl Checkpoint {
    /// Opens what `source` names, and finds the tensors of the network that has one of these
    /// signatures.
    pub fn open(
        source: &Source,
        signatures: &[Signature],
        kept: Kept,
    ) -> Result<Self, CheckpointError> {
        let opened = match source.shards()? {
            Some(shards) => Opened::shards(&shards)?,
            None => Opened::new(File::open(source.file())?)?,
        };
        let mut checkpoint = opened.find(signatures, kept)?;
        if let Some(text) = source.config()? {
            checkpoint.config = Config::from_json(&text)?;
        }
        Ok(checkpoint)
    }
}

impl<R: Read + Seek> Checkpoint<R> {
    /// Reads a file's table of contents and takes its largest dictionary of tensors.
    pub fn new(file: R) -> Result<Self, CheckpointError> {
        Self::find(file, &[], Kept::Last)
    }

    /// Reads a file's table of contents, and finds the tensors of the network that has one of these
    /// signatures; where none has, the largest dictionary of tensors is taken.
    pub fn find(file: R, signatures: &[Signature], kept: Kept) -> Result<Self, CheckpointError> {
        Opened::new(file)?.find(signatures, kept)
    }

    /// Entries that are no tensors of the network, sorted, each once: epoch counters, optimizer
    /// state, versions.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What the file says of its network beside the tensors.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which tensors were taken, where others would have done.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name, or something in its place that is not read.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.placeholders.contains_key(name)
    }

    /// The shape of a tensor; `None`: there is none of this name that is read.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| t.shape.as_slice())
    }

    /// What is in the place of a tensor of this name, where that is something that is not read.
    pub fn placeholder(&self, name: &str) -> Option<&str> {
        self.placeholders.get(name).map(String::as_str)
    }

    /// The numbers of one tensor, in row-major order whatever its strides in the file.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let missing = || CheckpointError::NoSuchTensor(name.to_owned());
        let tensor = self.tensors.get(name).ok_or_else(missing)?;
        let file = self.files.get_mut(tensor.file).ok_or_else(missing)?;
        let at = |source| CheckpointError::Read { tensor: name.to_owned(), source };
        file.seek(SeekFrom::Start(tensor.start_byte)).map_err(at)?;
        let convert = converter(tensor.dtype).ok_or_else(|| CheckpointError::DType {
            tensor: name.to_owned(),
            dtype: tensor.dtype,
        })?;
        let flat = read_flat(file, tensor, convert).map_err(at)?;
        Ok(tensor.row_major(flat))
    }
}

impl<R: Read + Seek> Opened<R> {
    /// One file of any kind.
    fn new(mut file: R) -> Result<Self, CheckpointError> {
        if let Some(header) = safetensors::read(&mut file)? {
            let places = header.places(0);
            return Ok(Self { files: vec![file], contents: Contents::Flat(header.into()), places });
        }
        let (pickle, ranges) = torch::read(&mut BufReader::new(&mut file))?;
        let places = ranges.into_iter().map(|(key, range)| (key, (0, range.start)));
        let places = places.collect();
        Ok(Self { files: vec![file], contents: Contents::Pickle(pickle), places })
    }

    fn find(self, signatures: &[Signature], kept: Kept) -> Result<Checkpoint<R>, CheckpointError> {
        let Self { files, contents, places } = self;
        let dicts = contents.dicts();
        if dicts.is_empty() {
            return Err(contents.without_tensors());
        }
        let Choice { dict, prefix, note } = choose::choose(&dicts, signatures, kept)?;
        let Some(Dict { entries, .. }) = dicts.get(dict) else {
            return Err(contents.without_tensors());
        };
        let (mut tensors, mut placeholders) = (BTreeMap::new(), BTreeMap::new());
        let mut ignored = contents.ignored(dicts.get(dict));
        for (full, entry) in entries {
            let Some(name) = full.strip_prefix(prefix.as_str()) else {
                ignored.insert(full);
                continue;
            };
            let twice = match entry {
                Entry::Tensor(tensor) => {
                    let place = places.get(&tensor.storage.key).copied();
                    let checked = Tensor::new(name, tensor, place)?;
                    tensors.insert(name.to_owned(), checked).is_some()
                }
                Entry::Placeholder(what) => {
                    placeholders.insert(name.to_owned(), (*what).to_owned()).is_some()
                }
            };
            if twice {
                return Err(CheckpointError::Duplicate(name.to_owned()));
            }
        }
        let ignored = ignored.into_iter().map(str::to_owned).collect();
        let config = contents.config();
        Ok(Checkpoint { files, tensors, placeholders, ignored, config, note })
    }
}

impl Opened<File> {
    /// The files of a sharded checkpoint, each with the tensors that its index says to be in it.
    fn shards(shards: &source::Shards) -> Result<Self, CheckpointError> {
        let (mut files, mut places) = (Vec::new(), HashMap::new());
        let mut all = safetensors::Header::default();
        for (path, names) in &shards.files {
            let in_shard = |e: CheckpointError| e.in_shard(path);
            let mut file = File::open(path).map_err(|e| in_shard(e.into()))?;
            let header = safetensors::read(&mut file).map_err(in_shard)?;
            let header = header.ok_or_else(|| in_shard(CheckpointError::NotSafetensors))?;
            header.expect(names).map_err(in_shard)?;
            places.extend(header.places(files.len()));
            all.join(header).map_err(in_shard)?;
            files.push(file);
        }
        Ok(Self { files, contents: Contents::Flat(all.into()), places })
    }
}

impl crate::models::arch::Weights for Checkpoint<File> {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shape(name)
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        self.read(name)
    }

    fn placeholder(&self, name: &str) -> Option<&str> {
        self.placeholder(name)
    }
}

/// The start of a path, for messages.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
