//! How options are read that several commands have.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use gstm2sd::infer::{Precision, Provider, UnknownName, gpu_architectures};
use gstm2sd::models::arch::m2sd::Tuning;

pub fn provider() -> impl TypedValueParser<Value = Provider> {
    named(Provider::names())
}

pub fn precision() -> impl TypedValueParser<Value = Precision> {
    named(Precision::names())
}

/// One of the words that the engines know, all of which the help lists.
fn named<T>(names: [&'static str; 5]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownName> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// What a transformer should be written for that is to run here.
pub fn tuning_here() -> Tuning {
    if gpu_architectures().is_empty() { Tuning::Cpu } else { Tuning::Gpu }
}

pub fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("expected 0 to 1".into()) }
}
