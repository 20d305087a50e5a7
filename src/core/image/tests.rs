use ndarray::{Array3, s};
use proptest::prelude::*;

use super::*;

const LAYOUTS: [(PixelLayout, [usize; 3]); 6] = [
    (PixelLayout::Rgb, [0, 1, 2]),
    (PixelLayout::Bgr, [2, 1, 0]),
    (PixelLayout::Rgba, [0, 1, 2]),
    (PixelLayout::Bgra, [2, 1, 0]),
    (PixelLayout::Argb, [1, 2, 3]),
    (PixelLayout::Abgr, [3, 2, 1]),
];

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

/// A different level for each place and colour of a small picture.
fn level(x: usize, y: usize, colour: usize) -> u8 {
    (x * 7 + y * 31 + colour * 83) as u8
}

/// The picture of [`level`] in a layout, its rows padded by `padding` bytes of 255.
fn picture(layout: PixelLayout, offsets: [usize; 3], size: Size, padding: usize) -> Vec<u8> {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let bytes = layout.bytes_per_pixel();
    let mut data = vec![255; (width * bytes + padding) * height];
    for (y, row) in data.chunks_exact_mut(width * bytes + padding).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(bytes).take(width).enumerate() {
            for (colour, offset) in offsets.into_iter().enumerate() {
                pixel[offset] = level(x, y, colour);
            }
        }
    }
    data
}

fn planes_of(view: &FrameView<'_>, region: Region, width: usize, height: usize) -> Array3<f32> {
    let identity = Normalization::from_ranges([(0.0, 255.0); 3]);
    let mut planes = Array3::from_elem((3, height, width), f32::NAN);
    PlaneWriter::default()
        .write(view, region, ChannelOrder::Rgb, identity, planes.view_mut())
        .unwrap();
    planes
}

/// The published numbers, each in a place of its own.
#[test]
fn levels_are_mapped_as_published() {
    let of = |norm: Normalization, level: f32| -> [f32; 3] {
        std::array::from_fn(|c| level * norm.scale[c] + norm.offset[c])
    };
    let near = |found: [f32; 3], wanted: [f32; 3]| {
        let off = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{found:?} is not {wanted:?}");
    };
    near(of(Normalization::UNIT, 0.0), [0.0; 3]);
    near(of(Normalization::UNIT, 255.0), [1.0; 3]);
    // (0 - 0.485) / 0.229 and so on.
    near(of(Normalization::IMAGENET_RGB, 0.0), [-2.117_904, -2.035_714_4, -1.804_444_4]);
    near(of(Normalization::IMAGENET_RGB, 255.0), [2.248_908_3, 2.428_571_5, 2.64]);
    near(of(Normalization::IDENTITY, 0.0), [0.0; 3]);
    near(of(Normalization::IDENTITY, 255.0), [255.0; 3]);
    near(of(Normalization::RETINAFACE, 0.0), [-104.0, -117.0, -123.0]);
    near(of(Normalization::RETINAFACE, 255.0), [151.0, 138.0, 132.0]);
    let ranges = Normalization::IMAGENET_RGB.ranges();
    let again = Normalization::from_ranges(ranges);
    near(of(again, 100.0), of(Normalization::IMAGENET_RGB, 100.0));
    assert!((ranges[2].0 + 1.804_444_4).abs() < 1e-5 && (ranges[2].1 - 2.64).abs() < 1e-5);
}

#[test]
fn a_buffer_that_cannot_hold_the_frame_is_refused() {
    let data = [0; 100];
    let overlap = FrameView::new(&data, size(10, 3), 29, PixelLayout::Rgb).unwrap_err();
    assert_eq!(overlap, ImageError::Stride { width: 10, needed: 30, stride: 29 });
    let short = FrameView::new(&data, size(10, 4), 32, PixelLayout::Rgb).unwrap_err();
    assert_eq!(
        short.to_string(),
        "a frame of 10x4 pixels with rows 32 bytes apart takes 126 bytes, but the buffer holds 100"
    );
    assert!(FrameView::new(&data, size(10, 3), 35, PixelLayout::Rgb).is_ok(), "no last padding");
    let huge = size(u32::MAX, u32::MAX);
    assert!(FrameView::new(&data, huge, usize::MAX, PixelLayout::Rgba).is_err());
}

