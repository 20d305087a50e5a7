//! Every routine of the method, with its bytes or values beside the time.
//!
//! `cargo bench --no-default-features --bench core-routines [part of a name]`. Needs neither
//! GStreamer nor ONNX Runtime. Bytes are those read and written; where pictures are resized, those
//! written.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the benchmark")]

use std::num::NonZeroUsize;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use gstm2sd::core::align::{AlignedClip, FaceCrop};
use gstm2sd::core::audio::{LogMel, RATE_HZ, Resampler};
use gstm2sd::core::detect::{Anchors, DetectParams, DetectorOutputs, Face, decode};
use gstm2sd::core::geometry::{BBox, FivePoints, Point, Similarity, Size};
use gstm2sd::core::image::{
    BytePlane, ChannelOrder, Chroma, FrameView, Normalization, PixelLayout, PlaneWriter, Region,
    YuvColour, YuvMatrix,
};
use gstm2sd::core::landmarks::LandmarkCrop;
use gstm2sd::core::quality::QualityMeter;
use gstm2sd::core::span::Span;
use gstm2sd::core::track::{TrackId, TrackParams, Tracker};
use gstm2sd::core::window::{Sample, WindowParams, Windows};
use ndarray::{Array2, Array3, Array4, ArrayViewMut3};

fn main() {
    divan::main();
}

/// Lines of 16:9 frames.
const LINES: [u32; 3] = [360, 1080, 2160];
/// Sides of faces in px of the frame.
const SIDES: [u32; 3] = [80, 160, 400];
/// M2SD's clip (docs/method.md, "Clips").
const FRAMES: usize = 16;
const SIDE_PX: u32 = 224;

fn size(lines: u32) -> Size {
    Size::new(lines * 16 / 9, lines).unwrap()
}

/// A frame that is nowhere of one colour.
struct Picture {
    size: Size,
    layout: PixelLayout,
    pixels: Vec<u8>,
}

impl Picture {
    fn new(size: Size, layout: PixelLayout) -> Self {
        let bytes = size.width() as usize * size.height() as usize * layout.bytes_per_pixel();
        let pixels = (0..bytes).map(|i| (i * 31 % 251) as u8).collect();
        Self { size, layout, pixels }
    }

    fn view(&self) -> FrameView<'_> {
        let stride = self.size.width() as usize * self.layout.bytes_per_pixel();
        FrameView::new(&self.pixels, self.size, stride, self.layout).unwrap()
    }
}

/// A 4:2:0 frame, its planes behind one another.
struct YuvPicture {
    size: Size,
    bytes: Vec<u8>,
}

impl YuvPicture {
    fn new(size: Size) -> Self {
        let luma = size.width() as usize * size.height() as usize;
        Self { size, bytes: (0..luma * 3 / 2).map(|i| (i * 31 % 251) as u8).collect() }
    }

    fn view(&self) -> FrameView<'_> {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let (luma, chroma) = self.bytes.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let plane = |data, stride_bytes| BytePlane { data, stride_bytes };
        let chroma = Chroma::Planar { u: plane(u, width / 2), v: plane(v, width / 2) };
        let colour = YuvColour { matrix: YuvMatrix::Bt709, full_range: false };
        FrameView::yuv420(plane(luma, width), chroma, self.size, colour).unwrap()
    }
}

/// A face of this side whose points are where the template has them.
fn face(left: f32, top: f32, side: f32) -> Face {
    let place = [(0.34, 0.34), (0.66, 0.33), (0.5, 0.54), (0.35, 0.68), (0.65, 0.68)];
    let points: FivePoints = place.map(|(x, y)| Point { x: left + x * side, y: top + y * side });
    let bbox = BBox::new(left, top, left + side, top + side).unwrap();
    Face { bbox, score: 0.9, points }
}

fn written(planes: &[usize]) -> usize {
    4 * planes.iter().product::<usize>()
}

#[divan::bench(args = LINES)]
fn write_planes_packed(bencher: Bencher, lines: u32) {
    planes(bencher, size(lines), size(lines), PixelLayout::Rgb);
}

#[divan::bench(args = LINES)]
fn write_planes_packed_4_bytes(bencher: Bencher, lines: u32) {
    planes(bencher, size(lines), size(lines), PixelLayout::Bgra);
}

/// To the detector's input in live mode.
#[divan::bench(args = LINES)]
fn write_planes_resized(bencher: Bencher, lines: u32) {
    let to = if lines == 360 { Size::new(480, 270).unwrap() } else { size(360) };
    planes(bencher, size(lines), to, PixelLayout::Rgb);
}

