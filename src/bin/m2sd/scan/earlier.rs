//! What an earlier scan left where results are to go, and whether it may be replaced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use gstm2sd::core::evidence::Probability;
use gstm2sd::core::span::Span;
use gstm2sd::evidence::records::{Edge, End, Footer, Header, Said};
use serde_json::Value;

use super::header::comparable;
use super::summary::Face;

/// Footers are longer only in files that no scan wrote.
const LONGEST_FOOTER: u64 = 1 << 22;
/// Lines are longer only in files that no scan wrote.
const LONGEST_LINE: u64 = 1 << 26;

/// The records of an earlier scan, as far as they go.
#[derive(Debug, Default)]
pub struct Earlier {
    pub header: Option<Header>,
    pub footer: Option<Footer>,
    pub faces: BTreeMap<u64, Face>,
    pub frames: u64,
    pub clips: u64,
}

impl Earlier {
    /// Reads whole lines up to the first that is no record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_lines(path, usize::MAX)
    }

    /// Reads their header and their footer alone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_edges(path: &Path) -> io::Result<Self> {
        let mut earlier = Self::read_lines(path, 1)?;
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_FOOTER)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        let last = end.strip_suffix(b"\n").and_then(|end| end.rsplit(|byte| *byte == b'\n').next());
        if let (Some(line), Some(_)) = (last, &earlier.header)
            && let Ok(Edge::Footer(footer)) = serde_json::from_slice(line)
        {
            earlier.footer = Some(*footer);
        }
        Ok(earlier)
    }

    fn read_lines(path: &Path, most: usize) -> io::Result<Self> {
        let mut lines = BufReader::new(File::open(path)?);
        let mut earlier = Self::default();
        let mut line = Vec::new();
        for _ in 0..most {
            line.clear();
            lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            if earlier.take(whole).is_none() {
                break;
            }
        }
        Ok(earlier)
    }

    /// `None`: it is no record that may come here.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let record: Value = serde_json::from_slice(line).ok()?;
        match record["type"].as_str()? {
            "header" | "footer" => match serde_json::from_value(record).ok()? {
                Edge::Header(header) if self.header.is_none() => self.header = Some(*header),
                Edge::Footer(footer) if self.footer.is_none() => self.footer = Some(*footer),
                _ => return None,
            },
            "frame" => self.frame(&record),
            "clip" => self.clip(&record),
            _ => return None,
        }
        self.header.as_ref().map(|_| ())
    }

    fn frame(&mut self, record: &Value) {
        self.frames += 1;
        for face in record["faces"].as_array().into_iter().flatten() {
            let text = |name: &str| face[name].as_str().map(str::to_owned);
            let said = Said {
                label: text("label").unwrap_or_default(),
                reason: text("reason-text").or_else(|| text("reason")),
                score: face["score"].as_f64(),
                llr: face["llr"].as_f64(),
            };
            if let Some(track) = face["track"].as_u64() {
                self.faces.entry(track).or_default().seen(record["time"].as_f64(), said);
            }
        }
    }

    fn clip(&mut self, record: &Value) {
        self.clips += 1;
        let ensemble = self.header.as_ref().is_some_and(|header| header.classifiers.len() > 1);
        let score = if ensemble { &record["fused-score"] } else { &record["score"] };
        let ns = |name: &str| record[name].as_f64().map(|s| (s * 1e9).round() as u64);
        if let (Some(track), Some(start_ns), Some(end_ns)) =
            (record["track"].as_u64(), ns("start"), ns("end"))
            && let Some(fake) = score.as_f64().and_then(|score| Probability::new(score).ok())
        {
            self.faces.entry(track).or_default().scored(fake, Span { start_ns, end_ns });
        }
    }

    /// What they are in words, `the complete records of "clip.mp4"`.
    pub fn in_words(&self) -> String {
        let Some(header) = &self.header else { return "no records of a scan".to_owned() };
        let end = self.footer.as_ref().map_or("unfinished", |footer| footer.end.as_str());
        format!("{end} records of {:?}", header.input.name)
    }

    /// Whether they are of a scan of the same input with the same settings.
    pub fn is_of(&self, header: &Header) -> bool {
        header.input.sha256.is_some()
            && self.header.as_ref().is_some_and(|own| comparable(own) == comparable(header))
    }

    /// Whether a scan of the same would say the same.
    pub fn is_final(&self) -> bool {
        let end = self.footer.as_ref().map(|footer| footer.end);
        matches!(end, Some(End::Complete | End::TruncatedInput))
    }

    /// What is otherwise in a scan with this header, as `settings.max-faces was 10 and is 5`; the first
    /// few.
    pub fn differences(&self, header: &Header) -> String {
        const TOLD: usize = 3;
        let Some(own) = &self.header else { return String::new() };
        let mut found = Vec::new();
        differ("", &comparable(own), &comparable(header), &mut found);
        if found.len() > TOLD {
            let more = found.len() - TOLD;
            found.truncate(TOLD);
            found.push(format!("{more} more"));
        }
        if found.is_empty() { "a stream is no twice the same".to_owned() } else { found.join(", ") }
    }
}

