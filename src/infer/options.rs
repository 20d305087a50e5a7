//! What an engine is asked for: provider, device, precision, threads.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use strum::VariantArray;
use thiserror::Error;

/// Who runs the network.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[cfg_attr(feature = "plugin", derive(glib::Enum))]
#[cfg_attr(feature = "plugin", enum_type(name = "GstM2sdProvider"))]
pub enum Provider {
    /// The first that works of [`Provider::PREFERENCE`].
    #[default]
    #[cfg_attr(
        feature = "plugin",
        enum_value(
            name = "The first that works of TensorRT, TensorRT for RTX, CUDA, OpenVINO, CPU",
            nick = "auto"
        )
    )]
    Auto,
    /// ONNX Runtime's own CPU kernels, in fp32. Always there.
    #[cfg_attr(
        feature = "plugin",
        enum_value(name = "ONNX Runtime's own CPU kernels", nick = "cpu")
    )]
    Cpu,
    /// OpenVINO: CPUs of any make (bf16 where they have it), Intel GPUs and NPUs.
    #[cfg_attr(feature = "plugin", enum_value(name = "OpenVINO", nick = "openvino"))]
    OpenVino,
    /// ONNX Runtime's CUDA provider.
    #[cfg_attr(feature = "plugin", enum_value(name = "NVIDIA CUDA", nick = "cuda"))]
    Cuda,
    /// ONNX Runtime's TensorRT provider, which builds an engine of each model and GPU first.
    #[cfg_attr(feature = "plugin", enum_value(name = "NVIDIA TensorRT", nick = "tensorrt"))]
    TensorRt,
    /// NVIDIA TensorRT for RTX, a plug-in provider that brings its libraries along: it needs a
    /// driver and nothing else.
    #[strum(serialize = "tensorrt-rtx")]
    #[cfg_attr(
        feature = "plugin",
        enum_value(name = "NVIDIA TensorRT for RTX", nick = "tensorrt-rtx")
    )]
    TensorRtRtx,
    /// Servers that speak the Open Inference Protocol. Networks whose name is an address run there
    /// whatever the provider is; with this one, no other is taken.
    #[cfg_attr(
        feature = "plugin",
        enum_value(name = "Inference servers (kserve://HOST:PORT/MODEL)", nick = "kserve")
    )]
    Kserve,
}

impl Provider {
    /// The order in which [`Provider::Auto`] tries.
    pub const PREFERENCE: [Self; 5] =
        [Self::TensorRt, Self::TensorRtRtx, Self::Cuda, Self::OpenVino, Self::Cpu];

    /// The words for them all.
    pub fn names() -> Vec<&'static str> {
        names::<Self>()
    }
}

/// The arithmetic of a run.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[cfg_attr(feature = "plugin", derive(glib::Enum))]
#[cfg_attr(feature = "plugin", enum_type(name = "GstM2sdPrecision"))]
pub enum Precision {
    /// What the provider finds best: bf16 for OpenVINO on a processor that has it, fp16 for TensorRT,
    /// plain or for RTX, else fp32.
    #[default]
    #[cfg_attr(
        feature = "plugin",
        enum_value(name = "What the provider finds fastest on this machine", nick = "auto")
    )]
    Auto,
    /// 32-bit floats.
    #[cfg_attr(feature = "plugin", enum_value(name = "32-bit floating point", nick = "fp32"))]
    Fp32,
    /// 16-bit floats of IEEE 754, on GPUs.
    #[cfg_attr(feature = "plugin", enum_value(name = "16-bit floating point (GPU)", nick = "fp16"))]
    Fp16,
    /// 16-bit floats with the exponent of 32-bit ones.
    #[cfg_attr(feature = "plugin", enum_value(name = "bfloat16", nick = "bf16"))]
    Bf16,
    /// That of a file that was quantised (QDQ) beforehand, and of no other; a compiled one, which
    /// shows no operators, is taken at the caller's word. What the file leaves in floating point is
    /// computed as with [`Precision::Auto`].
    #[cfg_attr(
        feature = "plugin",
        enum_value(name = "8-bit integers, for a quantised classifier", nick = "int8")
    )]
    Int8,
}

impl Precision {
    /// The words for them all.
    pub fn names() -> Vec<&'static str> {
        names::<Self>()
    }
}

/// The kind of processor that a device is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum DeviceKind {
    /// The host's processor.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A processor for neural networks.
    Npu,
}

/// Which of a provider's devices: `auto`, `1`, `gpu`, `gpu:1`, `npu`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device {
    /// `None`: the provider's usual kind, CPU for OpenVINO and GPU for CUDA and TensorRT.
    pub kind: Option<DeviceKind>,
    /// The n-th device of that kind, from 0.
    pub ordinal: u32,
}

