//! The classifier: its answers against the CPU's, and clips a second.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gstm2sd::infer::{
    CancelToken, Classifier, Clip, ClipJob, EngineOptions, Pool, PoolOptions, Provider, Shapes,
    Tensor, load_classifier,
};
use ndarray::{Array4, Ix4};

use crate::{Bench, Outcome, gpu};

/// What half floats may do to a probability.
const TOLERANCE: f64 = 5e-3;
/// Compiling goes on in the background of the first runs.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(3);

/// A clip of bytes that look like nothing; each seed another.
fn clip(seed: usize, classifier: &Classifier) -> Tensor<Ix4> {
    let (frames, side) = (classifier.spec().frames, classifier.spec().size_px);
    let mut index = seed.wrapping_mul(97);
    Array4::from_shape_simple_fn((3, frames, side, side), || {
        index += 1;
        // Noise on a gradient.
        (index.wrapping_mul(2_654_435_761) >> 9) as u8 / 2 + (index / side) as u8 / 2
    })
    .into()
}

/// Whether the provider's probabilities are the CPU's.
pub fn compare(bench: &Bench, model: &Path) -> Outcome<bool> {
    let fakes = |options: &EngineOptions| -> Outcome<Vec<f64>> {
        let mut classifier = load_classifier(model, options, &CancelToken::new())?;
        let clips: Vec<_> = (0..4).map(|seed| clip(seed, &classifier)).collect();
        let score = |frames: &Tensor<Ix4>| -> Outcome<f64> {
            let clip = Clip { frames: frames.view(), audio: None };
            let scores = classifier.run(&[clip], &CancelToken::new())?;
            Ok(scores.first().ok_or("no score")?.fake)
        };
        clips.iter().map(score).collect()
    };
    let (cpu, gpu) =
        (fakes(&bench.options(Provider::Cpu))?, fakes(&bench.options(bench.provider))?);
    let most = cpu.iter().zip(&gpu).map(|(cpu, gpu)| (cpu - gpu).abs()).fold(0.0, f64::max);
    let agrees = most <= TOLERANCE;
    let verdict = if agrees { "agrees" } else { "DISAGREES" };
    println!("P(fake): CPU {cpu:.5?}, {} {gpu:.5?}", bench.provider);
    println!("largest difference {most:.1e}, {TOLERANCE:.0e} allowed: {verdict}");
    Ok(agrees)
}

/// Prints a table of clips a second.
pub fn bench(bench: &Bench, model: &Path) -> Outcome<()> {
    println!(
        "\n{:>6} {:>9} {:>9} {:>10} {:>9} {:>9}  precision",
        "batch", "built s", "loaded s", "clips/s", "ms a run", "GPU MB"
    );
    for &batch in &bench.batches {
        let shapes = Shapes { batch, ..Shapes::default() };
        let options = EngineOptions { shapes, ..bench.options(bench.provider) };
        let before = gpu::memory_mb();
        let started = Instant::now();
        drop(load_classifier(model, &options, &CancelToken::new())?);
        let built = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let classifier = load_classifier(model, &options, &CancelToken::new())?;
        let loaded = started.elapsed().as_secs_f64();
        let precision = classifier.spec().info.precision;
        let clips: Vec<_> = (0..4).map(|seed| clip(seed, &classifier)).collect();
        let rate = rate(classifier, &clips, batch)?;
        let (ms, memory) = (1e3 * batch as f64 / rate, gpu::memory_mb().saturating_sub(before));
        println!(
            "{batch:>6} {built:>9.1} {loaded:>9.1} {rate:>10.1} {ms:>9.2} {memory:>9}  {precision}"
        );
    }
    Ok(())
}

/// Clips a second through a pool that always has more to do: as the element runs them.
fn rate(classifier: Classifier, clips: &[Tensor<Ix4>], batch: usize) -> Outcome<f64> {
    let options = PoolOptions {
        queue: 3 * batch,
        batch_size: batch,
        batch_timeout: Duration::from_millis(50),
    };
    let pool = Pool::new(classifier, options)?;
    let submitter = pool.submitter();
    let (reply, scored) = channel();
    let (mut spare, mut count, mut begin) = (clips.to_vec(), 0, None);
    spare.extend(clips.iter().cycle().take(4 * batch).cloned());
    let started = Instant::now();
    loop {
        // Memory that comes back serves again.
        for done in scored.try_iter() {
            let done: gstm2sd::infer::Scored = done;
            done.result.map_err(|error| error.to_string())?;
            spare.push(done.frames);
            count += usize::from(begin.is_some());
        }
        match begin {
            None if started.elapsed() > WARM_UP => begin = Some(Instant::now()),
            Some(begin) if begin.elapsed() > MEASURED => {
                return Ok(count as f64 / begin.elapsed().as_secs_f64());
            }
            _ => {}
        }
        let Some(frames) = spare.pop() else {
            std::thread::sleep(Duration::from_micros(50));
            continue;
        };
        let reply = reply.clone();
        let reply = Box::new(move |s| drop(reply.send(s)));
        let job = ClipJob { frames, audio: None, reply };
        if submitter.submit(job, submitter.ticket()).is_err() {
            return Err("the pool is gone".into());
        }
    }
}
