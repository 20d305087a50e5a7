//! What an engine of TensorRT depends on. A change of any of it makes another engine.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::core::hex::hex;
use crate::infer::options::{Precision, Provider};

/// The libraries and the GPU that engines are built with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The version of TensorRT, or of TensorRT for RTX, such as `10.3.0`.
    pub tensorrt: String,
    /// The driver's, such as `550.54.15`.
    pub driver: String,
    /// The GPU's architecture, such as `sm_90`.
    pub gpu_arch: String,
    /// ONNX Runtime's version, which decides what of a network TensorRT is given.
    pub runtime: String,
}

/// Everything that an engine is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The file's name without its ending, for people.
    pub model: String,
    /// Of the model's file, in lower-case hexadecimal.
    pub model_sha256: String,
    /// Who builds and runs it.
    pub provider: Provider,
    /// The precision that it was built for.
    pub precision: Precision,
    /// The smallest, best and largest shapes of the inputs.
    pub profile: [String; 3],
    /// What of this machine the engine depends on.
    pub machine: Machine,
}

/// Why the key of an engine cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0} is missing or no value")]
pub struct DamagedKey(&'static str);

impl CacheKey {
    /// The name of the folder in which the engine is kept: readable at its front, and another one
    /// for every change of any part of the key.
    pub fn folder(&self) -> String {
        let hash = hex(&Sha256::digest(self.to_string())[..8]);
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let model: String = self.model.chars().take(48).map(plain).collect();
        format!("{model}-{}-{hash}", self.precision)
    }

    fn entries(&self) -> [(&'static str, String); 11] {
        let Machine { tensorrt, driver, gpu_arch, runtime } = &self.machine;
        let [min, opt, max] = &self.profile;
        [
            ("model", one_line(&self.model)),
            ("model-sha256", self.model_sha256.clone()),
            ("provider", self.provider.to_string()),
            ("precision", self.precision.to_string()),
            ("profile-min", one_line(min)),
            ("profile-opt", one_line(opt)),
            ("profile-max", one_line(max)),
            ("tensorrt", tensorrt.clone()),
            ("driver", driver.clone()),
            ("gpu", gpu_arch.clone()),
            ("onnxruntime", runtime.clone()),
        ]
    }
}

/// A name of the model's author, which brings no lines of its own.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl fmt::Display for CacheKey {
    /// One `key=value` a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries().iter().try_for_each(|(key, value)| writeln!(f, "{key}={value}"))
    }
}

impl FromStr for CacheKey {
    type Err = DamagedKey;

    fn from_str(text: &str) -> Result<Self, DamagedKey> {
        let values: BTreeMap<_, _> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let get = |key: &'static str| {
            values.get(key).map(|value| (*value).to_owned()).ok_or(DamagedKey(key))
        };
        Ok(Self {
            model: get("model")?,
            model_sha256: get("model-sha256")?,
            provider: get("provider")?.parse().map_err(|_| DamagedKey("provider"))?,
            precision: get("precision")?.parse().map_err(|_| DamagedKey("precision"))?,
            profile: [get("profile-min")?, get("profile-opt")?, get("profile-max")?],
            machine: Machine {
                tensorrt: get("tensorrt")?,
                driver: get("driver")?,
                gpu_arch: get("gpu")?,
                runtime: get("onnxruntime")?,
            },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn key() -> CacheKey {
        CacheKey {
            model: "m2sd".into(),
            model_sha256: "ab".repeat(32),
            provider: Provider::TensorRt,
            precision: Precision::Fp16,
            profile: ["clip:1x3", "clip:2x3", "clip:4x3"].map(str::to_owned),
            machine: Machine {
                tensorrt: "10.3.0".into(),
                driver: "550.54.15".into(),
                gpu_arch: "sm_90".into(),
                runtime: "1.32.0".into(),
            },
        }
    }

    #[test]
    fn every_part_changes_the_folder() {
        let with = |change: fn(&mut CacheKey)| {
            let mut key = key();
            change(&mut key);
            key.folder()
        };
        let changes: [fn(&mut CacheKey); 10] = [
            |f| f.provider = Provider::TensorRtRtx,
            |f| f.model_sha256 = "cd".repeat(32),
            |f| f.precision = Precision::Fp32,
            |f| f.profile[0] = "clip:2x3".into(),
            |f| f.profile[1] = "clip:3x3".into(),
            |f| f.profile[2] = "clip:5x3".into(),
            |f| f.machine.tensorrt = "10.4.0".into(),
            |f| f.machine.driver = "560.0".into(),
            |f| f.machine.gpu_arch = "sm_89".into(),
            |f| f.machine.runtime = "1.33.0".into(),
        ];
        let mut keys: Vec<_> = changes.into_iter().map(with).collect();
        keys.push(key().folder());
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 11);
        assert_eq!(key().folder(), key().folder());
        assert!(key().folder().starts_with("m2sd-fp16-"));
    }

    #[test]
    fn a_folder_is_a_file_name_whatever_the_model_is_called() {
        let folder = CacheKey { model: "../a b/ü\n".repeat(20), ..key() }.folder();
        assert!(folder.len() < 100 && !folder.contains(['/', ' ', '\n']), "{folder}");
    }

    #[test]
    fn a_key_is_read_back() {
        let text = key().to_string();
        assert_eq!(text.parse(), Ok(key()));
        let without = text.replace("driver=", "river=");
        assert_eq!(without.parse::<CacheKey>(), Err(DamagedKey("driver")));
    }
}
