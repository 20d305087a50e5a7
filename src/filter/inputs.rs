//! What the detector and the aligner read, written into memory that is kept from frame to frame.

use ndarray::{Array3, ArrayView4, ArrayViewMut4, Axis, Ix3, Ix4, ShapeError};

use crate::core::geometry::Size;
use crate::core::image::{
    ChannelOrder, FrameView, ImageError, Normalization, PixelValues, PlaneWriter, Region,
};
use crate::core::landmarks::LandmarkCrop;
use crate::infer::{Aligner, TensorView};

/// The detector's input, `[3,H,W]`.
pub struct DetectorInput {
    writer: PlaneWriter,
    planes: Planes,
}

enum Planes {
    Normalized(Normalization, Array3<f32>),
    Levels(Array3<u8>),
}

impl DetectorInput {
    pub fn new(values: PixelValues, size: Size) -> Self {
        let dims = (3, size.height() as usize, size.width() as usize);
        let planes = match values {
            PixelValues::Normalized(norm) => Planes::Normalized(norm, Array3::zeros(dims)),
            PixelValues::Levels => Planes::Levels(Array3::zeros(dims)),
        };
        Self { writer: PlaneWriter::default(), planes }
    }

    /// Writes the whole frame, as the detector reads it.
    pub fn fill(&mut self, view: &FrameView<'_>, order: ChannelOrder) -> Result<(), ImageError> {
        let whole = Region::whole(view.size());
        match &mut self.planes {
            Planes::Normalized(norm, planes) => {
                self.writer.write(view, whole, order, *norm, planes.view_mut())
            }
            Planes::Levels(planes) => {
                self.writer.write_levels(view, whole, order, planes.view_mut())
            }
        }
    }

    pub fn view(&self) -> TensorView<'_, Ix3> {
        match &self.planes {
            Planes::Normalized(_, planes) => planes.view().into(),
            Planes::Levels(planes) => planes.view().into(),
        }
    }
}

/// The aligner's input, `[N,3,S,S]`, for as many faces as were ever on a frame.
#[derive(Default)]
pub struct AlignerInput {
    writer: PlaneWriter,
    floats: Vec<f32>,
    levels: Vec<u8>,
}

impl AlignerInput {
    /// Writes the faces of a frame, as the aligner reads them.
    pub fn fill(
        &mut self,
        aligner: &Aligner,
        view: &FrameView<'_>,
        crops: &[LandmarkCrop],
    ) -> Result<TensorView<'_, Ix4>, ImageError> {
        let (side, order) = (aligner.size_px(), aligner.channel_order());
        let dims = (crops.len(), 3, side, side);
        let writer = &mut self.writer;
        match aligner.values() {
            PixelValues::Normalized(norm) => {
                let mut faces = shaped(&mut self.floats, dims)?;
                for (crop, planes) in crops.iter().zip(faces.axis_iter_mut(Axis(0))) {
                    writer.write(view, crop.region(), order, norm, planes)?;
                }
                Ok(ArrayView4::from_shape(dims, &self.floats).map_err(unshaped)?.into())
            }
            PixelValues::Levels => {
                let mut faces = shaped(&mut self.levels, dims)?;
                for (crop, planes) in crops.iter().zip(faces.axis_iter_mut(Axis(0))) {
                    writer.write_levels(view, crop.region(), order, planes)?;
                }
                Ok(ArrayView4::from_shape(dims, &self.levels).map_err(unshaped)?.into())
            }
        }
    }
}

/// `values`, resized to what `dims` needs.
fn shaped<V: Copy + Default>(
    values: &mut Vec<V>,
    dims: (usize, usize, usize, usize),
) -> Result<ArrayViewMut4<'_, V>, ImageError> {
    values.resize(dims.0 * dims.1 * dims.2 * dims.3, V::default());
    ArrayViewMut4::from_shape(dims, values).map_err(unshaped)
}

fn unshaped(error: ShapeError) -> ImageError {
    ImageError::Shape { found: Vec::new(), expected: error.to_string() }
}
