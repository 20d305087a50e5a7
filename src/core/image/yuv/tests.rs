use ndarray::Array3;
use proptest::prelude::*;

use super::*;
use crate::core::geometry::CropRect;
use crate::core::image::{ChannelOrder, FrameView, Normalization, PlaneWriter, Region, RgbImage};

const COLOURS: [YuvColour; 3] = [
    YuvColour { matrix: YuvMatrix::Bt601, full_range: false },
    YuvColour { matrix: YuvMatrix::Bt709, full_range: false },
    YuvColour { matrix: YuvMatrix::Bt2020, full_range: true },
];

/// Luma and chroma of a small picture: any levels will do.
struct Picture {
    size: Size,
    luma: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    /// More bytes a row than needed.
    padding: usize,
}

impl Picture {
    fn new(width: u32, height: u32, padding: usize) -> Self {
        let size = Size::new(width, height).unwrap();
        let bytes = |width: u32, height: u32, salt: usize| {
            let count = (width as usize + padding) * height as usize;
            (0..count).map(|n| 16 + (n * salt + n / 7 * 31) as u8 % 220).collect()
        };
        let (w, h) = (width.div_ceil(2), height.div_ceil(2));
        Self {
            size,
            luma: bytes(width, height, 5),
            u: bytes(w, h, 11),
            v: bytes(w, h, 17),
            padding,
        }
    }

    fn plane<'a>(&self, data: &'a [u8], width: u32) -> BytePlane<'a> {
        // The last row without its padding, as buffers may end.
        let data = &data[..data.len() - self.padding];
        BytePlane { data, stride_bytes: width as usize + self.padding }
    }

    fn chroma_width(&self) -> u32 {
        self.size.width().div_ceil(2)
    }

    fn planar(&self, colour: YuvColour) -> FrameView<'_> {
        let [u, v] = [&self.u, &self.v].map(|data| self.plane(data, self.chroma_width()));
        let luma = self.plane(&self.luma, self.size.width());
        FrameView::yuv420(luma, Chroma::Planar { u, v }, self.size, colour).unwrap()
    }

    /// `first` and `second` chroma, interleaved.
    fn woven(&self, first: &[u8], second: &[u8]) -> Vec<u8> {
        first.iter().zip(second).flat_map(|(a, b)| [*a, *b]).collect()
    }

    fn interleaved<'a>(&'a self, woven: &'a [u8], u_first: bool) -> FrameView<'a> {
        let stride_bytes = 2 * (self.chroma_width() as usize + self.padding);
        let plane = BytePlane { data: woven, stride_bytes };
        let luma = self.plane(&self.luma, self.size.width());
        let chroma =
            if u_first { Chroma::InterleavedUv(plane) } else { Chroma::InterleavedVu(plane) };
        FrameView::yuv420(luma, chroma, self.size, COLOURS[0]).unwrap()
    }

    /// The colour of a pixel by the formulas of BT.601, BT.709 and BT.2020.
    fn rgb(&self, x: usize, y: usize, colour: YuvColour) -> [f64; 3] {
        let at = |data: &[u8], x: usize, y: usize, width: u32| {
            f64::from(data[y * (width as usize + self.padding) + x])
        };
        let luma = at(&self.luma, x, y, self.size.width());
        let [u, v] = [&self.u, &self.v].map(|c| at(c, x / 2, y / 2, self.chroma_width()) - 128.0);
        let (kr, kb) = match colour.matrix {
            YuvMatrix::Bt601 => (0.299, 0.114),
            YuvMatrix::Bt709 => (0.2126, 0.0722),
            _ => (0.2627, 0.0593),
        };
        let (luma, u, v) = match colour.full_range {
            true => (luma, u, v),
            false => ((luma - 16.0) * 255.0 / 219.0, u * 255.0 / 224.0, v * 255.0 / 224.0),
        };
        let (r, b) = (luma + 2.0 * (1.0 - kr) * v, luma + 2.0 * (1.0 - kb) * u);
        [r, (luma - kr * r - kb * b) / (1.0 - kr - kb), b].map(|level| level.clamp(0.0, 255.0))
    }
}

fn whole(view: &FrameView<'_>) -> RgbImage {
    let size = view.size();
    view.crop(CropRect::from_edges(0, 0, size.width(), size.height()).unwrap()).unwrap()
}

