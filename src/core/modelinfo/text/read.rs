//! From a sidecar's text.

use super::key::Key;
use super::{CALIBRATION, GLOBAL, Keys, OPERATING_POINT, SUFFICIENCY, sections};
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{
    AnchorSides, Calibration, ClassifierOutput, Direction, FrameRates, LlrMap, MeasuredPoint,
    ModelInfo, ModelInfoError, Population, Port, PortType, Rate, SufficiencyKeys, Training,
};

/// The keys of the sections that are ours alone.
const SUFFICIENCY_KEYS: [&str; 9] = [
    "eye-distance",
    "sharpness",
    "brightness",
    "contrast",
    "pose",
    "outside",
    "clips",
    "seconds",
    "spread",
];
const CALIBRATION_KEYS: [&str; 9] =
    ["method", "slope", "intercept", "knots", "population", "real", "fake", "date", "list-sha256"];
const POINT_KEYS: [&str; 3] = ["threshold", "fpr", "tpr"];
/// Those of the whole file, which others share.
const GLOBAL_KEYS: [&str; 18] = [
    "title",
    "licence",
    "source",
    "terms",
    "role",
    "trained",
    "training",
    "channel-order",
    "threshold",
    "output",
    "outputs",
    "fake-index",
    "input-layout",
    "template",
    "align",
    "crop-scale",
    "family",
    "anchors",
];

/// The highest frame rate that a key may name.
const HIGHEST_FPS: f64 = 1000.0;
/// The largest crop, in sides of the face's box.
const LARGEST_CROP_SCALE: f64 = 8.0;

impl std::str::FromStr for ModelInfo {
    type Err = ModelInfoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut info = Self::default();
        for (section, keys) in &sections(text)? {
            let section = Section { name: section, keys };
            match section.name {
                GLOBAL => info.set_globals(&section)?,
                SUFFICIENCY => {
                    section.has_only(&SUFFICIENCY_KEYS)?;
                    info.sufficiency = section.sufficiency()?;
                }
                CALIBRATION => {
                    section.has_only(&CALIBRATION_KEYS)?;
                    info.calibration = Some(section.calibration()?);
                }
                name => match name.strip_prefix(OPERATING_POINT) {
                    Some(point) => {
                        section.has_only(&POINT_KEYS)?;
                        info.points.push(section.point(point)?);
                    }
                    None => info.set_tensor(&section)?,
                },
            }
        }
        Ok(info)
    }
}

/// A section and what it is called.
struct Section<'a> {
    name: &'a str,
    keys: &'a Keys,
}

impl<'a> Section<'a> {
    fn key(&self, key: &'a str) -> Option<Key<'a>> {
        let value = self.keys.get(key)?;
        Some(Key { section: self.name, key, value })
    }

    /// What `read` makes of a key, where the section has it.
    fn read<T>(
        &self,
        key: &'a str,
        read: impl FnOnce(Key<'a>) -> Result<T, ModelInfoError>,
    ) -> Result<Option<T>, ModelInfoError> {
        self.key(key).map(read).transpose()
    }

    /// What `read` makes of a key that the section must have.
    fn need<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(Key<'a>) -> Result<T, ModelInfoError>,
    ) -> Result<T, ModelInfoError> {
        let missing = || ModelInfoError::Missing { section: self.name.to_owned(), key };
        self.read(key, read)?.ok_or_else(missing)
    }

    /// Whether there is no key but these.
    fn has_only(&self, known: &[&str]) -> Result<(), ModelInfoError> {
        match self.keys.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.unknown(key, known)),
            None => Ok(()),
        }
    }

    /// Whether no key is one of these but for dashes and capitals: other elements may have keys of
    /// their own.
    fn has_none_like(&self, known: &[&str]) -> Result<(), ModelInfoError> {
        let plain = |key: &str| key.to_ascii_lowercase().replace(['_', ' '], "-");
        let like =
            |key: &&String| !known.contains(&key.as_str()) && known.contains(&plain(key).as_str());
        match self.keys.keys().find(like) {
            Some(key) => Err(self.unknown(key, &[plain(key).as_str()])),
            None => Ok(()),
        }
    }

    fn unknown(&self, key: &str, known: &[&str]) -> ModelInfoError {
        let (section, key) = (self.name.to_owned(), key.to_owned());
        ModelInfoError::UnknownKey { section, key, known: known.join(", ") }
    }

    fn sufficiency(&self) -> Result<SufficiencyKeys, ModelInfoError> {
        const ANGLE: &str = "an angle from 0 to 180";
        let length = |key: Key<'_>| key.number(0.0, f64::MAX, "a number that is not negative");
        let brightness = |key: Key<'_>| key.range(0.0, 1.0, "low,high from 0 to 1");
        Ok(SufficiencyKeys {
            eye_distance_px: self.read("eye-distance", length)?,
            sharpness: self.read("sharpness", |key| key.part())?,
            brightness: self.read("brightness", brightness)?,
            contrast: self.read("contrast", |key| key.part())?,
            pose_deg: self.read("pose", |key| key.number(0.0, 180.0, ANGLE))?,
            outside: self.read("outside", |key| key.part())?,
            clips: self.read("clips", |key| key.count())?,
            seconds: self.read("seconds", length)?,
            spread: self.read("spread", length)?,
        })
    }

