//! What differs from one classifier to the next.

use strum::{EnumString, IntoStaticStr, VariantNames};

/// What a classifier's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum ClassifierOutput {
    /// One for each clip; its sigmoid is a probability.
    Logit,
    /// Two for each clip; their softmax is two probabilities.
    #[default]
    Logits,
    /// One for each clip.
    Probability,
    /// Two for each clip.
    Probabilities,
}

impl ClassifierOutput {
    /// How many numbers a clip has.
    pub fn count(self) -> usize {
        match self {
            Self::Logit | Self::Probability => 1,
            Self::Logits | Self::Probabilities => 2,
        }
    }
}

/// Which of a classifier's two classes is "fake". A network with one number tells the probability of
/// its class 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
pub enum FakeIndex {
    /// The first class.
    #[strum(serialize = "0")]
    Zero,
    /// The second class.
    #[strum(serialize = "1")]
    One,
}

/// The order of a clip's axes, batch first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "UPPERCASE")]
pub enum InputLayout {
    /// Planes of each colour over time, as M2SD and FTCN read them.
    Ncthw,
    /// Pictures one after the other, each in planes.
    Ntchw,
    /// A single picture.
    Nchw,
}

/// Whether one transform aligns a whole clip, or each frame has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Align {
    /// What moves inside the face stays visible.
    Clip,
    /// Each picture is aligned by its own points: the face stays still.
    Frame,
}

/// Where eyes, nose and mouth corners belong in an aligned picture, as fractions of its side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Template(pub [[f64; 2]; 5]);

impl Template {
    /// Of M2SD and FTCN: places in a picture of 256 px.
    pub const M2SD: Self = Self([
        [85.82991 / 256.0, 85.7792 / 256.0],
        [169.0532 / 256.0, 84.3381 / 256.0],
        [127.574 / 256.0, 137.0006 / 256.0],
        [90.6964 / 256.0, 174.7014 / 256.0],
        [167.3069 / 256.0, 173.3733 / 256.0],
    ]);

    /// Of GenD: places of a tight crop, with a margin of 0.15 around it.
    pub const GEND: Self = Self([
        [0.49 / 1.3, 0.61 / 1.3],
        [0.81 / 1.3, 0.61 / 1.3],
        [0.65 / 1.3, 0.79 / 1.3],
        [0.52 / 1.3, 0.97 / 1.3],
        [0.78 / 1.3, 0.97 / 1.3],
    ]);

    pub(super) const NAMES: [(&'static str, Self); 2] =
        [("m2sd", Self::M2SD), ("gend", Self::GEND)];

    /// The distance between the eyes, as a fraction of the side.
    pub fn eye_distance(&self) -> f64 {
        let [[lx, ly], [rx, ry], ..] = self.0;
        (rx - lx).hypot(ry - ly)
    }
}

/// The frame rates that a classifier was trained at, in frames/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameRates {
    /// The lowest.
    pub lowest: f64,
    /// The highest, not below the lowest.
    pub highest: f64,
}
