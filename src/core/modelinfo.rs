//! What a model file does not say about itself: GStreamer's `.modelinfo` sidecar, with our keys.
//!
//! An INI file beside the model (`NAME.onnx.modelinfo`, else `NAME.modelinfo`). Its first section,
//! `[modelinfo]`, holds the whole file's keys, every other section describes the tensor that it
//! is named after. Keys that this project does not know are kept out of the way, not refused: the
//! same file may serve other elements.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::image::{ChannelOrder, Normalization};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Detector,
    Aligner,
    Classifier,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Detector, Self::Aligner, Self::Classifier];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Aligner => "aligner",
            Self::Classifier => "classifier",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of how a network came by its weights.
///
/// Only [`Training::Trained`] lets a score count for anything: weights that nobody vouches for are
/// treated as random ones.
///
/// ```
/// use gstm2sd::core::modelinfo::{ModelInfo, Training};
///
/// let info: ModelInfo = "[modelinfo]\nrole=classifier".parse().unwrap();
/// assert_eq!(info.training(), Training::Unknown);
/// assert!(!info.training().is_trained());
/// assert_eq!("trained".parse(), Ok(Training::Trained));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Training {
    /// The sidecar says so: written for a file whose hash is pinned, or by the user.
    Trained,
    /// The weights are random or analytic.
    Untrained,
    /// Nobody says.
    #[default]
    Unknown,
}

/// A word that names no [`Training`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} says nothing of a training; expected trained, untrained or unknown")]
pub struct UnknownTraining(String);

impl Training {
    /// All of them; what can be trusted comes first.
    pub const ALL: [Self; 3] = [Self::Trained, Self::Unknown, Self::Untrained];

    /// Whether scores may become verdicts; not where it is unknown.
    pub fn is_trained(self) -> bool {
        self == Self::Trained
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Untrained => "untrained",
            Self::Unknown => "unknown",
        }
    }

    /// Its place in an order of preference, from 0.
    pub(crate) fn preference(self) -> usize {
        Self::ALL.iter().position(|training| *training == self).unwrap_or(Self::ALL.len())
    }
}

impl fmt::Display for Training {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Training {
    type Err = UnknownTraining;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|training| training.as_str() == text);
        found.ok_or_else(|| UnknownTraining(text.to_owned()))
    }
}

impl From<Option<bool>> for Training {
    /// From a sidecar's `trained=true`, `trained=false` or silence.
    fn from(trained: Option<bool>) -> Self {
        match trained {
            Some(true) => Self::Trained,
            Some(false) => Self::Untrained,
            None => Self::Unknown,
        }
    }
}

/// Whether a classifier's two numbers still need a softmax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassifierOutput {
    #[default]
    Logits,
    Probabilities,
}

/// Whether a tensor goes into the network or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// What the numbers of a tensor are, of those that this project's networks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortType {
    Float32,
    Uint8,
}

impl PortType {
    const NAMES: [(&'static str, Self); 2] = [("float32", Self::Float32), ("uint8", Self::Uint8)];

    fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Uint8 => "uint8",
        }
    }
}

/// A tensor that the sidecar describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub direction: Direction,
    /// `None`: not told, or of a type that no network here has.
    pub element: Option<PortType>,
    /// A size of `None` is any size. Without the list: not told.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Port {
    /// The image or clip input of a network that the ONNX file itself describes.
    pub fn pixels(name: &str, element: PortType) -> Self {
        let (name, direction) = (name.to_owned(), Direction::Input);
        Self { name, direction, element: Some(element), dims: None }
    }
}

