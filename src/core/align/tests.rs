use ndarray::{Array4, s};
use proptest::prelude::*;

use super::*;
use crate::core::geometry::Point;
use crate::core::image::{BytePlane, Chroma, PixelLayout, YuvColour, YuvMatrix};
use crate::core::modelinfo::Template;

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

fn bbox(x1: f32, y1: f32, x2: f32, y2: f32) -> BBox {
    BBox::new(x1, y1, x2, y2).unwrap()
}

/// In a picture of 256 px.
const M2SD_256: [[f64; 2]; 5] = [
    [85.82991, 85.7792],
    [169.0532, 84.3381],
    [127.574, 137.0006],
    [90.6964, 174.7014],
    [167.3069, 173.3733],
];

/// The template, `scale` times as large, moved by `shift` px.
fn template_points(scale: f64, shift: [f64; 2]) -> FivePoints {
    M2SD_256
        .map(|[x, y]| Point { x: (x * scale + shift[0]) as f32, y: (y * scale + shift[1]) as f32 })
}

/// A picture whose red grows to the right, whose green grows downwards.
fn gradient(width: u32, height: u32) -> Vec<u8> {
    (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 200])).collect()
}

fn crop_of(data: &[u8], frame: Size, bbox: &BBox, points: FivePoints) -> Option<FaceCrop> {
    let stride = frame.width() as usize * 3;
    let view = FrameView::new(data, frame, stride, PixelLayout::Rgb).unwrap();
    FaceCrop::new(&view, bbox, points)
}

#[test]
fn the_crop_is_rounded_half_to_even_grown_and_clipped() {
    // Rounded 10..15 × 20..30, grown by 2.5 and 5: 7.5 and 17.5 round to even.
    let rect = crop_rect(&bbox(10.5, 20.5, 14.6, 30.4), size(100, 100), CROP_SCALE);
    assert_eq!(rect, CropRect::from_edges(8, 15, 18, 35));
    let clipped = crop_rect(&bbox(-20.0, 60.0, 20.0, 95.0), size(100, 90), CROP_SCALE);
    assert_eq!(clipped, CropRect::from_edges(0, 42, 40, 89));
    assert_eq!(crop_rect(&bbox(300.0, 0.0, 320.0, 20.0), size(100, 100), CROP_SCALE), None);
    assert_eq!(crop_rect(&bbox(0.0, 0.0, 20.0, 20.0), size(1, 100), CROP_SCALE), None);
}

/// On every side, whichever way the box is turned: 0.5 of its size, neither 0.45 nor 0.55.
#[test]
fn the_crop_is_twice_as_large_as_the_box() {
    let rect = crop_rect(&bbox(300.0, 400.0, 500.0, 700.0), size(1000, 1000), CROP_SCALE);
    assert_eq!(rect, CropRect::from_edges(200, 250, 600, 850));
    let whole = crop_rect(&bbox(-50.0, -50.0, 1050.0, 1050.0), size(1000, 1000), CROP_SCALE);
    assert_eq!(whole, CropRect::from_edges(0, 0, 999, 999), "the last row and column are left out");
}

