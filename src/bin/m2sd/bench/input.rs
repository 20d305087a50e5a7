//! The frames that are sent: drawn or decoded beforehand, so that neither is measured.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo};
use gstm2sd::models::synth::scene::{Face, LARGEST_PX, SMALLEST_PX};

use super::BenchArgs;
use super::case::{Case, Resolution};
use crate::error::CliError;

/// What frames may take: of a drawn scene, which is as good when it is short, and of a video.
const DRAWN_BYTES: usize = 64 << 20;
const DECODED_BYTES: usize = 256 << 20;
/// Faces of a drawn scene move in a circle, which so many frames close.
const DRAWN_FRAMES: std::ops::RangeInclusive<usize> = 8..=60;

/// Frames in memory, which come again and again.
pub struct Input {
    pub info: VideoInfo,
    frames: Vec<gst::Buffer>,
}

impl Input {
    pub fn prepare(args: &BenchArgs, case: &Case) -> Result<Self, CliError> {
        let format = gst_video::VideoFormat::from_string(&args.format);
        let Resolution { width, height } = case.resolution;
        let info = VideoInfo::builder(format, width, height)
            .fps(gst::Fraction::new(args.fps as i32, 1))
            .build()
            .map_err(|_| CliError::input(format!("no video format {:?}", args.format)))?;
        let frames = match &args.video {
            Some(video) => decode(&crate::scan::Input::find(video)?.uri, &info)?,
            None => draw(case, &info)?,
        };
        Ok(Self { info, frames })
    }

    pub fn megabytes(&self) -> f64 {
        (self.frames.len() * self.info.size()) as f64 / 1e6
    }

    /// Frame `number` of the stream. Its pixels are shared, as those of a decoder are that still
    /// refers to them: whoever draws on them copies them.
    pub fn frame(&self, number: u64) -> gst::Buffer {
        let mut frame = self.frames[number as usize % self.frames.len()].clone();
        let fps = self.info.fps();
        let time = |number: u64| {
            let second = gst::ClockTime::SECOND;
            second.mul_div_floor(number * fps.denom() as u64, fps.numer() as u64)
        };
        let buffer = frame.make_mut();
        buffer.set_pts(time(number));
        buffer.set_duration(time(number + 1).zip(time(number)).map(|(end, start)| end - start));
        frame
    }
}

/// Faces in up to four columns, each in a circle around its place.
fn faces(case: &Case, turn: f64) -> Vec<Face> {
    let columns = case.faces.min(4);
    let rows = case.faces.div_ceil(columns);
    let cell = [case.resolution.width / columns, case.resolution.height / rows].map(f64::from);
    let side = (0.4 * cell[0].min(cell[1])).clamp(SMALLEST_PX.into(), LARGEST_PX.into());
    let place = |index: u32| {
        let centre = [index % columns, index / columns].map(|n| f64::from(n) + 0.5);
        let [x, y] = [centre[0] * cell[0], centre[1] * cell[1]];
        let angle = turn * std::f64::consts::TAU;
        Face {
            left_px: (x + 0.1 * side * angle.cos() - side / 2.0) as i32,
            top_px: (y + 0.1 * side * angle.sin() - side / 2.0) as i32,
            side_px: side as u32,
            red: (index * 30) as u8,
        }
    };
    (0..case.faces).map(place).collect()
}

fn draw(case: &Case, info: &VideoInfo) -> Result<Vec<gst::Buffer>, CliError> {
    let Resolution { width, height } = case.resolution;
    let rgb_info = VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height).fps(info.fps());
    let rgb_info = rgb_info.build().map_err(CliError::runtime)?;
    let converter = gst_video::VideoConverter::new(&rgb_info, info, None);
    let converter = converter.map_err(CliError::runtime)?;
    let count = (DRAWN_BYTES / info.size()).clamp(*DRAWN_FRAMES.start(), *DRAWN_FRAMES.end());
    let stride = rgb_info.stride()[0] as usize;
    let picture = |number: usize| {
        let grey = |i: usize| 60 + (i % stride * 60 / stride) as u8;
        let mut rgb: Vec<u8> = (0..rgb_info.size()).map(grey).collect();
        for face in faces(case, number as f64 / count as f64) {
            // Rows may be padded.
            for (row, line) in rgb.chunks_exact_mut(stride).enumerate() {
                let top_px = face.top_px - row as i32;
                Face { top_px, ..face }.draw(&mut line[..3 * width as usize], width as usize);
            }
        }
        let rgb = gst::Buffer::from_slice(rgb);
        let from = VideoFrameRef::from_buffer_ref_readable(&rgb, &rgb_info)?;
        let mut frame = gst::Buffer::with_size(info.size())?;
        let mut to = VideoFrameRef::from_buffer_ref_writable(frame.make_mut(), info)?;
        converter.frame_ref(&from, &mut to);
        drop(to);
        Ok(frame)
    };
    (0..count).map(picture).collect::<Result<_, glib::BoolError>>().map_err(CliError::runtime)
}

/// The first frames of a video, in this format and size.
fn decode(uri: &str, info: &VideoInfo) -> Result<Vec<gst::Buffer>, CliError> {
    let pipeline = gst::parse::launch(
        "uridecodebin name=source ! videoconvert ! videoscale ! capsfilter name=format \
         ! fakesink name=sink sync=false",
    );
    let pipeline = pipeline.map_err(CliError::runtime)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>();
    let pipeline = pipeline.map_err(|_| CliError::runtime("the launch line is no pipeline"))?;
    let named = |name| {
        pipeline.by_name(name).ok_or_else(|| CliError::runtime("the pipeline has lost a part"))
    };
    named("source")?.set_property("uri", uri);
    let caps = gst_video::VideoCapsBuilder::new()
        .format(info.format())
        .width(info.width() as i32)
        .height(info.height() as i32);
    named("format")?.set_property("caps", caps.build());
    let frames = Arc::new(Mutex::new(Vec::new()));
    let (full, is_full) = channel();
    let most = (DECODED_BYTES / info.size()).max(1);
    collect(&named("sink")?, &frames, most, full);
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let bus = pipeline.bus().ok_or_else(|| CliError::runtime("the pipeline has no bus"))?;
    let ended = loop {
        if is_full.recv_timeout(Duration::from_millis(10)).is_ok() {
            break Ok(());
        }
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.pop_filtered(&wanted).as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => break Err(CliError::input(error.error())),
            Some(_) => break Ok(()),
            None => {}
        }
    };
    // Going down cannot fail in a way that matters now.
    let _ = pipeline.set_state(gst::State::Null);
    ended?;
    let frames = std::mem::take(&mut *frames.lock().unwrap_or_else(PoisonError::into_inner));
    if frames.is_empty() {
        return Err(CliError::input(format!("there is no picture in {uri}")));
    }
    Ok(frames)
}

fn collect(
    sink: &gst::Element,
    frames: &Arc<Mutex<Vec<gst::Buffer>>>,
    most: usize,
    full: Sender<()>,
) {
    let Some(pad) = sink.static_pad("sink") else { return };
    let frames = Arc::clone(frames);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() < most {
            // A copy: decoders have few buffers.
            frames.extend(info.buffer().and_then(|buffer| buffer.copy_deep().ok()));
        } else {
            // Nobody listens any more when it was full before.
            let _ = full.send(());
        }
        gst::PadProbeReturn::Ok
    });
}
