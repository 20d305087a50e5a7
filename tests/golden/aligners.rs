//! Checkpoints of other landmark networks: what their own code answers.

use std::path::Path;

use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::{CancelToken, Outputs, TensorView, load_engine};
use gstm2sd::models::import::{ImportOptions, import};
use ndarray::Array4;

use crate::networks::cpu;
use crate::support::formats::{Field, Stored, fields, parts, safetensors};
use crate::support::golden::Picture;
use crate::support::{read_json, shared_dir};

const SIDE: usize = 112;

fn landmarks(model: &Path, face: &Array4<f32>) -> Vec<f32> {
    let mut engine = load_engine(model, &cpu(), &CancelToken::new()).unwrap();
    let mut outputs = Outputs::default();
    let face = TensorView::F32(face.view().into_dyn());
    engine.run(&[face], &mut outputs, &CancelToken::new()).unwrap();
    outputs.get(0).unwrap().iter().copied().collect()
}

fn imported(dir: &Path, name: &str, tensors: &[Stored<'_>]) -> std::path::PathBuf {
    let source = dir.join(name);
    std::fs::write(&source, safetensors(tensors)).unwrap();
    let report = import(&source, &dir.join("out"), &ImportOptions::default()).unwrap();
    assert_eq!((report.info.role, report.ignored.len()), (Some(Role::Aligner), 0));
    report.model
}

/// The trained weights of the author's own ONNX file, whose tensors have the checkpoint's names.
#[test]
fn golden_pfld_answers_as_its_author_s_export() {
    let dir = shared_dir();
    let export = dir.join("models/pfld_112.onnx");
    let model = std::fs::read(&export).unwrap();
    let [graph] = parts(&model, 7)[..] else { panic!("no graph") };
    let tensors: Vec<_> = parts(graph, 5).into_iter().filter_map(initializer).collect();
    let stored =
        tensors.iter().map(|(name, dims, raw)| (name.as_str(), "F32", &dims[..], raw.clone()));
    let out = tempfile::tempdir().unwrap();
    // bn8 is in the file, and its author's network does not use it.
    let used = stored.filter(|(name, ..)| !name.starts_with("bn8.")).collect::<Vec<_>>();
    let model = imported(out.path(), "pfld.safetensors", &used);
    let sheet = Picture::read(&dir.join("golden/one_face_clip0_aligned.png"));
    for tile in 0..4 {
        // Every second pixel of a face, in 0..=1.
        let face = Array4::from_shape_fn((1, 3, SIDE, SIDE), |(_, channel, y, x)| {
            let (x, y) = (tile * 2 * SIDE + 2 * x, 2 * y);
            let width = sheet.size.width() as usize;
            f32::from(sheet.rgb[(y * width + x) * 3 + channel]) / 255.0
        });
        let (found, expected) = (landmarks(&model, &face), landmarks(&export, &face));
        assert_eq!((found.len(), expected.len()), (136, 136));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{tile}: {found}, expected {expected}");
        }
    }
}

/// Name, dimensions and bytes of a tensor of floats.
fn initializer(tensor: &[u8]) -> Option<(String, Vec<i64>, Vec<u8>)> {
    let [name] = parts(tensor, 8)[..] else { return None };
    let [raw] = parts(tensor, 9)[..] else { return None };
    let number = |(field, value)| match value {
        Field::Number(number) => Some((field, number as i64)),
        Field::Part(_) => None,
    };
    let numbers: Vec<(u64, i64)> = fields(tensor).into_iter().filter_map(number).collect();
    if !numbers.contains(&(2, 1)) {
        return None;
    }
    let dims = numbers.iter().filter(|(field, _)| *field == 1).map(|(_, size)| *size);
    Some((String::from_utf8(name.to_vec()).unwrap(), dims.collect(), raw.to_vec()))
}

/// In 0..1, as `mobilefacenet.py` makes them.
fn numbers(index: usize, count: usize) -> impl Iterator<Item = f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    const PLASTIC: f64 = 0.324_717_957_244_746;
    (1..=count).map(move |step| (step as f64 * GOLDEN + index as f64 * PLASTIC).fract())
}

fn seeded(name: &str, index: usize, shape: &[i64]) -> Vec<u8> {
    let count = shape.iter().product::<i64>();
    let inputs = count / shape[0];
    let number = |x: f64| match name {
        _ if name.ends_with("running_mean") => 0.2 * x - 0.1,
        _ if name.ends_with("running_var") => 0.5 + x,
        _ if name.ends_with("prelu.weight") => 0.5 * x,
        _ if shape.len() == 1 && name.ends_with("weight") => 0.5 + x,
        _ if shape.len() == 1 => 0.2 * x - 0.1,
        _ => (2.0 * x - 1.0) * (3.0 / inputs as f64).sqrt(),
    };
    numbers(index, count as usize).flat_map(|x| (number(x) as f32).to_le_bytes()).collect()
}

#[test]
fn mobilefacenet_answers_as_its_author_s_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden = read_json(&root.join("mobilefacenet.json"));
    let shapes = golden["shapes"].as_object().unwrap();
    let mut shapes: Vec<_> = shapes
        .iter()
        .map(|(name, shape)| {
            let dims = shape.as_array().unwrap().iter().map(|size| size.as_i64().unwrap());
            (name.as_str(), dims.collect::<Vec<_>>())
        })
        .collect();
    shapes.sort();
    let tensors = shapes.iter().enumerate();
    let tensors =
        tensors.map(|(index, (name, dims))| (*name, "F32", &dims[..], seeded(name, index, dims)));
    let out = tempfile::tempdir().unwrap();
    let model = imported(out.path(), "mobilefacenet.safetensors", &tensors.collect::<Vec<_>>());
    let image = numbers(shapes.len(), 3 * SIDE * SIDE).map(|x| x as f32).collect();
    let face = Array4::from_shape_vec((1, 3, SIDE, SIDE), image).unwrap();
    let found = landmarks(&model, &face);
    let expected = golden["landmarks"].as_array().unwrap();
    assert_eq!((found.len(), expected.len()), (136, 136));
    for (found, expected) in found.iter().zip(expected) {
        let expected = expected.as_f64().unwrap();
        assert!((f64::from(*found) - expected).abs() < 1e-3, "{found}, expected {expected}");
    }
}