/// A sidecar, read. Every field may be missing: the engines have defaults for each role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    pub role: Option<Role>,
    /// A short name for people, such as `MesoNet Meso4`.
    pub title: Option<String>,
    pub licence: Option<String>,
    /// Where the weights come from.
    pub source: Option<String>,
    /// `false`: the weights are random or analytic, a score means nothing. [`Self::training`] reads
    /// it.
    pub trained: Option<bool>,
    pub channel_order: Option<ChannelOrder>,
    pub normalization: Option<Normalization>,
    /// The tensors that the sidecar describes, by name. An ONNX file needs none of them described;
    /// a bare TensorRT engine all.
    pub ports: Vec<Port>,
    /// P(fake) above which this classifier calls a face fake.
    pub threshold: Option<f64>,
    pub output: Option<ClassifierOutput>,
}

#[derive(Debug, Error)]
pub enum ModelInfoError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} is neither a [section], a key=value nor a comment: {text:?}")]
    Syntax { line: usize, text: String },
    #[error("[{section}] {key}={value}: expected {expected}")]
    Value { section: String, key: String, value: String, expected: &'static str },
    #[error(
        "the tensor name {name:?} cannot be a section of a .modelinfo file: it is empty or \
         modelinfo, or has brackets, control characters or spaces at its ends. Rename the tensor"
    )]
    TensorName { name: String },
    #[error("{} is larger than {limit} bytes: no .modelinfo file", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

/// Sidecars are some hundred bytes.
const LARGEST_BYTES: u64 = 1 << 20;
/// The section that holds the keys of the whole file.
const GLOBAL: &str = "modelinfo";

/// Whether a tensor's name, which the file's author chose, can stand as `[name]` and be nothing else:
/// a name with a line break could bring keys of its own.
fn is_section_name(name: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '[' | ']');
    !name.is_empty() && name != GLOBAL && name.trim() == name && !name.contains(breaks)
}