#[test]
fn colours_are_those_of_the_standards() {
    for (width, height) in [(64, 6), (37, 5), (2, 2), (1, 1)] {
        let picture = Picture::new(width, height, 3);
        for colour in COLOURS {
            let rgb = whole(&picture.planar(colour));
            for (index, pixel) in rgb.data().as_chunks::<3>().0.iter().enumerate() {
                let (x, y) = (index % width as usize, index / width as usize);
                for (found, expected) in pixel.iter().zip(picture.rgb(x, y, colour)) {
                    let off = (f64::from(*found) - expected).abs();
                    assert!(off <= 1.5, "{colour:?} ({x}, {y}): {pixel:?}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn interleaved_chroma_gives_the_same_picture() {
    for (width, height) in [(64, 6), (37, 5), (1, 3)] {
        let picture = Picture::new(width, height, 2);
        let expected = whole(&picture.planar(COLOURS[0]));
        for u_first in [true, false] {
            let (first, second) =
                if u_first { (&picture.u, &picture.v) } else { (&picture.v, &picture.u) };
            let woven = picture.woven(first, second);
            let found = whole(&picture.interleaved(&woven, u_first));
            let off = found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off <= Some(1), "{width}x{height}, U first {u_first}: {off:?}");
        }
    }
}

#[test]
fn planes_that_cannot_hold_the_frame_are_refused() {
    let size = Size::new(5, 5).unwrap();
    let (luma, chroma) = ([0; 25], [0; 9]);
    let view = |luma_bytes: usize, u_bytes: usize, stride_bytes: usize| {
        let plane = |data, stride_bytes| BytePlane { data, stride_bytes };
        let (u, v) = (plane(&chroma[..u_bytes], stride_bytes), plane(&chroma[..], 3));
        let luma = plane(&luma[..luma_bytes], 5);
        FrameView::yuv420(luma, Chroma::Planar { u, v }, size, COLOURS[0]).map(|_| ())
    };
    assert_eq!(view(25, 9, 3), Ok(()));
    let short = |needed, found, stride| Err(ImageError::TooShort { size, stride, needed, found });
    assert_eq!(view(24, 9, 3), short(25, 24, 5));
    assert_eq!(view(25, 8, 3), short(9, 8, 3));
    assert_eq!(view(25, 9, 2), Err(ImageError::Stride { width: 3, needed: 3, stride: 2 }));
    let plane = |data, stride_bytes| BytePlane { data, stride_bytes };
    let chroma = Chroma::InterleavedUv(plane(&luma[..], 5));
    let narrow = FrameView::yuv420(plane(&luma[..], 5), chroma, size, COLOURS[0]).map(|_| ());
    assert_eq!(narrow, Err(ImageError::Stride { width: 6, needed: 6, stride: 5 }));
}

proptest! {
    /// Wherever a crop begins, and whatever is resized, it is what the whole picture would give.
    #[test]
    fn parts_are_parts_of_the_whole(
        (width, height) in (1u32..40, 1u32..24),
        edges in prop::array::uniform4(0u32..40),
        place in prop::array::uniform2(-10i32..30),
        to in prop::array::uniform2(1usize..30),
        interleaved: bool,
        padding in 0usize..3,
    ) {
        let picture = Picture::new(width, height, padding);
        let woven = picture.woven(&picture.u, &picture.v);
        let view = match interleaved {
            true => picture.interleaved(&woven, true),
            false => picture.planar(COLOURS[0]),
        };
        let rgb = whole(&view);
        let [left, right] = [edges[0].min(edges[1]), edges[0].max(edges[1])].map(|v| v.min(width));
        let [top, bottom] = [edges[2].min(edges[3]), edges[2].max(edges[3])].map(|v| v.min(height));
        if let Some(rect) = CropRect::from_edges(left, top, right, bottom) {
            prop_assert_eq!(view.crop(rect).unwrap(), rgb.view().crop(rect).unwrap());
        }
        let region = Region { x_px: place[0], y_px: place[1], size: picture.size };
        let planes = |view: &FrameView<'_>| {
            let mut planes = Array3::zeros((3, to[1], to[0]));
            let norm = Normalization::IMAGENET_RGB;
            PlaneWriter::default().write(view, region, ChannelOrder::Bgr, norm, planes.view_mut()).unwrap();
            planes
        };
        prop_assert_eq!(planes(&view), planes(&rgb.view()));
    }
}
