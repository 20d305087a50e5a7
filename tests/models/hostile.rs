//! Files that lie: each gives an error that names the culprit, and leaves nothing behind.

use std::io::Cursor;

use gstm2sd::models::arch::m2sd::{self, Tuning};
use gstm2sd::models::arch::{ArchError, Tensors, Weights};
use gstm2sd::models::checkpoint::{Checkpoint, CheckpointError, Config};
use gstm2sd::models::import::{Problem, import};

use crate::forge::{Forge, Tensor};

fn error(file: Vec<u8>) -> CheckpointError {
    Checkpoint::new(Cursor::new(file)).expect_err("a hostile file was opened")
}

/// Imports `file` and checks that nothing is left of the attempt.
fn refused(file: &[u8]) -> Problem {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("hostile.pt");
    std::fs::write(&source, file).unwrap();
    let out = dir.path().join("out");
    let error = import(&source, &out, &crate::small()).expect_err("imported");
    let left = std::fs::read_dir(&out).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{error} left files behind");
    assert!(error.to_string().contains("hostile.pt"), "{error}");
    *error.problem
}

#[test]
fn truncation_anywhere_is_an_error() {
    let forge = Forge::sound();
    for file in [forge.zip(), forge.legacy()] {
        for len in 0..file.len() {
            error(file[..len].to_vec());
        }
    }
    let legacy = forge.legacy();
    let text = error(legacy[..legacy.len() - 1].to_vec()).to_string();
    assert_eq!(text, "storage 1 needs 8 bytes, the file has 7 for it; the file is truncated");
}

#[test]
fn code_is_never_run_and_named_where_it_matters() {
    let mut forge = Forge::sound();
    let call = b"cos\nsystem\n(X\x02\x00\x00\x00idtR.";
    let mut file = forge.legacy();
    // In place of the object: after the magic number, the version and the machine.
    let start = file.len() - legacy_tail(&forge);
    file.truncate(start);
    file.extend(call);
    // A legacy file has its storages' keys after the object.
    file.extend(b"].");
    let Problem::Checkpoint(CheckpointError::Object { class }) = refused(&file) else {
        panic!("another error")
    };
    assert_eq!(class, "os.system");
    // In a storage's class, inside a zip: only a tensor that a network needs matters.
    forge.tensors[0].class = "FloatStorage\n0cos\nsystem";
    let checkpoint = Checkpoint::new(Cursor::new(forge.zip())).unwrap();
    assert_eq!((checkpoint.shape("a"), checkpoint.placeholder("a")), (None, Some("os.system")));
    assert_eq!(checkpoint.shape("b"), Some(&[2][..]));
    let mut needed = Forge::network(&crate::transformer());
    needed.tensors[0].class = "FloatStorage\n0cos\nsystem";
    let error = refused(&needed.zip()).to_string();
    let expected =
        "in the place of the tensor patch_embed.proj.weight is os.system, which is not read";
    assert_eq!(error, expected);
}

/// What training scripts leave beside the weights: objects of classes that nobody here knows.
#[test]
fn objects_of_unknown_classes_are_passed_over() {
    let mut file = b"\x80\x02}(".to_vec();
    for entry in [
        // An object with attributes, made by a class that needs named arguments.
        &b"X\x01\0\0\0acmine\nScheduler\n)\x81}X\x02\0\0\0lrG\x3f\0\0\0\0\0\0\0sb"[..],
        b"X\x01\0\0\0bcmine\nMeter\n)}\x92",
        // What it makes when it is called, filled with items.
        b"X\x01\0\0\0ccmine\nmake\n)R(K\x01K\x02uX\x01\0\0\0xs",
        // A dictionary with a factory.
        b"X\x01\0\0\0dccollections\ndefaultdict\ncbuiltins\nlist\n\x85R",
        b"X\x01\0\0\0eccollections\ndefaultdict\ncmine\nfactory\n\x85R",
    ] {
        let is_filled = entry.ends_with(b"xs");
        file.extend(if is_filled { &entry[..entry.len() - 7] } else { entry });
    }
    let state = Forge { wrapper: None, ..Forge::sound() }.pickle();
    file.extend(b"X\x05\0\0\0model");
    file.extend(&state[2..state.len() - 1]);
    file.extend(b"u.");
    let forge = Forge { raw_pickle: Some(file), ..Forge::sound() };
    for file in [forge.zip(), forge.legacy()] {
        let checkpoint = Checkpoint::new(Cursor::new(file)).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(checkpoint.ignored(), ["a", "b", "c", "d", "e"]);
    }
}

/// Bytes from the object's pickle to the end of a legacy file.
fn legacy_tail(forge: &Forge) -> usize {
    let data: usize = forge.storages.iter().map(|(_, d)| 8 + d.len()).sum();
    let keys: usize = forge.storages.iter().map(|(k, _)| 5 + k.len()).sum();
    forge.pickle().len() + keys + 4 + data
}

