//! What the detector and the aligner read, written into memory that is kept from frame to frame.

use ndarray::{Array3, ArrayView4, ArrayViewMut3, Ix3, Ix4, ShapeError};

use crate::core::detect::Letterbox;
use crate::core::image::{
    ChannelOrder, FrameView, ImageError, Normalization, PixelValues, PlaneWriter, Region,
};
use crate::core::landmarks::LandmarkCrop;
use crate::infer::{Aligner, TensorView};

/// The detector's input, `[3,H,W]`.
pub struct DetectorInput {
    writer: PlaneWriter,
    region: Region,
    planes: Planes,
}

enum Planes {
    Normalized(Normalization, Array3<f32>),
    U8(Array3<u8>),
}

impl DetectorInput {
    pub fn new(values: PixelValues, letterbox: Letterbox) -> Self {
        let size = letterbox.input();
        let dims = (3, size.height() as usize, size.width() as usize);
        let planes = match values {
            PixelValues::Normalized(norm) => Planes::Normalized(norm, Array3::zeros(dims)),
            PixelValues::U8 => Planes::U8(Array3::zeros(dims)),
        };
        let region = Region::whole(letterbox.region());
        Self { writer: PlaneWriter::default(), region, planes }
    }

    /// Writes the whole frame, as the detector reads it.
    pub fn fill(&mut self, view: &FrameView<'_>, order: ChannelOrder) -> Result<(), ImageError> {
        let region = self.region;
        match &mut self.planes {
            Planes::Normalized(norm, planes) => {
                self.writer.write(view, region, order, *norm, planes.view_mut())
            }
            Planes::U8(planes) => self.writer.write_u8(view, region, order, planes.view_mut()),
        }
    }

    pub fn view(&self) -> TensorView<'_, Ix3> {
        match &self.planes {
            Planes::Normalized(_, planes) => planes.view().into(),
            Planes::U8(planes) => planes.view().into(),
        }
    }
}

/// The aligner's input, `[N,3,S,S]`, for as many faces as were ever on a frame.
#[derive(Default)]
pub struct AlignerInput {
    writer: PlaneWriter,
    floats: Vec<f32>,
    u8s: Vec<u8>,
}

impl AlignerInput {
    /// Writes the faces of a frame, as the aligner reads them.
    pub fn fill(
        &mut self,
        aligner: &Aligner,
        view: &FrameView<'_>,
        crops: impl Iterator<Item = LandmarkCrop>,
    ) -> Result<TensorView<'_, Ix4>, ImageError> {
        let (side, order) = (aligner.size_px(), aligner.channel_order());
        let writer = &mut self.writer;
        match aligner.values() {
            PixelValues::Normalized(norm) => {
                stack(&mut self.floats, side, crops, |crop, planes| {
                    writer.write(view, crop.region(), order, norm, planes)
                })
            }
            PixelValues::U8 => stack(&mut self.u8s, side, crops, |crop, planes| {
                writer.write_u8(view, crop.region(), order, planes)
            }),
        }
    }
}

/// The pictures `[N,3,S,S]` that `write` makes of `crops`, in the memory of `values`.
fn stack<'v, V: Copy + Default>(
    values: &'v mut Vec<V>,
    side: usize,
    crops: impl Iterator<Item = LandmarkCrop>,
    mut write: impl FnMut(&LandmarkCrop, ArrayViewMut3<'_, V>) -> Result<(), ImageError>,
) -> Result<TensorView<'v, Ix4>, ImageError>
where
    TensorView<'v, Ix4>: From<ArrayView4<'v, V>>,
{
    let mut count = 0;
    for crop in crops {
        let start = count * 3 * side * side;
        count += 1;
        values.resize(values.len().max(count * 3 * side * side), V::default());
        let picture = values.get_mut(start..count * 3 * side * side).unwrap_or_default();
        let planes = ArrayViewMut3::from_shape((3, side, side), picture).map_err(unshaped)?;
        write(&crop, planes)?;
    }
    let pictures = values.get(..count * 3 * side * side).unwrap_or_default();
    Ok(ArrayView4::from_shape((count, 3, side, side), pictures).map_err(unshaped)?.into())
}

fn unshaped(error: ShapeError) -> ImageError {
    ImageError::Shape { found: Vec::new(), expected: error.to_string() }
}
