//! A camera that moves over a picture: it begins on the face of a portrait, moves in, and
//! after a hard cut passes it by and moves out again.

use super::{HEIGHT_PX, WIDTH_PX};

/// A decoded picture: packed 8-bit RGB, rows without padding.
pub struct Picture {
    pub width_px: usize,
    pub height_px: usize,
    pub rgb: Vec<u8>,
}

/// What the camera sees: as much of the picture as fits, divided by `zoom`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    /// The middle, as fractions of the picture; where the view would leave the picture, it stays at
    /// its edge.
    middle: [f32; 2],
    zoom: f32,
}

/// Where portraits have their face.
const FACE: [f32; 2] = [0.44, 0.26];

/// The views at the ends of the camera's ways, with when it is there, in 0..=1 of the video. Where two
/// have one time there is a cut.
const STATIONS: [(f32, View); 7] = [
    (0.0, View { middle: [0.5, 0.34], zoom: 1.0 }),
    (0.2, View { middle: FACE, zoom: 1.0 }),
    (0.5, View { middle: FACE, zoom: 2.2 }),
    (0.5, View { middle: [0.0, 0.3], zoom: 1.6 }),
    (0.75, View { middle: [0.62, 0.2], zoom: 1.6 }),
    (0.9, View { middle: FACE, zoom: 1.0 }),
    (1.0, View { middle: FACE, zoom: 1.0 }),
];

impl View {
    fn between(self, to: Self, way: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * way;
        let middle = [0, 1].map(|axis| mix(self.middle[axis], to.middle[axis]));
        // A zoom looks even when each step enlarges by the same factor.
        Self { middle, zoom: mix(self.zoom.ln(), to.zoom.ln()).exp() }
    }

    /// Where the camera looks at this time.
    fn at(time: f32) -> Self {
        // The last that begins by now: after a cut, not before.
        let leg = STATIONS.windows(2).rev().find(|leg| leg[0].0 <= time);
        let [(start, from), (end, to)] =
            leg.and_then(|leg| leg.try_into().ok()).unwrap_or([STATIONS[0], STATIONS[0]]);
        let way = ((time - start) / (end - start).max(f32::EPSILON)).clamp(0.0, 1.0);
        // Begins and ends slowly.
        from.between(to, way * way * (3.0 - 2.0 * way))
    }

    /// The first column and row that it shows, and the step from one pixel of the video to the next, in
    /// the picture's pixels.
    fn window(self, picture: &Picture) -> ([f32; 2], f32) {
        let video = [WIDTH_PX, HEIGHT_PX].map(|px| px as f32);
        let size = [picture.width_px, picture.height_px].map(|px| px as f32);
        let step = (size[0] / video[0]).min(size[1] / video[1]) / self.zoom;
        let start = [0, 1].map(|axis| {
            let seen = video[axis] * step;
            (self.middle[axis] * size[axis] - seen / 2.0).clamp(0.0, (size[axis] - seen).max(0.0))
        });
        (start, step)
    }
}

/// A pixel and the next one, and how much of the next is in between them.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    next: usize,
    part: f32,
}

fn taps(start: f32, step: f32, count: usize, limit: usize) -> Vec<Tap> {
    let last = limit.saturating_sub(1);
    let tap = |pixel: usize| {
        let place = (start + (pixel as f32 + 0.5) * step - 0.5).clamp(0.0, last as f32);
        let first = place as usize;
        Tap { first, next: (first + 1).min(last), part: place - first as f32 }
    };
    (0..count).map(tap).collect()
}

