//! What a checkpoint says of its network beside the tensors.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::CheckpointError;
use crate::models::pickle::{Pickle, Value};

/// The scalars of a `config.json`, or of the arguments that a training script has kept: `args` of
/// VideoMAE, `hyper_parameters` of Lightning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    scalars: BTreeMap<String, Scalar>,
    labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Count(usize),
    Number(f64),
    Text(String),
}

/// Entries of one that are read.
const MOST: usize = 1 << 10;
/// Bytes of a key or text that is read.
const LONGEST: usize = 256;

impl Config {
    /// Of a Hugging Face model.
    ///
    /// ```
    /// use gstm2sd::models::checkpoint::Config;
    ///
    /// let text = r#"{"num_frames": 8, "head": "LinearNorm", "id2label": {"0": "real", "1": "fake"}}"#;
    /// let config = Config::from_json(text).unwrap();
    /// assert_eq!((config.count("num_frames"), config.text("head")), (Some(8), Some("LinearNorm")));
    /// assert_eq!(config.labels(), ["real", "fake"]);
    /// ```
    pub fn from_json(text: &str) -> Result<Self, CheckpointError> {
        let wrong = |e: &dyn std::fmt::Display| CheckpointError::Config(e.to_string());
        let json: Json = serde_json::from_str(text).map_err(|e| wrong(&e))?;
        let Json::Object(entries) = json else { return Err(wrong(&"it is no JSON object")) };
        let mut config = Self::default();
        for (key, value) in entries.iter().take(MOST) {
            let scalar = match value {
                Json::Number(n) => match (n.as_u64().and_then(|n| n.try_into().ok()), n.as_f64()) {
                    (Some(count), _) => Scalar::Count(count),
                    (None, Some(number)) => Scalar::Number(number),
                    (None, None) => continue,
                },
                Json::String(text) => Scalar::Text(text.clone()),
                Json::Object(labels) if key == "id2label" => {
                    config.labels = labels_of(labels);
                    continue;
                }
                _ => continue,
            };
            config.scalars.insert(key.clone(), scalar);
        }
        Ok(config)
    }

    /// What a dictionary or an `argparse.Namespace` holds.
    pub(super) fn add(&mut self, pickle: &Pickle, found: Value) {
        let entries = pickle.dict(found).or_else(|| pickle.attributes(found)).unwrap_or_default();
        for (key, value) in entries.iter().take(MOST) {
            let Some(key) = pickle.text(*key).filter(|key| key.len() <= LONGEST) else { continue };
            let scalar = match *value {
                Value::Int(n) => match usize::try_from(n) {
                    Ok(count) => Scalar::Count(count),
                    Err(_) => Scalar::Number(n as f64),
                },
                Value::Float(number) => Scalar::Number(number),
                other => match pickle.text(other).filter(|text| text.len() <= LONGEST) {
                    Some(text) => Scalar::Text(text.to_owned()),
                    None => continue,
                },
            };
            self.scalars.entry(key.to_owned()).or_insert(scalar);
        }
    }

    /// A whole number; `None`: there is none under this key.
    pub fn count(&self, key: &str) -> Option<usize> {
        match self.scalars.get(key)? {
            Scalar::Count(count) => Some(*count),
            _ => None,
        }
    }

    /// Any number; `None`: there is none under this key.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.scalars.get(key)? {
            Scalar::Count(count) => Some(*count as f64),
            Scalar::Number(number) => Some(*number),
            Scalar::Text(_) => None,
        }
    }

    /// A text; `None`: there is none under this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.scalars.get(key)? {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The classes' names by their index.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

fn labels_of(labels: &serde_json::Map<String, Json>) -> Vec<String> {
    let label = |index: usize| labels.get(&index.to_string())?.as_str().map(str::to_owned);
    (0..labels.len().min(MOST)).map_while(label).collect()
}
