//! The table that `scan` ends with.

use std::collections::BTreeMap;
use std::fmt::Write;

use gstm2sd::core::evidence::{Insufficiency, Judge, Label, Probability, TrackSummary};
use gstm2sd::core::modelinfo::Training;
use gstm2sd::core::span::Span;

/// One followed face.
#[derive(Clone, Debug, Default)]
pub struct Face {
    frames: u64,
    first: Option<f64>,
    last: Option<f64>,
    clips: TrackSummary,
}

impl Face {
    /// The face is on a frame at this running time in seconds.
    pub fn seen(&mut self, time: Option<f64>) {
        self.frames += 1;
        self.first = self.first.or(time);
        self.last = time.or(self.last);
    }

    /// A clip of the face has this P(fake).
    pub fn scored(&mut self, fake: Probability, span: Span) {
        self.clips.add(fake, span);
    }
}

/// What the table says of the models.
pub struct Judged {
    /// As people know it; empty where there is none.
    pub classifier: String,
    pub by: Judge,
}

impl Judged {
    fn heading(&self) -> String {
        let Judge::Classifier(point) = self.by else {
            return "Not scored: there is no classifier.".to_owned();
        };
        let training = match point.training {
            Training::Trained => "trained",
            Training::Analytic => "DRAWN SCENE: exact for drawn faces, right for no others",
            Training::Untrained => "UNTRAINED: the scores mean nothing",
            Training::Unknown => "no sidecar says whether it was trained: nothing can be believed",
        };
        format!("Scored by {} ({training}).", self.classifier)
    }

    /// What the verdicts mean.
    fn footing(&self) -> String {
        let Judge::Classifier(point) = self.by else {
            return "The faces were followed, and nobody judged them.".to_owned();
        };
        if Insufficiency::of(point.training).is_some() {
            return "There are no verdicts: nobody vouches for this classifier's scores."
                .to_owned();
        }
        format!(
            "A face is called fake when its mean P(fake) is above {}, and uncertain when that is \
             within {} log odds of it. A score is the classifier's opinion, not a proof.",
            point.threshold.get(),
            Label::MARGIN
        )
    }
}

/// The faces in order of their first frame: when, how often, the mean over their clips.
pub fn table(faces: &BTreeMap<u64, Face>, judged: &Judged) -> String {
    let mut text = judged.heading() + "\n";
    // Writing to a string does not fail.
    if faces.is_empty() {
        text.push_str("No face was found.\n");
        return text;
    }
    let _ = writeln!(
        text,
        "{:>5} {:>17} {:>7} {:>6} {:>9} {:>9}  verdict",
        "face", "seen (s)", "frames", "clips", "mean", "highest"
    );
    for (track, face) in faces {
        let seen = match (face.first, face.last) {
            (Some(first), Some(last)) => format!("{first:.2} to {last:.2}"),
            _ => "-".to_owned(),
        };
        let number =
            |p: Option<Probability>| p.map_or("-".to_owned(), |p| format!("{:.4}", p.get()));
        let (mean, highest) = (number(face.clips.mean()), number(face.clips.highest()));
        let _ = writeln!(
            text,
            "{track:>5} {seen:>17} {:>7} {:>6} {mean:>9} {highest:>9}  {}",
            face.frames,
            face.clips.clips(),
            face.clips.label(&judged.by).as_str()
        );
    }
    text.push_str(&judged.footing());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use gstm2sd::core::evidence::OperatingPoint;

    use super::*;

    #[test]
    fn the_table_names_each_face_and_says_what_scored() {
        let mut face = Face::default();
        face.seen(Some(1.0));
        face.seen(Some(2.0));
        let span = Span { start_ns: 0, end_ns: 1 };
        let p = |value| Probability::new(value).unwrap();
        face.scored(p(0.25), span);
        face.scored(p(0.75), span);
        let faces = BTreeMap::from([(3, face), (4, Face::default())]);
        let table_by = |by| table(&faces, &Judged { classifier: "meso4".into(), by });
        let scored_by =
            |training| table_by(Judge::Classifier(OperatingPoint { threshold: p(0.3), training }));
        let row = "1.00 to 2.00       2      2    0.5000    0.7500  ";
        for training in [Training::Trained, Training::Analytic] {
            let table = scored_by(training);
            assert!(table.contains(&format!("{row}fake")), "{table}");
            assert!(table.contains("insufficient"), "the other face has no clip: {table}");
            assert_eq!(table.contains("DRAWN SCENE"), training == Training::Analytic, "{table}");
        }
        for (training, words) in [
            (Training::Untrained, "UNTRAINED"),
            (Training::Unknown, "no sidecar says whether it was trained"),
        ] {
            let table = scored_by(training);
            assert!(table.contains(&format!("{row}insufficient")), "{table}");
            assert!(table.contains(words) && !table.contains("fake when"), "{table}");
        }
        let table = table_by(Judge::Nobody);
        assert!(table.contains("  unscored") && !table.contains("meso4"), "{table}");
    }
}
