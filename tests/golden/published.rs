//! Other published classifiers: their own code's numbers, with the networks run as they are, and as
//! the scores that their sidecars make of them.

use std::path::Path;

use gstm2sd::core::geometry::CropRect;
use gstm2sd::core::image::{ChannelOrder, Normalization, PlaneWriter, Region};
use gstm2sd::core::modelinfo::{Align, ClassifierOutput, FakeIndex, Template};
use gstm2sd::infer::{
    CancelToken, Clip, ClipScore, Outputs, TensorView, load_classifier, load_engine,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, ImportReport, import};
use ndarray::{Array3, Array5, Axis, concatenate, stack};

use crate::networks::cpu;
use crate::support::golden::{Picture, list};
use crate::support::{read_json, shared_dir};

const SIDE_PX: u32 = 224;

/// Tiles of an aligned sheet, row-major, as levels of RGB in planes.
fn tiles(sheet: &Path, numbers: std::ops::Range<u32>) -> Vec<Array3<u8>> {
    let picture = Picture::read(sheet);
    let tile = |number: u32| {
        let (x, y) = (number % 4 * SIDE_PX, number / 4 * SIDE_PX);
        let rect = CropRect::from_edges(x, y, x + SIDE_PX, y + SIDE_PX).unwrap();
        let tile = picture.view().crop(rect).unwrap();
        let mut planes = Array3::zeros((3, SIDE_PX as usize, SIDE_PX as usize));
        let whole = Region::whole(tile.size());
        let writer = PlaneWriter::default();
        { writer }.write_u8(&tile.view(), whole, ChannelOrder::Rgb, planes.view_mut()).unwrap();
        planes
    };
    numbers.map(tile).collect()
}

/// `[1,3,T,S,S]`.
fn clip(tiles: &[Array3<u8>]) -> Array5<u8> {
    let views: Vec<_> = tiles.iter().map(|tile| tile.view()).collect();
    stack(Axis(1), &views).unwrap().insert_axis(Axis(0))
}

fn normalised(clip: &Array5<u8>, norm: Normalization) -> Array5<f32> {
    let mut values = clip.mapv(f32::from);
    for (channel, mut plane) in values.axis_iter_mut(Axis(1)).enumerate() {
        plane.mapv_inplace(|v| v * norm.scale[channel] + norm.offset[channel]);
    }
    values
}

/// What a model answers to clips, read as bytes where it normalises them itself.
fn answers(report: &ImportReport, clips: &[Array5<u8>], bytes_in: bool) -> Vec<Vec<f32>> {
    let mut engine = load_engine(&report.model, &cpu(), &CancelToken::new()).unwrap();
    let views: Vec<_> = clips.iter().map(|clip| clip.view()).collect();
    // All in one batch.
    let batch = concatenate(Axis(0), &views).unwrap();
    let mut outputs = Outputs::default();
    let floats = normalised(&batch, report.info.normalization.unwrap());
    let input = match bytes_in {
        true => TensorView::U8(batch.view().into_dyn()),
        false => TensorView::F32(floats.view().into_dyn()),
    };
    engine.run(&[input], &mut outputs, &CancelToken::new()).unwrap();
    let answer = outputs.get(0).unwrap().to_owned();
    answer.axis_iter(Axis(0)).map(|row| row.iter().copied().collect()).collect()
}

/// Floats for CPUs, and bytes for GPUs.
fn both() -> [ImportOptions; 2] {
    [(false, Tuning::Cpu), (true, Tuning::Gpu)].map(|(bytes_in, tuning)| {
        let mut options = ImportOptions { bytes_in, ..ImportOptions::default() };
        options.transformer.tuning = tuning;
        options
    })
}

/// Two sheets of 16 frames, one after the other.
fn ftcn_clip(dir: &Path, golden: &serde_json::Value) -> Array5<u8> {
    let sheet = |key: &str| dir.join("golden").join(golden[key].as_str().unwrap());
    let mut frames = tiles(&sheet("first_16_frames"), 0..16);
    frames.extend(tiles(&sheet("last_16_frames"), 0..16));
    clip(&frames)
}

/// One tile of a sheet.
fn gend_clip(dir: &Path, golden: &serde_json::Value) -> Array5<u8> {
    let number = golden["tile"].as_u64().unwrap() as u32;
    let sheet = dir.join("golden").join(golden["sheet"].as_str().unwrap());
    clip(&tiles(&sheet, number..number + 1))
}

#[test]
fn golden_ftcn_logits() {
    let dir = shared_dir();
    let golden = read_json(&dir.join("golden/ftcn_tiny.json"));
    let clips: Vec<_> =
        list(&golden["clips"]).iter().map(|golden| ftcn_clip(&dir, golden)).collect();
    for options in both() {
        let out = tempfile::tempdir().unwrap();
        let report = import(&dir.join("models/ftcn_tiny.pth"), out.path(), &options).unwrap();
        assert_eq!(report.info.outputs, Some(ClassifierOutput::Logit));
        // Nothing of the network is left over.
        let counters = |name: &String| name.ends_with("num_batches_tracked");
        assert!(report.ignored.iter().all(counters), "{:?}", report.ignored);
        for (found, golden) in
            answers(&report, &clips, options.bytes_in).iter().zip(list(&golden["clips"]))
        {
            let [logit] = found[..] else { panic!("{found:?}") };
            let logit = f64::from(logit);
            let fake = 1.0 / (1.0 + (-logit).exp());
            assert!((logit - golden["logit"].as_f64().unwrap()).abs() < 2e-3, "{logit}");
            assert!((fake - golden["fake_probability"].as_f64().unwrap()).abs() < 1e-3, "{fake}");
        }
    }
}