fn differ(name: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in names {
                let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let [a, b] = [a, b].map(|fields| fields.get(key).unwrap_or(&Value::Null));
                differ(&path, a, b, found);
            }
        }
        _ if before != now => found.push(format!("{name} was {before} and is {now}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use gstm2sd::evidence::records::InputKind;
    use serde_json::json;

    use super::*;

    fn header(max_faces: u32) -> Header {
        let mut header = Header::default();
        header.input.sha256 = Some("ab".to_owned());
        header.settings.insert("max-faces".to_owned(), max_faces.into());
        header
    }

    #[test]
    fn records_are_read_as_far_as_they_go() {
        let head = Edge::Header(Box::new(header(10))).to_value().unwrap();
        let frame = json!({"type": "frame", "time": 0.0, "faces": [{"track": 3, "label": "real"}]});
        let footer = json!({"type": "footer", "end": "complete"});
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{head}\n{frame}\n{{\"type\": \"fra").unwrap();
        let torn = Earlier::read(file.path()).unwrap();
        assert_eq!((torn.frames, torn.faces.len(), torn.is_final()), (1, 1, false));
        assert!(torn.is_of(&header(10)) && !torn.is_of(&header(5)));
        let said = torn.differences(&header(5));
        assert_eq!(said, "settings.max-faces was 10 and is 5");
        assert!(Earlier::read_edges(file.path()).unwrap().footer.is_none());

        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{head}\n{frame}\n{footer}\n").unwrap();
        assert!(Earlier::read(file.path()).unwrap().is_final());
        let edges = Earlier::read_edges(file.path()).unwrap();
        assert!(edges.is_final() && edges.is_of(&header(10)) && edges.frames == 0);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "a letter").unwrap();
        assert!(Earlier::read(file.path()).unwrap().header.is_none());
    }

    #[test]
    fn an_input_is_what_its_bytes_are_and_not_how_it_is_named() {
        let named = |name: &str, kind, sha256: Option<&str>| {
            let mut header = header(10);
            header.input.name = name.to_owned();
            header.input.kind = kind;
            header.input.sha256 = sha256.map(str::to_owned);
            header
        };
        let own = named("clip.mp4", InputKind::File, Some("ab"));
        let earlier = Earlier { header: Some(own), ..Earlier::default() };
        for (name, kind, sha256, is_same) in [
            ("./clip.mp4", InputKind::File, Some("ab"), true),
            ("file:///in/clip.mp4", InputKind::File, Some("ab"), true),
            ("-", InputKind::StandardInput, Some("ab"), true),
            ("clip.mp4", InputKind::File, Some("cd"), false),
            ("clip.mp4", InputKind::Stream, None, false),
        ] {
            assert_eq!(earlier.is_of(&named(name, kind, sha256)), is_same, "{name} {sha256:?}");
        }
    }

    #[test]
    fn a_stream_is_never_the_same() {
        let earlier = Earlier { header: Some(Header::default()), ..Earlier::default() };
        assert!(!earlier.is_of(&Header::default()));
    }
}
