//! Python's bytes literals, as far as [`assigned_bytes`] needs them: read, never run.

use std::fmt;

use thiserror::Error;

/// Why a text is no assignment of one bytes literal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {at}: found {found}, expected {expected}")]
pub struct LiteralError {
    /// In the text.
    pub at: usize,
    /// The byte that is there, or the end.
    pub found: Found,
    /// What should be there instead.
    pub expected: &'static str,
}

/// What is at a place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found(Option<u8>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(byte) => write!(f, "'{}'", byte.escape_ascii()),
            None => f.write_str("the end"),
        }
    }
}

/// The bytes that `NAME = b'…'` assigns, where this is all that the text says: one literal in single
/// or double quotes, on one line, with the escapes that Python documents for bytes. Comments, raw
/// and triple-quoted literals, several literals in a row, and escapes that Python only tolerates
/// are errors.
///
/// # Errors
/// [`LiteralError`] with the place of what does not belong there.
pub fn assigned_bytes(text: &[u8]) -> Result<Vec<u8>, LiteralError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip(is_space_or_newline);
    reader.name()?;
    reader.skip(is_space);
    reader.expect(|b| b == b'=', "=")?;
    reader.skip(is_space);
    reader.expect(|b| matches!(b, b'b' | b'B'), "a bytes literal, b'…'")?;
    let quote = reader.expect(|b| matches!(b, b'\'' | b'"'), "a quote")?;
    // What is written takes no less room than what it stands for.
    let mut bytes = Vec::new();
    loop {
        match reader.expect(is_plain, "ASCII, or the quote that ends the literal")? {
            end if end == quote => break,
            b'\\' => bytes.extend(reader.escaped()?),
            plain => bytes.push(plain),
        }
    }
    reader.skip(is_space_or_newline);
    match reader.peek() {
        None => Ok(bytes),
        Some(_) => Err(reader.unexpected("nothing after the literal")),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What may stand in a literal; among it the quote and the backslash, which are not themselves.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0)
}

fn is_space_or_newline(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'\n' | b'\r')
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self, expected: &'static str) -> LiteralError {
        LiteralError { at: self.at, found: Found(self.peek()), expected }
    }

    fn skip(&mut self, is_skipped: fn(u8) -> bool) {
        while self.peek().is_some_and(is_skipped) {
            self.at += 1;
        }
    }

    fn expect(
        &mut self,
        is_right: impl Fn(u8) -> bool,
        expected: &'static str,
    ) -> Result<u8, LiteralError> {
        let byte = self.peek().filter(|byte| is_right(*byte));
        let byte = byte.ok_or_else(|| self.unexpected(expected))?;
        self.at += 1;
        Ok(byte)
    }

    fn name(&mut self) -> Result<(), LiteralError> {
        self.expect(|b| b.is_ascii_alphabetic() || b == b'_', "a name")?;
        self.skip(|b| b.is_ascii_alphanumeric() || b == b'_');
        Ok(())
    }

    /// What follows a backslash; `None` where it only continues the line.
    fn escaped(&mut self) -> Result<Option<u8>, LiteralError> {
        let start = self.at;
        let known =
            |b| matches!(b, b'\n' | b'\\' | b'\'' | b'"' | b'0'..=b'7') || letter(b).is_some();
        match self.expect(known, "an escape of bytes literals")? {
            b'\n' => Ok(None),
            b'x' => {
                let [high, low] = [self.digit(16)?, self.digit(16)?];
                Ok(Some(high << 4 | low))
            }
            b'0'..=b'7' => {
                self.at = start;
                self.octal().map(Some)
            }
            byte => Ok(Some(letter(byte).unwrap_or(byte))),
        }
    }

    /// One to three digits.
    fn octal(&mut self) -> Result<u8, LiteralError> {
        let start = self.at;
        let mut value = u32::from(self.digit(8)?);
        while self.at - start < 3 && self.peek().is_some_and(|b| matches!(b, b'0'..=b'7')) {
            value = value << 3 | u32::from(self.digit(8)?);
        }
        u8::try_from(value).map_err(|_| {
            self.at = start;
            self.unexpected("an octal number up to 377")
        })
    }

    fn digit(&mut self, radix: u32) -> Result<u8, LiteralError> {
        let value = |b: u8| char::from(b).to_digit(radix);
        let expected = if radix == 16 { "two hexadecimal digits" } else { "an octal digit" };
        let byte = self.expect(|b| value(b).is_some(), expected)?;
        Ok(value(byte).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default())
    }
}

