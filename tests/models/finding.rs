//! The network's tensors among whatever else a training script has saved.

use std::io::Cursor;

use gstm2sd::models::arch::m2sd::{self, Options};
use gstm2sd::models::arch::{ArchError, Tensors, Weights};
use gstm2sd::models::checkpoint::{CheckpointError, Config, Kept};
use gstm2sd::models::import::{ImportOptions, ImportReport, Problem, import};

use crate::forge::{Forge, Tensor, bytes};

/// The smallest transformer, its tensors under `prefix`, all numbers this.
fn network(prefix: &str, key: &str, number: f32) -> (Vec<Tensor>, Vec<(String, Vec<u8>)>) {
    let named = crate::transformer().into_iter().enumerate().map(|(index, (name, shape))| {
        let tensor = Tensor::float(&format!("{prefix}{name}"), &format!("{key}{index}"), shape);
        let storage = (tensor.key.clone(), bytes(&vec![number; tensor.numel as usize]));
        (tensor, storage)
    });
    named.unzip()
}

fn forge(wrapper: Option<&'static str>, prefix: &str) -> Forge {
    let (tensors, storages) = network(prefix, "n", 0.5);
    Forge { tensors, storages, wrapper, ..Forge::default() }
}

fn with_copy(mut forge: Forge, name: &'static str, prefix: &str) -> Forge {
    let (tensors, storages) = network(prefix, name, 0.25);
    forge.copies.push((name, tensors));
    forge.storages.extend(storages);
    forge
}

fn import_with(forge: &Forge, options: &ImportOptions) -> Result<ImportReport, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("net.pt");
    std::fs::write(&source, forge.zip()).unwrap();
    import(&source, &dir.path().join("out"), options).map_err(|error| *error.problem)
}

#[test]
fn any_nesting_and_any_prefix_is_seen_through() {
    let expected = import_with(&forge(None, ""), &crate::small()).unwrap();
    for wrapper in
        [None, Some("state_dict"), Some("model_state"), Some("net"), Some("a.b.c.d.e.f.g.h")]
    {
        for prefix in ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "backbone."] {
            let report = import_with(&forge(wrapper, prefix), &crate::small()).unwrap();
            assert_eq!(report.sha256, expected.sha256, "{wrapper:?} {prefix}");
            assert_eq!((report.note, report.ignored.len()), (None, usize::from(wrapper.is_some())));
        }
    }
    // Not however deep.
    let deep = forge(Some("a.b.c.d.e.f.g.h.i"), "");
    assert!(matches!(
        import_with(&deep, &crate::small()),
        Err(Problem::Checkpoint(CheckpointError::NoTensors { .. }))
    ));
}

#[test]
fn what_is_beside_the_network_is_left_out_and_named() {
    let mut nested = forge(Some("model"), "backbone.");
    let (_, storages) = network("", "x", 1.0);
    nested.tensors.push(Tensor::float("projector.weight", "x1", &[64]));
    nested.storages.extend(storages);
    let report = import_with(&nested, &crate::small()).unwrap();
    assert_eq!(report.ignored, ["epoch", "projector.weight"]);
}

#[test]
fn a_moving_average_is_taken_only_where_it_is_asked_for() {
    let last = import_with(&forge(None, ""), &crate::small()).unwrap();
    let ema = || ImportOptions { kept: Kept::Ema, ..crate::small() };
    for name in ["model_ema", "state_dict_ema", "ema"] {
        let both = with_copy(forge(Some("model"), ""), name, "module.");
        let report = import_with(&both, &crate::small()).unwrap();
        assert_eq!(report.sha256, last.sha256, "{name}");
        let note = report.note.unwrap();
        assert!(note.contains(&format!("{name}, module.*, was left out")), "{note}");
        assert!(report.ignored.contains(&name.to_owned()), "{:?}", report.ignored);
        let averaged = import_with(&both, &ema()).unwrap();
        assert_ne!(averaged.sha256, last.sha256);
        assert_eq!((averaged.note, averaged.ignored), (None, vec!["epoch".into(), "model".into()]));
    }
    let only = forge(Some("state_dict_ema"), "");
    let error = import_with(&only, &crate::small()).unwrap_err().to_string();
    assert!(error.contains("state_dict_ema; take that with --weights ema"), "{error}");
    assert_eq!(import_with(&only, &ema()).unwrap().sha256, last.sha256);
    let error = import_with(&forge(Some("schema"), ""), &ema()).unwrap_err().to_string();
    assert!(error.contains("no moving average of its weights, only schema"), "{error}");
}

#[test]
fn where_two_fit_it_is_said_which_was_taken() {
    let two = with_copy(forge(Some("student"), ""), "teacher", "module.");
    let report = import_with(&two, &crate::small()).unwrap();
    let expected = "its network is there more than once: student was taken, not teacher, module.*";
    assert_eq!(report.note.as_deref(), Some(expected));
    // The same tensors under two names are no choice.
    let mut tied = forge(Some("model"), "");
    let again = tied.tensors.clone().into_iter();
    let again = again.map(|t| Tensor { name: format!("encoder.{}", t.name), ..t });
    tied.tensors.extend(again.collect::<Vec<_>>());
    let report = import_with(&tied, &crate::small()).unwrap();
    assert_eq!((report.note, report.ignored.len()), (None, 1 + crate::transformer().len()));
}

