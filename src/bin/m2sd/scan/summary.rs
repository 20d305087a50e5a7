//! The table that `scan` ends with.

use std::collections::BTreeMap;
use std::sync::Arc;

use gstm2sd::core::evidence::{
    Criteria, Fusion, Insufficiency, NoSuchPoint, OperatingPoint, PointChoice, PointSource,
    Probability, TrackSummary,
};
use gstm2sd::core::modelinfo::{ModelInfo, Population, Training};
use gstm2sd::core::span::Span;
use gstm2sd::evidence::records::Said;

use crate::terminal::{Cell, Page, Set, Table, Tone};

/// One followed face.
#[derive(Clone, Debug, Default)]
pub struct Face {
    frames: u64,
    first: Option<f64>,
    last: Option<f64>,
    clips: TrackSummary,
    said: Said,
}

impl Face {
    /// The face is on a frame at this running time in seconds.
    pub fn seen(&mut self, time: Option<f64>, said: Said) {
        self.frames += 1;
        self.first = self.first.or(time);
        self.last = time.or(self.last);
        self.said.follow(said);
    }

    /// What was said of it in the end.
    fn label(&self) -> &str {
        // Of a face whose end did not come.
        if self.said.label.is_empty() { "unscored" } else { &self.said.label }
    }

    /// A clip of the face has this P(fake).
    pub fn scored(&mut self, fake: Probability, span: Span) {
        self.clips.add(fake, span);
    }
}

/// M2SD's pictures.
const SIDE_PX: u32 = 224;

/// What the table and the header say of the classifier.
pub struct Judged {
    /// As people know it.
    pub classifier: String,
    pub training: Training,
    pub point: Option<OperatingPoint>,
    /// Of its calibration.
    population: Option<Population>,
    criteria: Arc<Criteria>,
    /// Of several classifiers.
    fusion: Option<Fusion>,
}

impl Judged {
    /// # Errors
    /// Where the classifier has no such operating point.
    pub fn new(
        classifier: String,
        training: Training,
        info: &ModelInfo,
        choice: &PointChoice,
    ) -> Result<Self, NoSuchPoint> {
        let population = info.calibration.as_ref().map(|found| found.population.clone());
        // How large its pictures are says nothing here.
        let criteria = Criteria::new(info, training, SIDE_PX, choice)?;
        let point = criteria.point.clone();
        Ok(Self {
            classifier,
            training,
            point,
            population,
            criteria: Arc::new(criteria),
            fusion: None,
        })
    }

    /// Those that score together, if any does.
    pub fn together(mut members: Vec<Self>) -> Option<Self> {
        let all: Vec<_> = members.iter().map(|member| Arc::clone(&member.criteria)).collect();
        let Some(fusion) = Fusion::of(&all) else { return members.pop() };
        let names: Vec<_> = members.iter().map(|member| member.classifier.as_str()).collect();
        let criteria = Arc::clone(fusion.criteria());
        Some(Self {
            classifier: names.join(" and "),
            training: criteria.training,
            point: criteria.point.clone(),
            population: None,
            criteria,
            fusion: Some(fusion),
        })
    }

    pub fn is_calibrated(&self) -> bool {
        self.criteria.llr.is_some()
    }

    fn heading(&self) -> String {
        let training = match self.training {
            Training::Trained => "trained",
            Training::Analytic => "DRAWN SCENE: exact for drawn faces, right for no others",
            Training::Untrained => "UNTRAINED: the scores mean nothing",
            Training::Unknown => "no sidecar says whether it was trained: nothing can be believed",
        };
        let calibration = match (&self.fusion, &self.population) {
            (Some(fusion), _) => fusion.rule().to_owned(),
            (None, Some(on)) => format!(
                "calibrated on {} real and {} fake videos{}",
                on.real,
                on.fake,
                if on.name.is_empty() { String::new() } else { format!(" ({})", on.name) }
            ),
            (None, None) => "uncalibrated".to_owned(),
        };
        format!("Scored by {} ({training}; {calibration}).", self.classifier)
    }

    /// What the verdicts mean.
    fn footing(&self) -> String {
        if Insufficiency::of(self.training).is_some() {
            return "There are no verdicts: nobody vouches for this classifier's scores."
                .to_owned();
        }
        let Some(point) = &self.point else {
            return "There are no verdicts: the classifier has no operating point. m2sd calibrate \
                    measures some; --threshold sets one."
                .to_owned();
        };
        let source = match &point.source {
            PointSource::Measured(name) => format!("operating point {name}, measured"),
            PointSource::Published => {
                "published; how often it is wrong was not measured".to_owned()
            }
            PointSource::User => "yours".to_owned(),
            PointSource::Fused => "of each one's own threshold; not measured together".to_owned(),
        };
        format!(
            "A face is called fake when the evidence of its clips is clearly above P(fake) = {} \
             ({source}). A score is the classifier's opinion, not a proof.",
            rounded(point.threshold.get())
        )
    }
}