impl Picture {
    /// One of so many frames of the video, as packed RGB; bilinear between the picture's pixels.
    pub fn frame(&self, frame: u64, frames: u64) -> Vec<u8> {
        let time = frame as f32 / frames.saturating_sub(1).max(1) as f32;
        let (start, step) = View::at(time).window(self);
        let columns = taps(start[0], step, WIDTH_PX, self.width_px);
        let rows = taps(start[1], step, HEIGHT_PX, self.height_px);
        let mut rgb = Vec::with_capacity(WIDTH_PX * HEIGHT_PX * 3);
        for row in rows {
            let [upper, lower] = [row.first, row.next].map(|y| self.row(y));
            for column in &columns {
                let [a, b, c, d] = [
                    pixel(upper, column.first),
                    pixel(upper, column.next),
                    pixel(lower, column.first),
                    pixel(lower, column.next),
                ];
                rgb.extend([0, 1, 2].map(|channel| {
                    let mix = |from: u8, to: u8, part: f32| {
                        f32::from(from) + (f32::from(to) - f32::from(from)) * part
                    };
                    let above = mix(a[channel], b[channel], column.part);
                    let below = mix(c[channel], d[channel], column.part);
                    (above + (below - above) * row.part).round() as u8
                }));
            }
        }
        rgb
    }

    fn row(&self, y: usize) -> &[[u8; 3]] {
        let row = self.rgb.get(y * self.width_px * 3..).unwrap_or_default();
        row.as_chunks().0
    }
}

fn pixel(row: &[[u8; 3]], x: usize) -> [u8; 3] {
    row.get(x).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red grows with x and green with y, by one each four pixels.
    fn slopes(width_px: usize, height_px: usize) -> Picture {
        let pixel = |i: usize| [i % width_px / 4, i / width_px / 4, 0].map(|v| v as u8);
        let rgb = (0..width_px * height_px).flat_map(pixel).collect();
        Picture { width_px, height_px, rgb }
    }

    #[test]
    fn the_camera_goes_steadily_and_cuts_once() {
        let views: Vec<_> = (0..=300).map(|frame| View::at(frame as f32 / 300.0)).collect();
        let step = |pair: &[View]| {
            let [a, b] = [pair[0].middle, pair[1].middle];
            (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
        };
        let jumps: Vec<_> =
            views.windows(2).enumerate().filter(|(_, pair)| step(pair) > 0.05).collect();
        assert_eq!(jumps.iter().map(|(frame, _)| *frame).collect::<Vec<_>>(), [149]);
        assert_eq!((views[0], views[300]), (STATIONS[0].1, STATIONS[6].1));
        assert_eq!(View::at(0.5), STATIONS[3].1);
    }

    #[test]
    fn a_frame_shows_what_the_view_holds() {
        let picture = slopes(1000, 800);
        for frame in [0, 70, 149, 150, 220, 299] {
            let view = View::at(frame as f32 / 299.0);
            let (start, step) = view.window(&picture);
            let rgb = picture.frame(frame, 300);
            assert_eq!(rgb.len(), WIDTH_PX * HEIGHT_PX * 3);
            for (x, y) in [(0, 0), (319, 200), (WIDTH_PX - 1, HEIGHT_PX - 1)] {
                let place = [x, y].map(|v| (v as f32 + 0.5) * step - 0.5);
                let [red, green] = [0, 1].map(|axis| (start[axis] + place[axis]).max(0.0) / 4.0);
                let at = (y * WIDTH_PX + x) * 3;
                let off = [f32::from(rgb[at]) - red, f32::from(rgb[at + 1]) - green];
                // Steps of one level, and rounding.
                assert!(off.iter().all(|off| off.abs() <= 1.0), "{frame}: {off:?} at {x}, {y}");
            }
        }
    }

    #[test]
    fn a_picture_of_any_size_fills_the_frame() {
        for (width_px, height_px) in [(1, 1), (3, 700), (4000, 2), (640, 360)] {
            let rgb = vec![200; width_px * height_px * 3];
            let picture = Picture { width_px, height_px, rgb };
            for frame in [0, 99, 199] {
                assert!(picture.frame(frame, 200).iter().all(|level| *level == 200));
            }
        }
    }
}
