//! Which of the installed encoders write the annotated video.

use std::path::Path;

use crate::error::CliError;

/// A container with the encoders that it takes, in GStreamer's launch syntax.
#[derive(Clone, Copy, Debug)]
struct Container {
    extension: &'static str,
    muxer: &'static str,
    video: &'static [&'static str],
    audio: &'static [&'static str],
}

/// In order of preference: what every player shows first.
const CONTAINERS: [Container; 2] = [
    Container {
        extension: "mp4",
        // Fragments of a second, so that what was written plays whatever ends the scan, and an index of them
        // at its proper end. Nothing goes through a temporary folder. Not first-moov-then-finalise: of what was
        // begun with sound, GStreamer reads the first fragment only.
        muxer: "mp4mux fragment-duration=1000 fragment-mode=dash-or-mss",
        video: &[
            // No B-frames: fragments have no edit list, and players would begin late by the frames that wait.
            "x264enc speed-preset=veryfast quantizer=20 pass=quant bframes=0 ! h264parse",
            "openh264enc bitrate=3000000 ! h264parse",
        ],
        audio: &["fdkaacenc ! aacparse", "avenc_aac ! aacparse", "voaacenc ! aacparse"],
    },
    Container {
        extension: "mkv",
        muxer: "matroskamux",
        video: &[
            "vp8enc deadline=1 cpu-used=8 target-bitrate=3000000",
            "vp9enc deadline=1 cpu-used=8 target-bitrate=3000000",
            "theoraenc",
            "avenc_mpeg4 bitrate=3000000",
            "jpegenc quality=90",
        ],
        audio: &["opusenc", "vorbisenc", "flacenc"],
    },
];

/// Of a picture: nothing is put around it.
const PICTURE: Container =
    Container { extension: "png", muxer: "identity", video: &["pngenc"], audio: &[] };

/// What files end in that any of these has written.
pub const EXTENSIONS: [&str; 3] =
    [CONTAINERS[0].extension, CONTAINERS[1].extension, PICTURE.extension];

/// Encoders that are installed, chosen.
#[derive(Clone, Copy, Debug)]
pub struct Encoders {
    pub extension: &'static str,
    pub muxer: &'static str,
    pub video: &'static str,
    /// `None`: the annotated video will be silent.
    pub audio: Option<&'static str>,
}

fn installed(launch: &str) -> bool {
    launch.split('!').all(|element| {
        let factory = element.split_whitespace().next().unwrap_or_default();
        gst::ElementFactory::find(factory).is_some()
    })
}

impl Encoders {
    pub fn choose() -> Result<Self, CliError> {
        Self::choose_of(CONTAINERS.iter())
    }

    /// Those of a picture.
    pub fn choose_for_picture() -> Result<Self, CliError> {
        Self::choose_of([&PICTURE].into_iter()).map_err(|_| {
            CliError::runtime(
                "pngenc is not installed, which writes annotated pictures. Install \
                 gstreamer1.0-plugins-good, or use --no-video",
            )
        })
    }

    /// The muxer for a file that nobody needs before its end.
    pub fn plain_muxer(&self) -> &'static str {
        self.muxer.split_whitespace().next().unwrap_or_default()
    }

    /// Whether one frame is all that the file holds.
    pub fn is_of_picture(&self) -> bool {
        self.extension == PICTURE.extension
    }

    /// Those of the container that the file is called like, where they are installed.
    pub fn choose_for(file: &Path) -> Result<Self, CliError> {
        let extension = file.extension().unwrap_or_default();
        let is_named = |c: &&Container| extension.eq_ignore_ascii_case(c.extension);
        let (named, others): (Vec<_>, Vec<_>) = CONTAINERS.iter().partition(is_named);
        Self::choose_of(named.into_iter().chain(others))
    }

    fn choose_of(
        mut containers: impl Iterator<Item = &'static Container>,
    ) -> Result<Self, CliError> {
        let pick = |list: &'static [&'static str]| list.iter().copied().find(|e| installed(e));
        let complete = containers.find_map(|c| {
            if !installed(c.muxer) {
                return None;
            }
            let (extension, muxer) = (c.extension, c.muxer);
            Some(Self { extension, muxer, video: pick(c.video)?, audio: pick(c.audio) })
        });
        complete.ok_or_else(|| {
            CliError::runtime(
                "no video encoder is installed: expected x264enc, openh264enc, vp8enc, vp9enc, \
                 theoraenc, avenc_mpeg4 or jpegenc with mp4mux or matroskamux. Install \
                 gstreamer1.0-plugins-good and gstreamer1.0-plugins-ugly, or use --no-video",
            )
        })
    }
}
