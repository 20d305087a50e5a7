//! Options that several commands have.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Provider {
    Auto,
    Cpu,
    Openvino,
    Cuda,
    Tensorrt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Precision {
    Auto,
    Fp32,
    Fp16,
    Bf16,
    Int8,
}

/// The words that the element, the engines and the command line share.
pub fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
}

pub fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("expected 0 to 1".into()) }
}
