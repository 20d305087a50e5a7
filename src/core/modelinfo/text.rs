//! A sidecar's text: read and written.

use std::collections::BTreeMap;
use std::fmt;

use super::{
    ClassifierOutput, Direction, GLOBAL, ModelInfo, ModelInfoError, Port, PortType, Role, Training,
    is_section_name,
};
use crate::core::image::{ChannelOrder, Normalization};

type Sections = BTreeMap<String, BTreeMap<String, String>>;

fn sections(text: &str) -> Result<Sections, ModelInfoError> {
    let mut all = Sections::new();
    let mut current = String::new();
    for (n, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            current = name.trim().to_owned();
            all.entry(current.clone()).or_default();
        } else if let Some((key, value)) = line.split_once('=') {
            let section = all.entry(current.clone()).or_default();
            section.insert(key.trim().to_owned(), value.trim().to_owned());
        } else {
            return Err(ModelInfoError::Syntax { line: n + 1, text: line.to_owned() });
        }
    }
    Ok(all)
}

/// One key of one section, with what an error about it needs to say.
struct Key<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
}

impl Key<'_> {
    fn wrong(&self, expected: &'static str) -> ModelInfoError {
        ModelInfoError::Value {
            section: self.section.to_owned(),
            key: self.key.to_owned(),
            value: self.value.to_owned(),
            expected,
        }
    }

    /// Sizes separated by commas; one below zero is any.
    fn dims(&self) -> Result<Vec<Option<usize>>, ModelInfoError> {
        let size = |text: &str| {
            let size: i64 = text.trim().parse().ok()?;
            Some(usize::try_from(size).ok())
        };
        let sizes: Option<Vec<_>> = self.value.split(',').map(size).collect();
        sizes.ok_or_else(|| self.wrong("sizes separated by commas, -1 for any"))
    }

    fn one_of<T: Copy>(
        &self,
        choices: &[(&str, T)],
        expected: &'static str,
    ) -> Result<T, ModelInfoError> {
        let found = choices.iter().find(|(name, _)| *name == self.value);
        found.map(|(_, v)| *v).ok_or_else(|| self.wrong(expected))
    }

    /// `min,max` once for all channels, or three times, separated by `;`.
    fn ranges(&self) -> Result<Normalization, ModelInfoError> {
        const EXPECTED: &str = "one or three pairs min,max separated by ;";
        let pair = |text: &str| -> Option<(f32, f32)> {
            let (min, max) = text.split_once(',')?;
            let pair = (min.trim().parse().ok()?, max.trim().parse().ok()?);
            let (a, b): (f32, f32) = pair;
            // Their difference, too, is what pixels are mapped by.
            (a.is_finite() && b.is_finite() && (b - a).is_finite()).then_some(pair)
        };
        let pairs: Option<Vec<_>> = self.value.split(';').map(pair).collect();
        match pairs.as_deref() {
            Some([all]) => Ok(Normalization::from_ranges([*all; 3])),
            Some([a, b, c]) => Ok(Normalization::from_ranges([*a, *b, *c])),
            _ => Err(self.wrong(EXPECTED)),
        }
    }
}

impl std::str::FromStr for ModelInfo {
    type Err = ModelInfoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut info = Self::default();
        for (section, keys) in &sections(text)? {
            if section == GLOBAL {
                for (key, value) in keys {
                    info.set_global(&Key { section, key, value })?;
                }
            } else {
                info.set_tensor(section, keys)?;
            }
        }
        Ok(info)
    }
}

impl ModelInfo {
    fn set_tensor(
        &mut self,
        section: &str,
        keys: &BTreeMap<String, String>,
    ) -> Result<(), ModelInfoError> {
        let entry = |key| keys.get(key).map(|value| Key { section, key, value });
        if let Some(ranges) = entry("ranges") {
            self.normalization = Some(ranges.ranges()?);
        }
        let direction = match keys.get("dir").map(String::as_str) {
            Some("input") => Direction::Input,
            Some("output") => Direction::Output,
            _ => return Ok(()),
        };
        let known = |kind: &String| PortType::NAMES.iter().find(|(name, _)| name == kind);
        self.ports.push(Port {
            name: section.to_owned(),
            direction,
            element: keys.get("type").and_then(known).map(|(_, element)| *element),
            dims: entry("dims").map(|dims| dims.dims()).transpose()?,
        });
        Ok(())
    }

