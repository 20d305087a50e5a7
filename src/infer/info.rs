//! What is known of a loaded network before it runs.

use std::fmt;
use std::num::NonZeroUsize;

use super::options::{Precision, Provider};

/// What an input or output is declared as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the network.
    pub name: String,
    /// `None`: any size.
    pub dims: Vec<Option<usize>>,
    /// What its numbers are.
    pub element: ElementType,
}

/// What the numbers of a tensor are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floats.
    F32,
    /// Bytes: a picture as it is, before any normalisation.
    U8,
    /// Anything else, by its name in the back end.
    Other(String),
}

/// A loaded network, as far as it is known before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// What the engine was loaded from, for messages.
    pub model: String,
    /// In the order in which a run takes them.
    pub inputs: Vec<TensorInfo>,
    /// In the order in which a run gives them.
    pub outputs: Vec<TensorInfo>,
    /// The most samples that a run may have, where the engine was built for so many.
    pub largest_batch: Option<NonZeroUsize>,
    /// Who runs it; never [`Provider::Auto`].
    pub provider: Provider,
    /// What it computes in: [`Precision::Int8`] for a quantised file, else what the provider says
    /// or is known for. [`Precision::Auto`] where it does not tell.
    pub precision: Precision,
    /// The back end's own names of whom the network's nodes were given to, the most nodes first.
    pub assigned: Vec<String>,
    /// The back end and its version, such as `ONNX Runtime 1.32.0`.
    pub runtime: String,
    /// Why providers that were preferred were passed over.
    pub passed_over: Vec<String>,
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("f32"),
            Self::U8 => f.write_str("u8"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for TensorInfo {
    /// `clip f32[?,3,16,224,224]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string()));
        write!(f, "{} {}[{}]", self.name, self.element, dims.collect::<Vec<_>>().join(","))
    }
}
