//! What the fuzz targets call. `tests/models` runs the same functions over mutated seeds, so that
//! they are exercised where no fuzzer is installed.

use std::io::Cursor;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::models::pickle::Pickle;
use gstm2sd::models::torch::Checkpoint;
use gstm2sd::models::{manifest, onnx};

/// A bare pickle.
pub fn pickle(data: &[u8]) {
    let _ = Pickle::read(data, 0);
}

/// A whole zip or legacy checkpoint, and the numbers of every tensor in it.
pub fn checkpoint(data: &[u8]) {
    let Ok(mut checkpoint) = Checkpoint::new(Cursor::new(data)) else { return };
    let names: Vec<_> = checkpoint.names().map(str::to_owned).collect();
    for name in names {
        if let Ok(values) = checkpoint.read(&name) {
            let shape = checkpoint.shape(&name).unwrap_or_default();
            let numel = shape.iter().fold(1usize, |n, d| n.wrapping_mul(*d));
            assert_eq!(values.len(), numel, "{name}");
        }
    }
}

/// The shapes of an ONNX file.
pub fn onnx_summary(data: &[u8]) {
    let _ = onnx::scan(Cursor::new(data));
}

/// The text files beside a model.
pub fn sidecar(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = text.parse::<ModelInfo>();
        let _ = text.parse::<manifest::Manifest>();
    }
}
