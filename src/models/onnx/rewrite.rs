//! How an ONNX file becomes another one: field by field, in protobuf's wire format. What this project
//! does not know is copied as it is.

use std::io::{Read, Seek, Write};

use prost::Message;
use prost::encoding::encode_varint;

use crate::core::onnx::{Value, Wire, WireError};

/// Counts what is written.
pub(super) struct Measure(pub u64);

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A message as a field.
pub(super) fn write_message(
    out: &mut impl Write,
    field: u64,
    message: &impl Message,
) -> std::io::Result<()> {
    let bytes = message.encode_to_vec();
    write_key(out, field, Value::Bytes(bytes.len() as u64))?;
    out.write_all(&bytes)
}

/// A field's number and kind, and what stands before its bytes.
pub(super) fn write_key(out: &mut impl Write, field: u64, value: Value) -> std::io::Result<()> {
    let mut head = Vec::new();
    let (kind, number) = match value {
        Value::Number(number) => (0, Some(number)),
        Value::Fixed(8) => (1, None),
        Value::Fixed(_) => (5, None),
        Value::Bytes(len) => (2, Some(len)),
    };
    encode_varint(field << 3 | kind, &mut head);
    number.into_iter().for_each(|number| encode_varint(number, &mut head));
    out.write_all(&head)
}

/// A field as it is.
pub(super) fn copy<R: Read + Seek>(
    wire: &mut Wire<R>,
    field: u64,
    value: Value,
    out: &mut impl Write,
) -> Result<(), WireError> {
    write_key(out, field, value)?;
    match value {
        Value::Number(_) => Ok(()),
        Value::Bytes(len) | Value::Fixed(len) => wire.copy(len, out),
    }
}
