//! `m2sd scan`: the published script's job, through the element.

mod address;
mod args;
mod boxes;
mod clip;
mod crops;
mod damage;
mod earlier;
mod failure;
mod finish;
mod gate;
mod header;
mod host;
mod input;
mod many;
mod media;
mod notes;
mod outcome;
mod pipeline;
mod play;
mod progress;
mod record;
mod recording;
mod running_time;
mod source;
mod summary;
mod sync;
mod targets;
mod values;

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::core::evidence::PointChoice;
use gstm2sd::evidence::provenance::TrustList;
use gstm2sd::evidence::records::End;
use gstm2sd::filter::{ClassifierFile, M2sdFilter};
use gstm2sd::models::ModelSource;

pub use self::args::ScanArgs;
use self::crops::Crops;
use self::earlier::Earlier;
use self::finish::Finish;
pub use self::input::{Input, told};
use self::pipeline::ScanPipeline;
pub use self::pipeline::file_sink;
use self::play::Play;
use self::recording::Recording;
use self::summary::Judged;
use self::sync::Syncer;
use self::targets::{Before, Targets};
use crate::bounded;
use crate::clip_files::ClipWriter;
use crate::error::CliError;
use crate::outputs::Named;
use crate::terminal::note;

/// How long the pipeline may take to stop. A source that does not is left to the process's end.
const TEARDOWN_TIME: Duration = Duration::from_secs(5);

pub fn run(args: &ScanArgs) -> Result<(), CliError> {
    match args.inputs.as_slice() {
        [input] if !many::is_folder(input) => run_one(args, input),
        inputs => many::run(args, inputs),
    }
}

fn run_one(args: &ScanArgs, input: &OsStr) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    let mut input = Input::find(input)?;
    input.look();
    let targets = Targets::of(args, &input)?;
    let mut inputs: Vec<_> =
        input.path.iter().map(|path| Named::new("the input", path.clone())).collect();
    targets.check(&inputs)?;
    let filter = args::make_filter(args)?;
    // Finds the models and the runtime before anything is written.
    prepare(&filter)?;
    let models = filter.model_files().map_err(CliError::runtime)?;
    if args.clips.is_some() && models.classifiers.len() != 1 {
        let found = if models.classifiers.is_empty() { "none" } else { "more than one" };
        return Err(CliError::usage(format!(
            "--clips stores what a classifier reads, and there is {found}; name one with --classifier"
        )));
    }
    inputs.extend(targets::models(models.sources().filter_map(ModelSource::path)));
    targets.check(&inputs)?;
    let judged = judged(&models.classifiers, &args.point()?)?;
    let started = Instant::now();
    let trust = args.trust.as_deref().map(TrustList::read).transpose().map_err(CliError::input)?;
    input.read_provenance(trust.as_ref());
    let header = header::header(&input, args.span(), &filter, &models, judged.as_ref())?;
    let replaced = match targets.before(&header, &input, args)? {
        Before::Same(earlier) => return reuse(args, &input, &earlier, judged.as_ref()),
        Before::Replaceable(replaced) => replaced,
    };
    let (mut files, signals) = targets.begin(&input, replaced)?;
    let recording = Recording::new(&files.records, header, args.timings);
    let recording = Arc::new(recording.map_err(CliError::input)?);
    let _syncer = Syncer::start(files.open());
    let clips = files.clips.take().map(|writer| Arc::new(Mutex::new(writer)));
    let crops = files.crops.as_ref().map(|(_, crops)| Arc::clone(crops));
    watch_clips(clips.clone(), crops, &filter, &recording);
    let video = files.video.as_ref().map(|(file, encoders)| (file, encoders));
    let scan = ScanPipeline::build(&input.uri, &filter, video, args.range())?;
    if let Some(bus) = scan.pipeline.bus() {
        recording.observe(&bus, &filter);
    }
    let play = Play {
        scan: &scan,
        filter: &filter,
        input: &input,
        records: &files.records,
        recording: &recording,
        signals: &signals,
        timeout: Duration::from_secs(args.timeout.into()),
        quiet: args.quiet,
    };
    let cause = play.run();
    let ended = cause.and_then(|cause| {
        let judged = judged.as_ref();
        let finish = Finish { args, input: &input, judged, scan: &scan, filter: &filter, started };
        finish.run(cause, files, &recording, clips.as_deref())
    });
    tear_down(&scan);
    ended
}

