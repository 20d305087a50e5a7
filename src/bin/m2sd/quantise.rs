//! `m2sd models quantise`: a classifier whose linear layers compute in 8-bit integers.

use std::path::{Path, PathBuf};

use clap::Args;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::{
    CancelToken, ClassifierSpec, EngineOptions, Outputs, Precision, Provider, load_classifier,
    load_engine,
};
use gstm2sd::models::advice;
use gstm2sd::models::quantise::Quantisable;

use crate::clip_files;
use crate::compare::clip_tensor;
use crate::error::CliError;
use crate::options;
use crate::signals::Signals;
use crate::terminal::{bar, escape, print_line};

#[derive(Args)]
pub struct QuantiseArgs {
    /// The classifier: a path or a name in the engines folder
    classifier: String,
    /// Folder of clips that `m2sd scan --clips` stored, real and forged ones like those to be scored
    #[arg(long, value_name = "DIR")]
    clips: PathBuf,
    /// Look at so many clips, spread over the folder
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most_clips: u32,
    /// The new model's name [default: the classifier's with _int8]
    #[arg(long)]
    name: Option<String>,
    /// Folder with the models; the new one goes there
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
    /// What runs the network, in fp32
    #[arg(long, value_parser = options::provider(), default_value = "auto")]
    provider: Provider,
}

pub fn run(args: &QuantiseArgs) -> Result<(), CliError> {
    let clips = clip_files::list(&args.clips)?;
    let search = options::search(args.engines.as_deref())?;
    let found = search.find(Role::Classifier, Some(&args.classifier)).map_err(CliError::runtime)?;
    let folder = options::engines_folder(args.engines.as_deref());
    let target = folder.join(file_name(&found.path, args.name.as_deref())?);
    if target.exists() {
        return Err(CliError::input(format!(
            "{} is there already; remove it, or give another --name",
            target.display()
        )));
    }
    let model = Quantisable::open(&found.path).map_err(CliError::runtime)?;

    let cancel = CancelToken::new();
    let on_signal = cancel.clone();
    Signals::take()?.on_first(move || on_signal.cancel());
    let options = EngineOptions {
        provider: args.provider,
        precision: Precision::Fp32,
        ..EngineOptions::default()
    };
    let spec = load_classifier(&found.path, &options, &cancel).map_err(CliError::runtime)?;
    let spec = spec.spec().clone();
    if spec.audio.is_some() {
        return Err(CliError::runtime(format!(
            "{} listens, and stored clips have no sound: only classifiers that see are quantised",
            found.path.display()
        )));
    }
    let chosen = spread(&clips, args.most_clips as usize);
    let most = observe(&model, &spec, &chosen, &folder, &options, &cancel)?;
    model.write(&most, &target, &found.info).map_err(CliError::runtime)?;
    let (layers, count) = (model.layers(), chosen.len());
    let matrices = if layers == 1 { "matrix" } else { "matrices" };
    let clips = if count == 1 { "clip" } else { "clips" };
    print_line(&format!(
        "{}: {layers} {matrices} in 8-bit integers, by {count} {clips}",
        escape(&target.display().to_string())
    ))?;
    // By their paths, so that it runs whatever folder is searched.
    let [a, b] = [&found.path, &target].map(|path| advice::quoted(&path.display().to_string()));
    let compare = advice::command(&format!("models compare {a} {b} --clips DIR"));
    print_line(&format!("Compare on other clips: {}", escape(&compare)))
}

/// The new file's name.
fn file_name(source: &Path, name: Option<&str>) -> Result<String, CliError> {
    let stem = match name {
        Some(name) => name.strip_suffix(".onnx").unwrap_or(name).to_owned(),
        None => format!("{}_int8", source.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let plain = Path::new(&stem).file_name().is_some_and(|n| n == stem.as_str());
    let wrong = || CliError::input(format!("{stem:?} is not a file name"));
    if plain { Ok(format!("{stem}.onnx")) } else { Err(wrong()) }
}

/// `most` of the clips, from the first to the last: neighbours are alike.
fn spread(clips: &[PathBuf], most: usize) -> Vec<PathBuf> {
    let count = most.min(clips.len());
    let place = |number: usize| number * clips.len() / count;
    (0..count).filter_map(|number| clips.get(place(number)).cloned()).collect()
}

/// The largest numbers that the layers read on these clips.
fn observe(
    model: &Quantisable,
    spec: &ClassifierSpec,
    clips: &[PathBuf],
    folder: &Path,
    options: &EngineOptions,
    cancel: &CancelToken,
) -> Result<Vec<f32>, CliError> {
    // As large as the model, so beside it.
    let scratch = tempfile::Builder::new().prefix(".quantise").tempdir_in(folder);
    let scratch = scratch
        .map_err(|e| CliError::runtime(format!("cannot write to {}: {e}", folder.display())))?;
    let observed = scratch.path().join("observed.onnx");
    model.write_observed(&observed).map_err(CliError::runtime)?;
    let mut engine = load_engine(&observed, options, cancel).map_err(CliError::runtime)?;
    let outputs = &engine.info().outputs;
    let places = model.observers().into_iter().map(|observer| {
        let place = outputs.iter().position(|output| output.name == observer);
        place.ok_or_else(|| CliError::runtime(format!("the engine does not tell {observer}")))
    });
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let mut most = vec![0.0f32; places.len()];
    let mut outputs = Outputs::default();
    let bar = bar(Some(clips.len() as u64));
    for path in clips {
        let pixels = clip_files::read(path, spec.frames, spec.size_px)?;
        let clip = clip_tensor(pixels.view(), spec)?;
        let input = [spec.input(clip.view())];
        engine.run(&input, &mut outputs, cancel).map_err(CliError::runtime)?;
        for (most, place) in most.iter_mut().zip(&places) {
            let seen = outputs.get(*place).and_then(|output| output.first().copied());
            // A number that is none has to be found out, and `max` would hide it.
            *most = match seen.unwrap_or(f32::NAN) {
                seen if seen.is_nan() => seen,
                seen => most.max(seen),
            };
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(most)
}
