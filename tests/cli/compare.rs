//! `m2sd models compare`, and the clips that it reads.

use std::path::Path;
use std::sync::OnceLock;

use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::synth::{self, ClipShape, Synth, TransformerShape};
use ndarray::Array4;

use super::{classifier, m2sd, records, scene, stderr, text};

/// The drawn scene's clips, stored once.
fn clips() -> &'static Path {
    static CLIPS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = CLIPS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
        let folder = dir.path().join("clips");
        let mut args = vec!["scan", text(&video), "--engines", text(&engines)];
        args.extend(["--clips", text(&folder), "--clip-stride", "16"]);
        let run = m2sd(&args);
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        dir
    });
    made.path()
}

#[test]
fn a_scan_s_clips_tell_how_far_a_quantised_classifier_is_from_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let int8 = classifier(dir.path(), ClipShape { quantised: true, ..ClipShape::default() });
    let listed = m2sd(&["models", "list", "--engines", text(dir.path())]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("int8"), "{listed:?}");

    let (engines, folder) = (scene().join("engines"), clips().join("clips"));
    let mut args = vec!["models", "compare", "analytic_classifier", text(&int8)];
    args.extend(["--clips", text(&folder), "--engines", text(&engines), "--provider", "cpu"]);
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let table = String::from_utf8(run.stdout).unwrap();
    for words in [
        "ANALYTIC",
        "int8",
        "ms a clip",
        "Fake to one and real to the other: 0 clips.",
        "Most on scene_0",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }

    args.extend(["--json", "-", "--precision", "fp32"]);
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert_eq!(
        (&result["a"]["precision"], &result["b"]["precision"]),
        (&"fp32".into(), &"int8".into())
    );
    assert_eq!(result["a"]["provider"], "cpu");
    let stored = std::fs::read_dir(&folder).unwrap().count();
    assert!(stored > 4, "{stored}");
    assert_eq!(result["clips"], stored);
    let [mean, p95, max] =
        ["mean", "p95", "max"].map(|k| result["difference"][k].as_f64().unwrap());
    assert!(0.0 < mean && mean <= p95 && p95 <= max, "{result}");
    assert!(max < 0.5 / 255.0 + 1e-6, "rounding to a 255th changes no more: {result}");
    assert!(folder.join(result["worst"]["clip"].as_str().unwrap()).is_file());

    args.extend(["--threshold", "0.9"]);
    let run = m2sd(&args);
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert_eq!(result["b"]["threshold"], 0.9);
}

