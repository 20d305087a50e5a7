//! The chain through the lines of a file of records: each link is of the line and of the link before
//! it, so that the first line that is not as it was can be named.

use crate::core::hex::hex;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of a line with its line feed.
pub(super) type LineHash = [u8; 32];

/// A link of the chain: the first 16 bytes of SHA-256 of the link before (before the first: zeros) and
/// the line's own SHA-256; as text in hexadecimal. It tells lines apart; that nobody forges them is
/// the business of the whole file's SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Link([u8; 16]);

impl Link {
    fn next(self, line: &LineHash) -> Self {
        let hash = Sha256::new().chain_update(self.0).chain_update(line).finalize();
        let mut link = [0; 16];
        link.copy_from_slice(&hash[..16]);
        Self(link)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Link> for String {
    fn from(link: Link) -> Self {
        link.to_string()
    }
}

impl TryFrom<String> for Link {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no link of a chain: 32 hexadecimal digits are expected");
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut link = [0; 16];
        for (byte, at) in link.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(link))
    }
}

/// The chain through these lines.
pub(super) fn chain(lines: &[LineHash]) -> Vec<Link> {
    let mut link = Link::default();
    lines
        .iter()
        .map(|line| {
            link = link.next(line);
            link
        })
        .collect()
}

/// The first place where records are not as they were sealed. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Difference {
    /// This line holds something else.
    Changed {
        /// Of the file.
        line: usize,
    },
    /// These lines, as the seal counts them, are gone.
    Removed {
        /// The first that is gone.
        first: usize,
        /// The last one, inclusive.
        last: usize,
    },
    /// These lines, as the file counts them, were not there.
    Inserted {
        /// The first that was put in.
        first: usize,
        /// The last one, inclusive.
        last: usize,
    },
    /// The sealed line `sealed` stands here, at `line`: the order is another.
    Moved {
        /// Its line in the file.
        line: usize,
        /// Its line when it was sealed.
        sealed: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |first, last| {
            if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
        };
        match *self {
            Self::Changed { line } => write!(f, "line {line} was changed"),
            Self::Removed { first, last } => write!(f, "{} removed", lines(first, last)),
            Self::Inserted { first, last } => write!(f, "{} inserted", lines(first, last)),
            Self::Moved { line, sealed } => {
                write!(f, "line {line} was line {sealed}: the order was changed")
            }
        }
    }
}

/// Where lines first differ from those that were sealed.
pub(super) fn first_difference(sealed: &[Link], lines: &[LineHash]) -> Option<Difference> {
    let now = chain(lines);
    let same = sealed.iter().zip(&now).take_while(|(sealed, now)| sealed == now).count();
    let before = match same {
        0 => Link::default(),
        n => sealed.get(n - 1).copied()?,
    };
    let (Some(expected), Some(found)) = (sealed.get(same), lines.get(same)) else {
        return match (sealed.len(), lines.len()) {
            (was, is) if was > is => Some(Difference::Removed { first: is + 1, last: was }),
            (was, is) if was < is => Some(Difference::Inserted { first: was + 1, last: is }),
            _ => None,
        };
    };
    let line = same + 1;
    // The line that belongs here, further down in the file; and the line that is here, further down in
    // the seal.
    let later = lines[same..].iter().position(|hash| before.next(hash) == *expected);
    let was = sealed[same..].windows(2).position(|pair| pair[0].next(found) == pair[1]);
    let was = was.map(|at| line + at + 1);
    Some(match (later, was) {
        (Some(_), Some(sealed)) => Difference::Moved { line, sealed },
        (Some(inserted), None) => Difference::Inserted { first: line, last: same + inserted },
        (None, Some(sealed)) => Difference::Removed { first: line, last: sealed - 1 },
        (None, None) => Difference::Changed { line },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<LineHash> {
        text.bytes().map(|line| Sha256::digest([line, b'\n']).into()).collect()
    }

    #[test]
    fn the_first_line_that_differs_is_named_with_what_happened_to_it() {
        use Difference::*;
        let sealed = chain(&lines("abcdef"));
        for (now, expected) in [
            ("abcdef", None),
            ("Xbcdef", Some(Changed { line: 1 })),
            ("abcdeX", Some(Changed { line: 6 })),
            ("abXdXf", Some(Changed { line: 3 })),
            ("bcdef", Some(Removed { first: 1, last: 1 })),
            ("aef", Some(Removed { first: 2, last: 4 })),
            ("abc", Some(Removed { first: 4, last: 6 })),
            ("", Some(Removed { first: 1, last: 6 })),
            ("abXYcdef", Some(Inserted { first: 3, last: 4 })),
            ("aabcdef", Some(Inserted { first: 2, last: 2 })),
            ("abcdefXY", Some(Inserted { first: 7, last: 8 })),
            ("abdcef", Some(Moved { line: 3, sealed: 4 })),
            ("fabcde", Some(Moved { line: 1, sealed: 6 })),
            ("bcdefa", Some(Moved { line: 1, sealed: 2 })),
        ] {
            assert_eq!(first_difference(&sealed, &lines(now)), expected, "{now}");
        }
        assert_eq!(first_difference(&[], &lines("a")), Some(Inserted { first: 1, last: 1 }));
    }

    #[test]
    fn a_link_is_32_lower_case_digits() {
        let link = chain(&lines("a"))[0];
        assert_eq!(Link::try_from(link.to_string()), Ok(link));
        for wrong in ["", "0", &"A".repeat(32), &"é".repeat(16), &"0".repeat(33)] {
            assert!(Link::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
