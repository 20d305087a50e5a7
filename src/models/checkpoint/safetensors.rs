//! Hugging Face's safetensors: a header of JSON that says where each tensor's bytes are, then the
//! bytes.
//!
//! The crate of that name wants the whole file in memory, or mapped, and lets a name appear twice. This
//! reads the header alone, and takes nothing on trust: tensors fill the file from the header to its
//! end, without a gap or an overlap, each as large as its shape and type say.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::CheckpointError;
use super::dicts::FlatEntry;
use crate::models::pickle::{DType, StorageRef, TensorRef, limits};

/// Headers are some hundred bytes a tensor; large networks have some thousand.
const LARGEST_HEADER_BYTES: u64 = 16 << 20;
/// The one key that is no tensor.
const METADATA: &str = "__metadata__";

/// What a file's header says, checked against the file.
#[derive(Debug, Default)]
pub(super) struct Header {
    tensors: Vec<(String, FlatEntry)>,
    /// The first byte of each, in the file.
    starts: Vec<u64>,
}

/// A tensor as the header describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    /// Its first byte and the one after its last, from the header's end.
    data_offsets: [u64; 2],
}

/// All tensors in the header's order; unlike a map's, twice the same name stays twice.
struct Entries(Vec<(String, Described)>);

/// Reads the header of a safetensors file. `None`: it is another kind of file; the reader is at its
/// start again.
pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Option<Header>, CheckpointError> {
    let mut start = Vec::new();
    file.take(9).read_to_end(&mut start)?;
    let file_bytes = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let Some((&len, b"{")) = start.split_first_chunk() else { return Ok(None) };
    let header_bytes = u64::from_le_bytes(len);
    if header_bytes > LARGEST_HEADER_BYTES {
        return Err(wrong(format!("{header_bytes} bytes, more than {LARGEST_HEADER_BYTES}")));
    }
    let data_start = header_bytes + 8;
    if data_start > file_bytes {
        let found = format!("{header_bytes} bytes, the file has {} for it", file_bytes - 8);
        return Err(wrong(format!("{found}; the file is truncated")));
    }
    file.seek(SeekFrom::Start(8))?;
    let mut text = Vec::new();
    file.take(header_bytes).read_to_end(&mut text)?;
    let Entries(mut entries) = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    entries.sort_by_key(|(_, described)| described.data_offsets);
    let mut header = Header::default();
    let mut end = 0;
    for (name, described) in entries {
        let [from, to] = described.data_offsets;
        if from != end || to < from {
            return Err(wrong(format!(
                "the tensor {name} lies at {from} to {to}, expected it to begin at {end}, where \
                 the one before ends"
            )));
        }
        end = to;
        header.starts.push(data_start + from);
        let entry = entry(&name, described, to - from)?;
        header.tensors.push((name, entry));
    }
    let found = file_bytes - data_start;
    if found == end {
        Ok(Some(header))
    } else {
        let why = if found < end { "is truncated" } else { "has more after them" };
        Err(wrong(format!("its tensors need {end} bytes, the file has {found}: it {why}")))
    }
}

fn wrong(problem: String) -> CheckpointError {
    CheckpointError::Header(problem)
}

fn entry(name: &str, described: Described, bytes: u64) -> Result<FlatEntry, CheckpointError> {
    let Described { dtype, shape, .. } = described;
    if shape.len() > limits::RANK {
        return Err(wrong(format!("the tensor {name} has more than {} dimensions", limits::RANK)));
    }
    let Some(dtype) = dtype_of(&dtype) else { return Ok(FlatEntry::Placeholder(dtype)) };
    let numel = shape.iter().try_fold(1u64, |n, size| n.checked_mul(*size));
    let needed = numel.and_then(|n| n.checked_mul(dtype.bytes()));
    let Some(numel) = numel.filter(|_| needed == Some(bytes)) else {
        return Err(wrong(format!("the tensor {name}, {shape:?}, does not have {bytes} bytes")));
    };
    let stride = (0..shape.len()).map(|axis| {
        let inner = shape.get(axis + 1..).unwrap_or_default();
        inner.iter().fold(1u64, |n, size| n.saturating_mul(*size))
    });
    let stride = stride.collect();
    let storage = StorageRef { key: name.to_owned(), dtype, numel };
    Ok(FlatEntry::Tensor(TensorRef { storage, offset: 0, shape, stride }))
}

fn dtype_of(name: &str) -> Option<DType> {
    Some(match name {
        "F64" => DType::F64,
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "I64" => DType::I64,
        "I32" => DType::I32,
        "I16" => DType::I16,
        "I8" => DType::I8,
        "U8" => DType::U8,
        "BOOL" => DType::Bool,
        _ => return None,
    })
}

impl Header {
    /// Where each tensor's bytes begin, in the file of this number.
    pub(super) fn places(&self, file: usize) -> HashMap<String, (usize, u64)> {
        let names = self.tensors.iter().map(|(name, _)| name.clone());
        names.zip(self.starts.iter().map(|start| (file, *start))).collect()
    }

    /// That these are its tensors, and no others.
    pub(super) fn expect(&self, names: &BTreeSet<String>) -> Result<(), CheckpointError> {
        let found: BTreeSet<&String> = self.tensors.iter().map(|(name, _)| name).collect();
        match names.iter().find(|name| !found.contains(name)) {
            Some(name) => return Err(CheckpointError::NoSuchTensor(name.clone())),
            None if found.len() == names.len() => return Ok(()),
            None => {}
        }
        let more = found.into_iter().find(|name| !names.contains(*name)).cloned();
        let more = more.unwrap_or_default();
        Err(wrong(format!("the index does not say that the tensor {more} is here")))
    }

    /// Takes over another's tensors.
    pub(super) fn join(&mut self, other: Self) -> Result<(), CheckpointError> {
        let mine: BTreeSet<&String> = self.tensors.iter().map(|(name, _)| name).collect();
        if let Some((name, _)) = other.tensors.iter().find(|(name, _)| mine.contains(name)) {
            return Err(CheckpointError::Duplicate(name.clone()));
        }
        self.tensors.extend(other.tensors);
        self.starts.extend(other.starts);
        Ok(())
    }
}

impl From<Header> for Vec<(String, FlatEntry)> {
    fn from(header: Header) -> Self {
        header.tensors
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a tensor for each name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let (mut entries, mut names) = (Vec::new(), BTreeSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the tensor {name} appears twice")));
            }
            entries.push((name, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}
