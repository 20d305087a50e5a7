//! What was found, and how it is shown: a page for people, or JSON.

use serde_json::{Value, json};

use gstm2sd::core::redact::redact;

use crate::terminal::{Page, Tone};

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Fine,
    /// Not there, and not needed.
    Absent,
    /// Something is wrong, and a scan would run all the same.
    Wrong,
    /// No scan would run.
    Stops,
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Absent => "--",
            Self::Wrong => "! ",
            Self::Stops => "NO",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Fine => Tone::Good,
            Self::Absent => Tone::Dim,
            Self::Wrong => Tone::Caution,
            Self::Stops => Tone::Bad,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Absent => "absent",
            Self::Wrong => "wrong",
            Self::Stops => "stops-a-scan",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    name: String,
    state: State,
    text: String,
    /// What to do.
    remedy: Option<String>,
}

impl Finding {
    pub fn new(state: State, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), state, text: text.into(), remedy: None }
    }

    pub fn fine(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Fine, name, text)
    }

    pub fn absent(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Absent, name, text)
    }

    pub fn wrong(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Wrong, name, text)
    }

    pub fn stops(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Stops, name, text)
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn json(&self) -> Value {
        let clean = |text: &String| redact(text).into_owned();
        json!({
            "name": self.name,
            "state": self.state.as_str(),
            "text": clean(&self.text),
            "remedy": self.remedy.as_ref().map(clean),
        })
    }
}

/// An error's text, whose last sentence says what to do.
pub fn split(state: State, name: &str, text: &str) -> Finding {
    match text.rsplit_once(". ") {
        Some((text, remedy)) => Finding::new(state, name, text).remedy(remedy),
        None => Finding::new(state, name, text),
    }
}

/// Findings of one kind.
#[derive(Clone, Debug)]
pub struct Section {
    pub title: &'static str,
    pub findings: Vec<Finding>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub sections: Vec<Section>,
}

impl Report {
    /// The names of what keeps a scan from running.
    pub fn obstacles(&self) -> Vec<&str> {
        let findings = self.sections.iter().flat_map(|section| &section.findings);
        let stops = findings.filter(|finding| finding.state == State::Stops);
        stops.map(|finding| finding.name.as_str()).collect()
    }

    pub fn json(&self) -> Value {
        let section = |section: &Section| {
            let findings: Vec<_> = section.findings.iter().map(Finding::json).collect();
            json!({ "title": section.title, "findings": findings })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": env!("COMMIT_ID"),
            "scan-would-run": self.obstacles().is_empty(),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub fn page(&self) -> Page {
        let mut page = Page::with_measure(WIDTH);
        for section in &self.sections {
            page.text(section.title);
            for Finding { name, state, text, remedy } in &section.findings {
                page.item(format!("  {} {name:<14} ", state.mark()), state.tone(), text);
                if let Some(remedy) = remedy {
                    page.item(format!("{:WIDTH_OF_HEAD$}-> ", ""), Tone::Plain, remedy);
                }
            }
            page.item("", Tone::Plain, "");
        }
        match self.obstacles().as_slice() {
            [] => page.text("A scan would run."),
            obstacles => page.item("No scan would run: ", Tone::Bad, obstacles.join(", ")),
        }
        page
    }
}

/// The characters of a line: what is pasted into a bug report is to be read there.
const WIDTH: usize = 100;
/// What stands before a finding's text.
const WIDTH_OF_HEAD: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Look;

    fn report(findings: Vec<Finding>) -> Report {
        Report { sections: vec![Section { title: "Things", findings }] }
    }

    #[test]
    fn a_page_fits_its_width_whatever_is_found() {
        let long = format!("{} {}", "word ".repeat(60), "/long/path".repeat(30));
        let finding = Finding::wrong("a name that is longer than its column", &long).remedy(&long);
        let page = report(vec![finding, Finding::fine("x", "y")]).page().render(Look::PLAIN);
        assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
        assert!(page.lines().all(|line| line.trim_end() == line), "{page:?}");
        assert_eq!(page.matches("word").count(), 120);
        assert!(page.contains("\n  ok x              y\n"), "{page}");
        assert!(page.ends_with("A scan would run.\n"));
    }

    #[test]
    fn what_stops_a_scan_is_named_at_the_end() {
        let found = report(vec![Finding::stops("detector", "none").remedy("Get one")]);
        assert_eq!(found.obstacles(), ["detector"]);
        assert!(found.page().render(Look::PLAIN).ends_with("No scan would run: detector\n"));
        assert_eq!(found.json()["scan-would-run"], false);
        let finding = &found.json()["sections"][0]["findings"][0];
        assert_eq!(
            (&finding["state"], &finding["remedy"]),
            (&"stops-a-scan".into(), &"Get one".into())
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let secret = "rtsp://user:geheim@host";
        let found = report(vec![Finding::fine("x", secret).remedy(secret)]);
        let page = found.page().render(Look::PLAIN);
        assert!(!page.contains("geheim") && !found.json().to_string().contains("geheim"));
    }
}