    fn calibration(&self) -> Result<Calibration, ModelInfoError> {
        const EXPECTED: &str = "platt or isotonic";
        let rising = |key: Key<'_>| key.number(0.0, f64::MAX, "a number that is not negative");
        let map = self.need("method", |key| match key.value {
            "platt" => Ok(LlrMap::Platt {
                slope: self.need("slope", rising)?,
                intercept: self.need("intercept", |key| key.finite())?,
            }),
            "isotonic" => Ok(LlrMap::Isotonic(self.need("knots", |key| key.knots())?)),
            _ => Err(key.wrong(EXPECTED)),
        })?;
        let text =
            |key| Ok::<_, ModelInfoError>(self.read(key, |k| Ok(k.text()))?.unwrap_or_default());
        let population = Population {
            name: text("population")?,
            real: self.need("real", |key| key.count())?,
            fake: self.need("fake", |key| key.count())?,
            date: text("date")?,
            list_sha256: text("list-sha256")?,
        };
        Ok(Calibration { map, population })
    }

    fn point(&self, name: &str) -> Result<MeasuredPoint, ModelInfoError> {
        let rate = |key: Key<'_>| {
            let [value, low, high] = key.rate()?;
            Ok(Rate { value, low, high })
        };
        Ok(MeasuredPoint {
            name: name.trim().to_owned(),
            threshold: self.need("threshold", |key| key.part())?,
            fpr: self.need("fpr", rate)?,
            tpr: self.need("tpr", rate)?,
        })
    }
}

impl ModelInfo {
    fn set_tensor(&mut self, section: &Section<'_>) -> Result<(), ModelInfoError> {
        if let Some(ranges) = section.read("ranges", |key| key.ranges())? {
            self.normalization = Some(ranges);
        }
        if section.key("mean").is_some() || section.key("std").is_some() {
            let zero = |key: Key<'_>| {
                let std = key.channels()?;
                let sound = std.iter().all(|s| *s > 0.0);
                if sound { Ok(std) } else { Err(key.wrong("three numbers above 0")) }
            };
            let mean = section.need("mean", |key| key.channels())?;
            let std = section.need("std", zero)?;
            self.normalization = Some(Normalization::from_mean_std(mean, std));
        }
        let direction = match section.keys.get("dir").map(String::as_str) {
            Some("input") => Direction::Input,
            Some("output") => Direction::Output,
            _ => return Ok(()),
        };
        self.ports.push(Port {
            name: section.name.to_owned(),
            direction,
            // Other elements know types that no network here has.
            element: section.key("type").and_then(|key| key.one_of::<PortType>().ok()),
            dims: section.read("dims", |key| key.dims())?,
        });
        Ok(())
    }

    fn set_globals(&mut self, section: &Section<'_>) -> Result<(), ModelInfoError> {
        section.has_none_like(&GLOBAL_KEYS)?;
        let text = |key| section.read(key, |key| Ok(key.text()));
        self.title = text("title")?;
        self.licence = text("licence")?;
        self.source = text("source")?;
        self.terms = text("terms")?;
        self.role = section.read("role", |key| key.one_of())?;
        self.training = training(section)?;
        self.channel_order = section.read("channel-order", |key| key.one_of::<ChannelOrder>())?;
        self.threshold =
            section.read("threshold", |key| key.number(0.0, 1.0, "a probability, 0 to 1"))?;
        self.set_classifier(section)?;
        self.family = section.read("family", |key| key.one_of())?;
        self.anchors = section.read("anchors", |key| key.anchors().map(AnchorSides))?;
        Ok(())
    }

    fn set_classifier(&mut self, section: &Section<'_>) -> Result<(), ModelInfoError> {
        // Of earlier versions, which knew two of them.
        let output = section.read("output", |key| key.one_of::<ClassifierOutput>())?;
        self.outputs = section.read("outputs", |key| key.one_of())?.or(output);
        self.fake_index = section.read("fake-index", |key| key.one_of())?;
        self.input_layout = section.read("input-layout", |key| key.one_of())?;
        self.template = section.read("template", |key| key.template())?;
        self.align = section.read("align", |key| key.one_of())?;
        let scale = |key: Key<'_>| {
            key.number(1.0, LARGEST_CROP_SCALE, "how many sides of the face's box, from 1 to 8")
        };
        self.crop_scale = section.read("crop-scale", scale)?;
        let rates = |key: Key<'_>| {
            let (lowest, highest) = key.range(1.0, HIGHEST_FPS, "lowest,highest in frames/s")?;
            Ok(FrameRates { lowest, highest })
        };
        self.fps = section.read("fps", rates)?;
        Ok(())
    }
}

/// `training`, else `trained` of earlier versions.
fn training(section: &Section<'_>) -> Result<Training, ModelInfoError> {
    let trained = section.read("trained", |key| match key.value {
        "true" => Ok(Training::Trained),
        "false" => Ok(Training::Untrained),
        "unknown" => Ok(Training::Unknown),
        _ => Err(key.wrong("true, false or unknown")),
    })?;
    let training = section.read("training", |key| key.one_of())?;
    Ok(training.or(trained).unwrap_or_default())
}