impl ModelInfo {
    /// The sidecar that belongs to `model`, or the empty one when there is none.
    pub fn beside(model: &Path) -> Result<Self, ModelInfoError> {
        let mut appended = model.as_os_str().to_owned();
        appended.push(".modelinfo");
        for path in [PathBuf::from(appended), model.with_extension("modelinfo")] {
            let mut text = String::new();
            let file = File::open(&path);
            match file.and_then(|file| file.take(LARGEST_BYTES + 1).read_to_string(&mut text)) {
                Ok(len) if len as u64 <= LARGEST_BYTES => return text.parse(),
                Ok(_) => return Err(ModelInfoError::TooLarge { path, limit: LARGEST_BYTES }),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ModelInfoError::Read { path, source }),
            }
        }
        Ok(Self::default())
    }

    /// The sidecar as it is written to disk.
    ///
    /// # Errors
    /// [`ModelInfoError::TensorName`] for a tensor whose name such a file cannot hold.
    pub fn to_sidecar(&self) -> Result<String, ModelInfoError> {
        match self.ports.iter().find(|port| !is_section_name(&port.name)) {
            Some(port) => Err(ModelInfoError::TensorName { name: port.name.clone() }),
            None => Ok(self.to_string()),
        }
    }
}

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
    /// The name of the image or clip input, where the sidecar names one.
    pub fn input(&self) -> Option<&str> {
        let input = self.ports.iter().find(|port| port.direction == Direction::Input);
        input.map(|port| port.name.as_str())
    }

    /// What is known of how the network came by its weights.
    pub fn training(&self) -> Training {
        self.trained.into()
    }

    /// How levels become what the network computes with, in the role `role`: the sidecar's word,
    /// else RetinaFace's, 0..=1 for aligners and ImageNet's for classifiers.
    pub fn normalization_as(&self, role: Role) -> Normalization {
        self.normalization.unwrap_or(match role {
            Role::Detector => Normalization::RETINAFACE,
            Role::Aligner => Normalization::UNIT,
            Role::Classifier => Normalization::IMAGENET_RGB,
        })
    }

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
            "trained" => {
                let choices = [("true", Some(true)), ("false", Some(false)), ("unknown", None)];
                self.trained = entry.one_of(&choices, "true, false or unknown")?;
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
        line("trained", self.trained.map(|t| t.to_string()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let info = ModelInfo {
            role: Some(Role::Classifier),
            title: Some("Meso4".into()),
            trained: Some(true),
            threshold: Some(0.3),
            channel_order: Some(ChannelOrder::Rgb),
            output: Some(ClassifierOutput::Probabilities),
            ports: vec![
                Port::pixels("clip", PortType::Uint8),
                Port {
                    name: "logits".into(),
                    direction: Direction::Output,
                    element: Some(PortType::Float32),
                    dims: Some(vec![None, Some(2)]),
                },
            ],
            normalization: Some(Normalization::from_ranges([(-1.0, 1.0); 3])),
            ..Default::default()
        };
        assert_eq!(info.to_string().parse::<ModelInfo>().unwrap(), info);
    }

    #[test]
    fn a_name_or_text_of_a_model_brings_no_keys_of_its_own() {
        let hostile = "x]\n[modelinfo]\ntrained=true\nthreshold=1\n[y";
        for name in [hostile, "modelinfo", "", " clip", "a[0]", "tab\t", "a\r"] {
            let ports = vec![Port::pixels(name, PortType::Float32)];
            let info = ModelInfo { ports, ..ModelInfo::default() };
            let error = info.to_sidecar().unwrap_err();
            assert!(matches!(error, ModelInfoError::TensorName { .. }), "{error}");
            let printed: ModelInfo = info.to_string().parse().unwrap();
            assert_eq!(printed, ModelInfo::default(), "{name:?}");
        }
        let title = Some("Mine\n[modelinfo]\ntrained=true".to_owned());
        let info = ModelInfo {
            title,
            ports: vec![Port::pixels("clip:0", PortType::Uint8)],
            ..ModelInfo::default()
        };
        let read: ModelInfo = info.to_sidecar().unwrap().parse().unwrap();
        assert_eq!((read.training(), read.input()), (Training::Unknown, Some("clip:0")));
    }

    #[test]
    fn a_training_that_nobody_vouches_for_counts_as_none() {
        for (sidecar, training) in [
            ("trained=true", Training::Trained),
            ("trained=false", Training::Untrained),
            ("trained=unknown", Training::Unknown),
            ("title=Trained!", Training::Unknown),
        ] {
            let info: ModelInfo = format!("[modelinfo]\n{sidecar}").parse().unwrap();
            assert_eq!(info.training(), training);
            assert_eq!(training.is_trained(), sidecar == "trained=true");
            assert_eq!(training.to_string().parse(), Ok(training));
            assert_eq!(info.to_string().parse::<ModelInfo>().unwrap(), info);
        }
        assert!("true".parse::<Training>().is_err());
        assert!("[modelinfo]\ntrained=perhaps".parse::<ModelInfo>().is_err());
    }

    #[test]
    fn unknown_keys_pass_and_bad_values_are_named() {
        let text =
            "[modelinfo]\ngroup-id=x\nfuture=1\n[image]\ndims=-1,3,-1,-1\ndir=input\nranges=0,255";
        let info: ModelInfo = text.parse().unwrap();
        assert_eq!(info.input(), Some("image"));
        assert_eq!(info.ports[0].dims, Some(vec![None, Some(3), None, None]));
        let ranges = info.normalization.unwrap().ranges();
        assert_eq!(ranges, [(0.0, 255.0); 3]);

        let error = "[modelinfo]\nthreshold=2".parse::<ModelInfo>().unwrap_err();
        assert_eq!(error.to_string(), "[modelinfo] threshold=2: expected a probability, 0 to 1");
        assert!("[a]\nranges=-3e38,3e38".parse::<ModelInfo>().is_err());
        assert!("[a]\nranges=0,1;2".parse::<ModelInfo>().is_err());
        assert!("[a]\ndir=input\ndims=1,x".parse::<ModelInfo>().is_err());
        assert!("words".parse::<ModelInfo>().is_err());
    }
}
