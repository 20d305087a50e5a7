//! Detectors: pictures a second in two sizes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gstm2sd::core::image::PixelValues;
use gstm2sd::infer::{CancelToken, EngineOptions, Shapes, load_detector};
use ndarray::Array3;

use crate::{Bench, Outcome};

const SIZES: [(usize, usize); 2] = [(360, 640), (1080, 1920)];
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(2);

/// Prints a table of detections a second.
pub fn bench(bench: &Bench, models: &[PathBuf]) -> Outcome<()> {
    for model in models {
        let name = model.file_stem().unwrap_or_default().to_string_lossy();
        println!("\n{name}\n{:>10} {:>13} {:>6}", "picture", "detections/s", "ms");
        let cancel = CancelToken::new();
        let shapes = Shapes { detect_px: 1920, ..Shapes::default() };
        let options = EngineOptions { shapes, ..bench.options(bench.provider) };
        let mut detector = load_detector(model, &options, &cancel)?;
        for (height, width) in SIZES {
            let bytes = Array3::from_shape_fn((3, height, width), |(c, y, x)| {
                (c * 40 + y * 3 + x * 7) as u8
            });
            let floats = bytes.mapv(f32::from);
            let mut run = || match detector.values() {
                PixelValues::U8 => detector.run_family(bytes.view(), &cancel).map(drop),
                PixelValues::Normalized(_) => detector.run_family(floats.view(), &cancel).map(drop),
            };
            let started = Instant::now();
            while started.elapsed() < WARM_UP {
                run()?;
            }
            let (started, mut runs) = (Instant::now(), 0);
            while started.elapsed() < MEASURED {
                run()?;
                runs += 1;
            }
            let rate = f64::from(runs) / started.elapsed().as_secs_f64();
            println!("{:>10} {rate:>13.0} {:>6.2}", format!("{width}x{height}"), 1e3 / rate);
        }
    }
    Ok(())
}
