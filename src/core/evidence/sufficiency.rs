//! Whether a face can be judged at all.

use std::fmt;

use super::Insufficiency;
use crate::core::modelinfo::{SufficiencyKeys, Template};
use crate::core::quality::FaceQuality;

/// What a classifier needs of a face, and of its clips (docs/method.md, "Sufficiency").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sufficiency {
    eye_distance_px: f32,
    sharpness: f32,
    brightness: (f32, f32),
    contrast: f32,
    pose_deg: f32,
    outside: f32,
    /// The fewest clips, counted half a second apart.
    pub clips: u32,
    /// The shortest time that the clips cover, in seconds.
    pub seconds: f64,
    /// In log odds, what is assumed before observations show it.
    pub spread: f64,
}

/// Beyond it, what the eyes' distance says of a face's size is more noise than not.
const MOST_TURNED_DEG: f32 = 80.0;

/// What was found, and what was needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shortfall {
    /// Which need is not met.
    pub what: Insufficiency,
    /// What the face has, in the unit of the need: px, seconds, clips, degrees, or a part of 1.
    pub found: f32,
    /// The limit that it has to keep to, in the same unit.
    pub needed: f32,
}

impl Sufficiency {
    /// A face may be enlarged so many times for the classifier's input: what is enlarged more has not
    /// the detail that the classifier was trained on.
    pub const MOST_ENLARGEMENT: f64 = 2.0;
    /// A sharp face falls below it when it is blurred by a Gaussian whose standard deviation is a
    /// twentieth of the distance between the eyes.
    const SHARPNESS: f64 = 0.3;
    const BRIGHTNESS: (f64, f64) = (0.08, 0.92);
    const CONTRAST: f64 = 0.04;
    /// Beyond it one eye is hidden.
    const POSE_DEG: f64 = 55.0;
    const OUTSIDE: f64 = 0.15;
    /// The fewest from which a spread can be told.
    const CLIPS: u32 = 3;
    const SECONDS: f64 = 1.5;
    const SPREAD: f64 = 1.0;

    /// What the sidecar says, and else the defaults for a classifier that reads faces of `side_px`
    /// aligned to `template`.
    ///
    /// ```
    /// use gstm2sd::core::evidence::Sufficiency;
    /// use gstm2sd::core::modelinfo::{SufficiencyKeys, Template};
    ///
    /// // In a picture of 224 px there are 72.8 px between the eyes; half of them are needed.
    /// let needs = Sufficiency::new(&SufficiencyKeys::default(), 224, &Template::M2SD);
    /// assert_eq!(needs.eye_distance_px(), 36.0);
    /// ```
    pub fn new(keys: &SufficiencyKeys, side_px: u32, template: &Template) -> Self {
        let eyes = f64::from(side_px) * template.eye_distance() / Self::MOST_ENLARGEMENT;
        let (low, high) = keys.brightness.unwrap_or(Self::BRIGHTNESS);
        Self {
            eye_distance_px: keys.eye_distance_px.unwrap_or(eyes.round()) as f32,
            sharpness: keys.sharpness.unwrap_or(Self::SHARPNESS) as f32,
            brightness: (low as f32, high as f32),
            contrast: keys.contrast.unwrap_or(Self::CONTRAST) as f32,
            pose_deg: keys.pose_deg.unwrap_or(Self::POSE_DEG) as f32,
            outside: keys.outside.unwrap_or(Self::OUTSIDE) as f32,
            clips: keys.clips.unwrap_or(Self::CLIPS).max(1),
            seconds: keys.seconds.unwrap_or(Self::SECONDS),
            spread: keys.spread.unwrap_or(Self::SPREAD),
        }
    }

    /// What either of two classifiers needs.
    pub(super) fn strictest(self, other: Self) -> Self {
        Self {
            eye_distance_px: self.eye_distance_px.max(other.eye_distance_px),
            sharpness: self.sharpness.max(other.sharpness),
            brightness: (
                self.brightness.0.max(other.brightness.0),
                self.brightness.1.min(other.brightness.1),
            ),
            contrast: self.contrast.max(other.contrast),
            pose_deg: self.pose_deg.min(other.pose_deg),
            outside: self.outside.min(other.outside),
            clips: self.clips.max(other.clips),
            seconds: self.seconds.max(other.seconds),
            spread: self.spread.max(other.spread),
        }
    }

    /// The least distance between the eyes, in px of the frame.
    pub fn eye_distance_px(&self) -> f32 {
        self.eye_distance_px
    }