fn planes(bencher: Bencher, from: Size, to: Size, layout: PixelLayout) {
    let picture = Picture::new(from, layout);
    let mut planes = Array3::zeros((3, to.height() as usize, to.width() as usize));
    let (region, norm) = (Region::whole(from), Normalization::RETINAFACE);
    let read = if from == to { picture.pixels.len() } else { 0 };
    let bytes = read + written(planes.shape());
    let mut writer = PlaneWriter::default();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let planes = planes.view_mut();
        writer.write(&picture.view(), region, ChannelOrder::Bgr, norm, planes).unwrap();
    });
}

/// The surroundings of one face, copied.
#[divan::bench(args = SIDES)]
fn crop(bencher: Bencher, side: u32) {
    let picture = Picture::new(size(1080), PixelLayout::Rgb);
    let face = face(700.0, 300.0, side as f32);
    let view = picture.view();
    let crop = || FaceCrop::new(&view, black_box(&face.bbox), face.points).unwrap();
    let (rect, read_and_written) = (crop().rect(), 2 * 3);
    let bytes = read_and_written * (rect.width() * rect.height()) as usize;
    bencher.counter(BytesCount::new(bytes)).bench_local(crop);
}

/// What the face of a crop looks like.
#[divan::bench(args = SIDES)]
fn quality(bencher: Bencher, side: u32) {
    let picture = Picture::new(size(1080), PixelLayout::Rgb);
    let face = face(700.0, 300.0, side as f32);
    let crop = FaceCrop::new(&picture.view(), &face.bbox, face.points).unwrap();
    let mut meter = QualityMeter::default();
    bencher
        .counter(ItemsCount::new(1usize))
        .bench_local(|| meter.measure(black_box(&crop), picture.size).unwrap());
}

/// The aligner's input for one face.
#[divan::bench(args = SIDES)]
fn landmark_crop(bencher: Bencher, side: u32) {
    let picture = Picture::new(size(1080), PixelLayout::Rgb);
    let face = face(700.0, 300.0, side as f32);
    let (mut planes, mut writer) = (Array3::zeros((3, 112, 112)), PlaneWriter::default());
    let bytes = written(planes.shape());
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let crop = LandmarkCrop::new(black_box(&face.bbox), picture.size).unwrap();
        let (order, norm) = (ChannelOrder::Rgb, Normalization::UNIT);
        writer.write(&picture.view(), crop.region(), order, norm, planes.view_mut()).unwrap();
    });
}

/// One face in the frames of a clip, moving.
fn clip(side: u32) -> Vec<FaceCrop> {
    let picture = Picture::new(size(1080), PixelLayout::Rgb);
    let crop = |frame: usize| {
        let face = face(700.0 + 2.0 * frame as f32, 300.0 + frame as f32, side as f32);
        FaceCrop::new(&picture.view(), &face.bbox, face.points).unwrap()
    };
    (0..FRAMES).map(crop).collect()
}

/// Alignment of a clip; items are pixels of the aligned pictures.
#[divan::bench(args = SIDES)]
fn warp_clip(bencher: Bencher, side: u32) {
    let crops = clip(side);
    let pixels = FRAMES * (SIDE_PX * SIDE_PX) as usize;
    let bench = bencher.counter(ItemsCount::new(pixels)).counter(BytesCount::new(3 * pixels));
    bench.bench_local(|| AlignedClip::align(black_box(&crops).iter(), SIDE_PX).unwrap());
}

/// An aligned clip to the classifier's input.
#[divan::bench]
fn write_planes_of_clip(bencher: Bencher) {
    let aligned = AlignedClip::align(clip(160).iter(), SIDE_PX).unwrap();
    let mut planes = Array4::zeros(aligned.pixels().dim());
    let bytes = aligned.pixels().len() + written(planes.shape());
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let planes = planes.view_mut();
        aligned.write_planes(ChannelOrder::Rgb, Normalization::IMAGENET_RGB, planes).unwrap();
    });
}

/// The detector's outputs to eight faces, each found by several anchors; items are anchors.
#[divan::bench(args = LINES)]
fn decode_and_suppress(bencher: Bencher, lines: u32) {
    let (frame, params) = (size(lines), DetectParams::default());
    let anchors = Anchors::new(frame).count();
    let mut classes = Array2::zeros((anchors, 2));
    let found = |face: usize| (0..6).map(move |near| face * (anchors / 9) + near);
    (0..8).flat_map(found).for_each(|anchor| classes[(anchor, 1)] = 0.9);
    let (boxes, landmarks) = (Array2::zeros((anchors, 4)), Array2::zeros((anchors, 10)));
    let (boxes, classes, landmarks) = (boxes.view(), classes.view(), landmarks.view());
    let outputs = DetectorOutputs { boxes, classes, landmarks };
    bencher
        .counter(ItemsCount::new(anchors))
        .bench_local(|| decode(black_box(&outputs), frame, frame, &params).unwrap());
}

