//! What whoever reads scores should know beside them.

use std::collections::BTreeMap;

use gst::prelude::*;
use gstm2sd::core::counted::counted;
use gstm2sd::filter::M2sdFilter;
use serde_json::Value;

use super::input::Input;

/// Reasons that lie in the pictures; the others are in the table.
const SEEN_BADLY: [&str; 7] =
    ["too-small", "blurred", "too-dark", "too-bright", "low-contrast", "turned", "cut-off"];

/// The faces of all frames, each as often as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    faces: u64,
    /// Frames by how many faces they have.
    frames: BTreeMap<usize, u64>,
    /// Sightings that count for no verdict, by the reason.
    reasons: BTreeMap<String, u64>,
}

impl Sightings {
    /// The faces of a frame, as the records have them.
    pub fn add(&mut self, faces: &[Value]) {
        self.faces += faces.len() as u64;
        *self.frames.entry(faces.len()).or_default() += 1;
        for reason in faces.iter().filter_map(|face| face["reason"].as_str()) {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
}

/// In words, in an order that is always the same.
pub fn notes(input: &Input, filter: &M2sdFilter, seen: &Sightings) -> Vec<String> {
    let mut notes = Vec::new();
    let media = input.media.as_ref();
    if let Some(video) = media.and_then(|media| media.video.as_ref()) {
        if video.interlaced {
            notes
                .push("the input is interlaced: the upper field of each frame was analysed".into());
        }
        match video.orientation.as_str() {
            "rotate-0" => {}
            "rotate-180" => notes.push(
                "the input is upside down and says so: its frames were turned upright".into(),
            ),
            other => notes.push(format!(
                "the input is to be shown by {other}: its frames were turned upright"
            )),
        }
    }
    if let Some(streams) = media.map(|media| media.video_streams).filter(|streams| *streams > 1) {
        notes.push(format!("the first of {streams} streams of pictures was analysed"));
    }
    let most = filter.property::<u32>("max-faces");
    let crowded: u64 = seen.frames.range(most as usize..).map(|(_, frames)| frames).sum();
    if crowded > 0 {
        notes.push(format!(
            "{} with as many faces as are followed (max-faces={most}): there may be more, which were \
             ignored",
            counted(crowded, "frame")
        ));
    }
    let least = filter.property::<u32>("min-face");
    if least > 0 {
        notes.push(format!("faces whose shorter side is under {least} px were ignored (min-face)"));
    }
    let badly = seen.reasons.iter().filter(|(reason, _)| SEEN_BADLY.contains(&reason.as_str()));
    notes.extend(badly.map(|(reason, times)| {
        format!("{times} of {} sightings of faces count for no verdict: {reason}", seen.faces)
    }));
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sightings_are_counted_by_frame_and_reason() {
        let mut seen = Sightings::default();
        seen.add(&[json!({"reason": "too-dark"}), json!({"label": "real"})]);
        seen.add(&[json!({"reason": "too-dark"})]);
        seen.add(&[]);
        assert_eq!((seen.faces, seen.reasons["too-dark"]), (3, 2));
        assert_eq!(seen.frames, BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
    }
}