#[test]
fn a_classifier_that_reads_bytes_is_compared_with_its_origin() {
    let (engines, folder) = (scene().join("engines"), clips().join("clips"));
    let bytes = tempfile::tempdir().unwrap();
    let origin = classifier(&bytes.path().join("origin"), ClipShape::default());
    let import = ["models", "import", text(&origin), "--name", "reads_bytes", "--input", "u8"];
    let run = m2sd(&[&import[..], &["--engines", text(bytes.path())]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));

    let model = bytes.path().join("reads_bytes.onnx");
    let args = ["models", "compare", "analytic_classifier", text(&model), "--json", "-"];
    let places = ["--clips", text(&folder), "--engines", text(&engines), "--provider", "cpu"];
    let run = m2sd(&[args, places].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert!(result["difference"]["max"].as_f64().unwrap() < 1e-5, "{result}");
    assert_eq!(result["label-changes"], 0);
}

#[test]
fn classifiers_that_align_in_other_ways_have_no_clip_in_common() {
    let (engines, folder) = (scene().join("engines"), clips().join("clips"));
    let dir = tempfile::tempdir().unwrap();
    let other = classifier(dir.path(), ClipShape::default());
    let sidecar = other.with_added_extension("modelinfo");
    let plain = std::fs::read_to_string(&sidecar).unwrap();
    for key in ["template=gend", "align=frame", "crop-scale=3"] {
        let text_of = plain.replacen("[modelinfo]", &format!("[modelinfo]\n{key}"), 1);
        std::fs::write(&sidecar, text_of).unwrap();
        let args = ["models", "compare", "analytic_classifier", text(&other)];
        let places = ["--clips", text(&folder), "--engines", text(&engines), "--provider", "cpu"];
        let run = m2sd(&[&args[..], &places].concat());
        assert_eq!(run.status.code(), Some(4), "{key}: {}", stderr(&run));
        assert!(stderr(&run).contains("align faces in other ways"), "{key}: {}", stderr(&run));
    }
}

/// A small transformer, and clips of noise for it: what calibrates and what compares.
fn transformer_and_clips(dir: &Path) -> [std::path::PathBuf; 3] {
    let shape =
        TransformerShape { width: 128, blocks: 2, heads: 2, frames: 4, ..TransformerShape::BASE };
    let network = Synth::Transformer { shape, seed: 7, tuning: Tuning::Cpu };
    let model = synth::write(&network, dir).unwrap();
    let folders = ["calibrate", "compare"].map(|name| dir.join(name));
    for (number, folder) in folders.iter().enumerate() {
        std::fs::create_dir(folder).unwrap();
        for clip in 0..6 {
            let pixels = Array4::from_shape_fn((3, 4, 224, 224), |(c, t, y, x)| {
                let wave = (x as f64 * 0.05 * (1 + clip + c) as f64).sin()
                    + (y as f64 * 0.03 * (1 + t + number) as f64).cos();
                (128.0 + wave * 60.0) as u8
            });
            ndarray_npy::write_npy(folder.join(format!("{clip}.npy")), &pixels).unwrap();
        }
    }
    let [calibrate, compare] = folders;
    [model, calibrate, compare]
}

#[test]
fn a_classifier_is_quantised_by_clips_and_scores_like_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let [model, calibrate, other] = transformer_and_clips(dir.path());
    let engines = ["--engines", text(dir.path())];
    let quantise = |more: &[&str]| {
        let args = ["models", "quantise", "seeded_transformer", "--clips", text(&calibrate)];
        m2sd(&[&args[..], more, &engines].concat())
    };
    let run = quantise(&["--most-clips", "4"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.contains("matrices in 8-bit integers, by 4 clips"), "{told}");
    // What it ends with runs, also where other folders are searched.
    let line = told.trim_end().rsplit_once("Compare on other clips: `").unwrap().1;
    let line = line.strip_suffix("--clips DIR`").unwrap();
    let line = format!("{line} --clips {} --provider cpu", text(&other));
    let compared = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(compared.status.success(), "{line}: {}", stderr(&compared));
    let int8 = dir.path().join("seeded_transformer_int8.onnx");
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(size(&int8) < size(&model) / 2);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert!(!left.iter().any(|e| e.file_name().to_string_lossy().starts_with(".quantise")));

    for provider in ["cpu", "openvino"] {
        let args = ["models", "compare", "seeded_transformer", "seeded_transformer_int8"];
        let more = ["--clips", text(&other), "--json", "-", "--provider", provider];
        let run = m2sd(&[&args[..], &more, &["--precision", "fp32"], &engines].concat());
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
        assert_eq!(result["b"]["precision"], "int8");
        let difference = result["difference"]["max"].as_f64().unwrap();
        assert!(0.0 < difference && difference < 0.02, "{provider}: {result}");
    }

    // Nothing is written over, and what is quantised is not quantised again.
    let again = quantise(&[]);
    assert_ne!(again.status.code(), Some(0));
    assert!(stderr(&again).contains("is there already"), "{}", stderr(&again));
    let args = ["models", "quantise", "seeded_transformer_int8", "--clips", text(&calibrate)];
    let twice = m2sd(&[&args[..], &engines].concat());
    assert_ne!(twice.status.code(), Some(0));
    assert!(stderr(&twice).contains("quantised already"), "{}", stderr(&twice));
}

#[test]
fn stored_clips_are_what_the_classifier_sees() {
    let paths = std::fs::read_dir(clips().join("clips")).unwrap();
    let mut reds: Vec<_> = paths
        .map(|entry| {
            let pixels: ndarray::Array4<u8> = ndarray_npy::read_npy(entry.unwrap().path()).unwrap();
            assert_eq!(pixels.dim(), (3, 16, 224, 224));
            [0, 1, 2].map(|channel| pixels[(channel, 8, 112, 112)])
        })
        .collect();
    reds.sort_unstable();
    // The faces that `m2sd synth-video` draws: red decides, no green, blue; encoded and decoded.
    let [first, last] = [reds[0], reds[reds.len() - 1]];
    assert!(first[0].abs_diff(25) < 13 && last[0].abs_diff(230) < 13, "{reds:?}");
    assert!(reds.iter().all(|[_, green, blue]| *green < 20 && *blue > 235), "{reds:?}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let model = classifier(&folder("model"), ClipShape::default());
    let small = classifier(&folder("small"), ClipShape { size_px: 32, ..ClipShape::default() });
    let audio = Some(synth::Audio { mels: 80, frames: 50 });
    let listens = classifier(&folder("listens"), ClipShape { audio, ..ClipShape::default() });
    let empty = folder("empty");
    let store = |name: &str, write: &dyn Fn(&Path)| {
        let path = folder(name);
        write(&path.join("clip.npy"));
        path
    };
    let floats = ndarray::Array4::<f32>::zeros((3, 16, 224, 224));
    let floats = store("floats", &|path| ndarray_npy::write_npy(path, &floats).unwrap());
    let bytes = ndarray::Array4::<u8>::zeros((3, 16, 112, 112));
    let other_size = store("other", &|path| ndarray_npy::write_npy(path, &bytes).unwrap());
    let still = ndarray::Array3::<u8>::zeros((3, 224, 224));
    let still = store("still", &|path| ndarray_npy::write_npy(path, &still).unwrap());
    let damaged = store("damaged", &|path| std::fs::write(path, "no numbers").unwrap());

    let good = clips().join("clips");
    let compare = |b: &Path, clips: &Path, more: &[&str]| {
        let args = ["models", "compare", text(&model), text(b), "--clips", text(clips)];
        m2sd(&[&args, more].concat())
    };
    for (run, code, words) in [
        (compare(&model, &empty, &[]), 3, "m2sd scan VIDEO --clips"),
        (compare(&model, &dir.path().join("none"), &[]), 3, "cannot read"),
        (compare(&model, &floats, &[]), 3, "its elements are '<f4'; expected"),
        (compare(&model, &other_size, &[]), 3, "it is uint8 [3, 16, 112, 112]; expected"),
        (compare(&model, &still, &[]), 3, "it has 3 axes; expected"),
        (compare(&model, &damaged, &[]), 3, "clip.npy: "),
        (compare(&small, &good, &[]), 4, "no clip fits both"),
        (compare(&listens, &good, &[]), 4, "listens"),
        (compare(&dir.path().join("gone.onnx"), &good, &[]), 4, "gone.onnx"),
        (compare(&model, &good, &["--precision", "int8"]), 4, "is not quantised"),
    ] {
        assert_eq!(run.status.code(), Some(code), "{words}: {}", stderr(&run));
        assert!(stderr(&run).contains(words), "{words}: {}", stderr(&run));
    }
}
