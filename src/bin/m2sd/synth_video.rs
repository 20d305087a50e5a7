//! `m2sd synth-video`: a scene of drawn faces, which the analytic networks know exactly.

use std::path::PathBuf;

use clap::Args;
use gst::prelude::*;
use gstm2sd::models::synth::scene::Face;

use crate::encode::Encoders;
use crate::error::CliError;
use crate::partial_file::PartialFile;
use crate::scan::file_sink;

#[derive(Args, Debug)]
pub struct SynthVideoArgs {
    /// The video to write; its ending does not matter
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Frames, at 30 a second
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    frames: u64,
}

const WIDTH_PX: usize = 640;
const HEIGHT_PX: usize = 360;

/// A red face ("fake") that wanders to the right and a bluer one ("real") that circles; the second
/// third of the scene shows only the first, the last frames none.
fn faces(frame: u64, frames: u64) -> Vec<Face> {
    let turn = frame as f32 / 30.0 * std::f32::consts::TAU / 4.0;
    let wander = (frame as f32 * 1.5) as i32 % 300;
    let fake = Face { left_px: 40 + wander, top_px: 60, side_px: 96, red: 230 };
    let real = Face {
        left_px: (480.0 + 40.0 * turn.cos()) as i32,
        top_px: (200.0 + 30.0 * turn.sin()) as i32,
        side_px: 80,
        red: 25,
    };
    let third = frames / 3;
    match frame {
        f if f + 15 >= frames => vec![],
        f if (third..2 * third).contains(&f) => vec![fake],
        _ => vec![fake, real],
    }
}

fn picture(frame: u64, frames: u64) -> Vec<u8> {
    let grey = |i: usize| 60 + ((i / 3 % WIDTH_PX) * 60 / WIDTH_PX) as u8;
    let mut rgb: Vec<u8> = (0..WIDTH_PX * HEIGHT_PX * 3).map(grey).collect();
    for face in faces(frame, frames) {
        face.draw(&mut rgb, WIDTH_PX);
    }
    rgb
}

pub fn run(args: &SynthVideoArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    let encoders = Encoders::choose()?;
    let caps = format!("video/x-raw,format=RGB,width={WIDTH_PX},height={HEIGHT_PX},framerate=30/1");
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=source format=time caps={caps} ! videoconvert ! {} ! {} name=muxer",
        encoders.video, encoders.muxer
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
    for frame in 0..args.frames {
        let mut buffer = gst::Buffer::from_slice(picture(frame, args.frames));
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