#[test]
fn views_beyond_their_storage_are_named() {
    let change = |f: &dyn Fn(&mut Tensor)| {
        let mut forge = Forge::sound();
        f(&mut forge.tensors[0]);
        [error(forge.zip()), error(forge.legacy())]
    };
    let beyond: [&dyn Fn(&mut Tensor); 6] = [
        &|t| t.offset = 1,
        &|t| t.stride = vec![4, 1],
        &|t| t.shape = vec![i64::MAX, i64::MAX],
        &|t| t.stride = vec![i64::MAX, i64::MAX],
        &|t| t.offset = i64::MAX,
        // A broadcast: much from little.
        &|t| (t.shape, t.stride) = (vec![1 << 40], vec![0]),
    ];
    for f in beyond {
        for e in change(f) {
            assert!(
                matches!(&e, CheckpointError::OutOfRange { tensor, .. } if tensor == "a"),
                "{e}"
            );
        }
    }
    for e in change(&|t| t.numel = i64::MAX) {
        assert!(matches!(e, CheckpointError::ShortStorage { .. }), "{e}");
    }
    for e in change(&|t| t.numel = -1) {
        assert!(matches!(e, CheckpointError::Pickle(_)), "{e}");
    }
    for e in change(&|t| t.shape = vec![1; 9]) {
        assert!(e.to_string().contains("8 dimensions"), "{e}");
    }
    for e in change(&|t| t.key = "nowhere".to_owned()) {
        let named = matches!(&e, CheckpointError::NoStorage { tensor, .. } if tensor == "a");
        assert!(named || matches!(e, CheckpointError::Legacy { .. }), "{e}");
    }
}

/// Where the entries of a zip's directory are.
fn directory(zip: &[u8]) -> Vec<usize> {
    (0..zip.len()).filter(|i| zip[*i..].starts_with(b"PK\x01\x02")).collect()
}

#[test]
fn storages_that_contradict_or_overlap_are_refused() {
    let mut forge = Forge::sound();
    forge.tensors[1].key = "0".to_owned();
    assert!(matches!(error(forge.zip()), CheckpointError::Contradiction { .. }));

    // The second record's entry in the zip's directory points at the first one's data.
    let mut zip = Forge::sound().zip();
    let [.., first, second] = directory(&zip)[..] else { panic!("no entries") };
    let offset: [u8; 4] = zip[first + 42..first + 46].try_into().unwrap();
    zip[second + 42..second + 46].copy_from_slice(&offset);
    let e = error(zip);
    assert!(matches!(e, CheckpointError::Overlap { .. }), "{e}");

    let mut twice = Forge::sound();
    twice.tensors[1].name = "a".to_owned();
    assert!(matches!(error(twice.zip()), CheckpointError::Duplicate(name) if name == "a"));
}

#[test]
fn other_files_are_recognised_as_such() {
    assert!(matches!(
        refused(b"<!DOCTYPE html>"),
        Problem::Checkpoint(CheckpointError::NotACheckpoint { .. })
    ));
    assert!(matches!(refused(b""), Problem::Checkpoint(CheckpointError::NotACheckpoint { .. })));
    let mut deflated = Forge::sound().zip();
    for entry in directory(&deflated) {
        deflated[entry + 10] = 8;
    }
    let unsupported = refused(&deflated);
    assert!(matches!(unsupported, Problem::Checkpoint(CheckpointError::NotStored(_))));
    let empty = Forge { tensors: Vec::new(), ..Forge::sound() };
    assert!(matches!(
        refused(&empty.zip()),
        Problem::Checkpoint(CheckpointError::NoTensors { .. })
    ));
    let Problem::UnknownNetwork { tensors, .. } = refused(&Forge::sound().zip()) else {
        panic!("a network was seen in two tensors")
    };
    assert_eq!(tensors, "a, b, …");
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let known = ("fpn.output1.0.weight", &[64, 64, 1, 1][..]);
    let missing = Forge::network(&[("body.stage1.0.0.weight", &[8, 3, 3, 3]), known]);
    let Problem::Arch(ArchError::Missing { tensor }) = refused(&missing.zip()) else {
        panic!("another error")
    };
    assert_eq!(tensor, "body.stage1.0.1.weight");

    let misshapen = Forge::network(&[("body.stage1.0.0.weight", &[16, 3, 3, 3]), known]);
    let text = refused(&misshapen.zip()).to_string();
    let expected = "tensor body.stage1.0.0.weight is [16, 3, 3, 3], expected [8, 3, 3, 3]";
    assert_eq!(text, expected);

    let transformer = Forge::network(&[
        ("patch_embed.proj.weight", &[64, 3, 2, 16, 15]),
        ("blocks.0.attn.qkv.weight", &[192, 64]),
    ]);
    assert!(refused(&transformer.zip()).to_string().contains("patch_embed.proj.weight"));
}

