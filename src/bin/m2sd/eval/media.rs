//! Copies of videos for a scan to read: degraded ones, and videos made of single frames.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::data::Source;
use super::degrade::{Degradation, check_elements};
use crate::bounded;
use crate::signals::Signals;
use gstm2sd::watch::pipeline::upright::UPRIGHT;

/// How long nothing may come out before a copy is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(100);
const TEARDOWN_TIME: Duration = Duration::from_secs(5);
/// Of a video that is made of frames, whose list tells no other.
const FRAME_RATE: u64 = 25;

/// Writes the copy of `source` to `output`, pictures only and upright.
///
/// # Errors
/// Why it cannot be made, in words.
pub fn copy(
    source: &Source,
    degradation: Degradation,
    output: &Path,
    signals: &Signals,
) -> Result<(), String> {
    let input = if source.is_frames {
        frames_input(&source.files)?
    } else {
        // Whatever way a phone was held: nothing after this knows.
        format!("filesrc name=source ! decodebin ! {UPRIGHT}")
    };
    let launch = format!(
        "{input} ! videoconvert ! {} ! matroskamux ! filesink name=sink",
        degradation.launch()
    );
    check_elements(&launch, "a copy").map_err(|error| error.to_string())?;
    let pipeline = gst::parse::launch(&launch).map_err(|error| error.to_string())?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline".to_owned())?;
    let element = |name: &str| pipeline.by_name(name).ok_or_else(|| format!("no {name}"));
    element("sink")?.set_property("location", output);
    let written = Arc::new(AtomicU64::new(0));
    watch(&element("sink")?, &written);
    if let Some(divisor) = degradation.shrinks_by() {
        scale(&element("shrink")?, &element("small")?, &element("large")?, divisor);
    }
    if let Some(deviation) = degradation.noise() {
        add_noise(&element("noise")?, deviation);
    }
    if source.is_frames {
        let (source, files) = (element("source")?, source.files.clone());
        bounded::start(move || push_frames(&source, &files));
    } else {
        element("source")?.set_property("location", source.files.first());
    }
    let ended = play(&pipeline, &written, signals);
    let stopping = pipeline.clone();
    bounded::run(TEARDOWN_TIME, move || stopping.set_state(gst::State::Null).is_ok());
    ended
}

fn frames_input(files: &[PathBuf]) -> Result<String, String> {
    let ending = files.first().and_then(|file| file.extension()).unwrap_or_default();
    let (media, decoder) = match ending.to_string_lossy().to_ascii_lowercase().as_str() {
        "png" => ("image/png", "pngdec"),
        "jpg" | "jpeg" => ("image/jpeg", "jpegdec"),
        _ => return Err("its frames are neither PNG nor JPEG by their names".to_owned()),
    };
    Ok(format!(
        "appsrc name=source format=time block=true caps={media},framerate={FRAME_RATE}/1 ! {decoder}"
    ))
}

fn push_frames(source: &gst::Element, files: &[PathBuf]) {
    let time = |number: usize| gst::ClockTime::SECOND * number as u64 / FRAME_RATE;
    for (number, file) in files.iter().enumerate() {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                let text = format!("cannot read {}: {error}", file.display());
                gst::element_error!(source, gst::ResourceError::Read, ["{text}"]);
                return;
            }
        };
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time(number));
            buffer.set_duration(time(number + 1) - time(number));
        }
        let pushed: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
        if pushed != gst::FlowReturn::Ok {
            // What failed tells it on the bus.
            return;
        }
    }
    let _: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
}

/// Counts what is written.
fn watch(sink: &gst::Element, written: &Arc<AtomicU64>) {
    let Some(pad) = sink.static_pad("sink") else { return };
    let written = Arc::clone(written);
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
        written.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
}

/// Has frames scaled to a part of their size and back, whatever size they come in.
fn scale(shrink: &gst::Element, small: &gst::Element, large: &gst::Element, divisor: u32) {
    let Some(pad) = shrink.static_pad("sink") else { return };
    let (small, large) = (small.clone(), large.clone());
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
            && let Ok(info) = gst_video::VideoInfo::from_caps(caps.caps())
        {
            let caps = |divisor: u32| {
                let side = |px: u32| i32::try_from((px / divisor).max(2)).unwrap_or(i32::MAX);
                gst::Caps::builder("video/x-raw")
                    .field("width", side(info.width()))
                    .field("height", side(info.height()))
                    .field("pixel-aspect-ratio", info.par())
                    .build()
            };
            small.set_property("caps", caps(divisor));
            large.set_property("caps", caps(1));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Adds Gaussian noise to packed RGB, the same in every run.
fn add_noise(element: &gst::Element, deviation: f64) {
    let Some(pad) = element.static_pad("src") else { return };
    let mut random = fastrand::Rng::with_seed(1);
    // Drawn from a table: the logarithm and cosine of each byte would take longer than the scan.
    let mut normal = || {
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        let value = deviation * radius * (std::f64::consts::TAU * random.f64()).cos();
        value.round() as i16
    };
    let table: Vec<i16> = (0..1 << 16).map(|_| normal()).collect();
    let state = std::sync::Mutex::new(random);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut random = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && let Ok(mut map) = buffer.make_mut().map_writable()
        {
            for byte in map.iter_mut() {
                let noise = table.get(usize::from(random.u16(..))).copied().unwrap_or_default();
                *byte = (i16::from(*byte) + noise).clamp(0, 255) as u8;
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Runs until the end, an error, a signal or a standstill.
fn play(pipeline: &gst::Pipeline, written: &AtomicU64, signals: &Signals) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("no bus")?;
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let (mut before, mut newest) = (0, Instant::now());
    loop {
        match bus.timed_pop_filtered(GLANCE, &wanted).as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => return Err(error.error().to_string()),
            Some(_) => return Ok(()),
            None => {}
        }
        if let Some(signal) = signals.received() {
            return Err(format!("ended by signal {signal}"));
        }
        let now = written.load(Ordering::Relaxed);
        if now != before {
            (before, newest) = (now, Instant::now());
        } else if newest.elapsed() > PATIENCE {
            return Err(format!("nothing was decoded in {} s", PATIENCE.as_secs()));
        }
    }
}
