//! Bytes for the machine: a reader that counts and never trusts a length.

use std::io::{ErrorKind, Read};

use super::{Problem, limits};

pub(super) struct Input<R> {
    reader: R,
    at: u64,
    string_bytes: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R, at: u64) -> Self {
        Self { reader, at, string_bytes: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.at
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => Problem::Truncated,
            _ => Problem::Io(e),
        })?;
        self.at += N as u64;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Problem> {
        self.array().map(|[b]| b)
    }

    /// `len` bytes. The buffer grows with the data that is really there.
    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>, Problem> {
        let too_much = |what, limit| Err(Problem::TooMuch { what, limit });
        if len > limits::STRING_BYTES {
            return too_much("bytes in one string", limits::STRING_BYTES);
        }
        self.string_bytes += len;
        if self.string_bytes > limits::ALL_STRINGS_BYTES {
            return too_much("bytes of strings", limits::ALL_STRINGS_BYTES);
        }
        let mut bytes = Vec::new();
        let got = self.reader.by_ref().take(len).read_to_end(&mut bytes)?;
        self.at += got as u64;
        if got as u64 == len { Ok(bytes) } else { Err(Problem::Truncated) }
    }

    pub(super) fn text(&mut self, len: u64) -> Result<String, Problem> {
        String::from_utf8(self.bytes(len)?).map_err(|_| Problem::NotUtf8)
    }

    /// A name up to the end of its line.
    pub(super) fn line(&mut self) -> Result<String, Problem> {
        const LONGEST: usize = 256;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return String::from_utf8(bytes).map_err(|_| Problem::NotUtf8),
                _ if bytes.len() == LONGEST => {
                    return Err(Problem::TooMuch {
                        what: "bytes in a global's name",
                        limit: LONGEST as u64,
                    });
                }
                b => bytes.push(b),
            }
        }
    }
}
