//! Detectors: their scores against the CPU's, and pictures a second in two sizes.

use std::path::Path;

use gstm2sd::core::detect::FamilyOutputs;
use gstm2sd::core::image::PixelValues;
use gstm2sd::infer::{CancelToken, Detector, EngineOptions, Shapes, Tensor, load_detector};
use ndarray::{Array3, Ix3};

use crate::{Bench, Outcome, runs_a_second};

const SIZES: [(usize, usize); 2] = [(360, 640), (1080, 1920)];

fn load(model: &Path, options: &EngineOptions) -> Outcome<Detector> {
    let shapes = Shapes { detect_px: 1920, ..Shapes::default() };
    let options = EngineOptions { shapes, ..options.clone() };
    Ok(load_detector(model, &options, &CancelToken::new())?)
}

/// A picture between noise and a gradient.
fn picture(detector: &Detector, (height, width): (usize, usize)) -> Tensor<Ix3> {
    let bytes =
        Array3::from_shape_fn((3, height, width), |(c, y, x)| (c * 40 + y * 3 + x * 7) as u8);
    match detector.values() {
        PixelValues::U8 => bytes.into(),
        PixelValues::Normalized(_) => bytes.mapv(f32::from).into(),
    }
}

/// Whether the provider's scores are the CPU's.
pub fn compare(bench: &Bench, model: &Path) -> Outcome<bool> {
    let scores = |options: &EngineOptions| -> Outcome<Vec<f64>> {
        let mut detector = load(model, options)?;
        let mut all = Vec::new();
        // Back to the first size: what is kept of it must still fit.
        for size in SIZES.into_iter().chain([SIZES[0]]) {
            let picture = picture(&detector, size);
            match detector.run_family(picture.view(), &CancelToken::new())? {
                FamilyOutputs::RetinaFace { outputs, .. } => {
                    all.extend(outputs.classes.iter().map(|score| f64::from(*score)));
                }
                FamilyOutputs::YuNet(levels) | FamilyOutputs::Scrfd(levels) => {
                    let scores = levels.scores.iter().flatten();
                    all.extend(scores.map(|score| f64::from(*score)));
                }
            }
        }
        Ok(all)
    };
    println!("\n{}", model.display());
    Ok(bench.judge("scores", &scores(&Bench::reference())?, &scores(&bench.options())?))
}

/// Prints a table of detections a second.
pub fn bench(bench: &Bench, model: &Path) -> Outcome<()> {
    println!("{:>10} {:>13} {:>6}", "picture", "detections/s", "ms");
    let mut detector = load(model, &bench.options())?;
    for (height, width) in SIZES {
        let (picture, cancel) = (picture(&detector, (height, width)), CancelToken::new());
        let rate = runs_a_second(|| Ok(detector.run_family(picture.view(), &cancel).map(drop)?))?;
        println!("{:>10} {rate:>13.0} {:>6.2}", format!("{width}x{height}"), 1e3 / rate);
    }
    Ok(())
}
