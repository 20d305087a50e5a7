//! From packed pixels to the planes that a network reads: crop, resize, normalise, split channels,
//! in one pass.

mod resize;

use multiversion::multiversion;
use ndarray::ArrayViewMut3;

use self::resize::Resizer;
use super::frame::for_layout;
use super::rows::{RowMemory, Rows};
use super::{ChannelOrder, FrameView, ImageError, Normalization, PixelLayout};
use crate::core::geometry::{CropRect, Size};

/// A rectangle of pixels that may reach beyond the picture; what lies outside is black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first column; below 0 it lies left of the picture.
    pub x_px: i32,
    /// The first row; below 0 it lies above the picture.
    pub y_px: i32,
    /// Columns and rows.
    pub size: Size,
}

impl Region {
    /// All of a frame.
    pub fn whole(frame: Size) -> Self {
        Self { x_px: 0, y_px: 0, size: frame }
    }

    /// Itself as a rectangle, when all of it lies inside the frame.
    fn inside(self, frame: Size) -> Option<CropRect> {
        let (x, y) = (u32::try_from(self.x_px).ok()?, u32::try_from(self.y_px).ok()?);
        let right = x.checked_add(self.size.width())?;
        let bottom = y.checked_add(self.size.height())?;
        CropRect::from_edges(x, y, right, bottom).filter(|rect| rect.fits(frame))
    }

    /// What of it lies inside the frame, if anything.
    fn seen(self, frame: Size) -> Option<CropRect> {
        let span = |start: i32, length: u32, limit: u32| {
            let end = i64::from(start) + i64::from(length);
            let clip = |v: i64| v.clamp(0, limit.into()) as u32;
            (clip(start.into()), clip(end))
        };
        let (left, right) = span(self.x_px, self.size.width(), frame.width());
        let (top, bottom) = span(self.y_px, self.size.height(), frame.height());
        CropRect::from_edges(left, top, right, bottom)
    }
}

/// Writes pictures into networks' inputs, with memory that is kept from one picture to the next.
///
/// Resizing is bilinear between pixel centres and rounds to 8 bits, as the reference's OpenCV
/// does, before the values are mapped. Nothing is averaged when a picture shrinks to less than
/// half.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::geometry::Size;
/// use gstm2sd::core::image::{
///     ChannelOrder, FrameView, Normalization, PixelLayout, PlaneWriter, Region,
/// };
/// use ndarray::Array3;
///
/// // Two red pixels, as a camera's BGRx.
/// let pixels = [0, 0, 255, 0, 0, 0, 255, 0];
/// let frame = FrameView::new(&pixels, Size::new(2, 1).unwrap(), 8, PixelLayout::Bgra)?;
/// let mut planes = Array3::zeros((3, 4, 4));
/// let (order, norm) = (ChannelOrder::Rgb, Normalization::UNIT);
/// let all = Region::whole(frame.size());
/// PlaneWriter::default().write(&frame, all, order, norm, planes.view_mut())?;
/// assert_eq!(planes[[0, 3, 3]], 1.0);
/// assert_eq!(planes[[2, 3, 3]], 0.0);
/// # Ok::<(), gstm2sd::core::image::ImageError>(())
/// ```
#[derive(Debug, Default)]
pub struct PlaneWriter {
    row: RowMemory,
    resizer: Resizer,
}

impl PlaneWriter {
    /// Fills `planes` `[3, H, W]` with `region` of `frame`, resized to W×H: channels in `order`,
    /// each value mapped by `norm`.
    ///
    /// # Errors
    /// [`ImageError::Shape`] unless there are three planes of at least one pixel,
    /// [`ImageError::Strided`] unless they are contiguous.
    pub fn write(
        &mut self,
        frame: &FrameView<'_>,
        region: Region,
        order: ChannelOrder,
        norm: Normalization,
        planes: ArrayViewMut3<'_, f32>,
    ) -> Result<(), ImageError> {
        self.fill(frame, region, &mut Target::new(order, norm, planes)?)
    }

