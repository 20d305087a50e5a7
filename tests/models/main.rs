//! Checkpoints, sound and hostile, through the public interface.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod detector_checkpoints;
#[cfg(feature = "infer")]
mod detector_graphs;
mod detectors;
#[path = "../../fuzz/entries.rs"]
mod entries;
mod finding;
mod forge;
mod fuzz;
mod golden;
mod hostile;
mod lock;
mod measured;
mod memory;
mod repository;
mod safetensors;
#[path = "../support/mod.rs"]
mod support;
mod synth;
mod wheel;

use std::io::Cursor;

use forge::{Forge, Tensor, bytes};
use gstm2sd::core::modelinfo::{ModelInfo, Role, Training};
use gstm2sd::models::arch::m2sd;
use gstm2sd::models::checkpoint::Checkpoint;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{Synth, write};

/// The tensors of the smallest VideoMAE: one block, 64 wide, mean pooling.
fn transformer() -> Vec<(&'static str, &'static [i64])> {
    vec![
        ("patch_embed.proj.weight", &[64, 3, 2, 16, 16]),
        ("patch_embed.proj.bias", &[64]),
        ("blocks.0.norm1.weight", &[64]),
        ("blocks.0.norm1.bias", &[64]),
        ("blocks.0.attn.qkv.weight", &[192, 64]),
        ("blocks.0.attn.q_bias", &[64]),
        ("blocks.0.attn.v_bias", &[64]),
        ("blocks.0.attn.proj.weight", &[64, 64]),
        ("blocks.0.attn.proj.bias", &[64]),
        ("blocks.0.norm2.weight", &[64]),
        ("blocks.0.norm2.bias", &[64]),
        ("blocks.0.mlp.fc1.weight", &[128, 64]),
        ("blocks.0.mlp.fc1.bias", &[128]),
        ("blocks.0.mlp.fc2.weight", &[64, 128]),
        ("blocks.0.mlp.fc2.bias", &[64]),
        ("fc_norm.weight", &[64]),
        ("fc_norm.bias", &[64]),
        ("head.weight", &[2, 64]),
        ("head.bias", &[2]),
    ]
}

/// What that network's tensors do not tell.
fn small() -> ImportOptions {
    let [heads, frames, size_px] = [1, 16, 224].map(Some);
    let transformer = m2sd::Options { heads, frames, size_px, ..m2sd::Options::default() };
    ImportOptions { transformer, ..ImportOptions::default() }
}

fn read(file: Vec<u8>, name: &str) -> Vec<f32> {
    Checkpoint::new(Cursor::new(file)).unwrap().read(name).unwrap()
}

