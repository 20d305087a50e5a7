//! What is measured, and what is varied.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

/// The size of the frames in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub width: u32,
    pub height: u32,
}

impl Resolution {
    /// 16:9 with this many lines, the width rounded to what 4:2:0 can halve.
    const fn lines(height: u32) -> Self {
        Self { width: (height * 16 / 9).next_multiple_of(2), height }
    }
}

impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (16..=16_384).contains(side));
        let size = match (text.split_once('x'), text.strip_suffix('p')) {
            (Some((w, h)), _) => side(w).zip(side(h)).map(|(width, height)| Self { width, height }),
            (None, Some(lines)) => side(lines).map(Self::lines),
            (None, None) => None,
        };
        size.ok_or_else(|| {
            "expected WIDTHxHEIGHT, as 640x360, or lines, as 720p; sides of 16 to 16384".to_owned()
        })
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Serialize for Resolution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One measurement. 0 is the element's own choice of a stride.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    pub resolution: Resolution,
    pub faces: u32,
    pub streams: u32,
    pub stride: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resolution, faces, streams, stride } = self;
        let stride = if *stride == 0 { "automatic".to_owned() } else { stride.to_string() };
        write!(f, "{resolution}, faces {faces}, streams {streams}, stride {stride}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    Faces,
    Streams,
    Resolution,
    Stride,
    All,
}

impl Sweep {
    const EACH: [Self; 4] = [Self::Faces, Self::Streams, Self::Resolution, Self::Stride];

    pub fn name(self) -> &'static str {
        match self {
            Self::Faces => "faces",
            Self::Streams => "streams",
            Self::Resolution => "resolution",
            Self::Stride => "stride",
            Self::All => "all",
        }
    }

    /// The cases to measure: one, or a row of them for each thing that is varied.
    pub fn series(sweep: Option<Self>, base: &Case) -> Vec<(Option<Self>, Vec<Case>)> {
        match sweep {
            None => vec![(None, vec![base.clone()])],
            Some(Self::All) => Self::EACH.map(|s| (Some(s), s.cases(base))).into(),
            Some(one) => vec![(Some(one), one.cases(base))],
        }
    }

    fn cases(self, base: &Case) -> Vec<Case> {
        let base = || base.clone();
        match self {
            Self::Faces => [1, 2, 4, 6, 8].map(|faces| Case { faces, ..base() }).into(),
            Self::Streams => [1, 2, 4, 8].map(|streams| Case { streams, ..base() }).into(),
            Self::Stride => [1, 2, 4, 8, 16].map(|stride| Case { stride, ..base() }).into(),
            Self::Resolution => [360, 540, 720, 1080, 1440, 2160]
                .map(|lines| Case { resolution: Resolution::lines(lines), ..base() })
                .into(),
            Self::All => Vec::new(),
        }
    }

    /// What a case has of what is varied, for the axis of a plot.
    pub fn value(self, case: &Case) -> f64 {
        f64::from(match self {
            Self::Faces => case.faces,
            Self::Streams => case.streams,
            Self::Stride => case.stride,
            Self::Resolution | Self::All => case.resolution.height,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_read() {
        let read = |text: &str| text.parse::<Resolution>().map(|r| r.to_string());
        assert_eq!(read("360p").as_deref(), Ok("640x360"));
        assert_eq!(read("2160p").as_deref(), Ok("3840x2160"));
        assert_eq!(read("320x240").as_deref(), Ok("320x240"));
        for wrong in ["", "p", "x", "640", "640x", "0x360", "99999p", "-1p"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