/// A dictionary that is used a thousand times over is looked into once.
#[test]
fn dictionaries_that_share_one_another_cost_what_they_are() {
    let mut pickle = b"\x80\x02}q\0".to_vec();
    for level in 0..60u8 {
        // Two entries, both the dictionary before.
        pickle.extend([b'}', b'q', level + 1]);
        for key in [b'x', b'y'] {
            pickle.extend([b'X', 1, 0, 0, 0, key, b'h', level, b's']);
        }
    }
    pickle.push(b'.');
    let forge = Forge { raw_pickle: Some(pickle), ..Forge::sound() };
    let error = gstm2sd::models::checkpoint::Checkpoint::new(Cursor::new(forge.zip())).unwrap_err();
    assert!(matches!(error, CheckpointError::NoTensors { .. }), "{error}");
}

/// `argparse.Namespace(…)` with counts, as VideoMAE's training saves its arguments.
fn namespace(entries: &[(&str, u8)]) -> Vec<u8> {
    let text = |text: &str| {
        let len = (text.len() as u32).to_le_bytes();
        [b"X", &len[..], text.as_bytes()].concat()
    };
    let mut pickle = [text("args"), b"cargparse\nNamespace\n)\x81}(".to_vec()].concat();
    for (key, value) in entries {
        pickle.extend([text(key), vec![b'K', *value]].concat());
    }
    pickle.extend(b"ubs");
    pickle
}

#[test]
fn what_the_training_kept_of_its_network_is_read() {
    let told = namespace(&[("num_frames", 8), ("input_size", 112), ("num_heads", 2)]);
    let forge = Forge { beside: told, ..forge(Some("model"), "") };
    let report = import_with(&forge, &ImportOptions::default()).unwrap();
    let expected = "width 64, 2 heads, 8 frames of 112²";
    assert!(report.network.contains(expected), "{}", report.network);
    // Who says it otherwise is believed.
    let report = import_with(&forge, &crate::small()).unwrap();
    assert!(report.network.contains("1 heads, 16 frames of 224²"), "{}", report.network);
    let wrong = Forge { beside: namespace(&[("tubelet_size", 4)]), ..forge };
    let error = import_with(&wrong, &crate::small()).unwrap_err().to_string();
    assert!(error.contains("4 frames in a token, as the file says"), "{error}");
}

/// Tensors of a size, all zeros; large ones are never read while a graph is built.
struct Zeros(usize);

impl Weights for Zeros {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        // Leaked, as shapes are lent: some hundred bytes a test.
        let shape = |dims: &[usize]| Some(&*dims.to_vec().leak());
        let width = self.0;
        match name.strip_prefix("blocks.0.").unwrap_or(name) {
            "patch_embed.proj.weight" => shape(&[width, 3, 2, 16, 16]),
            "attn.qkv.weight" => shape(&[3 * width, width]),
            "attn.proj.weight" => shape(&[width, width]),
            "mlp.fc1.weight" => shape(&[4 * width, width]),
            "mlp.fc2.weight" => shape(&[width, 4 * width]),
            "mlp.fc1.bias" => shape(&[4 * width]),
            "head.weight" => shape(&[2, width]),
            "head.bias" => shape(&[2]),
            "attn.q_bias"
            | "attn.v_bias"
            | "attn.proj.bias"
            | "mlp.fc2.bias"
            | "norm1.weight"
            | "norm1.bias"
            | "norm2.weight"
            | "norm2.bias"
            | "fc_norm.weight"
            | "fc_norm.bias"
            | "patch_embed.proj.bias" => shape(&[width]),
            _ => None,
        }
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        Ok(vec![0.0; self.shape(name).unwrap_or_default().iter().product()])
    }
}

#[test]
fn heads_are_those_of_the_published_sizes_or_told() {
    let dims = |width: usize, options: &Options| {
        let mut zeros = Zeros(width);
        let mut tensors = Tensors::new(&mut zeros);
        m2sd::build(&mut tensors, &Config::default(), options).map(|(_, dims)| dims)
    };
    let published = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16), (1408, 16)];
    for (width, heads) in published {
        let dims = dims(width, &Options::default()).unwrap();
        assert_eq!((dims.heads, dims.frames, dims.size_px), (heads, 16, 224), "{width}");
    }
    let told =
        Options { heads: Some(4), frames: Some(16), size_px: Some(224), ..Options::default() };
    assert_eq!(dims(256, &told).unwrap().heads, 4);
    for (options, missing) in [
        (Options { heads: None, ..told }, "--heads"),
        (Options { frames: None, ..told }, "--frames"),
        (Options { size_px: None, ..told }, "--size"),
    ] {
        let error = dims(256, &options).unwrap_err();
        assert!(matches!(error, ArchError::Unsaid { option, .. } if option == missing), "{error}");
    }
}
