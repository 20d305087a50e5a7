//! Where the pickle and the storages of a PyTorch file lie: zip files (PyTorch ≥ 1.6) and legacy files.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use super::CheckpointError;
use crate::models::pickle::{Pickle, StorageRef, Value};

/// The bytes of each storage in the file, by key.
pub(super) type Places = HashMap<String, Range<u64>>;

/// `file` is at its start, and buffered: pickles are read byte by byte.
pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<(Pickle, Places), CheckpointError> {
    let mut start = Vec::new();
    file.take(4).read_to_end(&mut start)?;
    let file_bytes = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let (pickle, places) = match start.as_slice() {
        [b'P', b'K', ..] => read_zip(file, file_bytes)?,
        [0x80, 2, 0x8a, 10] => read_legacy(file, file_bytes)?,
        _ => return Err(CheckpointError::NotACheckpoint { start }),
    };
    check_overlap(&places)?;
    Ok((pickle, places))
}

/// One description for each storage: tensors that share one must agree on it.
fn storages(pickle: &Pickle) -> Result<BTreeMap<&str, &StorageRef>, CheckpointError> {
    let mut all = BTreeMap::new();
    for storage in pickle.storages() {
        let earlier = all.insert(storage.key.as_str(), storage);
        if earlier.is_some_and(|e| e != storage) {
            return Err(CheckpointError::Contradiction { storage: storage.key.clone() });
        }
    }
    Ok(all)
}

fn bytes_of(storage: &StorageRef) -> Result<u64, CheckpointError> {
    storage.numel.checked_mul(storage.dtype.bytes()).ok_or_else(|| CheckpointError::ShortStorage {
        storage: storage.key.clone(),
        needed: u64::MAX,
        found: 0,
    })
}

fn read_zip(
    file: &mut (impl Read + Seek),
    file_bytes: u64,
) -> Result<(Pickle, Places), CheckpointError> {
    let mut zip = ZipArchive::new(file)?;
    let main = zip.file_names().find(|n| n.ends_with("/data.pkl")).map(str::to_owned);
    let main = main.ok_or_else(|| CheckpointError::NoRecord("data.pkl".to_owned()))?;
    let prefix = main.trim_end_matches("data.pkl").to_owned();
    check_byte_order(&mut zip, &prefix, file_bytes)?;

    let (pickle_at, _) = stored(&mut zip, &main, file_bytes)?;
    let pickle = Pickle::read(BufReader::new(zip.by_name(&main)?), pickle_at)?;
    let mut places = Places::new();
    for (key, storage) in storages(&pickle)? {
        let name = format!("{prefix}data/{key}");
        // A storage without a record matters only if the network uses it: the tensor is named
        // then.
        if zip.index_for_name(&name).is_none() {
            continue;
        }
        let (start, found) = stored(&mut zip, &name, file_bytes)?;
        let needed = bytes_of(storage)?;
        if found < needed {
            return Err(CheckpointError::ShortStorage { storage: key.to_owned(), needed, found });
        }
        places.insert(key.to_owned(), start..start + needed);
    }
    Ok((pickle, places))
}

fn check_byte_order(
    zip: &mut ZipArchive<impl Read + Seek>,
    prefix: &str,
    file_bytes: u64,
) -> Result<(), CheckpointError> {
    let name = format!("{prefix}byteorder");
    if zip.index_for_name(&name).is_none() {
        return Ok(());
    }
    stored(zip, &name, file_bytes)?;
    let mut order = Vec::new();
    zip.by_name(&name)?.take(16).read_to_end(&mut order)?;
    if order == b"little" { Ok(()) } else { Err(CheckpointError::BigEndian) }
}

/// Where an uncompressed record starts, and how many of its bytes the file really has.
fn stored(
    zip: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    file_bytes: u64,
) -> Result<(u64, u64), CheckpointError> {
    let record = zip.by_name(name)?;
    let start = record
        .data_start()
        .filter(|_| record.compression() == CompressionMethod::Stored && !record.encrypted());
    let start = start.ok_or_else(|| CheckpointError::NotStored(name.to_owned()))?;
    Ok((start, record.size().min(file_bytes.saturating_sub(start))))
}

/// Magic number, protocol version, machine description, the object, the list of storage keys,
/// then for each key a 64-bit count and that many elements.
fn read_legacy(
    file: &mut (impl Read + Seek),
    file_bytes: u64,
) -> Result<(Pickle, Places), CheckpointError> {
    let _magic = next_pickle(file)?;
    let version_at = file.stream_position()?;
    let version = next_pickle(file)?;
    if version.root() != Value::Int(1001) {
        return Err(CheckpointError::Legacy {
            at: version_at,
            found: format!("{:?}", version.root()),
            expected: "protocol version 1001",
        });
    }
    let machine = next_pickle(file)?;
    if machine.get(machine.root(), "little_endian") == Some(Value::Bool(false)) {
        return Err(CheckpointError::BigEndian);
    }
    let pickle = next_pickle(file)?;
    let keys_at = file.stream_position()?;
    let keys = next_pickle(file)?;
    let list = keys.list(keys.root()).ok_or(CheckpointError::Legacy {
        at: keys_at,
        found: "another object".to_owned(),
        expected: "the list of storage keys",
    })?;

    let storages = storages(&pickle)?;
    let mut places = Places::new();
    for key in list {
        let at = file.stream_position()?;
        let Some(storage) = keys.text(*key).and_then(|k| storages.get(k)) else {
            return Err(CheckpointError::Legacy {
                at: keys_at,
                found: "a key that no tensor uses".to_owned(),
                expected: "the keys of the tensors' storages",
            });
        };
        let range = legacy_storage(file, storage, at, file_bytes)?;
        if places.insert(storage.key.clone(), range).is_some() {
            return Err(CheckpointError::Contradiction { storage: storage.key.clone() });
        }
    }
    Ok((pickle, places))
}

fn next_pickle(file: &mut (impl Read + Seek)) -> Result<Pickle, CheckpointError> {
    let at = file.stream_position()?;
    Ok(Pickle::read(file, at)?)
}

/// The bytes of the storage whose count is at the reader's position `at`; the reader moves on to
/// the next count.
fn legacy_storage(
    file: &mut (impl Read + Seek),
    storage: &StorageRef,
    at: u64,
    file_bytes: u64,
) -> Result<Range<u64>, CheckpointError> {
    let needed = bytes_of(storage)?;
    let start = at + 8;
    let found = file_bytes.saturating_sub(start);
    if found < needed {
        return Err(CheckpointError::ShortStorage { storage: storage.key.clone(), needed, found });
    }
    let mut count = [0; 8];
    file.read_exact(&mut count)?;
    let count = u64::from_le_bytes(count);
    if count != storage.numel {
        return Err(CheckpointError::Legacy {
            at,
            found: format!("a storage of {count} elements"),
            expected: "as many as the object says",
        });
    }
    file.seek(SeekFrom::Start(start + needed))?;
    Ok(start..start + needed)
}

fn check_overlap(places: &Places) -> Result<(), CheckpointError> {
    let mut sorted: Vec<_> = places.iter().filter(|(_, range)| !range.is_empty()).collect();
    sorted.sort_by_key(|(_, range)| (range.start, range.end));
    for pair in sorted.windows(2) {
        if let [(first, a), (second, b)] = pair
            && a.end > b.start
        {
            let (first, second) = ((*first).clone(), (*second).clone());
            return Err(CheckpointError::Overlap { first, second });
        }
    }
    Ok(())
}
