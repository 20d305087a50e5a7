//! From packed pixels to the float planes that a network reads: crop, resize, normalise, split
//! channels, in one pass.

mod resize;

use ndarray::ArrayViewMut3;

use super::frame::for_layout;
use super::{ChannelOrder, FrameView, ImageError, Normalization, PixelLayout};
use crate::core::geometry::{CropRect, Size};

/// A rectangle of pixels that may reach beyond the picture; what lies outside is black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub x_px: i32,
    pub y_px: i32,
    pub size: Size,
}

impl Region {
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
}

impl FrameView<'_> {
    /// Fills `planes` `[3, H, W]` with `region`, resized to W×H: channels in `order`, each value
    /// mapped by `norm`.
    ///
    /// Resizing is bilinear between pixel centres and rounds to 8 bits, as the reference's
    /// OpenCV does, before the values are mapped. Nothing is averaged when a picture shrinks to
    /// less than half.
    ///
    /// # Errors
    /// [`ImageError::Shape`] unless there are three planes of at least one pixel,
    /// [`ImageError::Strided`] unless they are contiguous.
    pub fn write_planes(
        &self,
        region: Region,
        order: ChannelOrder,
        norm: Normalization,
        planes: ArrayViewMut3<'_, f32>,
    ) -> Result<(), ImageError> {
        let mut target = Target::new(order, norm, planes)?;
        let same_size = (target.width, target.height)
            == (region.size.width() as usize, region.size.height() as usize);
        match region.inside(self.size()) {
            Some(rect) if same_size => {
                for (y, row) in self.rows_of(rect).enumerate() {
                    for_layout!(self.layout(), copy_row(row, target.row(y)));
                }
            }
            _ => resize::resize(self, region, &mut target),
        }
        Ok(())
    }
}

/// The planes that take red, green and blue, whatever the order in which the network has them.
struct Target<'a> {
    colours: [Plane<'a>; 3],
    width: usize,
    height: usize,
}

/// The values of one channel, a whole plane or one row of it, and the map that they go through.
struct Plane<'a> {
    values: &'a mut [f32],
    scale: f32,
    offset: f32,
}

impl<'a> Target<'a> {
    fn new(
        order: ChannelOrder,
        norm: Normalization,
        planes: ArrayViewMut3<'a, f32>,
    ) -> Result<Self, ImageError> {
        let (channels, height, width) = planes.dim();
        let shape = planes.shape().to_vec();
        if channels != 3 || height == 0 || width == 0 {
            let expected = "[3, height, width], neither side zero".to_owned();
            return Err(ImageError::Shape { found: shape, expected });
        }
        let values = planes.into_slice().ok_or(ImageError::Strided { shape })?;
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

    fn row(&mut self, y: usize) -> [Plane<'_>; 3] {
        let columns = y * self.width..(y + 1) * self.width;
        self.colours.each_mut().map(|plane| Plane {
            values: plane.values.get_mut(columns.clone()).unwrap_or_default(),
            scale: plane.scale,
            offset: plane.offset,
        })
    }
}

fn copy_row<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    from: &[u8],
    [red, green, blue]: [Plane<'_>; 3],
) {
    let colours = red.values.iter_mut().zip(green.values).zip(blue.values);
    for (((r, g), b), pixel) in colours.zip(from.as_chunks::<BYTES>().0) {
        *r = f32::from(pixel[RED]) * red.scale + red.offset;
        *g = f32::from(pixel[GREEN]) * green.scale + green.offset;
        *b = f32::from(pixel[BLUE]) * blue.scale + blue.offset;
    }
}
