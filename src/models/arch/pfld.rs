//! PFLD, compressed: 68 landmarks from features of three scales (docs/method.md, "Landmarks").

use super::conv::{Activation, BiasedConv, Conv};
use super::landmarks::{self, OUTPUTS};
use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph, int, ints};

/// Tensors that together only this network has.
pub const SIGNATURE: [&str; 3] = ["conv1_extra.weight", "block3_2.conv.0.weight", "fc.weight"];

/// The input's side.
const SIZE_PX: usize = 112;
/// Of the three scales together.
const FEATURES: usize = 16 + 32 + 128;

/// Inverted residuals: name, channels in and out, expansion, stride, whether the input is added.
const BLOCKS: [(&str, usize, usize, usize, i64, bool); 13] = [
    ("conv3_1", 64, 64, 1, 2, false),
    ("block3_2", 64, 64, 1, 1, true),
    ("block3_3", 64, 64, 1, 1, true),
    ("block3_4", 64, 64, 1, 1, true),
    ("block3_5", 64, 64, 1, 1, true),
    ("conv4_1", 64, 128, 1, 2, false),
    ("conv5_1", 128, 128, 2, 1, false),
    ("block5_2", 128, 128, 2, 1, true),
    ("block5_3", 128, 128, 2, 1, true),
    ("block5_4", 128, 128, 2, 1, true),
    ("block5_5", 128, 128, 2, 1, true),
    ("block5_6", 128, 128, 2, 1, true),
    ("conv6_1", 128, 16, 1, 1, false),
];

/// `image` `[N,3,112,112]` → `landmarks` `[N,136]`, in 0..=1 of the crop; N is dynamic.
pub fn build(tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("pfld"), tensors };
    let image = landmarks::add_input(&mut net.g, SIZE_PX);
    let relu = Activation::Relu;
    let x = net.conv(&image, ["conv1", "bn1"], [64, 3, 3, 3], 2, relu)?;
    let x = net.conv(&x, ["dw_pool", "dw_bn"], [64, 1, 3, 3], 1, Activation::None)?;
    let mut x = net.pointwise(&x, "conv1_extra", 64)?;
    for (name, inputs, outputs, expansion, stride, adds) in BLOCKS {
        let y = net.inverted_residual(&x, name, [inputs, outputs], expansion, stride)?;
        x = if adds { net.g.op("Add", &[&x, &y], &[]) } else { y };
    }
    let fine = net.mean(&x);
    let x = net.conv(&x, ["conv7.0", "conv7.1"], [32, 16, 3, 3], 2, relu)?;
    let middle = net.mean(&x);
    let (name, dims) = ("conv8", [128, 32, 7, 7]);
    let coarse = BiasedConv { name, dims, stride: 1, padding: 0, activation: relu };
    let coarse = coarse.add(&mut net.g, net.tensors, &x)?;
    let coarse = net.g.reshape(&coarse, &[-1, 128]);
    let all = net.g.op("Concat", &[&fine, &middle, &coarse], &[int("axis", 1)]);
    let dims = [OUTPUTS, FEATURES];
    let weight = net.tensors.read_expecting("fc.weight", &dims)?;
    let weight = net.g.floats("fc.weight", &dims, weight);
    let bias = net.tensors.read_expecting("fc.bias", &[OUTPUTS])?;
    let bias = net.g.floats("fc.bias", &[OUTPUTS], bias);
    let points = net.g.op("Gemm", &[&all, &weight, &bias], &[int("transB", 1)]);
    landmarks::add_output(&mut net.g, &points);
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
}

impl Net<'_, '_> {
    /// A convolution and its normalisation.
    fn conv(
        &mut self,
        x: &Edge,
        [conv, norm]: [&str; 2],
        dims: [usize; 4],
        stride: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let padding = (dims[2] / 2) as i64;
        let conv = Conv { conv, norm, dims, stride, padding, activation };
        conv.add(&mut self.g, self.tensors, x)
    }

    /// A convolution of single pixels with neither normalisation nor bias, and a ReLU.
    fn pointwise(&mut self, x: &Edge, name: &str, channels: usize) -> Result<Edge, ArchError> {
        let (weight, dims) = (format!("{name}.weight"), [channels, channels, 1, 1]);
        let values = self.tensors.read_expecting(&weight, &dims)?;
        let weight = self.g.floats(&weight, &dims, values);
        let y = self.g.op("Conv", &[x, &weight], &[ints("kernel_shape", &[1, 1])]);
        Ok(self.g.op("Relu", &[&y], &[]))
    }

    /// Widen, filter each channel, narrow.
    fn inverted_residual(
        &mut self,
        x: &Edge,
        name: &str,
        [inputs, outputs]: [usize; 2],
        expansion: usize,
        stride: i64,
    ) -> Result<Edge, ArchError> {
        let wide = inputs * expansion;
        let steps = [
            (0, [wide, inputs, 1, 1], 1, Activation::Relu),
            (3, [wide, 1, 3, 3], stride, Activation::Relu),
            (6, [outputs, wide, 1, 1], 1, Activation::None),
        ];
        let mut y = x.clone();
        for (index, dims, stride, activation) in steps {
            let [conv, norm] = [index, index + 1].map(|part| format!("{name}.conv.{part}"));
            y = self.conv(&y, [&conv, &norm], dims, stride, activation)?;
        }
        Ok(y)
    }

    /// Over a map, `[N,C]`.
    fn mean(&mut self, x: &Edge) -> Edge {
        self.g.op("ReduceMean", &[x], &[ints("axes", &[2, 3]), int("keepdims", 0)])
    }
}
