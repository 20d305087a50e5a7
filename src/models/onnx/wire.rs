//! Protobuf's wire format, read without believing a length before the data behind it is there.

use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use prost::Message;

use super::OnnxError;

/// A field's value in protobuf's wire format, bytes not yet read.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Number(u64),
    /// So many bytes of a fixed-size number.
    Fixed(u64),
    /// A message, text or numbers of so many bytes.
    Bytes(u64),
}

/// A file that is walked field by field.
pub(super) struct Wire<R> {
    reader: BufReader<R>,
    pub(super) at: u64,
}

impl<R: Read + Seek> Wire<R> {
    /// At the start of `source`, and how long that is.
    pub(super) fn open(mut source: R) -> Result<(Self, u64), OnnxError> {
        let end = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        Ok((Self { reader: BufReader::new(source), at: 0 }, end))
    }

    /// Calls `each` for every field of a message of `len` bytes; `each` reads or skips the value.
    pub(super) fn message(
        &mut self,
        len: u64,
        mut each: impl FnMut(&mut Self, u64, Value) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        let beyond =
            |at| OnnxError::Malformed { at, found: "a field that ends beyond its message" };
        let end = self.at.checked_add(len).ok_or(beyond(self.at))?;
        while self.at < end {
            let (field, value) = self.field()?;
            let size = match value {
                Value::Bytes(size) | Value::Fixed(size) => size,
                Value::Number(_) => 0,
            };
            if self.at.checked_add(size).is_none_or(|after| after > end) {
                return Err(beyond(self.at));
            }
            each(self, field, value)?;
        }
        Ok(())
    }

    fn field(&mut self) -> Result<(u64, Value), OnnxError> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed(8),
            2 => Value::Bytes(self.varint()?),
            5 => Value::Fixed(4),
            _ => {
                let found = "a field of unknown kind";
                return Err(OnnxError::Malformed { at: self.at, found });
            }
        };
        Ok((key >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
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
        Err(OnnxError::Malformed { at: self.at, found: "a number of more than 64 bits" })
    }

    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>, OnnxError> {
        let mut bytes = Vec::new();
        let got = self.reader.by_ref().take(len).read_to_end(&mut bytes)?;
        self.at += got as u64;
        if got as u64 == len {
            Ok(bytes)
        } else {
            Err(OnnxError::Malformed { at: self.at, found: "the end of the file" })
        }
    }

    /// The next `len` bytes, to `out`.
    pub(super) fn copy(&mut self, len: u64, out: &mut impl Write) -> Result<(), OnnxError> {
        let copied = std::io::copy(&mut self.reader.by_ref().take(len), out)?;
        self.at += copied;
        if copied == len {
            Ok(())
        } else {
            Err(OnnxError::Malformed { at: self.at, found: "the end of the file" })
        }
    }

    pub(super) fn decode<M: Message + Default>(&mut self, len: u64) -> Result<M, OnnxError> {
        let at = self.at;
        let bytes = self.bytes(len)?;
        M::decode(bytes.as_slice())
            .map_err(|_| OnnxError::Malformed { at, found: "a message that makes no sense" })
    }

    pub(super) fn skip(&mut self, value: Value) -> Result<(), OnnxError> {
        if let Value::Bytes(len) | Value::Fixed(len) = value {
            let beyond = OnnxError::Malformed { at: self.at, found: "a length beyond any file" };
            self.reader.seek_relative(i64::try_from(len).map_err(|_| beyond)?)?;
            self.at += len;
        }
        Ok(())
    }
}