/// A word that names no provider, precision or device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no {what} is called {found:?}; expected {expected}")]
pub struct UnknownName {
    what: &'static str,
    found: String,
    expected: String,
}

/// The words for all values of a type.
fn names<T: VariantArray + Copy + Into<&'static str>>() -> Vec<&'static str> {
    T::VARIANTS.iter().map(|value| (*value).into()).collect()
}

fn by_name<T: VariantArray + Copy + Into<&'static str>>(
    what: &'static str,
    text: &str,
) -> Result<T, UnknownName> {
    let is_meant = |value: &&T| Into::<&str>::into(**value).eq_ignore_ascii_case(text);
    T::VARIANTS.iter().find(is_meant).copied().ok_or_else(|| UnknownName {
        what,
        found: text.to_owned(),
        expected: names::<T>().join(", "),
    })
}

impl FromStr for Provider {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        by_name("provider", text)
    }
}

impl Provider {
    /// As the property `provider` has it, such as `tensorrt-rtx`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Precision {
    /// As the property `precision` has it, such as `bf16`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Precision {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        by_name("precision", text)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((*self).into())
    }
}

impl FromStr for Device {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName {
            what: "device",
            found: text.to_owned(),
            expected: "auto, a number, cpu, gpu or npu, or one of these with a number: gpu:1"
                .into(),
        };
        let (kind, ordinal) = match text.split_once(':') {
            Some((kind, ordinal)) => (kind, Some(ordinal)),
            None if text.starts_with(|c: char| c.is_ascii_digit()) => ("auto", Some(text)),
            None => (text, None),
        };
        let kind = match kind {
            "" | "auto" => None,
            kind => Some(by_name::<DeviceKind>("device", kind).map_err(|_| unknown())?),
        };
        let ordinal = ordinal.map_or(Ok(0), str::parse).map_err(|_| unknown())?;
        Ok(Self { kind, ordinal })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.ordinal) {
            (None, 0) => f.write_str("auto"),
            (None, n) => write!(f, "{n}"),
            (Some(kind), 0) => write!(f, "{kind}"),
            (Some(kind), n) => write!(f, "{kind}:{n}"),
        }
    }
}

/// How to run a model. Equal options and files mean that an engine can be shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// What runs it.
    pub provider: Provider,
    /// Which of the provider's devices.
    pub device: Device,
    /// The arithmetic.
    pub precision: Precision,
    /// Threads of one run, 0: as many as the process may use.
    pub threads: usize,
    /// Where TensorRT keeps the engines it built; `None`: `cache` beside the model.
    pub cache_dir: Option<PathBuf>,
    /// What TensorRT's engines are built for.
    pub shapes: Shapes,
}

/// How large the inputs of the networks become, where the networks leave that open. TensorRT
/// builds its engines for these and takes nothing larger; no other provider cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shapes {
    /// The most clips of one run.
    pub batch: usize,
    /// The most faces that landmarks are found for in one run.
    pub faces: usize,
    /// The longest side of the detector's picture, in pixels.
    pub detect_px: usize,
}

impl Default for Shapes {
    /// A clip at a time, ten faces, frames of UHD.
    fn default() -> Self {
        Self { batch: 1, faces: 10, detect_px: 3840 }
    }
}

impl EngineOptions {
    /// The number of threads that 0 stands for, cgroup limits and affinity included.
    pub fn resolved_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            n => n,
        }
    }

    /// How networks run that are not the classifier: only that one, which takes nearly all of the
    /// time, has to be quantised for [`Precision::Int8`].
    pub fn beside_the_classifier(&self) -> Self {
        let precision = match self.precision {
            Precision::Int8 => Precision::Auto,
            asked => asked,
        };
        Self { precision, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (name, &provider) in Provider::names().into_iter().zip(Provider::VARIANTS) {
            assert_eq!(name.parse(), Ok(provider));
            assert_eq!(provider.to_string(), name);
        }
        for (name, &precision) in Precision::names().into_iter().zip(Precision::VARIANTS) {
            assert_eq!(name.parse(), Ok(precision));
            assert_eq!(precision.to_string(), name);
        }
        for name in ["auto", "1", "gpu", "gpu:1", "npu", "cpu"] {
            let device: Device = name.parse().unwrap();
            assert_eq!(device.to_string(), name);
        }
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let error = "trt".parse::<Provider>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no provider is called \"trt\"; expected auto, cpu, openvino, cuda, tensorrt, tensorrt-rtx, \
             kserve"
        );
        for wrong in ["tpu", "gpu:x", "1x", "-1", "99999999999"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }
}