#[test]
fn a_crop_is_rgb_whatever_the_layout() {
    for (layout, offsets) in LAYOUTS {
        let data = picture(layout, offsets, size(9, 6), 5);
        let stride = 9 * layout.bytes_per_pixel() + 5;
        let view = FrameView::new(&data, size(9, 6), stride, layout).unwrap();
        let crop = view.crop(CropRect::from_edges(2, 1, 8, 5).unwrap()).unwrap();
        assert_eq!(crop.size(), size(6, 4));
        for (index, found) in crop.data().iter().enumerate() {
            let (x, y, colour) = (index / 3 % 6, index / 18, index % 3);
            assert_eq!(*found, level(x + 2, y + 1, colour), "{layout:?}");
        }
        let beyond = CropRect::from_edges(2, 1, 10, 5).unwrap();
        assert!(matches!(view.crop(beyond), Err(ImageError::Outside { .. })));
    }
}

#[test]
fn planes_are_split_ordered_and_normalised() {
    let norm = Normalization { scale: [1.0, 2.0, 4.0], offset: [0.0, 10.0, -5.0] };
    for (layout, offsets) in LAYOUTS {
        let data = picture(layout, offsets, size(5, 4), 3);
        let stride = 5 * layout.bytes_per_pixel() + 3;
        let view = FrameView::new(&data, size(5, 4), stride, layout).unwrap();
        for order in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let mut planes = Array3::zeros((3, 4, 5));
            let whole = Region::whole(view.size());
            PlaneWriter::default().write(&view, whole, order, norm, planes.view_mut()).unwrap();
            let mut levels = Array3::zeros((3, 4, 5));
            PlaneWriter::default().write_u8(&view, whole, order, levels.view_mut()).unwrap();
            for ((channel, y, x), found) in planes.indexed_iter() {
                let colour = order.colours()[channel];
                assert_eq!(levels[[channel, y, x]], level(x, y, colour));
                let value = f32::from(level(x, y, colour));
                assert_eq!(*found, value * norm.scale[channel] + norm.offset[channel]);
            }
        }
    }
}

#[test]
fn resizing_is_bilinear_between_pixel_centres() {
    let data = [0, 0, 0, 100, 100, 100];
    let view = FrameView::new(&data, size(2, 1), 6, PixelLayout::Rgb).unwrap();
    let wide = planes_of(&view, Region::whole(view.size()), 4, 1);
    assert_eq!(wide.slice(s![1, 0, ..]).to_vec(), [0.0, 25.0, 75.0, 100.0]);
    let narrow = planes_of(&view, Region::whole(view.size()), 1, 1);
    assert_eq!(narrow.slice(s![2, 0, ..]).to_vec(), [50.0]);
}

/// One axis of OpenCV's `resize`: the two pixels of target `n`, and their weights in 1/2048.
fn opencv_taps(length: usize, count: usize, n: usize) -> [(usize, i32); 2] {
    let place = ((n as f64 + 0.5) * (length as f64 / count as f64) - 0.5) as f32;
    let fraction = place - place.floor();
    [(0, 1.0 - fraction), (1, fraction)].map(|(next, share)| {
        let pixel = (place.floor() as i64 + next).clamp(0, length as i64 - 1);
        (pixel as usize, (share * 2048.0).round_ties_even() as i32)
    })
}