    /// As [`Self::write`], for a network that reads the 8-bit levels themselves.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_u8(
        &mut self,
        frame: &FrameView<'_>,
        region: Region,
        order: ChannelOrder,
        planes: ArrayViewMut3<'_, u8>,
    ) -> Result<(), ImageError> {
        self.fill(frame, region, &mut Target::new(order, Normalization::IDENTITY, planes)?)
    }

    fn fill<V: Value>(
        &mut self,
        frame: &FrameView<'_>,
        region: Region,
        target: &mut Target<'_, V>,
    ) -> Result<(), ImageError> {
        let rows = region.seen(frame.size());
        let rows = rows.and_then(|window| Rows::new(*frame, window, &mut self.row));
        let Some(mut rows) = rows else {
            target.blacken();
            return Ok(());
        };
        let same_size = (target.width, target.height)
            == (region.size.width() as usize, region.size.height() as usize);
        match region.inside(frame.size()) {
            Some(rect) if same_size => {
                let layout = rows.layout();
                for (line, y) in (0..target.height).zip(rect.y()..) {
                    let row = rows.row(y)?;
                    for_layout!(layout, copy_row(row, target.row(line)));
                }
                Ok(())
            }
            _ => self.resizer.resize(&mut rows, region, target),
        }
    }
}

/// What a plane is made of.
trait Value: Copy {
    /// From a level, 0..=255, and its channel's map.
    fn from_level(level: i32, scale: f32, offset: f32) -> Self;
}

impl Value for f32 {
    #[inline]
    fn from_level(level: i32, scale: f32, offset: f32) -> Self {
        level as f32 * scale + offset
    }
}

impl Value for u8 {
    #[inline]
    fn from_level(level: i32, _scale: f32, _offset: f32) -> Self {
        level as u8
    }
}

/// The planes that take red, green and blue, whatever the order in which the network has them.
struct Target<'a, V> {
    colours: [Plane<'a, V>; 3],
    width: usize,
    height: usize,
}

/// The values of one channel, a whole plane or one row of it, and the map that they go through.
struct Plane<'a, V> {
    values: &'a mut [V],
    scale: f32,
    offset: f32,
}

impl<'a, V> Target<'a, V> {
    fn new(
        order: ChannelOrder,
        norm: Normalization,
        planes: ArrayViewMut3<'a, V>,
    ) -> Result<Self, ImageError> {
        let (channels, height, width) = planes.dim();
        let shape = [channels, height, width];
        if channels != 3 || height == 0 || width == 0 {
            let expected = "[3, height, width], neither side zero".to_owned();
            return Err(ImageError::Shape { found: shape.to_vec(), expected });
        }
        let values =
            planes.into_slice().ok_or_else(|| ImageError::Strided { shape: shape.to_vec() })?;
        let (first, rest) = values.split_at_mut(height * width);
        let (second, third) = rest.split_at_mut(height * width);
        let [s0, s1, s2] = norm.scale;
        let [o0, o1, o2] = norm.offset;
        let mut colours = [
            Plane { values: first, scale: s0, offset: o0 },
            Plane { values: second, scale: s1, offset: o1 },
            Plane { values: third, scale: s2, offset: o2 },
        ];
        if order == ChannelOrder::Bgr {
            colours.swap(0, 2);
        }
        Ok(Self { colours, width, height })
    }

    /// Black everywhere.
    fn blacken(&mut self)
    where
        V: Value,
    {
        for plane in &mut self.colours {
            plane.values.fill(V::from_level(0, plane.scale, plane.offset));
        }
    }

    fn row(&mut self, y: usize) -> [Plane<'_, V>; 3] {
        let columns = y * self.width..(y + 1) * self.width;
        self.colours.each_mut().map(|plane| Plane {
            values: plane.values.get_mut(columns.clone()).unwrap_or_default(),
            scale: plane.scale,
            offset: plane.offset,
        })
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn copy_row<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    from: &[u8],
    colours: [Plane<'_, impl Value>; 3],
) {
    let pixels = from.as_chunks::<BYTES>().0;
    // A colour at a time: each is a run of equal steps, which vectorises.
    for (plane, offset) in colours.into_iter().zip([RED, GREEN, BLUE]) {
        for (value, pixel) in plane.values.iter_mut().zip(pixels) {
            *value = Value::from_level(pixel[offset].into(), plane.scale, plane.offset);
        }
    }
}
