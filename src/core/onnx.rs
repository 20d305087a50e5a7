//! What ONNX files are made of, read without a runtime: protobuf's wire format, and the operators
//! by which a network shows that it was quantised or compiled.
//!
//! A file is walked field by field and everything of no interest is skipped, so a file of
//! gigabytes costs as much as its list of nodes. No length in it is believed before the data
//! behind it is there.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use thiserror::Error;

/// Why a file cannot be walked through.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum WireError {
    #[error("cannot read or copy the file: {0}")]
    Io(#[from] std::io::Error),
    #[error("byte {at}: {found}; not an ONNX file, or a damaged one")]
    Malformed { at: u64, found: &'static str },
}

/// A field's value in protobuf's wire format, bytes not yet read.
#[derive(Clone, Copy)]
pub enum Value {
    /// A varint.
    Number(u64),
    /// So many bytes of a fixed-size number.
    Fixed(u64),
    /// A message, text or numbers of so many bytes.
    Bytes(u64),
}

/// A file of protobuf's wire format, being read from its beginning.
pub struct Wire<R> {
    reader: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Wire<R> {
    /// With the length of the whole, which is the length of its one message.
    ///
    /// # Errors
    /// When `source` cannot be sought in.
    pub fn new(mut source: R) -> Result<(Self, u64), WireError> {
        let len = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        Ok((Self { reader: BufReader::new(source), at: 0 }, len))
    }

    /// The place of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Calls `each` for every field of a message of `len` bytes; `each` reads or skips the value.
    ///
    /// # Errors
    /// [`WireError`], and what `each` answers.
    pub fn message<E: From<WireError>>(
        &mut self,
        len: u64,
        mut each: impl FnMut(&mut Self, u64, Value) -> Result<(), E>,
    ) -> Result<(), E> {
        let beyond =
            |at| WireError::Malformed { at, found: "a field that ends beyond its message" };
        let end = self.at.checked_add(len).ok_or(beyond(self.at))?;
        while self.at < end {
            let (field, value) = self.field()?;
            let size = match value {
                Value::Bytes(size) | Value::Fixed(size) => size,
                Value::Number(_) => 0,
            };
            if self.at.checked_add(size).is_none_or(|after| after > end) {
                return Err(beyond(self.at).into());
            }
            each(self, field, value)?;
        }
        Ok(())
    }

    fn field(&mut self) -> Result<(u64, Value), WireError> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed(8),
            2 => Value::Bytes(self.varint()?),
            5 => Value::Fixed(4),
            _ => {
                let found = "a field of unknown kind";
                return Err(WireError::Malformed { at: self.at, found });
            }
        };
        Ok((key >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Malformed { at: self.at, found: "a number of more than 64 bits" })
    }

    /// Reads the numbers that `len` bytes hold one after the other.
    ///
    /// # Errors
    /// [`WireError`] when the last one is not whole.
    pub fn numbers(&mut self, len: u64) -> Result<Vec<u64>, WireError> {
        let mut numbers = Vec::new();
        let end = self.at.saturating_add(len);
        while self.at < end {
            numbers.push(self.varint()?);
        }
        Ok(numbers)
    }

    /// Reads the next `len` bytes.
    ///
    /// # Errors
    /// [`WireError`] when there are fewer.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::new();
        let got = self.reader.by_ref().take(len).read_to_end(&mut bytes)?;
        self.at += got as u64;
        if got as u64 == len {
            Ok(bytes)
        } else {
            Err(WireError::Malformed { at: self.at, found: "the end of the file" })
        }
    }

    /// Copies the next `len` bytes to `out`.
    ///
    /// # Errors
    /// [`WireError`] when there are fewer, or `out` does not take them.
    pub fn copy(&mut self, len: u64, out: &mut impl Write) -> Result<(), WireError> {
        let copied = std::io::copy(&mut self.reader.by_ref().take(len), out)?;
        self.at += copied;
        if copied == len {
            Ok(())
        } else {
            Err(WireError::Malformed { at: self.at, found: "the end of the file" })
        }
    }

    /// Passes over a value without reading it.
    ///
    /// # Errors
    /// [`WireError`] for a length that no file has.
    pub fn skip(&mut self, value: Value) -> Result<(), WireError> {
        if let Value::Bytes(len) | Value::Fixed(len) = value {
            let beyond = WireError::Malformed { at: self.at, found: "a length beyond any file" };
            self.reader.seek_relative(i64::try_from(len).map_err(|_| beyond)?)?;
            self.at += len;
        }
        Ok(())
    }
}