    fn set_global(&mut self, entry: &Key<'_>) -> Result<(), ModelInfoError> {
        let text = || Some(entry.value.to_owned());
        match entry.key {
            "title" => self.title = text(),
            "licence" => self.licence = text(),
            "source" => self.source = text(),
            "role" => {
                let roles = Role::ALL.map(|r| (r.as_str(), r));
                self.role = Some(entry.one_of(&roles, "detector, aligner or classifier")?);
            }
            // Of earlier versions. `training`, which comes after it in the order of keys, outweighs it.
            "trained" => {
                use Training::{Trained, Unknown, Untrained};
                let choices = [("true", Trained), ("false", Untrained), ("unknown", Unknown)];
                self.training = entry.one_of(&choices, "true, false or unknown")?;
            }
            "training" => {
                const EXPECTED: &str = "trained, untrained, analytic or unknown";
                let choices = Training::ALL.map(|training| (training.as_str(), training));
                self.training = entry.one_of(&choices, EXPECTED)?;
            }
            "channel-order" => {
                let choices = [("rgb", ChannelOrder::Rgb), ("bgr", ChannelOrder::Bgr)];
                self.channel_order = Some(entry.one_of(&choices, "rgb or bgr")?);
            }
            "output" => {
                use ClassifierOutput::{Logits, Probabilities};
                let choices = [("logits", Logits), ("probabilities", Probabilities)];
                self.output = Some(entry.one_of(&choices, "logits or probabilities")?);
            }
            "threshold" => {
                const EXPECTED: &str = "a probability, 0 to 1";
                let value: f64 = entry.value.parse().map_err(|_| entry.wrong(EXPECTED))?;
                if !(0.0..=1.0).contains(&value) {
                    return Err(entry.wrong(EXPECTED));
                }
                self.threshold = Some(value);
            }
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for ModelInfo {
    /// The sidecar's text, without tensors that it cannot name ([`Self::to_sidecar`]).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[modelinfo]\nversion=1.0")?;
        let mut line = |key: &str, value: Option<String>| match value {
            Some(value) => writeln!(f, "{key}={}", value.replace(char::is_control, " ")),
            None => Ok(()),
        };
        line("role", self.role.map(|r| r.to_string()))?;
        line("title", self.title.clone())?;
        line("licence", self.licence.clone())?;
        line("source", self.source.clone())?;
        let known = (self.training != Training::Unknown).then_some(self.training);
        line("training", known.map(|t| t.to_string()))?;
        line("threshold", self.threshold.map(|t| t.to_string()))?;
        let order = self.channel_order.map(|o| match o {
            ChannelOrder::Rgb => "rgb".to_owned(),
            ChannelOrder::Bgr => "bgr".to_owned(),
        });
        line("channel-order", order)?;
        let output = self.output.map(|o| match o {
            ClassifierOutput::Logits => "logits".to_owned(),
            ClassifierOutput::Probabilities => "probabilities".to_owned(),
        });
        line("output", output)?;
        for port in self.ports.iter().filter(|port| is_section_name(&port.name)) {
            let (name, is_input) = (&port.name, port.direction == Direction::Input);
            writeln!(f, "\n[{name}]\ndir={}", if is_input { "input" } else { "output" })?;
            if let Some(element) = port.element {
                writeln!(f, "type={}", element.as_str())?;
            }
            if let Some(dims) = &port.dims {
                let dims = dims.iter().map(|d| d.map_or("-1".to_owned(), |d| d.to_string()));
                writeln!(f, "dims={}", dims.collect::<Vec<_>>().join(","))?;
            }
            if let Some(normalization) = &self.normalization
                && self.input() == Some(name)
            {
                let pairs = normalization.ranges().map(|(min, max)| format!("{min},{max}"));
                writeln!(f, "ranges={}", pairs.join(";"))?;
            }
        }
        Ok(())
    }
}
