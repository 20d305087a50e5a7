//! MobileNetV2 with a global depthwise convolution: 68 landmarks (docs/method.md, "Landmarks").

use super::conv::{Activation, Conv};
use super::landmarks::{self, OUTPUTS};
use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph};

/// A tensor that only this network has.
pub const SIGNATURE: &str = "linear7.conv.weight";

/// The input's side.
const SIZE_PX: usize = 224;
/// Channels of the last feature map.
const FEATURES: usize = 1280;

/// Inverted residuals: expansion, channels out, repetitions, stride of the first.
const STAGES: [(usize, usize, usize, i64); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// `image` `[N,3,224,224]` → `landmarks` `[N,136]`, in 0..=1 of the crop; N is dynamic.
pub fn build(tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("mobilenet_gdconv"), tensors };
    let image = landmarks::add_input(&mut net.g, SIZE_PX);
    let mut x = net.conv(&image, "base_net.0.0", [32, 3, 3, 3], 2, Activation::Relu6)?;
    let (mut channels, mut index) = (32, 1);
    for (expansion, outputs, repetitions, first_stride) in STAGES {
        for repetition in 0..repetitions {
            let stride = if repetition == 0 { first_stride } else { 1 };
            x = net.inverted_residual(&x, index, expansion, [channels, outputs], stride)?;
            (channels, index) = (outputs, index + 1);
        }
    }
    let last = format!("base_net.0.{index}");
    x = net.conv(&x, &last, [FEATURES, channels, 1, 1], 1, Activation::Relu6)?;
    let linear = |conv, norm, dims| Conv {
        conv,
        norm,
        dims,
        stride: 1,
        padding: 0,
        activation: Activation::None,
    };
    let pool = linear("linear7.conv", "linear7.bn", [FEATURES, 1, 7, 7]);
    x = pool.add(&mut net.g, net.tensors, &x)?;
    let last = linear("linear1.conv", "linear1.bn", [OUTPUTS, FEATURES, 1, 1]);
    x = last.add(&mut net.g, net.tensors, &x)?;
    let points = net.g.reshape(&x, &[-1, OUTPUTS as i64]);
    landmarks::add_output(&mut net.g, &points);
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
}

impl Net<'_, '_> {
    /// `prefix.0` is the convolution, `prefix.1` its normalisation.
    fn conv(
        &mut self,
        x: &Edge,
        prefix: &str,
        dims: [usize; 4],
        stride: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let (conv, norm) = (format!("{prefix}.0"), format!("{prefix}.1"));
        let padding = (dims[2] / 2) as i64;
        Conv { conv: &conv, norm: &norm, dims, stride, padding, activation }.add(
            &mut self.g,
            self.tensors,
            x,
        )
    }

    /// Widen, filter each channel, narrow; add the input where the shapes allow.
    fn inverted_residual(
        &mut self,
        x: &Edge,
        index: usize,
        expansion: usize,
        [inputs, outputs]: [usize; 2],
        stride: i64,
    ) -> Result<Edge, ArchError> {
        let prefix = format!("base_net.0.{index}.conv");
        let wide = inputs * expansion;
        let mut y = x.clone();
        let mut part = 0;
        if expansion > 1 {
            y =
                self.conv(&y, &format!("{prefix}.0"), [wide, inputs, 1, 1], 1, Activation::Relu6)?;
            part = 1;
        }
        let depthwise = format!("{prefix}.{part}");
        y = self.conv(&y, &depthwise, [wide, 1, 3, 3], stride, Activation::Relu6)?;
        let (conv, norm) = (format!("{prefix}.{}", part + 1), format!("{prefix}.{}", part + 2));
        let dims = [outputs, wide, 1, 1];
        let activation = Activation::None;
        y = Conv { conv: &conv, norm: &norm, dims, stride: 1, padding: 0, activation }.add(
            &mut self.g,
            self.tensors,
            &y,
        )?;
        let residual = stride == 1 && inputs == outputs;
        Ok(if residual { self.g.op("Add", &[x, &y], &[]) } else { y })
    }
}