/// The numbers of the fields of `onnx.proto3`'s messages, by message and field.
#[allow(missing_docs, reason = "`onnx.proto3` says what its fields hold")]
pub mod field {
    pub const MODEL_IR_VERSION: u64 = 1;
    pub const MODEL_GRAPH: u64 = 7;
    pub const MODEL_OPSET_IMPORT: u64 = 8;
    pub const MODEL_METADATA: u64 = 14;
    pub const MODEL_TRAINING_INFO: u64 = 20;
    pub const MODEL_FUNCTIONS: u64 = 25;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const GRAPH_INPUT: u64 = 11;
    pub const GRAPH_OUTPUT: u64 = 12;
    pub const GRAPH_VALUE_INFO: u64 = 13;
    pub const GRAPH_SPARSE_INITIALIZER: u64 = 15;
    pub const NODE_INPUT: u64 = 1;
    pub const NODE_OUTPUT: u64 = 2;
    pub const NODE_OP_TYPE: u64 = 4;
    pub const NODE_ATTRIBUTE: u64 = 5;
    pub const NODE_DOMAIN: u64 = 7;
    pub const ATTRIBUTE_NAME: u64 = 1;
    pub const ATTRIBUTE_I: u64 = 3;
    pub const ATTRIBUTE_INTS: u64 = 8;
    pub const ATTRIBUTE_T: u64 = 5;
    pub const ATTRIBUTE_G: u64 = 6;
    pub const ATTRIBUTE_TENSORS: u64 = 10;
    pub const ATTRIBUTE_GRAPHS: u64 = 11;
    pub const ATTRIBUTE_SPARSE_TENSOR: u64 = 22;
    pub const ATTRIBUTE_SPARSE_TENSORS: u64 = 23;
    pub const TENSOR_DIMS: u64 = 1;
    pub const TENSOR_DATA_TYPE: u64 = 2;
    pub const TENSOR_NAME: u64 = 8;
    pub const TENSOR_RAW_DATA: u64 = 9;
    pub const TENSOR_EXTERNAL_DATA: u64 = 13;
    pub const TENSOR_DATA_LOCATION: u64 = 14;
    pub const SPARSE_VALUES: u64 = 1;
    pub const SPARSE_INDICES: u64 = 2;
    pub const TRAINING_INITIALIZATION: u64 = 1;
    pub const TRAINING_ALGORITHM: u64 = 2;
    pub const FUNCTION_NODE: u64 = 7;
    pub const FUNCTION_ATTRIBUTE: u64 = 11;
}

/// What only quantised networks contain: the pairs of a QDQ file first, which every provider
/// takes, then what dynamic and operator-oriented quantisation leave.
const QUANTISING: [&[u8]; 7] = [
    b"QuantizeLinear",
    b"DequantizeLinear",
    b"DynamicQuantizeLinear",
    b"MatMulInteger",
    b"ConvInteger",
    b"QLinearMatMul",
    b"QLinearConv",
];

/// ONNX Runtime's operator for what a provider has compiled.
pub const COMPILED: &str = "EPContext";

/// What the operators of a network tell of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelTraits {
    /// Whether it computes with 8-bit integers, having been quantised beforehand.
    pub is_quantised: bool,
    /// Whether it holds, or names the file of, what a provider has compiled: no other can run it.
    pub is_compiled: bool,
}

impl ModelTraits {
    /// Of the ONNX file at `path`.
    ///
    /// # Errors
    /// [`WireError`] for a file that cannot be read or is damaged.
    pub fn of(path: &Path) -> Result<Self, WireError> {
        let (mut wire, len) = Wire::new(File::open(path)?)?;
        let mut traits = Self::default();
        let mut graph = |wire: &mut Wire<_>, field, value| match (field, value) {
            (field::GRAPH_NODE, Value::Bytes(len)) => traits.add_node(wire, len),
            (_, other) => wire.skip(other),
        };
        wire.message::<WireError>(len, |wire, field, value| match (field, value) {
            (field::MODEL_GRAPH, Value::Bytes(len)) => wire.message(len, &mut graph),
            (_, other) => wire.skip(other),
        })?;
        Ok(traits)
    }

    /// Reads a `NodeProto` of `len` bytes, and adds what it tells. Its attributes are passed over:
    /// a whole engine may be among them.
    ///
    /// # Errors
    /// [`WireError`] for a damaged file.
    pub fn add_node<R: Read + Seek>(
        &mut self,
        wire: &mut Wire<R>,
        len: u64,
    ) -> Result<(), WireError> {
        self.add_node_and(wire, len, |wire, _, other| wire.skip(other))
    }

    /// As [`Self::add_node`], with `each` called for every other field, which it reads or skips.
    ///
    /// # Errors
    /// [`WireError`] for a damaged file, and what `each` answers.
    pub fn add_node_and<R: Read + Seek, E: From<WireError>>(
        &mut self,
        wire: &mut Wire<R>,
        len: u64,
        mut each: impl FnMut(&mut Wire<R>, u64, Value) -> Result<(), E>,
    ) -> Result<(), E> {
        wire.message(len, |wire, field, value| match (field, value) {
            (field::NODE_OP_TYPE, Value::Bytes(len)) => {
                let operator = wire.bytes(len)?;
                self.is_quantised |= QUANTISING.contains(&operator.as_slice());
                self.is_compiled |= operator == COMPILED.as_bytes();
                Ok(())
            }
            (field, other) => each(wire, field, other),
        })
    }
}
