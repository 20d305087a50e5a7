//! MobileFaceNet with a global depthwise convolution: 68 landmarks (docs/method.md, "Landmarks").

use super::conv::{Activation, Conv, folded};
use super::landmarks::{self, OUTPUTS};
use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph, int};

/// Tensors that together only this network has.
pub const SIGNATURE: [&str; 3] =
    ["conv2_dw.prelu.weight", "conv_23.conv_dw.conv.weight", "output_layer.linear.weight"];

/// The input's side.
const SIZE_PX: usize = 112;
/// Channels of the last feature map.
const FEATURES: usize = 512;

/// Bottlenecks: name, channels in, within and out, stride, and how many that add their input follow
/// each other; none: one that does not.
const BLOCKS: [(&str, usize, usize, usize, i64, usize); 6] = [
    ("conv_23", 64, 128, 64, 2, 0),
    ("conv_3", 64, 128, 64, 1, 4),
    ("conv_34", 64, 256, 128, 2, 0),
    ("conv_4", 128, 256, 128, 1, 6),
    ("conv_45", 128, 512, 128, 2, 0),
    ("conv_5", 128, 256, 128, 1, 2),
];

/// `image` `[N,3,112,112]` → `landmarks` `[N,136]`, in 0..=1 of the crop; N is dynamic.
pub fn build(tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("mobilefacenet"), tensors };
    let image = landmarks::add_input(&mut net.g, SIZE_PX);
    let x = net.conv(&image, "conv1", [64, 3, 3, 3], 2)?;
    let mut x = net.conv(&x, "conv2_dw", [64, 1, 3, 3], 1)?;
    for (name, inputs, wide, outputs, stride, repetitions) in BLOCKS {
        if repetitions == 0 {
            x = net.bottleneck(&x, name, [inputs, wide, outputs], stride)?;
        }
        for index in 0..repetitions {
            let prefix = format!("{name}.model.{index}");
            let y = net.bottleneck(&x, &prefix, [inputs, wide, outputs], stride)?;
            x = net.g.op("Add", &[&x, &y], &[]);
        }
    }
    let x = net.conv(&x, "conv_6_sep", [FEATURES, 128, 1, 1], 1)?;
    let x = net.linear(&x, "output_layer.conv_6_dw", [FEATURES, 1, 7, 7], 1, 0)?;
    let x = net.g.reshape(&x, &[-1, FEATURES as i64]);
    let (layer, norm) = ("output_layer.linear", "output_layer.bn");
    let dims = [OUTPUTS, FEATURES];
    let [weight, bias] = folded(&mut net.g, net.tensors, layer, norm, &dims)?;
    let points = net.g.op("Gemm", &[&x, &weight, &bias], &[int("transB", 1)]);
    landmarks::add_output(&mut net.g, &points);
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
}

impl Net<'_, '_> {
    /// A convolution and its normalisation.
    fn linear(
        &mut self,
        x: &Edge,
        prefix: &str,
        dims: [usize; 4],
        stride: i64,
        padding: i64,
    ) -> Result<Edge, ArchError> {
        let (conv, norm) = (format!("{prefix}.conv"), format!("{prefix}.bn"));
        let activation = Activation::None;
        let conv = Conv { conv: &conv, norm: &norm, dims, stride, padding, activation };
        conv.add(&mut self.g, self.tensors, x)
    }

    /// The same, and below zero a slope of each channel's own.
    fn conv(
        &mut self,
        x: &Edge,
        prefix: &str,
        dims: [usize; 4],
        stride: i64,
    ) -> Result<Edge, ArchError> {
        let [outputs, _, height, _] = dims;
        let y = self.linear(x, prefix, dims, stride, (height / 2) as i64)?;
        let name = format!("{prefix}.prelu.weight");
        let slopes = self.tensors.read_expecting(&name, &[outputs])?;
        let slopes = self.g.floats(&name, &[outputs, 1, 1], slopes);
        Ok(self.g.op("PRelu", &[&y, &slopes], &[]))
    }

    /// Widen, filter each channel, narrow.
    fn bottleneck(
        &mut self,
        x: &Edge,
        prefix: &str,
        [inputs, wide, outputs]: [usize; 3],
        stride: i64,
    ) -> Result<Edge, ArchError> {
        let y = self.conv(x, &format!("{prefix}.conv"), [wide, inputs, 1, 1], 1)?;
        let y = self.conv(&y, &format!("{prefix}.conv_dw"), [wide, 1, 3, 3], stride)?;
        self.linear(&y, &format!("{prefix}.project"), [outputs, wide, 1, 1], 1, 0)
    }
}
