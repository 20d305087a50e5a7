//! What the fuzz targets call. `tests/models` runs the same functions over mutated seeds, so that
//! they are exercised where no fuzzer is installed.

use std::io::Cursor;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::models::arch::{Tensors, Weights, m2sd};
use gstm2sd::models::checkpoint::{Checkpoint, CheckpointError, Config};
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::pickle::Pickle;
use gstm2sd::models::{manifest, onnx, package};

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

/// A Python text that should assign one bytes literal.
pub fn literal(data: &[u8]) {
    let Ok(bytes) = package::assigned_bytes(data) else { return };
    // The name, the equals sign, b and the quotes stand for nothing.
    assert!(bytes.len() + 5 <= data.len());
    let plain = format!("W=b'{}'", bytes.escape_ascii());
    assert_eq!(package::assigned_bytes(plain.as_bytes()), Ok(bytes));
}

/// A transformer of a few kilobytes: one block, tokens of 2×2×2 pixels, two frames of 4×4.
pub const TINY: [(&str, &[usize]); 19] = [
    ("patch_embed.proj.weight", &[4, 3, 2, 2, 2]),
    ("patch_embed.proj.bias", &[4]),
    ("blocks.0.norm1.weight", &[4]),
    ("blocks.0.norm1.bias", &[4]),
    ("blocks.0.attn.qkv.weight", &[12, 4]),
    ("blocks.0.attn.q_bias", &[4]),
    ("blocks.0.attn.v_bias", &[4]),
    ("blocks.0.attn.proj.weight", &[4, 4]),
    ("blocks.0.attn.proj.bias", &[4]),
    ("blocks.0.norm2.weight", &[4]),
    ("blocks.0.norm2.bias", &[4]),
    ("blocks.0.mlp.fc1.weight", &[8, 4]),
    ("blocks.0.mlp.fc1.bias", &[8]),
    ("blocks.0.mlp.fc2.weight", &[4, 8]),
    ("blocks.0.mlp.fc2.bias", &[4]),
    ("fc_norm.weight", &[4]),
    ("fc_norm.bias", &[4]),
    ("head.weight", &[2, 4]),
    ("head.bias", &[2]),
];

fn tiny_options() -> m2sd::Options {
    let [heads, frames, size_px] = [1, 2, 4].map(Some);
    m2sd::Options { heads, frames, size_px, ..m2sd::Options::default() }
}

/// A whole import: the first byte says what the file is called and how it is to be imported, the
/// rest is the file.
pub fn importer(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    let (name, bytes_in) = match kind % 4 {
        0 => ("net.pt", false),
        1 => ("net.onnx", false),
        2 => ("M2SD.pt", true),
        _ => ("net.onnx", true),
    };
    let Ok(dir) = tempfile::tempdir() else { return };
    let source = dir.path().join(name);
    if std::fs::write(&source, file).is_err() {
        return;
    }
    let transformer = tiny_options();
    let options = ImportOptions { transformer, bytes_in, ..ImportOptions::default() };
    let out = dir.path().join("out");
    match import(&source, &out, &options) {
        // What was written is read back, and vouches for nothing.
        Ok(report) => {
            assert!(onnx::summary(&report.model).is_ok());
            assert_eq!(ModelInfo::beside(&report.model).ok(), Some(report.info));
        }
        Err(_) => assert!(std::fs::read_dir(&out).map_or(0, Iterator::count) <= 1),
    }
}

/// A folder as Hugging Face lays it out: the first byte says what is in it, two are the length of its
/// configuration, or of its index; that, and a file of tensors, follow.
pub fn folder(data: &[u8]) {
    let Some((&[kind, low, high], rest)) = data.split_first_chunk() else { return };
    let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (text, tensors) = rest.split_at(len);
    let Ok(dir) = tempfile::tempdir() else { return };
    let files = match kind % 2 {
        0 => [("config.json", text), ("model.safetensors", tensors)],
        _ => [("model.safetensors.index.json", text), ("1.safetensors", tensors)],
    };
    for (name, content) in files {
        if std::fs::write(dir.path().join(name), content).is_err() {
            return;
        }
    }
    let out = dir.path().join("out");
    let options = ImportOptions { transformer: tiny_options(), ..ImportOptions::default() };
    match import(dir.path(), &out, &options) {
        Ok(report) => assert!(onnx::summary(&report.model).is_ok()),
        Err(_) => assert!(std::fs::read_dir(&out).map_or(0, Iterator::count) <= 1),
    }
}

/// Tensors whose shapes are only claimed.
struct Claims(Vec<(&'static str, Vec<usize>)>);

impl Weights for Claims {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape.as_slice())
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let shape = self.shape(name).unwrap_or_default();
        let numel = shape.iter().fold(1usize, |numel, size| numel.saturating_mul(*size));
        let missing = || CheckpointError::NoSuchTensor(name.to_owned());
        if numel <= 1 << 12 { Ok(vec![0.0; numel]) } else { Err(missing()) }
    }
}

/// The transformer's graph: four bytes of options, then changes of claimed shapes, three bytes each.
pub fn transformer(data: &[u8]) {
    // Small, or so large that nothing may be made of it.
    let size = |byte: u8| if byte < 200 { usize::from(byte % 17) } else { 1 << (byte - 192) };
    let Some((&[tuning, frames, size_px, heads], changes)) = data.split_first_chunk() else {
        return;
    };
    let mut claims = Claims(TINY.map(|(name, shape)| (name, shape.to_vec())).to_vec());
    for &[tensor, axis, byte] in changes.as_chunks().0 {
        let tensor = usize::from(tensor) % claims.0.len();
        let Some((_, shape)) = claims.0.get_mut(tensor) else { continue };
        match axis % 8 {
            6 => drop(shape.pop()),
            7 => shape.push(size(byte)),
            axis => {
                if let Some(side) = shape.get_mut(usize::from(axis)) {
                    *side = size(byte);
                }
            }
        }
    }
    let options = m2sd::Options {
        heads: (heads > 0).then(|| size(heads)),
        frames: Some(size(frames)),
        size_px: Some(size(size_px)),
        tuning: if tuning % 2 == 0 { m2sd::Tuning::Cpu } else { m2sd::Tuning::Gpu },
    };
    let (mut tensors, config) = (Tensors::new(&mut claims), Config::default());
    let Ok((graph, _)) = m2sd::build(&mut tensors, &config, &options) else { return };
    let mut file = Vec::new();
    if graph.write(&mut Tensors::new(&mut claims), &mut file).is_ok() {
        assert!(onnx::scan(Cursor::new(file)).is_ok());
    }
}
