//! The names that mean something here. Everything else is a placeholder.

use super::DType;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// With nothing, or a factory, which is not called.
    Dict,
    Namespace,
    /// `(storage, offset, size, stride, …)` → tensor.
    RebuildTensor,
    /// `(tensor, …)` → the tensor.
    RebuildParameter,
    /// `(tuple,)` → the tuple.
    Size,
    /// The class in a persistent id.
    Storage(DType),
    /// Training state that travels with the weights. Its objects become placeholders; no code of
    /// theirs exists here that could run.
    Inert,
}

impl Global {
    pub(super) fn lookup(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict" | "defaultdict")
            | ("builtins" | "__builtin__", "dict") => Self::Dict,
            ("argparse", "Namespace") => Self::Namespace,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "Size") => Self::Size,
            ("torch", "DoubleStorage") => Self::Storage(DType::F64),
            ("torch", "FloatStorage") => Self::Storage(DType::F32),
            ("torch", "HalfStorage") => Self::Storage(DType::F16),
            ("torch", "BFloat16Storage") => Self::Storage(DType::BF16),
            ("torch", "LongStorage") => Self::Storage(DType::I64),
            ("torch", "IntStorage") => Self::Storage(DType::I32),
            ("torch", "ShortStorage") => Self::Storage(DType::I16),
            ("torch", "CharStorage") => Self::Storage(DType::I8),
            ("torch", "ByteStorage") => Self::Storage(DType::U8),
            ("torch", "BoolStorage") => Self::Storage(DType::Bool),
            ("torch", "device")
            | ("torch", "float64" | "float32" | "float16" | "bfloat16")
            | ("torch", "int64" | "int32" | "int16" | "int8" | "uint8" | "bool")
            | ("builtins" | "__builtin__", "set" | "frozenset" | "slice" | "object")
            | ("builtins" | "__builtin__", "list" | "tuple" | "int" | "float" | "str" | "bool")
            | ("collections", "Counter")
            | ("pathlib", "Path" | "PosixPath")
            | ("numpy", "dtype" | "ndarray")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
            | ("_codecs", "encode")
            | ("deepspeed.runtime.fp16.loss_scaler", "LossScaler" | "DynamicLossScaler")
            | ("deepspeed.utils.tensor_fragment", "fragment_address") => Self::Inert,
            _ => return None,
        })
    }
}
