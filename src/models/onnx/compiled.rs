//! Files in which ONNX Runtime keeps what a provider has compiled.

use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek, Write};
use std::path::Path;

use prost::Message;

use super::proto::StringStringEntryProto;
use super::rewrite::copy;
use crate::core::onnx::{Value, Wire, WireError, field};
use crate::models::file::{self, AtomicFile};

/// What the keys begin with under which ONNX Runtime keeps what a provider says of the machines that
/// its work is for. Where the provider says no when the file is loaded, ONNX Runtime refuses it.
const COMPATIBILITY: &str = "ep_compatibility_info.";

/// Removes what the file at `model` says of the machines that it is for, so that whoever loads it finds
/// that out by loading it: TensorRT for RTX says no of every GPU that it does not support, also where
/// it runs. Written anew, whole or not at all.
///
/// # Errors
/// [`WireError`] for a damaged file, and for one that cannot be read or written.
pub fn forget_compatibility(model: &Path) -> Result<(), WireError> {
    let mut partial = AtomicFile::new(file::folder(model))?;
    let mut out = BufWriter::new(&mut partial);
    without_compatibility(File::open(model)?, &mut out)?;
    out.flush()?;
    drop(out);
    Ok(partial.publish(model)?)
}

fn without_compatibility(source: impl Read + Seek, out: &mut impl Write) -> Result<(), WireError> {
    let (mut wire, end) = Wire::new(source)?;
    wire.message(end, |wire, field, value| {
        let (field::MODEL_METADATA, Value::Bytes(len)) = (field, value) else {
            return copy(wire, field, value, out);
        };
        let at = wire.at();
        let entry = wire.bytes(len)?;
        let malformed = |_| WireError::Malformed { at, found: "metadata that is none" };
        let key = StringStringEntryProto::decode(entry.as_slice()).map_err(malformed)?.key;
        if key.starts_with(COMPATIBILITY) {
            return Ok(());
        }
        let (mut wire, _) = Wire::new(Cursor::new(entry))?;
        copy(&mut wire, field, value, out)
    })
}

#[cfg(test)]
mod tests {
    use super::super::rewrite::write_message;
    use super::*;

    fn entry(key: &str) -> Vec<u8> {
        let entry = StringStringEntryProto { key: key.to_owned(), value: "80;90".to_owned() };
        let mut bytes = Vec::new();
        write_message(&mut bytes, field::MODEL_METADATA, &entry).unwrap();
        bytes
    }

    #[test]
    fn only_what_is_said_of_machines_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("compiled.onnx");
        let synth = crate::models::synth::write(&crate::models::synth::Synth::Aligner, dir.path());
        let network = std::fs::read(synth.unwrap()).unwrap();
        let [said, other] = ["ep_compatibility_info.NvTensorRTRTXExecutionProvider", "author"];
        std::fs::write(&model, [network.clone(), entry(said), entry(other)].concat()).unwrap();
        for _ in 0..2 {
            forget_compatibility(&model).unwrap();
            let found = std::fs::read(&model).unwrap();
            assert!(found == [network.clone(), entry(other)].concat());
        }
    }

    #[test]
    fn a_damaged_file_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("compiled.onnx");
        let whole = entry("author");
        for len in 1..whole.len() {
            std::fs::write(&model, &whole[..len]).unwrap();
            assert!(forget_compatibility(&model).is_err(), "{len}");
            assert_eq!(std::fs::read(&model).unwrap(), &whole[..len]);
        }
        assert!(forget_compatibility(&dir.path().join("none.onnx")).is_err());
    }
}
