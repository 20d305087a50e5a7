use proptest::prelude::*;

use super::*;
use crate::core::align::template_fit;
use crate::core::geometry::{BBox, FivePoints, Point};
use crate::core::image::{FrameView, PixelLayout};

const SIDE: u32 = 400;

/// A face looking at the camera, `eyes` px between the eyes, its nose in the middle of the frame.
fn points(eyes: f32) -> FivePoints {
    let places = [(-0.5, -0.6), (0.5, -0.6), (0.0, 0.0), (-0.39, 0.51), (0.39, 0.51)];
    places.map(|(x, y)| Point { x: 200.0 + x * eyes, y: 200.0 + y * eyes })
}

fn measured(levels: &[u8], points: FivePoints) -> FaceQuality {
    let pixels: Vec<u8> = levels.iter().flat_map(|level| [*level; 3]).collect();
    let size = Size::new(SIDE, SIDE).unwrap();
    let frame = FrameView::new(&pixels, size, 3 * SIDE as usize, PixelLayout::Rgb).unwrap();
    let xs = points.map(|p| p.x);
    let ys = points.map(|p| p.y);
    let min = |v: [f32; 5]| v.into_iter().fold(f32::MAX, f32::min);
    let max = |v: [f32; 5]| v.into_iter().fold(f32::MIN, f32::max);
    let (w, h) = (max(xs) - min(xs), max(ys) - min(ys));
    let bbox = BBox::new(min(xs) - w, min(ys) - h, max(xs) + w, max(ys) + h).unwrap();
    QualityMeter::default().measure(&FaceCrop::new(&frame, &bbox, points).unwrap(), size).unwrap()
}

/// Noise of squares of `grain` px, the same every time.
fn noise(grain: u32, low: u8, high: u8) -> Vec<u8> {
    let mut state = 7u32;
    let cells = SIDE.div_ceil(grain);
    let values: Vec<u8> = (0..cells * cells)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (u32::from(low) + (state >> 16) % (u32::from(high - low) + 1)) as u8
        })
        .collect();
    let place = |y: u32, x: u32| values[((y / grain) * cells + x / grain) as usize];
    (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))).map(|(y, x)| place(y, x)).collect()
}

/// The mean over squares of `2 * radius + 1` px.
fn blurred(levels: &[u8], radius: i32) -> Vec<u8> {
    let side = SIDE as i32;
    let at = |y: i32, x: i32| {
        u32::from(levels[(y.clamp(0, side - 1) * side + x.clamp(0, side - 1)) as usize])
    };
    let near = move |v: i32| v - radius..=v + radius;
    let count = (2 * radius + 1).pow(2) as u32;
    let mean = |y: i32, x: i32| {
        let sum: u32 =
            near(y).flat_map(|y| near(x).map(move |x| (y, x))).map(|(y, x)| at(y, x)).sum();
        (sum / count) as u8
    };
    (0..side).flat_map(|y| (0..side).map(move |x| (y, x))).map(|(y, x)| mean(y, x)).collect()
}

#[test]
fn a_picture_loses_sharpness_as_it_is_blurred_whatever_its_brightness_and_contrast() {
    // 72 px between the eyes are 36 in the aligned picture: its pixels are two of the frame.
    let sharp = noise(2, 0, 255);
    let values: Vec<_> = [0, 2, 4, 8]
        .map(|radius| measured(&blurred(&sharp, radius), points(72.0)).sharpness)
        .into();
    assert!(values.windows(2).all(|pair| pair[0] > pair[1] + 0.05), "{values:?}");
    let dim: Vec<u8> = sharp.iter().map(|level| 40 + level / 4).collect();
    let change = measured(&dim, points(72.0)).sharpness - values[0];
    assert!(change.abs() < 0.01, "{change}");
    assert_eq!(measured(&vec![90; sharp.len()], points(72.0)).sharpness, 0.0, "nothing to see");
}