/// Tells what an earlier scan of the same found, and ends as it did.
fn reuse(
    args: &ScanArgs,
    input: &Input,
    earlier: &Earlier,
    judged: Option<&Judged>,
) -> Result<(), CliError> {
    let also = earlier.footer.as_ref().map(finish::also).unwrap_or_default();
    let mut page = summary::page(earlier.frames, &earlier.faces, judged);
    page.text(also + &finish::credentials(input));
    finish::tell(args, &page)?;
    let then = earlier.header.as_ref().map_or("", |header| header.input.name.as_str());
    let called = if then == input.name { String::new() } else { format!(" (then {then:?})") };
    note(&format!(
        "These results were there: of the same input{called}, with the same settings. --force scans anew."
    ));
    let footer = earlier.footer.as_ref();
    let is_whole = |end| end == End::Complete;
    match footer.and_then(|f| f.reason.clone().or((!is_whole(f.end)).then(String::new))) {
        Some(reason) => Err(CliError::Unscored(reason)),
        None => Ok(()),
    }
}

/// Stops the pipeline, which may be held up by its source.
fn tear_down(scan: &ScanPipeline) {
    let pipeline = scan.pipeline.clone();
    // Going down cannot fail in a way that matters now.
    let stop = move || pipeline.set_state(gst::State::Null).is_ok();
    scan.gate.open();
    let wake = || scan.watch.wake_network();
    if bounded::run_waking(TEARDOWN_TIME, wake, stop).is_none() {
        note("m2sd: the pipeline does not stop: left alone");
    }
}

/// Takes the element to READY, where it looks for models and runtime, and turns its error message
/// into ours.
pub fn prepare(filter: &M2sdFilter) -> Result<(), CliError> {
    let bus = gst::Bus::new();
    filter.set_bus(Some(&bus));
    let ready = filter.set_state(gst::State::Ready);
    filter.set_bus(None);
    // Whatever fails next leaves it as an element may be left. This cannot fail in a way that matters.
    let _ = filter.set_state(gst::State::Null);
    if ready.is_ok() {
        return Ok(());
    }
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    Err(match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => CliError::runtime(error.error()),
        _ => CliError::runtime("m2sdfilter cannot be started"),
    })
}

fn judged(
    classifiers: &[ClassifierFile],
    choice: &PointChoice,
) -> Result<Option<Judged>, CliError> {
    let judged = classifiers.iter().map(|ClassifierFile { source, info, training }| {
        let file = source.file_name();
        let name = match &info.title {
            Some(title) => format!("{title} ({file})"),
            None => file,
        };
        Judged::new(name, *training, info, choice).map_err(CliError::runtime)
    });
    Ok(Judged::together(judged.collect::<Result<_, _>>()?))
}

/// Has every clip stored, and crops of some kept, as far as that is wanted.
fn watch_clips(
    clips: Option<Arc<Mutex<ClipWriter>>>,
    crops: Option<Arc<Crops>>,
    filter: &M2sdFilter,
    recording: &Arc<Recording>,
) {
    if let Some(crops) = &crops {
        recording.keep_crops(Arc::clone(crops));
    }
    if clips.is_none() && crops.is_none() {
        return;
    }
    let recording = Arc::clone(recording);
    filter.on_clip(move |clip| {
        if let Some(crops) = &crops {
            crops.seen(clip);
        }
        let stored = clips.as_ref().map_or(Ok(()), |writer| {
            writer.lock().unwrap_or_else(PoisonError::into_inner).write(clip)
        });
        if let Err(error) = stored {
            recording.fail(std::io::ErrorKind::Other, error.to_string());
        }
    });
}