/// The numbers of docs/method.md: a face that has its points there is not moved.
#[test]
fn the_template_is_the_published_one() {
    let published = M2SD_256;
    let points = published.map(|[x, y]| Point { x: x as f32 + 64.0, y: y as f32 + 64.0 });
    let data = vec![9; 400 * 400 * 3];
    let crop = crop_of(&data, size(400, 400), &bbox(128.0, 128.0, 256.0, 256.0), points).unwrap();
    let clip = AlignedClip::align([&crop].into_iter(), 256).unwrap();
    assert_eq!(Some(clip.union()), CropRect::from_edges(64, 64, 320, 320));
    for (found, wanted) in
        clip.transform().matrix().as_flattened().iter().zip([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    {
        assert!((found - wanted).abs() < 1e-4, "{:?}", clip.transform());
    }
    let moved: Vec<_> = points
        .iter()
        .zip(published)
        .map(|(p, [x, y])| {
            let [u, v] = clip.transform().apply([f64::from(p.x) - 64.0, f64::from(p.y) - 64.0]);
            (u - x).abs().max((v - y).abs())
        })
        .collect();
    assert!(moved.iter().all(|px| *px < 1e-3), "{moved:?}");
    // Half the side, half the scale.
    let half = AlignedClip::align([&crop].into_iter(), 128).unwrap();
    assert!((half.transform().scale() - 0.5).abs() < 1e-6);
}

/// The fit leads from the template to the faces and is inverted; the other way round, a face whose
/// points do not match the template would come out smaller.
#[test]
fn what_does_not_match_the_template_does_not_shrink_the_picture() {
    let mut points = template_points(0.25, [60.0, 50.0]);
    points[2].y += 20.0;
    let frame = size(200, 200);
    let crop =
        crop_of(&gradient(200, 200), frame, &bbox(60.0, 50.0, 124.0, 114.0), points).unwrap();
    let clip = AlignedClip::align([&crop].into_iter(), 64).unwrap();
    let seen = points.map(|p| [f64::from(p.x) - 28.0, f64::from(p.y) - 18.0]);
    let pairs = M2SD_256.map(|place| place.map(|v| v / 4.0)).into_iter().zip(seen);
    let wanted = Similarity::fit(pairs.clone()).unwrap().inverse().unwrap();
    let other = Similarity::fit(pairs.map(|(place, seen)| (seen, place))).unwrap();
    assert!((clip.transform().scale() - wanted.scale()).abs() < 1e-9);
    assert!(other.scale() < 0.9 * wanted.scale(), "the test tells the two apart");
}

#[test]
fn the_limits_of_alignment_are_where_they_are_said_to_be() {
    let frame = size(100, 100);
    let data = gradient(100, 100);
    let with = |scale| {
        let points = template_points(scale, [40.0, 40.0]);
        crop_of(&data, frame, &bbox(20.0, 20.0, 60.0, 60.0), points).unwrap()
    };
    let align = |crop: &FaceCrop, side| AlignedClip::align([crop].into_iter(), side).err();
    assert_eq!(align(&with(0.2), 2048), None);
    assert_eq!(align(&with(0.2), 2049), Some(AlignError::Side { found: 2049 }));
    assert_eq!(align(&with(0.2), 1), None);
    // For 256 px the scale of the fit is that of the points.
    assert_eq!(align(&with(0.00101), 256), None);
    assert_eq!(align(&with(0.00099), 256), Some(AlignError::Points));
}

#[test]
fn points_on_the_template_leave_the_picture_as_it_is() {
    let frame = size(200, 200);
    let data = gradient(200, 200);
    let (scale, shift) = (64.0 / 256.0, [60.0, 50.0]);
    let crop =
        crop_of(&data, frame, &bbox(60.0, 50.0, 124.0, 114.0), template_points(scale, shift));
    let crop = crop.unwrap();
    let clip = AlignedClip::align(std::iter::repeat_n(&crop, 3), 64).unwrap();
    assert_eq!(clip.pixels().dim(), (3, 3, 64, 64));
    assert_eq!((clip.union().x(), clip.union().y()), (28, 18));
    for ((channel, _, y, x), level) in clip.pixels().indexed_iter() {
        let wanted = [60 + x, 50 + y, 200][channel];
        assert_eq!(usize::from(*level), wanted, "channel {channel} at ({x}, {y})");
    }
}

#[test]
fn frames_of_a_moving_face_share_one_transform_and_are_black_where_not_covered() {
    let frame = size(300, 100);
    let data = gradient(300, 100);
    let at = |x: f32| {
        let points = template_points(40.0 / 256.0, [f64::from(x), 30.0]);
        crop_of(&data, frame, &bbox(x, 30.0, x + 40.0, 70.0), points).unwrap()
    };
    let crops = [at(40.0), at(200.0)];
    let clip = AlignedClip::align(crops.iter(), 32).unwrap();
    assert_eq!(Some(clip.union()), CropRect::from_edges(20, 10, 260, 90));
    let blue = clip.pixels();
    let blue = blue.slice(s![2, .., .., ..]);
    let lit = |t: usize| blue.slice(s![t, .., ..]).iter().filter(|v| **v > 0).count();
    assert!(lit(0) < 32 * 32 && lit(1) < 32 * 32, "each is off the centre that they share");
}

#[test]
fn clips_that_cannot_be_aligned_say_why() {
    let frame = size(100, 100);
    let data = gradient(100, 100);
    let with = |points| crop_of(&data, frame, &bbox(20.0, 20.0, 60.0, 60.0), points).unwrap();
    let good = with(template_points(0.2, [20.0, 20.0]));
    let align = |crop: &FaceCrop, side| AlignedClip::align([crop].into_iter(), side).err();
    assert_eq!(AlignedClip::align([].into_iter(), 64).err(), Some(AlignError::NoFrames));
    assert_eq!(align(&good, 0), Some(AlignError::Side { found: 0 }));
    assert_eq!(align(&good, 1 << 20), Some(AlignError::Side { found: 1 << 20 }));
    let places = [Point { x: 3.0, y: 4.0 }; 5];
    for bad in [places, [Point { x: f32::NAN, y: 1.0 }; 5]] {
        assert_eq!(align(&with(bad), 64), Some(AlignError::Points));
    }
}

#[test]
fn planes_are_ordered_normalised_and_checked() {
    let frame = size(100, 100);
    let crop = crop_of(
        &gradient(100, 100),
        frame,
        &bbox(20.0, 20.0, 60.0, 60.0),
        template_points(0.2, [20.0, 20.0]),
    );
    let clip = AlignedClip::align([&crop.unwrap()].into_iter(), 16).unwrap();
    let norm = Normalization { scale: [1.0, 2.0, 4.0], offset: [0.0, 10.0, -5.0] };
    let mut planes = Array4::zeros((3, 1, 16, 16));
    clip.write_planes(ChannelOrder::Bgr, norm, planes.view_mut()).unwrap();
    for ((channel, t, y, x), value) in planes.indexed_iter() {
        let level = f32::from(clip.pixels()[[2 - channel, t, y, x]]);
        assert_eq!(*value, level * norm.scale[channel] + norm.offset[channel]);
    }
    let mut wrong = Array4::zeros((3, 2, 16, 16));
    let error = clip.write_planes(ChannelOrder::Rgb, norm, wrong.view_mut()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tensor has the shape [3, 2, 16, 16]; expected [3, 1, 16, 16]"
    );
    let (rgb, pixels) = (clip.clone().into_u8(ChannelOrder::Rgb), clip.pixels().to_owned());
    assert_eq!(rgb, pixels);
    let bgr = clip.into_u8(ChannelOrder::Bgr);
    assert!(bgr.indexed_iter().all(|((c, t, y, x), level)| *level == pixels[[2 - c, t, y, x]]));
}

proptest! {
    #[test]
    fn crops_stay_inside_frames_of_any_size(
        place in [-60f32..120.0, -60f32..120.0],
        sides in [0.1f32..90.0, 0.1f32..90.0],
        frame in [1u32..70, 1u32..70],
    ) {
        let bbox = bbox(place[0], place[1], place[0] + sides[0], place[1] + sides[1]);
        let frame = size(frame[0], frame[1]);
        if let Some(rect) = crop_rect(&bbox, frame, CROP_SCALE) {
            prop_assert!(rect.right() < frame.width() && rect.bottom() < frame.height());
        }
    }

    #[test]
    fn any_points_on_a_tiny_frame_are_survived(
        points in prop::array::uniform10(prop::num::f32::ANY),
    ) {
        let frame = size(2, 2);
        let crop = crop_of(&gradient(2, 2), frame, &bbox(0.0, 0.0, 2.0, 2.0), {
            let [a, b, c, d, e] = [0, 2, 4, 6, 8].map(|n| Point { x: points[n], y: points[n + 1] });
            [a, b, c, d, e]
        });
        let clip = AlignedClip::align([&crop.unwrap()].into_iter(), 8);
        prop_assert!(matches!(clip, Ok(_) | Err(AlignError::Points)));
    }
}

/// Faces at odd and even places, at the frame's edges and inside: what is copied of a 4:2:0 frame
/// beside the crop does not show.
#[test]
fn a_crop_of_420_aligns_as_that_of_the_same_frame_in_rgb() {
    let frame = size(121, 97);
    let noise = |n: u32, low: u32| ((low + n).wrapping_mul(2_654_435_761) >> 24) as u8;
    let luma: Vec<u8> = (0..121 * 97).map(|n| noise(n, 7)).collect();
    let chroma: Vec<u8> = (0..2 * 61 * 49).map(|n| noise(n, 99)).collect();
    let plane = |data, stride_bytes| BytePlane { data, stride_bytes };
    let (u, v) = chroma.split_at(61 * 49);
    let view = FrameView::yuv420(
        plane(&luma, 121),
        Chroma::Planar { u: plane(u, 61), v: plane(v, 61) },
        frame,
        YuvColour { matrix: YuvMatrix::Bt601, full_range: false },
    );
    let view = view.unwrap();
    let rgb = view.crop(CropRect::from_edges(0, 0, 121, 97).unwrap()).unwrap();
    for (x, y) in
        [(40.0, 30.0), (41.0, 30.0), (40.0, 31.0), (41.0, 31.0), (-9.0, -5.0), (90.0, 70.0)]
    {
        let (bbox, points) =
            (bbox(x, y, x + 30.0, y + 32.0), template_points(0.125, [x.into(), y.into()]));
        let crops = [&view, &rgb.view()].map(|view| FaceCrop::new(view, &bbox, points).unwrap());
        assert_eq!(crops[0].rect(), crops[1].rect());
        let aligned =
            crops.each_ref().map(|crop| AlignedClip::align([crop].into_iter(), 40).unwrap());
        assert!(aligned[0].pixels() == aligned[1].pixels(), "at ({x}, {y})");
        // Black where the crop ends, and not black everywhere.
        assert!(aligned[0].pixels().iter().any(|level| *level > 0));
    }
}

/// Against the definition, in floating point: a picture of noise, turned, scaled and shifted.
///
/// Levels may differ by what the rounding of places to 1/2048 px costs, and not more on one side
/// than on the other: on average a pixel comes from where it should, to a ten-thousandth of a px.
#[test]
fn pixels_come_from_where_the_transform_says() {
    let frame = size(180, 170);
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    let data: Vec<u8> = (0..180 * 170 * 3).map(noise).collect();
    let turned = M2SD_256.map(|[x, y]| Point {
        x: (0.31 * x - 0.11 * y + 60.3) as f32,
        y: (0.11 * x + 0.31 * y + 30.7) as f32,
    });
    let crop = crop_of(&data, frame, &bbox(70.0, 60.0, 115.0, 110.0), turned).unwrap();
    assert_eq!(*crop.points(), turned);
    let rect = crop.rect();
    let clip = AlignedClip::align([&crop].into_iter(), 200).unwrap();
    let to_frame = clip.transform().inverse().unwrap();

    // A column or a row beyond the crop is black.
    let level = |x: i64, y: i64, colour: usize| {
        let inside =
            (0..i64::from(rect.width())).contains(&x) && (0..i64::from(rect.height())).contains(&y);
        let place = (y + i64::from(rect.y())) * 180 + x + i64::from(rect.x());
        if inside { f64::from(data[place as usize * 3 + colour]) } else { 0.0 }
    };
    let (mut moved, mut slopes, mut lit) = ([0.0; 2], [0.0; 2], 0);
    for ((colour, _, y, x), found) in clip.pixels().indexed_iter() {
        let [u, v] = to_frame.apply([x as f64, y as f64]);
        let (left, top) = (u.floor() as i64, v.floor() as i64);
        let (fx, fy) = (u - u.floor(), v - v.floor());
        let corner = |dx, dy| level(left + dx, top + dy, colour);
        let row = |dy| corner(0, dy) + (corner(1, dy) - corner(0, dy)) * fx;
        let wanted = row(0) + (row(1) - row(0)) * fy;
        let off = f64::from(*found) - wanted;
        assert!(off.abs() < 0.65, "colour {colour} at ({x}, {y}): {found}, not {wanted}");
        let along = (corner(1, 0) - corner(0, 0)) * (1.0 - fy) + (corner(1, 1) - corner(0, 1)) * fy;
        for (axis, slope) in [along, row(1) - row(0)].into_iter().enumerate() {
            moved[axis] += off * slope;
            slopes[axis] += slope * slope;
        }
        lit += usize::from(*found > 0);
    }
    assert!((60_000..118_000).contains(&lit), "{lit} of 120000: inside and outside are both there");
    for axis in 0..2 {
        assert!((moved[axis] / slopes[axis]).abs() < 1e-4, "{} px", moved[axis] / slopes[axis]);
    }
}

/// Crops of two frames: the face lies on `template` in both, upright and a quarter as large in the
/// first, moved, turned by a quarter and half as large in the second.
fn two_faces(template: Template) -> [FaceCrop; 2] {
    let frame = size(400, 300);
    let data = gradient(400, 300);
    let at = |turned: bool| {
        let points = template.0.map(|[x, y]| match turned {
            false => [100.0 + 64.0 * x, 80.0 + 64.0 * y],
            true => [250.0 - 128.0 * (y - 0.5), 150.0 + 128.0 * (x - 0.5)],
        });
        let bbox =
            if turned { bbox(200.0, 100.0, 300.0, 200.0) } else { bbox(100.0, 80.0, 164.0, 144.0) };
        let points = points.map(|[x, y]| Point { x: x as f32, y: y as f32 });
        let stride = 400 * 3;
        let view = FrameView::new(&data, frame, stride, PixelLayout::Rgb).unwrap();
        FaceCrop::scaled(&view, &bbox, points, 3.5).unwrap()
    };
    [at(false), at(true)]
}

#[test]
fn each_frame_is_aligned_by_its_own_points_where_the_classifier_wants_it_so() {
    for template in [Template::GEND, Template::M2SD] {
        let crops = two_faces(template);
        let align = |align| {
            let alignment = Alignment { template, align, crop_scale: 3.5, side_px: 64 };
            AlignedClip::align_in(Vec::new(), &mut Warp::default(), crops.iter(), &alignment)
                .unwrap()
        };
        let (alone, together) = (align(Align::Frame), align(Align::Clip));
        let pixel = |clip: &AlignedClip, frame: usize, x: usize, y: usize| {
            let pixels = clip.pixels();
            [pixels[[0, frame, y, x]], pixels[[1, frame, y, x]]]
        };
        for (x, y) in [(0, 0), (63, 0), (20, 41), (63, 63)] {
            // The first frame at its own scale, the second turned and at two px for one.
            assert_eq!(pixel(&alone, 0, x, y), [100 + x as u8, 80 + y as u8], "{template:?}");
            let turned = [250 - 2 * (y as i32 - 32), 150 + 2 * (x as i32 - 32)].map(|v| v as u8);
            let found = pixel(&alone, 1, x, y);
            assert!(
                found.iter().zip(turned).all(|(a, b)| a.abs_diff(b) <= 1),
                "{found:?} {turned:?}"
            );
        }
        assert_ne!(pixel(&together, 0, 20, 41), pixel(&alone, 0, 20, 41), "one transform for both");
    }
}

/// Points that do not match the template: the square of a single picture is fitted in its own px,
/// as programs that align single pictures do.
#[test]
fn a_single_frame_is_fitted_from_its_points() {
    let mut points = template_points(0.25, [60.0, 50.0]);
    points[2].y += 20.0;
    let crop =
        crop_of(&gradient(200, 200), size(200, 200), &bbox(60.0, 50.0, 124.0, 114.0), points);
    let crop = crop.unwrap();
    let fit = |align| {
        let alignment = Alignment { align, ..Alignment::published(64) };
        let crops = std::iter::once(&crop);
        *AlignedClip::align_in(Vec::new(), &mut Warp::default(), crops, &alignment)
            .unwrap()
            .transform()
    };
    let seen = points.map(|p| [f64::from(p.x) - 28.0, f64::from(p.y) - 18.0]);
    let pairs = seen.into_iter().zip(M2SD_256.map(|place| place.map(|v| v / 4.0)));
    let wanted = Similarity::fit(pairs).unwrap();
    assert!((fit(Align::Frame).scale() - wanted.scale()).abs() < 1e-9);
    assert!(fit(Align::Frame).scale() < 0.9 * fit(Align::Clip).scale());
}

#[test]
fn the_crop_has_the_scale_that_the_classifier_says_and_all_else_is_black() {
    let box_ = bbox(400.0, 400.0, 500.0, 500.0);
    assert_eq!(crop_rect(&box_, size(1000, 1000), 1.0), CropRect::from_edges(400, 400, 500, 500));
    assert_eq!(crop_rect(&box_, size(1000, 1000), 3.5), CropRect::from_edges(275, 275, 625, 625));
    // GenD's square reaches four eye distances: the published crop does not cover it here.
    let template = Template::GEND;
    let points = template
        .0
        .map(|[x, y]| Point { x: (350.0 + 200.0 * x) as f32, y: (340.0 + 200.0 * y) as f32 });
    let data = vec![90; 1000 * 1000 * 3];
    let view = FrameView::new(&data, size(1000, 1000), 3000, PixelLayout::Rgb).unwrap();
    let black = |scale| {
        let crop =
            FaceCrop::scaled(&view, &bbox(410.0, 410.0, 490.0, 520.0), points, scale).unwrap();
        let alignment =
            Alignment { template, align: Align::Frame, crop_scale: scale, side_px: 100 };
        let clip = AlignedClip::align_in(
            Vec::new(),
            &mut Warp::default(),
            std::iter::once(&crop),
            &alignment,
        );
        clip.unwrap().pixels().iter().filter(|level| **level == 0).count()
    };
    assert!(black(CROP_SCALE) > 500, "{}", black(CROP_SCALE));
    assert_eq!(black(Alignment::crop_scale(&template)), 0);
    assert_eq!(Alignment::crop_scale(&Template::M2SD), CROP_SCALE);
}

/// One copy serves classifiers that cut out more and less: what is aligned is as if it had been cut out
/// for each.
#[test]
fn a_smaller_crop_is_part_of_a_larger_one() {
    let frame = size(400, 300);
    let mut data = gradient(400, 300);
    // Nothing is black.
    data.iter_mut().for_each(|level| *level |= 1);
    let view = FrameView::new(&data, frame, 1200, PixelLayout::Rgb).unwrap();
    for corner in [[150.0, 100.0], [5.0, 8.0], [350.0, 240.0]] {
        let [x, y] = corner;
        let face = bbox(x, y, x + 43.0, y + 51.0);
        let points = Template::GEND
            .0
            .map(|[u, v]| Point { x: x - 20.0 + 90.0 * u as f32, y: y - 20.0 + 90.0 * v as f32 });
        let large = FaceCrop::scaled(&view, &face, points, 3.5).unwrap();
        let small = FaceCrop::new(&view, &face, points).unwrap();
        let align = |crop: &FaceCrop, align: Align| {
            let alignment =
                Alignment { template: Template::GEND, align, ..Alignment::published(96) };
            let crops = [crop, crop].into_iter();
            AlignedClip::align_in(Vec::new(), &mut Warp::default(), crops, &alignment).unwrap()
        };
        for kind in [Align::Clip, Align::Frame] {
            let (of_large, of_small) = (align(&large, kind), align(&small, kind));
            assert_eq!(of_large.union(), of_small.union());
            assert_eq!(of_large.pixels(), of_small.pixels(), "{corner:?} {kind:?}");
        }
        assert!(align(&small, Align::Clip).pixels().iter().any(|level| *level == 0));
    }
}