#[test]
fn blur_is_what_the_paper_says() {
    // A step loses nothing of its sum of differences, but of its height: eight ninths.
    let step: Vec<f32> = (0..20 * 20).map(|n| if n % 20 < 10 { 0.0 } else { 90.0 }).collect();
    let found = blur::blur(&step, 20);
    assert!((f64::from(found) - 1.0 / 9.0).abs() < 1e-6, "{found}");
}

#[test]
fn size_light_and_contrast_are_those_of_the_face() {
    let quality = measured(&noise(2, 51, 204), points(60.0));
    assert!((quality.eye_distance_px - 60.0).abs() < 1e-3);
    assert!((quality.brightness - 0.5).abs() < 0.03, "{quality:?}");
    assert!((0.05..0.2).contains(&quality.contrast), "{quality:?}");
    assert_eq!(measured(&vec![0; 160_000], points(60.0)).brightness, 0.0);
    assert_eq!(measured(&vec![255; 160_000], points(60.0)).brightness, 1.0);
}

#[test]
fn the_part_that_the_frame_does_not_show_is_outside() {
    assert_eq!(measured(&noise(2, 0, 255), points(60.0)).outside, 0.0);
    // The aligned picture is 256 px wide where the eyes are 83.2 apart; its middle is 127.6 from the left.
    let at_the_edge = points(60.0).map(|p| Point { x: p.x - 200.0, ..p });
    let outside = measured(&noise(2, 0, 255), at_the_edge).outside;
    assert!((outside - 0.5).abs() < 0.02, "{outside}");
}

#[test]
fn a_turned_face_is_told_by_its_nose() {
    let pose = |shift: f32| {
        let mut turned = points(60.0);
        turned[2].x += shift * 60.0;
        measured(&noise(2, 0, 255), turned).pose_deg
    };
    let angles = [0.0, 0.2, 0.4].map(pose);
    assert!(angles[0] < 12.0, "{angles:?}");
    assert!(angles[0] < angles[1] && angles[1] < angles[2] && angles[2] > 25.0, "{angles:?}");
    // Whichever way, and however the head is tilted.
    assert!((pose(-0.2) - angles[1]).abs() < 0.5);
    let mut tilted = points(60.0);
    tilted[2].x += 12.0;
    let (sin, cos) = 0.5f32.sin_cos();
    let turn = |p: Point| {
        let (x, y) = (p.x - 200.0, p.y - 200.0);
        Point { x: 200.0 + cos * x - sin * y, y: 200.0 + sin * x + cos * y }
    };
    let found = measured(&noise(2, 0, 255), tilted.map(turn)).pose_deg;
    assert!((found - angles[1]).abs() < 0.5, "{found} {angles:?}");
}

/// The mean face, turned to a side and seen from far away.
#[test]
fn the_angle_of_the_mean_face_is_the_one_it_was_turned_by() {
    for degrees in [0.0f64, 15.0, 30.0, 60.0] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let seen = pose::MEAN_FACE.map(|[x, y, z]| Point {
            x: (200.0 + 9.0 * (cos * x + sin * z)) as f32,
            y: (200.0 + 9.0 * y) as f32,
        });
        let found = f64::from(pose::pose_deg(&seen).unwrap());
        assert!((found - degrees).abs() < 0.1, "{degrees}: {found}");
    }
    assert_eq!(pose::pose_deg(&[Point { x: 3.0, y: 4.0 }; 5]), None);
}

#[test]
fn coarse_blocks_are_seen_where_they_lie_on_the_grid() {
    let fine = noise(1, 100, 120);
    let blocks: Vec<u8> = noise(8, 60, 180).iter().zip(&fine).map(|(a, b)| a / 2 + b / 8).collect();
    let found = measured(&blocks, points(60.0)).blockiness;
    assert!(found > 0.5, "{found}");
    // Bigger pictures that were compressed when they were smaller have them elsewhere.
    let other = measured(&noise(5, 60, 180), points(60.0)).blockiness;
    assert!(other < 0.1, "{other}");
    assert!(measured(&fine, points(60.0)).blockiness < 0.1);
}

