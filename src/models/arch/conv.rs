//! Convolutions with their batch normalisation folded into them.

use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph, float, int, ints};

/// PyTorch's default, which all networks here keep.
const BATCH_NORM_EPS: f32 = 1e-5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    None,
    /// With the slope below zero.
    LeakyRelu(f32),
    Relu,
    Relu6,
}

/// One convolution and the batch normalisation that follows it, by the names of their tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv<'a> {
    pub(super) conv: &'a str,
    pub(super) norm: &'a str,
    /// `[out, in per group, height, width]`.
    pub(super) dims: [usize; 4],
    pub(super) stride: i64,
    pub(super) padding: i64,
    pub(super) activation: Activation,
}

impl Conv<'_> {
    /// Channel by channel where each filter sees one input.
    fn groups(&self) -> usize {
        if self.dims[1] == 1 { self.dims[0] } else { 1 }
    }

    pub(super) fn add(
        &self,
        g: &mut Graph,
        tensors: &mut Tensors<'_>,
        x: &Edge,
    ) -> Result<Edge, ArchError> {
        let [weight, bias] = folded(g, tensors, self.conv, self.norm, &self.dims)?;
        let attributes = [
            ints("kernel_shape", &[self.dims[2] as i64, self.dims[3] as i64]),
            ints("strides", &[self.stride; 2]),
            ints("pads", &[self.padding; 4]),
            int("group", self.groups() as i64),
        ];
        let y = g.op("Conv", &[x, &weight, &bias], &attributes);
        Ok(match self.activation {
            Activation::None => y,
            Activation::LeakyRelu(slope) => g.op("LeakyRelu", &[&y], &[float("alpha", slope)]),
            Activation::Relu => g.op("Relu", &[&y], &[]),
            Activation::Relu6 => {
                let (low, high) = (g.scalar(0.0), g.scalar(6.0));
                g.op("Clip", &[&y, &low, &high], &[])
            }
        })
    }
}

/// Weight and bias of a convolution with the batch normalisation `norm` folded into them; `dims` are
/// the weight's, filters first.
pub(super) fn folded(
    g: &mut Graph,
    tensors: &mut Tensors<'_>,
    conv: &str,
    norm: &str,
    dims: &[usize],
) -> Result<[Edge; 2], ArchError> {
    let out = dims.first().copied().unwrap_or_default();
    let weight_name = format!("{conv}.weight");
    let mut weight = tensors.read_expecting(&weight_name, dims)?;
    let mut part = |part| tensors.read_expecting(&format!("{norm}.{part}"), &[out]);
    let (gain, shift) = (part("weight")?, part("bias")?);
    let (mean, variance) = (part("running_mean")?, part("running_var")?);
    if variance.iter().any(|v| *v < 0.0) {
        let tensor = format!("{norm}.running_var");
        return Err(ArchError::Unsupported { tensor, why: "a variance below zero" });
    }
    let scale: Vec<f32> =
        gain.iter().zip(&variance).map(|(g, v)| g / (v + BATCH_NORM_EPS).sqrt()).collect();
    let filter = weight.len() / out.max(1);
    for (filter, scale) in weight.chunks_mut(filter.max(1)).zip(&scale) {
        filter.iter_mut().for_each(|w| *w *= scale);
    }
    let folded = shift.iter().zip(&mean).zip(&scale);
    let bias: Vec<f32> = folded.map(|((shift, mean), scale)| shift - mean * scale).collect();
    let weight = g.floats(&weight_name, dims, weight);
    Ok([weight, g.floats(&format!("{norm}.bias"), &[out], bias)])
}