/// What a letter after a backslash stands for; `x` for what follows it.
fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'x' => b'x',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_stand_for_what_python_says() {
        for (text, expected) in [
            (r"W = b''", &b""[..]),
            ("\n\tW_1=B\"it's\"\r\n \n", b"it's"),
            (r#"W = b'say \"hi\", it\'s \\'"#, br#"say "hi", it's \"#),
            (r"W = b'\x00\xfF\x7f'", b"\x00\xff\x7f"),
            // Two digits and no more.
            (r"W = b'\x411'", b"A1"),
            (r"W = b'\0\12\101\377\1234\08'", b"\x00\x0aA\xffS4\x008"),
            (r"W = b'\a\b\f\n\r\t\v'", b"\x07\x08\x0c\n\r\t\x0b"),
            ("W = b'one \\\nline'", b"one line"),
            ("W = b'tab\tand \x7f'", b"tab\tand \x7f"),
        ] {
            assert_eq!(assigned_bytes(text.as_bytes()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_else_python_would_read_or_run_is_refused_where_it_stands() {
        for (text, at, expected) in [
            ("", 0, "a name"),
            ("import os", 7, "="),
            ("# nothing\nW = b''", 0, "a name"),
            ("1W = b''", 0, "a name"),
            ("W == b''", 3, "a bytes literal, b'…'"),
            ("W = 'text'", 4, "a bytes literal, b'…'"),
            ("W = rb'raw'", 4, "a bytes literal, b'…'"),
            ("W = br'raw'", 5, "a quote"),
            ("W = bytes(9)", 5, "a quote"),
            ("W = (b'')", 4, "a bytes literal, b'…'"),
            ("W = b'''long'''", 7, "nothing after the literal"),
            ("W = b'one' b'two'", 11, "nothing after the literal"),
            ("W = b'' + b''", 8, "nothing after the literal"),
            ("W = b''.join(x)", 7, "nothing after the literal"),
            ("W = b''; import os", 7, "nothing after the literal"),
            ("W = b''\nimport os", 8, "nothing after the literal"),
            ("W = b'open", 10, "ASCII, or the quote that ends the literal"),
            ("W = b'open\\", 11, "an escape of bytes literals"),
            ("W = b'two\nlines'", 9, "ASCII, or the quote that ends the literal"),
            ("W = b'two\rlines'", 9, "ASCII, or the quote that ends the literal"),
            ("W = b'nul\0'", 9, "ASCII, or the quote that ends the literal"),
            ("W = b'ä'", 6, "ASCII, or the quote that ends the literal"),
            (r"W = b'\8'", 7, "an escape of bytes literals"),
            (r"W = b'\d'", 7, "an escape of bytes literals"),
            (r"W = b'\u0041'", 7, "an escape of bytes literals"),
            (r"W = b'\N{DASH}'", 7, "an escape of bytes literals"),
            ("W = b'\\\r\n'", 7, "an escape of bytes literals"),
            (r"W = b'\x4'", 9, "two hexadecimal digits"),
            (r"W = b'\x", 8, "two hexadecimal digits"),
            (r"W = b'\400'", 7, "an octal number up to 377"),
        ] {
            let error = assigned_bytes(text.as_bytes()).unwrap_err();
            assert_eq!((error.at, error.expected), (at, expected), "{text}: {error}");
        }
        let error = assigned_bytes(b"W = b'\xff'").unwrap_err().to_string();
        assert!(error.starts_with("at byte 6: found '\\xff', expected ASCII"), "{error}");
        assert!(assigned_bytes(b"W = b'").unwrap_err().to_string().contains("found the end"));
    }

    #[test]
    fn all_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let hex: String = all.iter().map(|b| format!("\\x{b:02x}")).collect();
        let octal: String = all.iter().map(|b| format!("\\{b:03o}")).collect();
        for text in [hex, octal] {
            assert_eq!(assigned_bytes(format!("W = b\"{text}\"").as_bytes()), Ok(all.clone()));
        }
    }
}