#[test]
fn both_containers_give_the_same_numbers() {
    let forge = Forge::sound();
    for file in [forge.zip(), forge.legacy()] {
        assert_eq!(read(file.clone(), "a"), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(read(file, "b"), [10., 11.]);
    }
}

#[test]
fn wrappers_and_prefixes_are_seen_through() {
    for wrapper in ["state_dict", "module", "model"] {
        let mut forge = Forge::sound();
        forge.wrapper = Some(wrapper);
        forge.tensors.iter_mut().for_each(|t| t.name.insert_str(0, "module."));
        let checkpoint = Checkpoint::new(Cursor::new(forge.zip())).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(checkpoint.ignored(), ["epoch"]);
    }
}

#[test]
fn views_and_element_types_are_read() {
    let mut forge = Forge::sound();
    // The transpose of `a`, and its last column.
    let transposed = Tensor { shape: vec![3, 2], stride: vec![1, 3], ..forge.tensors[0].clone() };
    let column = Tensor { shape: vec![2], stride: vec![3], offset: 2, ..transposed.clone() };
    forge.tensors.push(Tensor { name: "t".into(), ..transposed });
    forge.tensors.push(Tensor { name: "c".into(), ..column });
    assert_eq!(read(forge.zip(), "t"), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(read(forge.legacy(), "c"), [2., 5.]);

    let cases: [(&str, Vec<u8>); 4] = [
        ("HalfStorage", vec![0x00, 0x3e, 0x00, 0xc0]),
        ("BFloat16Storage", vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("DoubleStorage", [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("FloatStorage", bytes(&[1.5, -2.0])),
    ];
    for (class, data) in cases {
        let tensor = Tensor { class, ..Tensor::float("x", "k", &[2]) };
        let storages = vec![("k".to_owned(), data)];
        let forge = Forge { tensors: vec![tensor], storages, ..Forge::default() };
        assert_eq!(read(forge.zip(), "x"), [1.5, -2.0], "{class}");
    }
}

#[test]
fn an_unknown_transformer_is_imported_as_its_tensors_show() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("small.pt");
    let mut shapes = transformer();
    shapes.push(("decoder.weight", &[4]));
    let forge = Forge { wrapper: Some("model"), ..Forge::network(&shapes) };
    std::fs::write(&source, forge.legacy()).unwrap();
    let mut options = ImportOptions { name: Some("mine.onnx".into()), ..small() };
    options.transformer.frames = Some(8);
    let report = import(&source, &dir.path().join("out"), &options).unwrap();
    assert!(report.model.ends_with("out/mine.onnx"));
    assert_eq!(report.ignored, ["decoder.weight", "epoch"]);
    assert_eq!(
        (report.info.role, report.info.training),
        (Some(Role::Classifier), Training::Unknown)
    );
    let expected = "1 blocks, width 64, 1 heads, 8 frames of 224², 784 patches, mean of tokens";
    assert!(report.network.ends_with(expected), "{}", report.network);
    let clip = gstm2sd::models::onnx::summary(&report.model).unwrap().inputs[0].to_string();
    assert_eq!(clip, "clip [N,3,8,224,224]");
}

/// Weights that are all zeros, under the name of the published ones.
#[test]
fn a_known_name_alone_makes_nothing_trained() {
    let dir = tempfile::tempdir().unwrap();
    let weights = Forge::network(&transformer()).zip();
    let import_as = |name: &str| {
        let source = dir.path().join(name);
        std::fs::write(&source, &weights).unwrap();
        import(&source, &dir.path().join("out"), &small()).unwrap()
    };
    for name in ["M2SD.pt", "m2sd_tiny.pt"] {
        let report = import_as(name);
        assert_eq!(report.info.training, Training::Unknown, "{name}");
        let written = ModelInfo::beside(&report.model).unwrap();
        assert_eq!(written.training, Training::Unknown, "{name}");
        let caution = report.caution.expect("nothing is said");
        assert!(caution.contains(name) && caution.contains("sha256"), "{caution}");
    }
    // A name that nobody knows is no better and no worse.
    let stranger = import_as("mine.pt");
    assert_eq!(stranger.info.training, Training::Unknown);
    assert!(stranger.caution.is_some_and(|caution| caution.contains("--training trained")));
}

/// Whoever has the name of a known file, and is another, leaves the known one's model alone.
#[test]
fn another_file_under_a_known_name_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let good = out.join("m2sd_tiny.onnx");
    std::fs::write(&good, "the good one").unwrap();
    let weights = Forge::network(&transformer()).zip();
    for name in ["m2sd_tiny.pt", "m2sd_tiny.pth", "m2sd.pth"] {
        let source = dir.path().join(name);
        std::fs::write(&source, &weights).unwrap();
        let report = import(&source, &out, &small()).unwrap();
        let sha256 = gstm2sd::models::sha256(&source).unwrap();
        let (stem, _) = name.split_once('.').unwrap();
        let expected = format!("{stem}-{}.onnx", &sha256[..8]);
        assert!(report.model.ends_with(&expected), "{}", report.model.display());
        let caution = report.caution.unwrap();
        if name == "m2sd_tiny.pt" {
            assert!(
                caution.contains(&expected) && caution.contains("replaces nothing"),
                "{caution}"
            );
        }
    }
    assert_eq!(std::fs::read(&good).unwrap(), b"the good one");
}

/// What nobody else knows the user may say, and nothing else.
#[test]
fn a_user_vouches_for_a_network_where_nothing_else_speaks_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let source = dir.path().join("M2SD.pt");
    std::fs::write(&source, Forge::network(&transformer()).zip()).unwrap();
    let told = |training| ImportOptions { training: Some(training), ..small() };
    let report = import(&source, &out, &told(Training::Trained)).unwrap();
    assert_eq!((report.info.training, report.caution), (Training::Trained, None));
    assert_eq!(ModelInfo::beside(&report.model).unwrap().training, Training::Trained);
    // It holds for the same weights, as when they are fetched again, and for no others.
    let again = import(&source, &out, &small()).unwrap();
    assert_eq!((again.info.training, again.caution), (Training::Trained, None));
    assert_eq!(ModelInfo::beside(&again.model).unwrap().training, Training::Trained);
    let withdrawn = import(&source, &out, &told(Training::Unknown)).unwrap();
    assert_eq!(withdrawn.info.training, Training::Unknown);
    import(&source, &out, &told(Training::Trained)).unwrap();
    let mut forge = Forge::network(&transformer());
    let (_, weights) = forge.storages.last_mut().unwrap();
    weights.fill(0x3e);
    std::fs::write(&source, forge.zip()).unwrap();
    let other = import(&source, &out, &small()).unwrap();
    assert_eq!(other.info.training, Training::Unknown);
    // A sidecar has spoken.
    let analytic = write(&Synth::Detector, dir.path()).unwrap();
    let refused = import(&analytic, &out, &told(Training::Trained)).unwrap_err().to_string();
    assert!(refused.contains("it is analytic"), "{refused}");
    import(&analytic, &out, &told(Training::Analytic)).unwrap();
}