/// The next frame of so many faces; items are faces.
#[divan::bench(args = [1, 8, 100])]
fn track(bencher: Bencher, faces: usize) {
    let mut tracker = Tracker::new(TrackParams::default());
    let faces: Vec<_> = (0..faces).map(|i| face(50.0 * i as f32, 10.0, 40.0)).collect();
    bencher.counter(ItemsCount::new(faces.len())).bench_local(|| tracker.update(black_box(&faces)));
}

/// One more frame of a track, whose clips begin at every frame or at every eighth.
#[divan::bench(args = [1, 8])]
fn window_push(bencher: Bencher, stride: usize) {
    let [frames, stride] = [FRAMES, stride].map(|n| NonZeroUsize::new(n).unwrap());
    let mut windows = Windows::new(WindowParams { frames, stride });
    let mut frame = 0;
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        frame += 1;
        let span = Span { start_ns: frame, end_ns: frame + 1 };
        windows.push(TrackId(0), Sample::new(frame, span, ()))
    });
}

/// The spectrum of half a second; items are samples.
#[divan::bench]
fn log_mel(bencher: Bencher) {
    let log_mel = LogMel::new(80, 50);
    let samples: Vec<_> = (0..8240).map(|i| (i as f32 * 0.1).sin()).collect();
    bencher
        .counter(ItemsCount::new(samples.len()))
        .bench_local(|| log_mel.spectrum(black_box(&samples)));
}

/// 20 ms of sound to the clips' rate; items are samples read.
#[divan::bench(args = [44_100, 48_000])]
fn resample(bencher: Bencher, rate_hz: u32) {
    let mut resampler = Resampler::new(rate_hz).unwrap();
    let samples: Vec<_> = (0..rate_hz / 50).map(|i| (i as f32 * 0.1).sin()).collect();
    let mut out = Vec::with_capacity(RATE_HZ as usize);
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        out.clear();
        resampler.push(black_box(&samples), &mut out);
    });
}

/// The transform of a clip; items are pairs of points.
#[divan::bench]
fn similarity_fit(bencher: Bencher) {
    let point = |i: usize| [(i * 37 % 101) as f64, (i * 53 % 97) as f64];
    let pairs: Vec<_> = (0..5 * FRAMES).map(|i| (point(i), point(i + 1))).collect();
    bencher
        .counter(ItemsCount::new(pairs.len()))
        .bench_local(|| Similarity::fit(black_box(&pairs).iter().copied()));
}

/// A 4:2:0 frame to the detector's input of the same size.
#[divan::bench(args = LINES)]
fn write_planes_yuv420(bencher: Bencher, lines: u32) {
    yuv420(bencher, lines, |writer, view, planes| {
        let (region, norm) = (Region::whole(view.size()), Normalization::RETINAFACE);
        writer.write(view, region, ChannelOrder::Bgr, norm, planes).unwrap();
    });
}

/// The same, for a detector that reads bytes.
#[divan::bench(args = LINES)]
fn write_levels_yuv420(bencher: Bencher, lines: u32) {
    yuv420(bencher, lines, |writer, view, planes| {
        let region = Region::whole(view.size());
        writer.write_u8(view, region, ChannelOrder::Bgr, planes).unwrap();
    });
}

fn yuv420<V: Clone + Default>(
    bencher: Bencher,
    lines: u32,
    write: impl Fn(&mut PlaneWriter, &FrameView<'_>, ArrayViewMut3<'_, V>),
) {
    let picture = YuvPicture::new(size(lines));
    let (width, height) = (picture.size.width() as usize, picture.size.height() as usize);
    let mut planes = Array3::<V>::default((3, height, width));
    let mut writer = PlaneWriter::default();
    let bytes = picture.bytes.len() + size_of::<V>() * planes.len();
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| write(&mut writer, &picture.view(), planes.view_mut()));
}

/// The surroundings of a face in a 4:2:0 frame.
#[divan::bench(args = SIDES)]
fn crop_yuv420(bencher: Bencher, side: u32) {
    let picture = YuvPicture::new(size(1080));
    let face = face(301.0, 201.0, side as f32);
    let bytes = 12 * (side * side) as usize;
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| FaceCrop::new(&picture.view(), &face.bbox, face.points).unwrap());
}
