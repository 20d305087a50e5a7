//! What writes the annotated video.

use super::report::{Finding, State, split};
use crate::encode::Encoders;

pub fn findings() -> Vec<Finding> {
    let element = |launch: &str| launch.split_whitespace().next().unwrap_or_default().to_owned();
    match Encoders::choose() {
        Err(error) => vec![split(State::Stops, "video", &error.to_string())],
        Ok(Encoders { extension, muxer, video, audio }) => {
            let video = format!("{} and {}, .{extension}", element(video), element(muxer));
            let audio = match audio {
                Some(audio) => Finding::fine("sound", element(audio)),
                None => Finding::wrong("sound", "no encoder: the annotated video is silent")
                    .remedy(
                        "Install gstreamer1.0-libav or gstreamer1.0-plugins-bad (Debian's names)",
                    ),
            };
            vec![Finding::fine("video", video), audio]
        }
    }
}
