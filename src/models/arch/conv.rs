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

impl Activation {
    fn add(self, g: &mut Graph, x: Edge) -> Edge {
        match self {
            Self::None => x,
            Self::LeakyRelu(slope) => g.op("LeakyRelu", &[&x], &[float("alpha", slope)]),
            Self::Relu => g.op("Relu", &[&x], &[]),
            Self::Relu6 => {
                let (low, high) = (g.scalar(0.0), g.scalar(6.0));
                g.op("Clip", &[&x, &low, &high], &[])
            }
        }
    }
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
    pub(super) fn add(
        &self,
        g: &mut Graph,
        tensors: &mut Tensors<'_>,
        x: &Edge,
    ) -> Result<Edge, ArchError> {
        self.add_dilated(g, tensors, x, 1)
    }

    /// As [`Self::add`], with filters whose taps lie `dilation` apart.
    pub(super) fn add_dilated(
        &self,
        g: &mut Graph,
        tensors: &mut Tensors<'_>,
        x: &Edge,
        dilation: i64,
    ) -> Result<Edge, ArchError> {
        let weights = folded(g, tensors, self.conv, self.norm, &self.dims)?;
        let y = convolve(g, x, &weights, self.dims, [self.stride, self.padding, dilation]);
        Ok(self.activation.add(g, y))
    }
}

/// A convolution with a bias of its own and no normalisation, by the name of its tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct BiasedConv<'a> {
    pub(super) name: &'a str,
    /// `[out, in per group, height, width]`.
    pub(super) dims: [usize; 4],
    pub(super) stride: i64,
    pub(super) padding: i64,
    pub(super) activation: Activation,
}

impl BiasedConv<'_> {
    pub(super) fn add(
        &self,
        g: &mut Graph,
        tensors: &mut Tensors<'_>,
        x: &Edge,
    ) -> Result<Edge, ArchError> {
        let names = ["weight", "bias"].map(|part| format!("{}.{part}", self.name));
        let [out, ..] = self.dims;
        let weight = tensors.read_expecting(&names[0], &self.dims)?;
        let bias = tensors.read_expecting(&names[1], &[out])?;
        let weights = [g.floats(&names[0], &self.dims, weight), g.floats(&names[1], &[out], bias)];
        let y = convolve(g, x, &weights, self.dims, [self.stride, self.padding, 1]);
        Ok(self.activation.add(g, y))
    }
}

fn convolve(
    g: &mut Graph,
    x: &Edge,
    [weight, bias]: &[Edge; 2],
    [out, inputs, height, width]: [usize; 4],
    [stride, padding, dilation]: [i64; 3],
) -> Edge {
    // Channel by channel where each filter sees one input.
    let groups = if inputs == 1 { out } else { 1 };
    let mut attributes = vec![
        ints("kernel_shape", &[height as i64, width as i64]),
        ints("strides", &[stride; 2]),
        ints("pads", &[padding; 4]),
        int("group", groups as i64),
    ];
    // What is not dilated stays what it was, byte for byte: files are known by their hashes.
    if dilation != 1 {
        attributes.push(ints("dilations", &[dilation; 2]));
    }
    g.op("Conv", &[x, weight, bias], &attributes)
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