/// The faces in order of their first frame: when, how often, what was said of them. `judged` is `None`
/// without a classifier.
pub fn page(frames: u64, faces: &BTreeMap<u64, Face>, judged: Option<&Judged>) -> Page {
    let mut page = Page::default();
    page.text(format!("Frames: {frames}"));
    let heading = judged.map(Judged::heading);
    page.text(heading.unwrap_or_else(|| "Not scored: there is no classifier.".to_owned()));
    if faces.is_empty() {
        page.text("No face was found.");
        return page;
    }
    let mut table = Table::new([
        ("face", Set::Right),
        ("seen (s)", Set::Right),
        ("frames", Set::Right),
        ("clips", Set::Right),
        ("score", Set::Right),
        ("highest", Set::Right),
        ("llr", Set::Right),
        ("verdict", Set::Wrapped),
    ]);
    faces.iter().for_each(|(track, face)| table.row(row(*track, face)));
    page.table(table);
    let mut counts = BTreeMap::<&str, usize>::new();
    faces.values().for_each(|face| *counts.entry(face.label()).or_default() += 1);
    let counts: Vec<_> = counts.iter().map(|(label, n)| format!("{n} {label}")).collect();
    page.text(format!("Faces: {}.", counts.join(", ")));
    let footing = judged.map(Judged::footing);
    let nobody = || "The faces were followed, and nobody judged them.".to_owned();
    page.text(footing.unwrap_or_else(nobody));
    page
}

/// In place of [`page`] where nobody takes the records any more.
pub fn unknown_page(frames: u64) -> Page {
    let mut page = Page::default();
    page.text(format!("Frames: {frames}"));
    page.text("What was found in them is not told: nobody takes the records.");
    page
}

/// To six digits: a threshold that was measured has many more, which say nothing.
fn rounded(threshold: f64) -> f64 {
    let digits = |x: f64| format!("{x:.5e}").parse().unwrap_or(x);
    digits(threshold)
}

fn row(track: u64, face: &Face) -> [Cell; 8] {
    let seen = match (face.first, face.last) {
        (Some(first), Some(last)) => format!("{first:.2} to {last:.2}"),
        _ => "-".to_owned(),
    };
    let number = |p: Option<f64>| p.map_or("-".to_owned(), |p| format!("{p:.4}"));
    let (label, reason) = (face.label(), &face.said.reason);
    let score = number(face.said.told_score(face.clips.mean().map(Probability::get)));
    let highest = number(face.clips.highest().map(Probability::get));
    let llr = face.said.told_llr().map_or("-".to_owned(), |llr| format!("{llr:.2}"));
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    [
        track.to_string().into(),
        seen.into(),
        face.frames.to_string().into(),
        face.clips.clips().to_string().into(),
        score.into(),
        highest.into(),
        llr.into(),
        Cell::new(format!("{label}{reason}"), Tone::of_label(label)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Look;

    fn said(label: &str, reason: Option<&str>, score: f64) -> Said {
        let reason = reason.map(str::to_owned);
        Said { label: label.to_owned(), reason, score: Some(score), llr: None }
    }

    fn judged(training: Training, threshold: Option<f64>) -> Judged {
        let info = ModelInfo { threshold, ..ModelInfo::default() };
        Judged::new("meso4".to_owned(), training, &info, &PointChoice::Best).unwrap()
    }

    #[test]
    fn a_face_that_was_fake_for_a_while_is_and_others_are_what_was_said_last() {
        let label = |all: &[Said]| {
            let mut face = Face::default();
            all.iter().for_each(|said| face.seen(Some(1.0), said.clone()));
            (face.said.label.clone(), face.said.score)
        };
        let (real, fake) = (said("real", None, 0.1), said("fake", None, 0.8));
        let all = [real.clone(), fake.clone(), said("fake", None, 0.6), real.clone()];
        assert_eq!(label(&all), ("fake".to_owned(), Some(0.8)));
        assert_eq!(label(&[said("uncertain", None, 0.4), real]), ("real".to_owned(), Some(0.1)));
    }

    #[test]
    fn the_table_names_each_face_and_says_what_scored() {
        let mut face = Face::default();
        face.seen(Some(1.0), said("fake", None, 0.7));
        face.seen(Some(2.0), said("fake", None, 0.6));
        let span = Span { start_ns: 0, end_ns: 1 };
        let p = |value| Probability::new(value).unwrap();
        face.scored(p(0.25), span);
        face.scored(p(0.75), span);
        let mut small = Face::default();
        let reason = "too small: 24 px between the eyes, 36 needed";
        small.seen(Some(1.0), said("insufficient", Some(reason), 0.9));
        small.scored(p(0.9), span);
        let faces = BTreeMap::from([(3, face), (4, small)]);
        let table = |judged: Option<&Judged>| page(2, &faces, judged).render(Look::PLAIN);
        let table_by = |training, threshold| table(Some(&judged(training, threshold)));
        for training in [Training::Trained, Training::Analytic] {
            let table = table_by(training, Some(0.3));
            let row = "   3  1.00 to 2.00       2      2  0.7000   0.7500    -  fake\n";
            assert!(table.contains(row), "{table}");
            assert!(table.contains(&format!("insufficient: {reason}")), "{table}");
            assert!(table.contains("Faces: 1 fake, 1 insufficient."), "{table}");
            assert!(
                table.contains("uncalibrated") && table.contains("was not measured"),
                "{table}"
            );
            assert_eq!(table.contains("DRAWN SCENE"), training == Training::Analytic, "{table}");
        }
        for (training, words) in [
            (Training::Untrained, "UNTRAINED"),
            (Training::Unknown, "no sidecar says whether it was trained"),
        ] {
            let table = table_by(training, Some(0.3));
            assert!(table.contains(words) && !table.contains("fake when"), "{table}");
        }
        assert!(table_by(Training::Trained, None).contains("no operating point"));
        let table = table(None);
        assert!(table.contains("nobody judged") && !table.contains("meso4"), "{table}");
    }
}