    /// What a face falls short of, what hides most first.
    pub fn shortfalls(&self, face: &FaceQuality) -> impl Iterator<Item = Shortfall> + use<> {
        use Insufficiency as I;
        let (low, high) = self.brightness;
        let below = |what, found: f32, needed: f32| (found < needed, what, found, needed);
        let above = |what, found: f32, needed: f32| (found > needed, what, found, needed);
        // The eyes of a face that is turned are closer together than those of one that is small.
        let turned = face.pose_deg > self.pose_deg;
        let facing = face.pose_deg.min(MOST_TURNED_DEG).to_radians().cos();
        let large = turned && face.eye_distance_px / facing >= self.eye_distance_px;
        let eyes = if large { self.eye_distance_px } else { face.eye_distance_px };
        let all = [
            below(I::TooSmall, eyes, self.eye_distance_px),
            above(I::CutOff, face.outside, self.outside),
            above(I::Turned, face.pose_deg, self.pose_deg),
            below(I::TooDark, face.brightness, low),
            above(I::TooBright, face.brightness, high),
            below(I::LowContrast, face.contrast, self.contrast),
            below(I::Blurred, face.sharpness, self.sharpness),
        ];
        let failed = all.into_iter().filter(|(fails, ..)| *fails);
        failed.map(|(_, what, found, needed)| Shortfall { what, found, needed })
    }

    /// Whether the face suffices; else what it falls short of first.
    ///
    /// # Errors
    /// The [`Shortfall`].
    pub fn check(&self, face: &FaceQuality) -> Result<(), Shortfall> {
        self.shortfalls(face).next().map_or(Ok(()), Err)
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Insufficiency as I;
        let Self { what, found, needed } = *self;
        let percent = |part: f32| part * 100.0;
        match what {
            I::TooSmall => {
                write!(f, "too small: {found:.0} px between the eyes, {needed:.0} needed")
            }
            I::Blurred => write!(f, "blurred: sharpness {found:.2}, {needed:.2} needed"),
            I::TooDark => write!(f, "too dark: brightness {found:.2}, {needed:.2} needed"),
            I::TooBright => {
                write!(f, "too bright: brightness {found:.2}, {needed:.2} at most")
            }
            I::LowContrast => write!(f, "too little contrast: {found:.3}, {needed:.3} needed"),
            I::Turned => write!(f, "turned away: by {found:.0} degrees, {needed:.0} at most"),
            I::CutOff => write!(
                f,
                "cut off: {:.0} % outside of the frame, {:.0} % at most",
                percent(found),
                percent(needed)
            ),
            I::FewClips => {
                write!(f, "too few clips half a second apart: {found:.0}, {needed:.0} needed")
            }
            I::TooShort => {
                write!(f, "seen too briefly: clips of {found:.1} s, {needed:.1} s needed")
            }
            I::NoClip | I::Untrained | I::UnknownTraining => f.write_str(what.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> FaceQuality {
        FaceQuality::good()
    }

    #[test]
    fn each_number_of_a_face_is_held_against_its_limit_and_named() {
        let needs = Sufficiency::new(&SufficiencyKeys::default(), 224, &Template::M2SD);
        assert_eq!(needs.check(&fine()), Ok(()));
        assert_eq!((needs.clips, needs.seconds, needs.spread), (3, 1.5, 1.0), "docs/method.md");
        for (face, text) in [
            (
                FaceQuality { eye_distance_px: 24.4, ..fine() },
                "too small: 24 px between the eyes, 36 needed",
            ),
            (FaceQuality { sharpness: 0.1, ..fine() }, "blurred: sharpness 0.10, 0.30 needed"),
            (FaceQuality { brightness: 0.02, ..fine() }, "too dark: brightness 0.02, 0.08 needed"),
            (
                FaceQuality { brightness: 0.99, ..fine() },
                "too bright: brightness 0.99, 0.92 at most",
            ),
            (FaceQuality { contrast: 0.01, ..fine() }, "too little contrast: 0.010, 0.040 needed"),
            (FaceQuality { pose_deg: 70.0, ..fine() }, "turned away: by 70 degrees, 55 at most"),
            (
                FaceQuality { outside: 0.4, ..fine() },
                "cut off: 40 % outside of the frame, 15 % at most",
            ),
        ] {
            assert_eq!(needs.check(&face).unwrap_err().to_string(), text);
        }
        // In profile, 12 px apart: 70 px from the front.
        let profile = FaceQuality { eye_distance_px: 12.0, pose_deg: 85.0, ..fine() };
        assert_eq!(needs.check(&profile).unwrap_err().what, Insufficiency::Turned);
        let far = FaceQuality { eye_distance_px: 4.0, ..profile };
        assert_eq!(needs.check(&far).unwrap_err().what, Insufficiency::TooSmall);
        let both = FaceQuality { sharpness: 0.1, eye_distance_px: 20.0, ..fine() };
        let names: Vec<_> = needs.shortfalls(&both).map(|s| s.what).collect();
        assert_eq!(names, [Insufficiency::TooSmall, Insufficiency::Blurred]);
    }

    #[test]
    fn the_sidecar_has_the_last_word() {
        let keys = SufficiencyKeys {
            eye_distance_px: Some(90.0),
            clips: Some(0),
            seconds: Some(0.0),
            ..SufficiencyKeys::default()
        };
        let needs = Sufficiency::new(&keys, 224, &Template::M2SD);
        assert_eq!(needs.check(&fine()).unwrap_err().needed, 90.0);
        assert_eq!((needs.clips, needs.seconds), (1, 0.0), "a verdict needs a clip");
    }
}
