//! `m2sd synth-video`: a scene of drawn faces, which the analytic networks know exactly, or a camera
//! that moves over a picture.

mod camera;
mod drawn;

use std::path::{Path, PathBuf};

use clap::Args;
use gst::prelude::*;

use self::camera::Picture;
use crate::encode::Encoders;
use crate::error::CliError;
use crate::outputs::{self, Named};
use crate::partial_file::PartialFile;
use crate::scan::file_sink;

#[derive(Args, Debug)]
pub struct SynthVideoArgs {
    /// The video to write, of 4:2:0: Matroska where it ends in .mkv, else MP4 if an encoder for it is
    /// installed
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Frames, at 30 a second [default: 150, over a picture 300]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    frames: Option<u64>,
    /// No drawn faces: a camera pans and zooms over this picture, with one hard cut. Made for
    /// portraits
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

const WIDTH_PX: usize = 640;
const HEIGHT_PX: usize = 360;

pub fn run(args: &SynthVideoArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    let picture = match &args.picture {
        Some(path) => {
            let input = [Named::new("--picture", path)];
            outputs::check(&input, &Named::with_partial("--out", &args.out))?;
            Some(decode(path)?)
        }
        None => None,
    };
    let frames = args.frames.unwrap_or(if picture.is_some() { 300 } else { 150 });
    let encoders = Encoders::choose_for(&args.out)?;
    let caps = format!("video/x-raw,format=RGB,width={WIDTH_PX},height={HEIGHT_PX},framerate=30/1");
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=source format=time caps={caps} ! videoconvert ! \
         video/x-raw,format=I420 ! {} ! {} name=muxer",
        encoders.video,
        encoders.plain_muxer()
    ));
    let pipeline = pipeline.map_err(CliError::runtime)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>();
    let pipeline = pipeline.map_err(|_| CliError::runtime("the launch line is no pipeline"))?;
    let (Some(source), Some(muxer)) = (pipeline.by_name("source"), pipeline.by_name("muxer"))
    else {
        return Err(CliError::runtime("the pipeline has lost its ends"));
    };
    let file = PartialFile::create(&args.out)?;
    let sink = file_sink(&file)?;
    pipeline.add(&sink).map_err(CliError::runtime)?;
    muxer.link(&sink).map_err(CliError::runtime)?;
    source.set_property("block", true);
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    for frame in 0..frames {
        let pixels = match &picture {
            Some(picture) => picture.frame(frame, frames),
            None => drawn::frame(frame, frames),
        };
        let mut buffer = gst::Buffer::from_slice(pixels);
        let (start, end) = (frame * 1_000_000_000 / 30, (frame + 1) * 1_000_000_000 / 30);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(start));
            buffer.set_duration(gst::ClockTime::from_nseconds(end - start));
        }
        let pushed: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
        if pushed != gst::FlowReturn::Ok {
            break;
        }
    }
    let _: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
    let ended = wait(&pipeline);
    // Going down cannot fail in a way that matters now.
    let _ = pipeline.set_state(gst::State::Null);
    ended?;
    file.keep()?;
    Ok(())
}

fn wait(pipeline: &gst::Pipeline) -> Result<(), CliError> {
    let bus = pipeline.bus().ok_or_else(|| CliError::runtime("the pipeline has no bus"))?;
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    match bus.timed_pop_filtered(None, &wanted).as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(CliError::input(error.error())),
        _ => Ok(()),
    }
}

/// A picture of any format that an installed element decodes.
fn decode(path: &Path) -> Result<Picture, CliError> {
    /// More than a large file takes on a slow machine.
    const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);
    let failed = |why: &dyn std::fmt::Display| {
        CliError::Input(format!("cannot read the picture {}: {why}", path.display()))
    };
    if let Err(error) = std::fs::File::open(path) {
        return Err(failed(&error));
    }
    let launch = "filesrc name=source ! decodebin ! videoconvert ! video/x-raw,format=RGB ! \
                  appsink name=sink sync=false";
    let pipeline = gst::parse::launch(launch).map_err(CliError::runtime)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>();
    let pipeline = pipeline.map_err(|_| CliError::runtime("the launch line is no pipeline"))?;
    let (Some(source), Some(sink), Some(bus)) =
        (pipeline.by_name("source"), pipeline.by_name("sink"), pipeline.bus())
    else {
        return Err(CliError::runtime("the pipeline has lost its ends"));
    };
    source.set_property("location", path);
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Paused);
    let wanted = [gst::MessageType::AsyncDone, gst::MessageType::Error];
    let ended = bus.timed_pop_filtered(PATIENCE, &wanted);
    let sample: Option<gst::Sample> = match ended.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::AsyncDone(_)) => {
            sink.emit_by_name("try-pull-preroll", &[&gst::ClockTime::ZERO.nseconds()])
        }
        _ => None,
    };
    let _ = pipeline.set_state(gst::State::Null);
    match (sample, ended.as_ref().map(|message| message.view())) {
        (Some(sample), _) => picture_of(&sample).ok_or_else(|| failed(&"it has no pixels")),
        (None, Some(gst::MessageView::Error(error))) => Err(failed(&error.error())),
        (None, _) => Err(failed(&"nothing was decoded in 20 s")),
    }
}

/// The rows of a decoded picture, without their padding.
fn picture_of(sample: &gst::Sample) -> Option<Picture> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let [width_px, height_px] = [info.width(), info.height()].map(|px| px as usize);
    let stride = usize::try_from(*info.stride().first()?).ok()?;
    let rows = frame.plane_data(0).ok()?.chunks(stride.max(1)).take(height_px);
    let rgb: Vec<u8> = rows.filter_map(|row| row.get(..width_px * 3)).flatten().copied().collect();
    let is_whole = !rgb.is_empty() && rgb.len() == width_px * height_px * 3;
    is_whole.then_some(Picture { width_px, height_px, rgb })
}
