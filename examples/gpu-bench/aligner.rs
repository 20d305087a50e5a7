//! Aligners: their points against the CPU's, and runs a second of one face and of ten.

use std::path::Path;

use gstm2sd::core::image::PixelValues;
use gstm2sd::infer::{Aligner, CancelToken, EngineOptions, Tensor, load_aligner};
use ndarray::{Array4, Ix4};

use crate::{Bench, Outcome, runs_a_second};

const FACES: [usize; 2] = [1, 10];

fn load(model: &Path, options: &EngineOptions) -> Outcome<Aligner> {
    Ok(load_aligner(model, options, &CancelToken::new())?)
}

/// Crops of something between noise and a gradient.
fn crops(aligner: &Aligner, count: usize) -> Tensor<Ix4> {
    let side = aligner.size_px();
    let bytes = Array4::from_shape_fn((count, 3, side, side), |(n, c, y, x)| {
        (n * 31 + c * 40 + y * 3 + x * 7) as u8
    });
    match aligner.values() {
        PixelValues::U8 => bytes.into(),
        PixelValues::Normalized(_) => bytes.mapv(|level| f32::from(level) / 255.0).into(),
    }
}

/// Whether the provider's points are the CPU's, in parts of the crop.
pub fn compare(bench: &Bench, model: &Path) -> Outcome<bool> {
    let points = |options: &EngineOptions| -> Outcome<Vec<f64>> {
        let mut aligner = load(model, options)?;
        let mut all = Vec::new();
        for count in FACES {
            let crops = crops(&aligner, count);
            let points = aligner.run(crops.view(), &CancelToken::new())?;
            all.extend(points.iter().map(|value| f64::from(*value)));
        }
        Ok(all)
    };
    println!("\n{}", model.display());
    Ok(bench.judge("points", &points(&Bench::reference())?, &points(&bench.options())?))
}

/// Prints a table of runs a second.
pub fn bench(bench: &Bench, model: &Path) -> Outcome<()> {
    println!("{:>10} {:>9} {:>6}", "faces", "runs/s", "ms");
    let mut aligner = load(model, &bench.options())?;
    for count in FACES {
        let (crops, cancel) = (crops(&aligner, count), CancelToken::new());
        let rate = runs_a_second(|| Ok(aligner.run(crops.view(), &cancel).map(drop)?))?;
        println!("{count:>10} {rate:>9.0} {:>6.2}", 1e3 / rate);
    }
    // As in a video, where faces come and go.
    let (batches, cancel) = ([1, 2, 3].map(|count| crops(&aligner, count)), CancelToken::new());
    let mut batches = batches.iter().cycle();
    let rate = runs_a_second(|| {
        let batch = batches.next().ok_or("no crops")?;
        Ok(aligner.run(batch.view(), &cancel).map(drop)?)
    })?;
    println!("{:>10} {rate:>9.0} {:>6.2}", "1, 2, 3, …", 1e3 / rate);
    Ok(())
}
