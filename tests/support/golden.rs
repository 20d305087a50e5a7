//! What the reference code printed (`golden/` of the test data), as the core's types.

use std::path::Path;

use gstm2sd::core::detect::Face;
use gstm2sd::core::geometry::{BBox, FivePoints, Point, Size};
use gstm2sd::core::image::{FrameView, PixelLayout};
use serde_json::Value;

use super::{numbers, read_json, read_png};

pub const SCENES: [&str; 3] = ["one_face", "four_faces", "short"];

/// A picture of packed 8-bit RGB without padding.
pub struct Picture {
    pub size: Size,
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Frame `index` of a scene.
    pub fn of_scene(dir: &Path, scene: &str, index: usize) -> Self {
        Self::read(&dir.join(format!("golden/{scene}/{index:03}.png")))
    }

    pub fn read(path: &Path) -> Self {
        let (width, height, rgb) = read_png(path);
        Self { size: Size::new(width, height).unwrap(), rgb }
    }

    pub fn view(&self) -> FrameView<'_> {
        let stride = self.size.width() as usize * 3;
        FrameView::new(&self.rgb, self.size, stride, PixelLayout::Rgb).unwrap()
    }
}

/// What the reference printed for one scene.
pub struct Scene {
    /// The faces of each frame.
    pub frames: Vec<Vec<Face>>,
    pub golden: Value,
}

/// One window of a scene.
pub struct Clip<'a> {
    pub track: usize,
    /// In playing order; reflection repeats frames.
    pub frames: Vec<usize>,
    /// Of m2sd_tiny, fake first.
    pub logits: [f64; 2],
    /// P(fake) of m2sd_tiny.
    pub fake: f64,
    pub golden: &'a Value,
}

impl Scene {
    pub fn read(dir: &Path, name: &str) -> Self {
        let golden = read_json(&dir.join(format!("golden/{name}.json")));
        let frames = list(&golden["frames"]).iter().map(faces).collect();
        Self { frames, golden }
    }

    /// The number of golden tracks.
    pub fn tracks(&self) -> usize {
        list(&self.golden["tracks"]).len()
    }

    /// The faces of golden track `track`, frame by frame, found again by their boxes.
    pub fn track(&self, track: usize) -> Vec<(usize, Face)> {
        let entry = |golden: &Value| {
            let frame = golden["frame"].as_u64().unwrap() as usize;
            let bbox = bbox(&golden["box"]);
            (frame, *self.frames[frame].iter().find(|f| f.bbox == bbox).unwrap())
        };
        list(&self.golden["tracks"][track]["faces"]).iter().map(entry).collect()
    }

    pub fn clips(&self) -> Vec<Clip<'_>> {
        list(&self.golden["clips"]).iter().map(Clip::of).collect()
    }
}

impl<'a> Clip<'a> {
    fn of(golden: &'a Value) -> Self {
        Self {
            track: index(&golden["track"]),
            frames: list(&golden["frames"]).iter().map(index).collect(),
            logits: numbers(&golden["logits"]),
            fake: golden["fake_probability"].as_f64().unwrap(),
            golden,
        }
    }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub fn index(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

pub fn faces(value: &Value) -> Vec<Face> {
    let face = |golden: &Value| Face {
        bbox: bbox(&golden["box"]),
        score: golden["score"].as_f64().unwrap() as f32,
        points: points(&golden["landmarks5"]),
    };
    list(value).iter().map(face).collect()
}

fn bbox(value: &Value) -> BBox {
    let [x1, y1, x2, y2] = numbers::<4>(value).map(|v| v as f32);
    BBox::new(x1, y1, x2, y2).unwrap()
}

fn points(value: &Value) -> FivePoints {
    point_list(value).try_into().unwrap()
}

/// A list of `[x, y]`.
pub fn point_list(value: &Value) -> Vec<Point> {
    let point = |value| {
        let [x, y] = numbers::<2>(value).map(|v| v as f32);
        Point { x, y }
    };
    list(value).iter().map(point).collect()
}
