//! The classifier: its answers against the CPU's, and clips a second.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gstm2sd::infer::{
    CancelToken, Classifier, Clip, ClipJob, EngineOptions, LoadStep, Loading, Pool, PoolOptions,
    Shapes, Tensor, load_classifier,
};
use ndarray::{Array4, Ix4};

use crate::{Bench, Outcome, gpu};

/// Compiling goes on in the background of the first runs.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(3);

/// A clip of bytes: noise on a gradient, each seed with more noise and other colours.
fn clip(seed: usize, classifier: &Classifier) -> Tensor<Ix4> {
    let (frames, side) = (classifier.spec().frames, classifier.spec().size_px);
    let shape = (3, frames, side, side);
    let mut index = seed * 97;
    Array4::from_shape_fn(shape, |(colour, _, y, _)| {
        index += 1;
        let noise = (index.wrapping_mul(2_654_435_761) >> 9) as u8;
        let smooth = (255 * y / side) as u8 ^ [0, 255, 170, 85][(seed + colour) % 4];
        noise / 4 * (seed % 4) as u8 + smooth / 4 * (3 - seed % 4) as u8
    })
    .into()
}

/// P(fake) of each clip, so many in one run.
fn score(classifier: &mut Classifier, clips: &[Tensor<Ix4>], together: usize) -> Outcome<Vec<f64>> {
    let clips: Vec<_> =
        clips.iter().map(|frames| Clip { frames: frames.view(), audio: None }).collect();
    let mut fakes = Vec::new();
    for clips in clips.chunks(together) {
        fakes.extend(classifier.run(clips, &CancelToken::new())?.iter().map(|s| s.fake));
    }
    Ok(fakes)
}

/// Whether the provider's probabilities are the CPU's.
pub fn compare(bench: &Bench, model: &Path) -> Outcome<bool> {
    let fakes = |options: &EngineOptions, together: usize| -> Outcome<Vec<f64>> {
        let shapes = Shapes { batch: together, ..Shapes::default() };
        let options = EngineOptions { shapes, ..options.clone() };
        let mut classifier = load_classifier(model, &options, &CancelToken::new())?;
        println!("nodes on: {}", classifier.spec().info.assigned.join(", "));
        let clips: Vec<_> = (0..4).map(|seed| clip(seed, &classifier)).collect();
        score(&mut classifier, &clips, together)
    };
    let reference = fakes(&Bench::reference(), 1)?;
    println!("P(fake) on the CPU: {reference:.5?}");
    let mut agrees = true;
    // Where clips come one by one, runs may be recorded and replayed.
    for together in [1, 4] {
        let found = fakes(&bench.options(), together)?;
        println!("P(fake), {together} together: {found:.5?}");
        agrees &= bench.judge("P(fake)", &reference, &found);
    }
    Ok(agrees)
}

/// Prints a table of clips a second. Returns whether all of these were scored as each is alone.
pub fn bench(bench: &Bench, model: &Path) -> Outcome<bool> {
    let mut agrees = true;
    println!(
        "\n{:>6} {:>9} {:>9} {:>10} {:>9} {:>9}  precision",
        "batch", "built s", "loaded s", "clips/s", "ms a run", "GPU MB"
    );
    for &batch in &bench.batches {
        let shapes = Shapes { batch, ..Shapes::default() };
        let options = EngineOptions { shapes, ..bench.options() };
        let before = gpu::memory_mb();
        let (classifier, built, _) = load(model, &options)?;
        drop(classifier);
        let (mut classifier, loaded, again) = load(model, &options)?;
        let precision = classifier.spec().info.precision;
        let clips: Vec<_> = (0..4).map(|seed| clip(seed, &classifier)).collect();
        let expected = score(&mut classifier, &clips, 1)?;
        let (rate, found) = rate(classifier, &clips, batch)?;
        let (found, expected): (Vec<_>, Vec<_>) =
            found.into_iter().map(|(seed, fake)| (fake, expected[seed])).unzip();
        let (ms, memory) = (1e3 * batch as f64 / rate, gpu::memory_mb().saturating_sub(before));
        let again = if again { ", BUILT AGAIN" } else { "" };
        println!(
            "{batch:>6} {built:>9.1} {loaded:>9.1} {rate:>10.1} {ms:>9.2} {memory:>9}  {precision}{again}"
        );
        agrees &= bench.judge("       P(fake) of these", &expected, &found);
    }
    Ok(agrees)
}

/// The classifier, the seconds that its loading took, and whether an engine was built for it.
fn load(model: &Path, options: &EngineOptions) -> Outcome<(Classifier, f64, bool)> {
    let (started, builds) = (Instant::now(), Cell::new(false));
    let told = |LoadStep::Building { .. }: LoadStep<'_>| builds.set(true);
    let classifier = load_classifier(model, options, Loading::new(&CancelToken::new(), &told))?;
    Ok((classifier, started.elapsed().as_secs_f64(), builds.get()))
}

/// Clips a second through a pool that always has more to do, as the element runs them, and P(fake) of each
/// beside which of the clips it was.
fn rate(
    classifier: Classifier,
    clips: &[Tensor<Ix4>],
    batch: usize,
) -> Outcome<(f64, Vec<(usize, f64)>)> {
    let options = PoolOptions {
        queue: 3 * batch,
        batch_size: batch,
        batch_timeout: Duration::from_millis(50),
    };
    let pool = Pool::new(classifier, options)?;
    let submitter = pool.submitter();
    let (reply, scored) = channel();
    let all = clips.iter().cloned().enumerate().cycle();
    let mut spare: Vec<_> = all.take(clips.len() + 4 * batch).collect();
    let (mut found, mut count, mut begin) = (Vec::new(), 0, None);
    let started = Instant::now();
    loop {
        // Memory that comes back serves again.
        for done in scored.try_iter() {
            let (seed, done): (usize, gstm2sd::infer::Scored) = done;
            found.push((seed, done.result.map_err(|error| error.to_string())?.fake));
            spare.push((seed, done.frames));
            count += usize::from(begin.is_some());
        }
        match begin {
            None if started.elapsed() > WARM_UP => begin = Some(Instant::now()),
            Some(begin) if begin.elapsed() > MEASURED => {
                return Ok((count as f64 / begin.elapsed().as_secs_f64(), found));
            }
            _ => {}
        }
        let Some((seed, frames)) = spare.pop() else {
            std::thread::sleep(Duration::from_micros(50));
            continue;
        };
        let reply = reply.clone();
        let reply = Box::new(move |s| drop(reply.send((seed, s))));
        let job = ClipJob { frames, audio: None, reply };
        if submitter.submit(job, submitter.ticket()).is_err() {
            return Err("the pool is gone".into());
        }
    }
}
