//! What results mean, in plain words.

use super::results::{FaceResults, Results};
use crate::core::counted::counted;
use crate::evidence::records::End;

/// A step of the verbal scale of likelihood ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// Likelihood ratios from this on.
    pub from: u32,
    /// What people call such evidence, such as `moderate support`.
    pub words: &'static str,
}

/// Where the scale is from.
pub const SCALE: &str =
    "ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), approved version 3.0";

const STEPS: [Support; 7] = [
    Support { from: 1, words: "no support" },
    Support { from: 2, words: "weak support" },
    Support { from: 10, words: "moderate support" },
    Support { from: 100, words: "moderately strong support" },
    Support { from: 1_000, words: "strong support" },
    Support { from: 10_000, words: "very strong support" },
    Support { from: 1_000_000, words: "extremely strong support" },
];

/// How strongly a natural logarithm of a likelihood ratio speaks, for whichever side it speaks.
///
/// ```
/// use gstm2sd::evidence::report::support;
///
/// assert_eq!(support(50_f64.ln()).words, "moderate support");
/// assert_eq!(support(-50_f64.ln()).words, "moderate support");
/// assert_eq!(support(0.1).words, "no support");
/// ```
pub fn support(llr: f64) -> Support {
    let ratio = llr.abs().exp();
    let reached = STEPS.iter().rev().find(|step| ratio >= f64::from(step.from));
    *reached.unwrap_or(&STEPS[0])
}

/// A likelihood ratio as a sentence.
pub(super) fn ratio(llr: f64) -> String {
    let Support { words, .. } = support(llr);
    let (likelier, other) = if llr >= 0.0 { ("forged", "real") } else { ("real", "forged") };
    if words == STEPS[0].words {
        return format!(
            "The scores are about as likely for a real face as for a forged one (likelihood ratio {}): \
             {words} for either.",
            number(llr.exp())
        );
    }
    format!(
        "The scores are {} times likelier for a {likelier} face than for a {other} one: {words} for \
         “{likelier}” over “{other}”.",
        number(llr.abs().exp())
    )
}

/// With three digits that count.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// What was said of a face, as a sentence.
pub(super) fn verdict(face: &FaceResults, threshold: Option<f64>) -> String {
    let clips = face.scored().count();
    let of_clips = counted(clips, "clip");
    let than = threshold.map_or_else(String::new, |t| format!(" the threshold {t}"));
    match face.said.label.as_str() {
        "fake" => {
            format!("The evidence of its {of_clips} is clearly above{than}: it is called fake.")
        }
        "real" => {
            format!("The evidence of its {of_clips} is clearly below{than}: it is called real.")
        }
        "uncertain" => format!("The evidence of its {of_clips} is on neither side of{than}."),
        "insufficient" => format!(
            "Nothing is said of it: {}.",
            face.said.reason.as_deref().unwrap_or("the classifier cannot judge what it sees")
        ),
        _ if clips > 0 => format!(
            "Its {of_clips} {}, and there is no verdict{}.",
            if clips == 1 { "has a score" } else { "have scores" },
            face.said.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"))
        ),
        _ => "It was found and not scored.".to_owned(),
    }
}

/// When something was, in seconds.
pub(super) fn span(start: f64, end: f64) -> String {
    match start < end {
        true => format!("{start:.2} s to {end:.2} s"),
        false => format!("at {start:.2} s"),
    }
}

pub(super) fn stretches(count: usize) -> String {
    if count == 1 { "1 stretch".to_owned() } else { format!("{count} stretches") }
}

/// How the scan ended, where that limits what its results say.
pub(super) fn ending(results: &Results) -> Option<String> {
    let Some(footer) = &results.footer else {
        return Some(format!(
            "The scan did not come to its end: its process was killed, or the records were cut. They end at \
             {:.2} s, and are true as far as they go.",
            results.end
        ));
    };
    let reason = footer.reason.as_deref().unwrap_or_default();
    match footer.end {
        End::Complete if reason.is_empty() => None,
        End::Complete => Some(format!("Not all is scored: {reason}.")),
        End::Interrupted => Some(format!(
            "The scan was interrupted at {:.2} s ({reason}). Nothing is known of what comes after.",
            results.end
        )),
        End::TruncatedInput => Some(format!("The input is damaged or cut short: {reason}.")),
        End::Failed => Some(format!("The scan failed: {reason}.")),
    }
}

/// Where the records are not what their footer says: lines were lost, added or changed.
pub(super) fn gap(results: &Results) -> Option<String> {
    let counts = &results.footer.as_ref()?.counts;
    let clips: usize = results.faces.values().map(|face| face.clips.len()).sum();
    let clips = u64::try_from(clips).unwrap_or(u64::MAX);
    let faces = u64::try_from(results.faces.len()).unwrap_or(u64::MAX);
    let pairs = [
        ("frame", counts.frames, results.frames),
        ("clip", counts.clips, clips),
        ("face", counts.faces, faces),
    ];
    let differ = pairs.into_iter().filter(|(_, told, found)| told != found);
    let differ: Vec<_> = differ
        .map(|(what, told, found)| format!("{}, and hold {found}", counted(told, what)))
        .collect();
    let text = differ.join("; ");
    (!differ.is_empty()).then(|| {
        format!("The records are not as they were written: by their footer they hold {text}.")
    })
}

/// What of the input was asked for, where that is not all.
pub(super) fn part(results: &Results) -> Option<String> {
    let span = &results.header.as_ref()?.span;
    let to = span.duration.map(|duration| span.start + duration);
    let part = match (span.start > 0.0, to) {
        (false, None) => return None,
        (_, None) => format!("from {:.2} s on", span.start),
        (_, Some(to)) => format!("from {:.2} s to {to:.2} s", span.start),
    };
    Some(format!(
        "Only a part of the input was scanned, as asked for: {part}. Nothing is known of the rest."
    ))
}

/// What whoever reads the results must know of the classifier.
pub(super) fn standing(results: &Results) -> Vec<&'static str> {
    let Some(header) = &results.header else {
        return vec!["The records have no header: nobody knows what made them."];
    };
    let judging = &header.judging;
    let mut all = Vec::new();
    match judging.training.as_deref() {
        None => all.push("There was no classifier: faces were followed and not judged."),
        Some("trained") => {}
        Some("analytic") => all.push(
            "The classifier knows drawn faces only, and is right for no others. This is a \
             demonstration.",
        ),
        Some("untrained") => {
            all.push("The classifier is UNTRAINED: its scores mean nothing.");
        }
        Some(_) => all.push(
            "Nobody vouches for the classifier's training: its scores are told, and no verdicts.",
        ),
    }
    if judging.training.is_some() && judging.calibrated != Some(true) {
        all.push(
            "The classifier is UNCALIBRATED: how often it is wrong was not measured, and no likelihood \
             ratio can be given.",
        );
    }
    all
}

/// What no result of this kind says.
pub(super) const LIMITS: [&str; 5] = [
    "A score is a classifier's opinion of how a face looks, from 0 (real) to 1 (fake). It is no proof.",
    "Faces are looked at, and nothing else: not the sound, not what is said, not where and when it was \
     recorded, and not forgeries that leave the face alone.",
    "A classifier knows the kinds of forgery that it was trained on. Others may pass as real; heavy \
     compression, beauty filters and poor light may pass as fake.",
    "“Real” says that the evidence for a forgery is weak by this classifier's measure. It does not say that the \
     video is authentic.",
    "Where a face is too small, blurred, dark, turned or short for the classifier, nothing is said of it.",
];