#[test]
fn the_median_of_a_clip_is_that_of_each_number() {
    let quality = |eyes: f32, sharpness: f32| FaceQuality {
        eye_distance_px: eyes,
        sharpness,
        brightness: 0.5,
        contrast: 0.2,
        pose_deg: 3.0,
        outside: 0.0,
        blockiness: 0.0,
    };
    let all = [quality(10.0, 0.9), quality(30.0, 0.1), quality(20.0, 0.5)];
    assert_eq!(FaceQuality::median(all.iter()), Some(quality(20.0, 0.5)));
    assert_eq!(FaceQuality::median([].iter()), None);
}

/// The grey level at a place of a picture, between the centres of the pixels around; `None` outside of them.
fn bilinear(pixels: &[[u8; 3]], width: usize, height: usize, [x, y]: [f64; 2]) -> Option<f64> {
    let inside = |v: f64, side: usize| v >= 0.0 && v <= (side - 1) as f64;
    if !inside(x, width) || !inside(y, height) {
        return None;
    }
    let weight = |v: f64, place: usize| (1.0 - (v - place as f64).abs()).max(0.0);
    let around = |v: f64, side: usize| v as usize..side.min(v as usize + 2);
    let mut sum = 0.0;
    for row in around(y, height) {
        for column in around(x, width) {
            let level = f64::from(grey::luma(pixels[row * width + column]));
            sum += level * weight(y, row) * weight(x, column);
        }
    }
    Some(sum)
}

proptest! {
    /// Wherever the face lies, also across the rims of its frame.
    #[test]
    fn a_face_is_looked_at_where_it_is(
        left in -60.0f32..120.0,
        top in -60.0f32..80.0,
        side in 12.0f32..200.0,
        turn in -0.6f32..0.6,
    ) {
        let (width, height) = (160, 120);
        let bytes = (0..width * height * 3).map(|n| (n * 37 % 253) as u8).collect::<Vec<u8>>();
        let size = Size::new(width, height).unwrap();
        let view = FrameView::new(&bytes, size, 3 * width as usize, PixelLayout::Rgb).unwrap();
        let places = [(0.3, 0.3), (0.7, 0.3), (0.5, 0.55), (0.35, 0.8), (0.65, 0.8)];
        let points = places.map(|(x, y)| Point {
            x: left + side * (x + turn * (y - 0.5)),
            y: top + side * (y - turn * (x - 0.5)),
        });
        let bbox = BBox::new(left, top, left + side, top + side).unwrap();
        let Some(crop) = FaceCrop::new(&view, &bbox, points) else { return Ok(()) };
        let mut face = GreyFace::default();
        let Some(()) = face.look_at(&crop, size) else { return Ok(()) };
        let (held, image) = crop.held();
        let to_frame = template_fit(&points, SIDE_PX as f64).unwrap();
        let (pixels, _) = image.data().as_chunks::<3>();
        let mut outside = 0;
        for (n, found) in face.pixels().iter().enumerate() {
            let [x, y] = to_frame.apply([(n % SIDE_PX) as f64, (n / SIDE_PX) as f64]);
            let is_in = (0.0..f64::from(width)).contains(&x) && (0.0..f64::from(height)).contains(&y);
            outside += u32::from(!is_in);
            let place = [x - f64::from(held.x()), y - f64::from(held.y())];
            let (columns, rows) = (held.width() as usize, held.height() as usize);
            let expected = bilinear(pixels, columns, rows, place);
            // At the very rim rounding decides.
            let at_rim = |v: f64, side: usize| v.abs().min((v - (side - 1) as f64).abs()) < 1e-3;
            if !at_rim(place[0], columns) && !at_rim(place[1], rows) {
                let expected = expected.unwrap_or(0.0);
                prop_assert!((f64::from(*found) - expected).abs() < 0.05, "{n}: {found}, {expected}");
            }
        }
        let found = face.outside() * (SIDE_PX * SIDE_PX) as f32;
        prop_assert!((found - outside as f32).abs() < 3.0, "{found}, {outside}");
    }
}