/// Level for level as OpenCV: rows in 1/2048, four bits dropped, columns in 1/2048, sixteen more
/// dropped from each half, and the last two rounded.
#[test]
fn resizing_rounds_as_opencv_does() {
    let (width, height) = (37, 23);
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    let data: Vec<u8> = (0..37 * 23 * 3).map(noise).collect();
    let view = FrameView::new(&data, size(37, 23), 37 * 3, PixelLayout::Rgb).unwrap();
    for (to_width, to_height) in [(64, 50), (20, 31), (36, 22), (9, 7)] {
        let found = planes_of(&view, Region::whole(view.size()), to_width, to_height);
        for ((colour, y, x), found) in found.indexed_iter() {
            let columns = opencv_taps(width, to_width, x);
            let across = |row: usize| -> i32 {
                let part = |(column, weight): (usize, i32)| {
                    i32::from(data[(row * width + column) * 3 + colour]) * weight
                };
                columns.into_iter().map(part).sum::<i32>() >> 4
            };
            let down = |(row, weight)| (across(row) * weight) >> 16;
            let [upper, lower] = opencv_taps(height, to_height, y).map(down);
            let wanted = (upper + lower + 2) >> 2;
            assert_eq!(*found, wanted as f32, "{to_width}x{to_height}: {colour} at ({x}, {y})");
        }
    }
}

#[test]
fn a_region_reads_black_outside_the_frame() {
    let data = [200; 2 * 2 * 3];
    let view = FrameView::new(&data, size(2, 2), 6, PixelLayout::Rgb).unwrap();
    let around = Region { x_px: -1, y_px: -1, size: size(4, 4) };
    let planes = planes_of(&view, around, 4, 4);
    for ((_, y, x), value) in planes.indexed_iter() {
        let inside = (1..3).contains(&x) && (1..3).contains(&y);
        assert_eq!(*value, if inside { 200.0 } else { 0.0 });
    }
    let beside = Region { x_px: 2, y_px: i32::MIN, size: size(7, u32::MAX) };
    assert!(planes_of(&view, beside, 3, 3).iter().all(|v| *v == 0.0));
}

#[test]
fn tensors_that_are_no_three_planes_are_refused() {
    let data = [0; 12];
    let view = FrameView::new(&data, size(2, 2), 6, PixelLayout::Rgb).unwrap();
    let (whole, order, norm) = (Region::whole(view.size()), ChannelOrder::Rgb, Normalization::UNIT);
    for shape in [(4, 2, 2), (3, 0, 2), (3, 2, 0)] {
        let mut planes = Array3::zeros(shape);
        let refused = PlaneWriter::default().write(&view, whole, order, norm, planes.view_mut());
        assert!(matches!(refused, Err(ImageError::Shape { .. })));
    }
    let mut planes = Array3::zeros((3, 2, 4));
    let refused =
        PlaneWriter::default().write(&view, whole, order, norm, planes.slice_mut(s![.., .., ..;2]));
    assert_eq!(refused, Err(ImageError::Strided { shape: vec![3, 2, 2] }));
}

proptest! {
    #[test]
    fn resizing_stays_between_the_darkest_and_the_brightest(
        (w, h, data) in (1u32..20, 1u32..20).prop_flat_map(|(w, h)| {
            let bytes = (w * h * 3) as usize;
            (Just(w), Just(h), prop::collection::vec(40u8..220, bytes))
        }),
        to_width in 1usize..30,
        to_height in 1usize..30,
    ) {
        let view = FrameView::new(&data, size(w, h), w as usize * 3, PixelLayout::Rgb).unwrap();
        let planes = planes_of(&view, Region::whole(view.size()), to_width, to_height);
        let mut levels = Array3::zeros(planes.dim());
        let whole = Region::whole(view.size());
        PlaneWriter::default().write_u8(&view, whole, ChannelOrder::Rgb, levels.view_mut()).unwrap();
        prop_assert_eq!(&levels.mapv(f32::from), &planes);
        let darkest = f32::from(*data.iter().min().unwrap());
        let brightest = f32::from(*data.iter().max().unwrap());
        // The vertical pass drops a fraction of each of its two terms.
        prop_assert!(planes.iter().all(|v| (darkest - 1.0..=brightest).contains(v)));
    }
}
