//! Whether a file of the MP4 family is whole, by the boxes that it is made of (ISO/IEC 14496-12, 4.2).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// With what such a file begins.
const FIRST: [&[u8; 4]; 8] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"];
/// The box that says where pictures and sound are; often the last one.
const INDEX: &[u8; 4] = b"moov";

/// What is missing in a file of this kind, and what to do; `None`: nothing, or it is of another kind.
pub fn missing(path: &Path) -> Option<String> {
    // A file that cannot be read fails by itself.
    let boxes = Boxes::read(&mut File::open(path).ok()?).ok()??;
    let found = match (boxes.cut, boxes.has_index) {
        (Some(cut), has_index) => {
            let name = String::from_utf8_lossy(&cut.name);
            let index = if has_index { "" } else { ", and its index (moov) is not there" };
            format!(
                "It is cut short at byte {} of {} or more: its box {name} goes on{index}",
                boxes.length, cut.end
            )
        }
        (None, false) => format!(
            "It has no index (moov) in its {} bytes: the recording or the copy was not ended",
            boxes.length
        ),
        (None, true) => return None,
    };
    let rebuild = if boxes.has_index {
        ""
    } else {
        "; if there is no other, untrunc can make the index anew by another file of the same camera"
    };
    Some(format!("{found}. Copy or download it again from where it is whole{rebuild}"))
}

/// The outermost boxes of a file.
struct Boxes {
    length: u64,
    has_index: bool,
    /// The one that the file ends in.
    cut: Option<Cut>,
}

struct Cut {
    name: [u8; 4],
    /// Where it would end.
    end: u64,
}

impl Boxes {
    /// `None`: it is no such file.
    fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let length = file.seek(SeekFrom::End(0))?;
        let mut this = Self { length, has_index: false, cut: None };
        let mut at = 0;
        while at < length {
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::new();
            file.by_ref().take(16).read_to_end(&mut bytes)?;
            let Some((name, end)) = header(&bytes, at, length) else {
                // What follows the boxes is no box; or no whole one.
                return Ok((at > 0).then_some(this));
            };
            if at == 0 && !FIRST.contains(&&name) {
                return Ok(None);
            }
            if end > length {
                this.cut = Some(Cut { name, end });
                break;
            }
            this.has_index |= name == *INDEX;
            at = end;
        }
        Ok((length > 0).then_some(this))
    }
}

/// The name of the box that begins with `bytes` at `at`, and where it ends.
fn header(bytes: &[u8], at: u64, length: u64) -> Option<([u8; 4], u64)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let name: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    let is_name = name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let end = match number(bytes.get(..4)?) {
        0 => length,
        1 => at.checked_add(number(bytes.get(8..16)?).max(16))?,
        size => at.checked_add(size.max(8))?,
    };
    is_name.then_some((name, end))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], name, content].concat()
    }

    fn said(bytes: &[u8]) -> Option<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        missing(file.path())
    }

    #[test]
    fn what_is_missing_is_told_by_its_bytes() {
        let data = [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[7; 100])].concat();
        let index = boxed(b"moov", &[0; 50]);
        let whole = [&data[..], &index].concat();
        // The controls: whole files of either order, one that goes on to its end, other kinds.
        assert_eq!(said(&whole), None);
        assert_eq!(
            said(&[&boxed(b"ftyp", b""), &index[..], &boxed(b"mdat", &[7; 9])].concat()),
            None
        );
        assert_eq!(said(&[&index[..], &[0, 0, 0, 0], b"mdat", &[7; 30]].concat()), None);
        for other in [&b"RIFF    AVI "[..], b"", b"\0\0\0\x18abcdefgh", &[0; 64]] {
            assert_eq!(said(other), None, "{other:?}");
        }
        for cut in 1..whole.len() {
            let Some(said) = said(&whole[..cut]) else {
                assert!(cut < 8, "{cut}");
                continue;
            };
            let ends_with_box = [12, data.len()].contains(&cut);
            let in_header = (cut > 12 && cut < 20) || (cut > data.len() && cut < data.len() + 8);
            let expected = if ends_with_box || in_header {
                format!("no index (moov) in its {cut} bytes")
            } else {
                let end = [12, data.len(), whole.len()].into_iter().find(|end| cut < *end).unwrap();
                format!("cut short at byte {cut} of {end} or more")
            };
            assert!(said.contains(&expected) && said.contains("untrunc"), "{cut}: {said}");
        }
        // Its pictures are cut, its index is not.
        let streamed = [&index[..], &boxed(b"mdat", &[7; 100])].concat();
        let said = said(&streamed[..100]).unwrap();
        assert!(said.contains("byte 100 of 166") && !said.contains("untrunc"), "{said}");
        // Boxes of 64 bits.
        let long = [&[0, 0, 0, 1][..], b"mdat", &200u64.to_be_bytes(), &[7; 50]].concat();
        assert!(super::tests::said(&long).unwrap().contains("byte 66 of 200"));
    }
}