#[test]
fn numbers_that_are_none_are_refused() {
    let mut forge = Forge::network(&[
        ("body.stage1.0.0.weight", &[8, 3, 3, 3]),
        ("fpn.output1.0.weight", &[64, 64, 1, 1]),
    ]);
    forge.storages[0].1[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let Problem::Arch(e) = refused(&forge.zip()) else { panic!("another error") };
    assert!(matches!(e, ArchError::NotFinite { tensor } if tensor == "body.stage1.0.0.weight"));
}

#[test]
fn a_layer_scale_is_not_passed_over() {
    let mut shapes = crate::transformer();
    shapes.push(("blocks.0.gamma_1", &[64]));
    let Problem::Arch(ArchError::Unsupported { tensor, .. }) =
        refused(&Forge::network(&shapes).zip())
    else {
        panic!("another error")
    };
    assert_eq!(tensor, "blocks.0.gamma_1");
}

#[test]
fn options_cannot_ask_for_a_clip_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("small.pt");
    std::fs::write(&source, Forge::network(&crate::transformer()).zip()).unwrap();
    for (frames, size_px) in [(0, 224), (15, 224), (16, 0), (16, 225), (1 << 60, 1 << 60)] {
        let mut options = crate::small();
        (options.transformer.frames, options.transformer.size_px) = (Some(frames), Some(size_px));
        let error = import(&source, dir.path(), &options).unwrap_err().to_string();
        assert!(error.contains("patch_embed.proj.weight"), "{error}");
    }
}

#[test]
fn an_mlp_without_channels_is_refused_however_it_is_tuned() {
    let empty = |(name, shape): (&'static str, &'static [i64])| match name {
        "blocks.0.mlp.fc1.weight" => (name, &[0, 64][..]),
        "blocks.0.mlp.fc1.bias" => (name, &[0][..]),
        "blocks.0.mlp.fc2.weight" => (name, &[64, 0][..]),
        _ => (name, shape),
    };
    let shapes: Vec<_> = crate::transformer().into_iter().map(empty).collect();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("empty.pt");
    std::fs::write(&source, Forge::network(&shapes).zip()).unwrap();
    for tuning in [Tuning::Cpu, Tuning::Gpu] {
        let mut options = crate::small();
        options.transformer.tuning = tuning;
        let error = import(&source, dir.path(), &options).unwrap_err().to_string();
        assert!(error.contains("blocks.0.mlp.fc1.weight"), "{error}");
    }
}

/// Tensors that are claimed, and not there.
struct Claims(Vec<(&'static str, Vec<usize>)>);

impl Weights for Claims {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape.as_slice())
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let numel: usize = self.shape(name).unwrap_or_default().iter().product();
        if numel > 1 << 20 {
            return Err(CheckpointError::NoSuchTensor(name.to_owned()));
        }
        Ok(vec![0.0; numel])
    }
}

#[test]
fn a_transformer_s_sizes_are_bounded_before_anything_is_made_of_them() {
    let build = |width: usize, hidden: usize, options: &m2sd::Options| {
        let mut claims = Claims(vec![
            ("patch_embed.proj.weight", vec![width, 3, 1, 1, 1]),
            ("patch_embed.proj.bias", vec![width]),
            ("blocks.0.attn.qkv.weight", vec![3 * width, width]),
            ("blocks.0.mlp.fc1.weight", vec![hidden, width]),
            ("blocks.0.mlp.fc1.bias", vec![hidden]),
            ("blocks.0.mlp.fc2.weight", vec![width, hidden]),
        ]);
        let names = ["q_bias", "v_bias", "proj.bias"].map(|n| format!("blocks.0.attn.{n}"));
        for name in names.into_iter().chain(["blocks.0.mlp.fc2.bias".to_owned()]) {
            claims.0.push((name.leak(), vec![width]));
        }
        claims.0.push(("blocks.0.attn.proj.weight", vec![width, width]));
        for name in ["norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"] {
            claims.0.push((format!("blocks.0.{name}").leak(), vec![width]));
        }
        for name in ["fc_norm.weight", "fc_norm.bias"] {
            claims.0.push((name, vec![width]));
        }
        claims.0.push(("head.weight", vec![2, width]));
        claims.0.push(("head.bias", vec![2]));
        m2sd::build(&mut Tensors::new(&mut claims), &Config::default(), options)
            .map(|(graph, _)| graph.nodes())
    };
    let small =
        m2sd::Options { heads: Some(1), frames: Some(1), size_px: Some(4), ..Default::default() };
    let usual = build(8, 32, &small).unwrap();
    // The positions of 65536 tokens, a gigabyte wide.
    let many = m2sd::Options { size_px: Some(256), ..small };
    let error = build(1 << 28, 32, &many).unwrap_err().to_string();
    assert!(error.contains("patch_embed.proj.weight"), "{error}");
    // A hidden layer a million times as wide as the tokens is one part, not a million.
    let wide = build(1, 1 << 20, &small).unwrap();
    assert!(wide <= 2 * usual, "{wide} nodes");
}