#[test]
fn golden_gend_logits() {
    let dir = shared_dir();
    let golden = read_json(&dir.join("golden/gend_tiny.json"));
    let clips: Vec<_> =
        list(&golden["tiles"]).iter().map(|golden| gend_clip(&dir, golden)).collect();
    for (head, key) in [("LinearNorm", "logits_LinearNorm"), ("linear", "logits_linear")] {
        for options in both() {
            let out = tempfile::tempdir().unwrap();
            let folder = with_head(&dir.join("models/gend_tiny"), head, out.path());
            let report = import(&folder, &out.path().join("out"), &options).unwrap();
            let info = &report.info;
            assert_eq!((info.fake_index, info.align), (Some(FakeIndex::One), Some(Align::Frame)));
            assert_eq!(info.template, Some(Template::GEND));
            assert_eq!(report.ignored, ["feature_extractor.visual_projection.weight"]);
            let found = answers(&report, &clips, options.bytes_in);
            let (mut worst, goldens) = (0.0f64, list(&golden["tiles"]));
            assert_eq!((found.len(), goldens.len()), (6, 6));
            for (found, golden) in found.iter().zip(goldens) {
                for (found, golden) in found.iter().zip(list(&golden[key])) {
                    worst = worst.max((f64::from(*found) - golden.as_f64().unwrap()).abs());
                }
            }
            assert!(worst < 2e-3, "{head}: a logit is {worst} off");
        }
    }
}

/// The scores of an imported classifier, all clips in one run.
fn scores(report: &ImportReport, clips: &[Array5<u8>]) -> Vec<ClipScore> {
    let mut classifier = load_classifier(&report.model, &cpu(), &CancelToken::new()).unwrap();
    let spec = classifier.spec().clone();
    let tensors: Vec<_> = clips
        .iter()
        .map(|clip| spec.clip(clip.index_axis(Axis(0), 0), Vec::new).unwrap())
        .collect();
    let clips: Vec<_> =
        tensors.iter().map(|clip| Clip { frames: clip.view(), audio: None }).collect();
    classifier.run(&clips, &CancelToken::new()).unwrap()
}

#[test]
fn golden_ftcn_scores() {
    let dir = shared_dir();
    let golden = read_json(&dir.join("golden/ftcn_tiny.json"));
    for options in both() {
        let out = tempfile::tempdir().unwrap();
        let report = import(&dir.join("models/ftcn_tiny.pth"), out.path(), &options).unwrap();
        let clips: Vec<_> =
            list(&golden["clips"]).iter().map(|golden| ftcn_clip(&dir, golden)).collect();
        let found = scores(&report, &clips);
        assert_eq!(found.len(), 3);
        for (found, golden) in found.iter().zip(list(&golden["clips"])) {
            let [logit, fake] =
                ["logit", "fake_probability"].map(|key| golden[key].as_f64().unwrap());
            assert!((found.fake - fake).abs() < 1e-3, "{found:?}, not {fake}");
            assert!((f64::from(found.outputs[0]) - logit).abs() < 2e-3, "{found:?}, not {logit}");
            assert_eq!(found.outputs[1], 0.0);
        }
    }
}

/// Its class 1 is "fake": taken for the first, every score would be turned round.
#[test]
fn golden_gend_scores() {
    let dir = shared_dir();
    let golden = read_json(&dir.join("golden/gend_tiny.json"));
    let goldens = list(&golden["tiles"]);
    let clips: Vec<_> = goldens.iter().map(|golden| gend_clip(&dir, golden)).collect();
    for options in both() {
        let out = tempfile::tempdir().unwrap();
        let folder = with_head(&dir.join("models/gend_tiny"), "linear", out.path());
        let report = import(&folder, &out.path().join("out"), &options).unwrap();
        let mut classifier = load_classifier(&report.model, &cpu(), &CancelToken::new()).unwrap();
        let spec = classifier.spec();
        assert_eq!((spec.frames, spec.alignment.align), (1, Align::Frame));
        assert!(
            spec.alignment.crop_scale >= 3.0,
            "turned heads need {}",
            spec.alignment.crop_scale
        );
        assert!(classifier.run(&[], &CancelToken::new()).unwrap().is_empty());
        for (found, golden) in scores(&report, &clips).iter().zip(goldens) {
            let [real, fake] = {
                let logits = list(&golden["logits_linear"]);
                [0, 1].map(|class: usize| logits[class].as_f64().unwrap())
            };
            let expected = 1.0 / (1.0 + (real - fake).exp());
            assert!((found.fake - expected).abs() < 1e-3, "{found:?}, not {expected}");
            let near = found
                .outputs
                .iter()
                .zip([fake, real])
                .all(|(a, b)| (f64::from(*a) - b).abs() < 2e-3);
            assert!(near, "{found:?}, not {fake} and {real}");
        }
    }
}

/// A copy of a Hugging Face folder whose configuration names another head.
fn with_head(folder: &Path, head: &str, dir: &Path) -> std::path::PathBuf {
    let copy = dir.join("gend_copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.join("model.safetensors"), copy.join("model.safetensors")).unwrap();
    let mut config = read_json(&folder.join("config.json"));
    config["head"] = head.into();
    std::fs::write(copy.join("config.json"), config.to_string()).unwrap();
    copy
}
