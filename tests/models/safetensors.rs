//! Hugging Face's files: single, split, in their folders.

use std::io::Cursor;
use std::path::Path;

use gstm2sd::core::modelinfo::FakeIndex;
use gstm2sd::models::checkpoint::{Checkpoint, CheckpointError};
use gstm2sd::models::import::{ImportOptions, ImportReport, import};

use crate::forge::{Forge, bytes};
use crate::support::formats::{parts, safetensors, with_header};

fn sound() -> Vec<u8> {
    safetensors(&[
        ("a", "F32", &[2, 3], bytes(&[0., 1., 2., 3., 4., 5.])),
        ("b", "F32", &[2], bytes(&[10., 11.])),
        ("empty", "F32", &[0, 7], Vec::new()),
        ("scalar", "F32", &[], bytes(&[3.])),
    ])
}

fn open(file: Vec<u8>) -> Result<Checkpoint<Cursor<Vec<u8>>>, CheckpointError> {
    Checkpoint::new(Cursor::new(file))
}

#[test]
fn the_numbers_are_those_that_were_written() {
    let mut checkpoint = open(sound()).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b", "empty", "scalar"]);
    assert_eq!(checkpoint.shape("a"), Some(&[2, 3][..]));
    assert_eq!(checkpoint.read("a").unwrap(), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(checkpoint.read("b").unwrap(), [10., 11.]);
    assert_eq!(checkpoint.read("empty").unwrap(), [0f32; 0]);
    assert_eq!(checkpoint.read("scalar").unwrap(), [3.]);
    let cases: [(&str, Vec<u8>); 3] = [
        ("F16", vec![0x00, 0x3e, 0x00, 0xc0]),
        ("BF16", vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("F64", [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
    ];
    for (dtype, data) in cases {
        let mut checkpoint = open(safetensors(&[("x", dtype, &[2], data)])).unwrap();
        assert_eq!(checkpoint.read("x").unwrap(), [1.5, -2.0], "{dtype}");
    }
    // A type that is not read is named where the network needs it.
    let checkpoint =
        open(safetensors(&[("x", "F8_E4M3", &[2], vec![1, 2]), ("y", "F32", &[1], bytes(&[1.]))]));
    assert_eq!(checkpoint.unwrap().placeholder("x"), Some("F8_E4M3"));
}

#[test]
fn truncation_anywhere_is_an_error() {
    let file = sound();
    for len in 0..file.len() {
        assert!(open(file[..len].to_vec()).is_err(), "{len} bytes were enough");
    }
    let error = open(file[..file.len() - 1].to_vec()).unwrap_err().to_string();
    assert_eq!(
        error,
        "safetensors header: its tensors need 36 bytes, the file has 35: it is truncated"
    );
}

#[test]
fn headers_that_lie_are_refused_and_say_why() {
    let entry = |name: &str, shape: &str, offsets: &str| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let two = |a: (&str, &str, &str), b: (&str, &str, &str)| {
        format!("{{{},{}}}", entry(a.0, a.1, a.2), entry(b.0, b.1, b.2))
    };
    let a = ("a", "[1]", "[0,4]");
    for (header, part) in [
        (two(a, ("b", "[1]", "[0,4]")), "the tensor b lies at 0 to 4, expected it to begin at 4"),
        (two(a, ("b", "[1]", "[2,6]")), "the tensor b lies at 2 to 6"),
        (two(a, ("b", "[0]", "[8,8]")), "the tensor b lies at 8 to 8"),
        (two(a, ("b", "[1]", "[8,4]")), "the tensor b lies at 8 to 4"),
        (two(a, ("a", "[1]", "[4,8]")), "the tensor a appears twice"),
        (two(a, ("b", "[2]", "[4,8]")), "the tensor b, [2], does not have 4 bytes"),
        (two(a, ("b", "[4294967296,4294967296,4294967296]", "[4,8]")), "does not have 4 bytes"),
        (two(a, ("b", "[1,1,1,1,1,1,1,1,1]", "[4,8]")), "more than 8 dimensions"),
        (two(a, ("b", "[1]", "[4,12]")), "does not have 8 bytes"),
        (two(a, ("b", "[-1]", "[4,8]")), "invalid value"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}}"#.into(), "more"),
        (r#"{"a":{"dtype":"F32","shape":[2]}}"#.into(), "data_offsets"),
        (format!("{{{}}}", entry("a", "[1]", "[0,4]")), "the file has 8: it has more after them"),
        ("{".into(), "EOF"),
        (format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200)), "unknown field"),
    ] {
        let error = open(with_header(&header, &[0; 8])).unwrap_err().to_string();
        assert!(error.starts_with("safetensors header: ") && error.contains(part), "{error}");
    }
    let mut huge = sound();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = open(huge).unwrap_err().to_string();
    assert!(error.contains("more than 16777216"), "{error}");
    let nothing = open(with_header("{}", &[])).unwrap_err();
    assert!(matches!(nothing, CheckpointError::NoTensors { .. }), "{nothing}");
}

/// The smallest network as Hugging Face's VideoMAE calls its tensors; all numbers differ.
fn videomae() -> Vec<(String, Vec<i64>, Vec<f32>)> {
    let renamed = |name: &str| -> String {
        [
            ("patch_embed.proj", "videomae.embeddings.patch_embeddings.projection"),
            ("blocks.0.norm1", "videomae.encoder.layer.0.layernorm_before"),
            ("blocks.0.norm2", "videomae.encoder.layer.0.layernorm_after"),
            ("blocks.0.attn.proj", "videomae.encoder.layer.0.attention.output.dense"),
            ("blocks.0.attn", "videomae.encoder.layer.0.attention.attention"),
            ("blocks.0.mlp.fc1", "videomae.encoder.layer.0.intermediate.dense"),
            ("blocks.0.mlp.fc2", "videomae.encoder.layer.0.output.dense"),
            ("head", "classifier"),
        ]
        .iter()
        .find_map(|(own, hub)| Some(format!("{hub}{}", name.strip_prefix(own)?)))
        .unwrap_or_else(|| name.to_owned())
    };
    let mut all = Vec::new();
    for (name, shape, values) in own_names() {
        let Some(attention) = name.strip_suffix("qkv.weight") else {
            all.push((renamed(&name), shape, values));
            continue;
        };
        let third = values.len() / 3;
        for (index, word) in ["query", "key", "value"].iter().enumerate() {
            let part = values[index * third..(index + 1) * third].to_vec();
            all.push((renamed(&format!("{attention}{word}.weight")), vec![64, 64], part));
        }
    }
    all
}

/// The smallest network as its own code calls its tensors; all numbers differ.
fn own_names() -> Vec<(String, Vec<i64>, Vec<f32>)> {
    let mut next = 0.0f32;
    let number = || {
        next += 1.0;
        (next * 0.618).fract() - 0.5
    };
    let mut number = number;
    let shapes = crate::transformer().into_iter();
    let all = shapes.map(|(name, shape)| {
        let values = (0..shape.iter().product::<i64>()).map(|_| number()).collect();
        (name.to_owned(), shape.to_vec(), values)
    });
    all.collect()
}

fn file(tensors: &[(String, Vec<i64>, Vec<f32>)]) -> Vec<u8> {
    let stored = tensors
        .iter()
        .map(|(name, shape, values)| (name.as_str(), "F32", shape.as_slice(), bytes(values)));
    safetensors(&stored.collect::<Vec<_>>())
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn import_into(source: &Path, out: &Path, options: &ImportOptions) -> ImportReport {
    import(source, out, options).unwrap()
}

const CONFIG: &str = r#"{"num_attention_heads": 1, "num_frames": 16, "image_size": 224,
    "tubelet_size": 2, "layer_norm_eps": 1e-6, "id2label": {"0": "real", "1": "fake"}}"#;

/// The operators of a network, and the numbers of its weights, each in their order.
fn network(report: &ImportReport) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let model = std::fs::read(&report.model).unwrap();
    let [graph] = parts(&model, 7)[..] else { panic!("no graph") };
    let part = |of: u64, wanted: u64| {
        let all = parts(graph, of).into_iter().flat_map(|part| parts(part, wanted));
        all.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    (part(1, 4), part(5, 9))
}

#[test]
fn hugging_face_s_names_and_layout_make_the_same_network() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.safetensors");
    write(&own, file(&own_names()));
    let own = import_into(&own, &dir.path().join("out"), &crate::small());
    let folder = dir.path().join("hub-model");
    write(&folder.join("model.safetensors"), file(&videomae()));
    write(&folder.join("config.json"), CONFIG);
    // All that is not in the tensors is in config.json.
    let hub = import_into(&folder, &dir.path().join("out"), &ImportOptions::default());
    assert!(hub.model.ends_with("hub-model.onnx"), "{}", hub.model.display());
    assert_eq!(hub.info.fake_index, Some(FakeIndex::One));
    assert_eq!((hub.ignored.len(), own.info.fake_index), (0, None));
    assert_eq!(hub.network, own.network);
    assert!(network(&hub).1.len() > 20);
    assert_eq!(network(&hub), network(&own));

    // One bias for queries, keys and values, in place of two.
    let mut fused = own_names();
    let take = |all: &mut Vec<(String, Vec<i64>, Vec<f32>)>, name: &str| {
        let place = all.iter().position(|(n, ..)| n.ends_with(name)).unwrap();
        all.remove(place).2
    };
    let [q, v] = ["q_bias", "v_bias"].map(|name| take(&mut fused, name));
    let k = vec![0.25f32; 64];
    let bias = [q, k.clone(), v].concat();
    fused.push(("blocks.0.attn.qkv.bias".to_owned(), vec![192], bias));
    let path = dir.path().join("fused.safetensors");
    write(&path, file(&fused));
    let fused = network(&import_into(&path, &dir.path().join("out"), &crate::small()));
    let (mut operators, mut weights) = network(&own);
    let of_keys = fused.1.iter().position(|values| *values == bytes(&k)).unwrap();
    weights.insert(of_keys, bytes(&k));
    // Keys have one more addition.
    let places = operators.iter().enumerate().filter(|(_, op)| *op == b"MatMul");
    let keys = places.map(|(place, _)| place).nth(2).unwrap();
    operators.insert(keys + 1, b"Add".to_vec());
    assert_eq!(fused, (operators, weights));
}

#[test]
fn a_checkpoint_of_several_files_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    write(&whole.join("model.safetensors"), file(&videomae()));
    write(&whole.join("config.json"), CONFIG);
    let whole = import_into(&whole, &dir.path().join("out"), &ImportOptions::default());

    let split = dir.path().join("split");
    let tensors = videomae();
    let (first, second) = tensors.split_at(7);
    let map = |names: &[(String, Vec<i64>, Vec<f32>)], file: &str| {
        let entries: Vec<_> = names.iter().map(|(n, ..)| format!(r#""{n}":"{file}""#)).collect();
        entries.join(",")
    };
    let index = |a: &str, b: &str| {
        format!(r#"{{"metadata":{{}},"weight_map":{{{},{}}}}}"#, map(first, a), map(second, b))
    };
    write(&split.join("config.json"), CONFIG);
    write(&split.join("1.safetensors"), file(first));
    write(&split.join("2.safetensors"), file(second));
    let named = split.join("model.safetensors.index.json");
    write(&named, index("1.safetensors", "2.safetensors"));
    let report = import_into(&split, &dir.path().join("out"), &ImportOptions::default());
    assert_eq!(std::fs::read(&report.model).unwrap(), std::fs::read(&whole.model).unwrap());
    import_into(&named, &dir.path().join("out"), &ImportOptions::default());

    let refused = || {
        let error = import(&split, &dir.path().join("no"), &ImportOptions::default()).unwrap_err();
        assert!(!dir.path().join("no").exists());
        error.to_string()
    };
    write(&named, index("1.safetensors", "3.safetensors"));
    assert!(refused().contains("No such file"), "{}", refused());
    for elsewhere in ["../whole/model.safetensors", "/etc/passwd", ".."] {
        write(&named, index("1.safetensors", elsewhere));
        assert!(refused().contains("is not a file name"), "{}", refused());
    }
    // What the index says of the files, and what is in them.
    write(&named, index("1.safetensors", "2.safetensors"));
    write(&split.join("2.safetensors"), file(&tensors[6..]));
    assert!(refused().contains("the index does not say that the tensor"), "{}", refused());
    write(&split.join("2.safetensors"), file(&tensors[8..]));
    assert!(refused().contains("2.safetensors: no tensor is called"), "{}", refused());
    write(&split.join("2.safetensors"), Forge::sound().zip());
    assert!(refused().contains("2.safetensors: no safetensors file"), "{}", refused());
}

#[test]
fn folders_without_a_network_say_what_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |folder: &Path| {
        let error = import(folder, &dir.path().join("no"), &ImportOptions::default());
        error.unwrap_err().to_string()
    };
    let folder = dir.path().join("folder");
    write(&folder.join("readme.md"), "nothing");
    assert!(refused(&folder).ends_with("it has readme.md"), "{}", refused(&folder));
    write(&folder.join("model.safetensors"), file(&videomae()));
    // The width of 64 is nobody's.
    assert!(refused(&folder).contains("say it with --frames"), "{}", refused(&folder));
    write(&folder.join("config.json"), "{");
    assert!(refused(&folder).contains("config.json: "), "{}", refused(&folder));
    write(
        &folder.join("config.json"),
        CONFIG.replace("\"tubelet_size\": 2", "\"tubelet_size\": 4"),
    );
    assert!(refused(&folder).contains("4 frames in a token"), "{}", refused(&folder));
}
