//! Degraded copies, at levels that are the same in every evaluation.

use clap::ValueEnum;
use gstm2sd::measure::NOT_DEGRADED;

use crate::error::CliError;

/// What may befall a video on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Jpeg,
    H264,
    Resize,
    Blur,
    Noise,
}

/// A kind at a level; `None`: files as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degradation(Option<(Kind, u32)>);

/// Element names with what to install for them.
const PACKAGES: [(&str, &str); 5] = [
    ("jpegenc", "gstreamer1.0-plugins-good"),
    ("matroskamux", "gstreamer1.0-plugins-good"),
    ("gaussianblur", "gstreamer1.0-plugins-bad"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("avenc_ffv1", "gstreamer1.0-libav"),
];

impl Degradation {
    /// Files as they are, then each kind at its levels, from mild to strong.
    pub fn levels(kinds: &[Kind]) -> Vec<Self> {
        let mut all = vec![Self(None)];
        for kind in kinds {
            for level in kind.levels() {
                let one = Self(Some((*kind, *level)));
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        all
    }

    pub fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// `none`, `jpeg-50`, …; also a folder.
    pub fn name(self) -> String {
        self.0.map_or_else(
            || NOT_DEGRADED.to_owned(),
            |(kind, level)| format!("{}-{level}", kind.name()),
        )
    }

    /// The elements between raw frames of 4:2:0 and the muxer; without an own encoding, lossless.
    pub fn launch(self) -> String {
        const LOSSLESS: &str = "videoconvert ! video/x-raw,format=I420 ! avenc_ffv1";
        match self.0 {
            None => LOSSLESS.to_owned(),
            Some((Kind::Jpeg, quality)) => format!("jpegenc quality={quality}"),
            // Of constant quantizer, so that the level means the same for every video.
            Some((Kind::H264, quantizer)) => {
                format!("x264enc pass=quant quantizer={quantizer} ! h264parse")
            }
            // The scalers' sizes are set when the first caps come.
            Some((Kind::Resize, _)) => format!(
                "videoscale name=shrink method=lanczos ! capsfilter name=small ! videoscale method=lanczos ! \
                 capsfilter name=large ! {LOSSLESS}"
            ),
            Some((Kind::Blur, sigma)) => {
                format!("videoconvert ! gaussianblur sigma={sigma} ! {LOSSLESS}")
            }
            Some((Kind::Noise, _)) => {
                format!("videoconvert ! video/x-raw,format=RGB ! identity name=noise ! {LOSSLESS}")
            }
        }
    }

    /// By what sides are divided, and multiplied again.
    pub fn shrinks_by(self) -> Option<u32> {
        self.0.and_then(|(kind, level)| (kind == Kind::Resize).then_some(level))
    }

    /// The standard deviation of the noise, in levels of 255.
    pub fn noise(self) -> Option<f64> {
        self.0.and_then(|(kind, level)| (kind == Kind::Noise).then_some(f64::from(level)))
    }

    /// # Errors
    /// When an element is not installed.
    pub fn check(self) -> Result<(), CliError> {
        if self.is_none() {
            return Ok(());
        }
        check_elements(&format!("{} ! matroskamux", self.launch()), &self.name())
    }
}

/// # Errors
/// When an element of `launch` is not installed; `wanted` says for what.
pub fn check_elements(launch: &str, wanted: &str) -> Result<(), CliError> {
    for element in launch.split('!').filter_map(|part| part.split_whitespace().next()) {
        if element.contains('/') || gst::ElementFactory::find(element).is_some() {
            continue;
        }
        let package =
            PACKAGES.iter().find(|(name, _)| *name == element).map(|(_, package)| package);
        let advice = package.map(|p| format!(". Install {p}")).unwrap_or_default();
        return Err(CliError::runtime(format!(
            "{wanted} needs the GStreamer element {element}, which is not installed{advice}"
        )));
    }
    Ok(())
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::H264 => "h264",
            Self::Resize => "resize",
            Self::Blur => "blur",
            Self::Noise => "noise",
        }
    }

    /// `m2sd eval --help` and docs/trust.md tell them.
    fn levels(self) -> &'static [u32] {
        match self {
            Self::Jpeg => &[75, 50, 25],
            Self::H264 => &[23, 32, 40],
            Self::Resize => &[2, 4],
            Self::Blur => &[1, 2, 4],
            Self::Noise => &[5, 10, 20],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_as_they_are_come_first_and_each_level_once() {
        let names = |kinds: &[Kind]| -> Vec<_> {
            Degradation::levels(kinds).into_iter().map(Degradation::name).collect()
        };
        assert_eq!(names(&[]), ["none"]);
        assert_eq!(names(&[Kind::Resize, Kind::Resize]), ["none", "resize-2", "resize-4"]);
    }

    #[test]
    fn a_missing_element_is_named_with_its_package() {
        gst::init().unwrap();
        let error = check_elements("videoconvert ! nosuchelement", "x-1").unwrap_err().to_string();
        assert!(error.contains("x-1 needs the GStreamer element nosuchelement"), "{error}");
        check_elements("videoconvert ! video/x-raw,format=RGB ! identity", "x").unwrap();
    }
}
