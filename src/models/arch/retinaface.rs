//! RetinaFace with a MobileNet-0.25 or a ResNet-50 backbone (docs/method.md, "Detection").

use super::conv::{Activation, BiasedConv, Conv};
use super::detections::{OUTPUTS, add_output, rows};
use super::resnet;
use super::{ArchError, Tensors};
use crate::models::graph::{Axis, Edge, Graph, int, string};

/// Tensors that together only RetinaFace with a MobileNet-0.25 has.
pub const SIGNATURE: [&str; 2] = ["body.stage1.0.0.weight", "fpn.output1.0.weight"];
/// The same with a ResNet-50.
pub const RESNET_SIGNATURE: [&str; 2] = ["body.layer4.2.conv3.weight", "fpn.output1.0.weight"];

/// Anchors of a cell.
const ANCHORS: usize = 2;

/// What does not show in the shapes of the tensors, but for the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// biubug6's Pytorch_Retinaface, MobileNet-0.25.
    Published,
    /// biubug6's Face-Detector-1MB-with-landmark, MobileNet-0.25: nothing leaks below zero, and
    /// anchors are smaller.
    OneMb,
    /// biubug6's Pytorch_Retinaface, ResNet-50.
    ResNet50,
}

impl Variant {
    /// The activation of the backbone's blocks and of the pyramid.
    fn activation(self) -> Activation {
        match self {
            Self::Published => Activation::LeakyRelu(0.1),
            Self::OneMb | Self::ResNet50 => Activation::Relu,
        }
    }

    /// Channels of every level of the pyramid.
    fn width(self) -> usize {
        if self == Self::ResNet50 { 256 } else { 64 }
    }

    /// Channels of the maps at strides 8, 16 and 32.
    fn maps(self) -> [usize; 3] {
        if self == Self::ResNet50 { [512, 1024, 2048] } else { [64, 128, 256] }
    }
}

/// Depthwise-separable blocks: stage, index in it, channels in and out, stride.
const BLOCKS: [(usize, usize, usize, usize, i64); 13] = [
    (1, 1, 8, 16, 1),
    (1, 2, 16, 32, 2),
    (1, 3, 32, 32, 1),
    (1, 4, 32, 64, 2),
    (1, 5, 64, 64, 1),
    (2, 0, 64, 128, 2),
    (2, 1, 128, 128, 1),
    (2, 2, 128, 128, 1),
    (2, 3, 128, 128, 1),
    (2, 4, 128, 128, 1),
    (2, 5, 128, 128, 1),
    (3, 0, 128, 256, 2),
    (3, 1, 256, 256, 1),
];

/// `image` `[N,3,H,W]` → `boxes` `[N,A,4]`, `classes` `[N,A,2]` after softmax, `landmarks`
/// `[N,A,10]`; N, H and W are dynamic.
pub fn build(tensors: &mut Tensors<'_>, variant: Variant) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("retinaface"), tensors, variant };
    let any = [Axis::Any("N"), Axis::Size(3), Axis::Any("H"), Axis::Any("W")];
    let image = net.g.input("image", &any);
    let stages = match variant {
        Variant::Published | Variant::OneMb => net.backbone(&image)?,
        Variant::ResNet50 => resnet::backbone(&mut net.g, net.tensors, &image)?,
    };
    let pyramid = net.pyramid(&stages)?;
    let mut levels = Vec::new();
    for (level, map) in pyramid.iter().enumerate() {
        levels.push(net.context(level + 1, map)?);
    }
    for (head, output) in ["BboxHead", "ClassHead", "LandmarkHead"].into_iter().zip(OUTPUTS) {
        let rows = net.heads(head, &levels, output.1)?;
        add_output(&mut net.g, output, &rows);
    }
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
    variant: Variant,
}

impl Net<'_, '_> {
    /// A convolution and its normalisation with names that differ in their last number.
    fn conv(
        &mut self,
        x: &Edge,
        prefix: &str,
        index: usize,
        dims: [usize; 4],
        stride: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let (conv, norm) = (format!("{prefix}.{index}"), format!("{prefix}.{}", index + 1));
        let padding = (dims[2] / 2) as i64;
        Conv { conv: &conv, norm: &norm, dims, stride, padding, activation }.add(
            &mut self.g,
            self.tensors,
            x,
        )
    }

    /// The maps at strides 8, 16 and 32.
    fn backbone(&mut self, image: &Edge) -> Result<[Edge; 3], ArchError> {
        let active = self.variant.activation();
        let mut x = self.conv(image, "body.stage1.0", 0, [8, 3, 3, 3], 2, active)?;
        let mut stages = [x.clone(), x.clone(), x.clone()];
        for (stage, index, inputs, outputs, stride) in BLOCKS {
            let prefix = format!("body.stage{stage}.{index}");
            x = self.conv(&x, &prefix, 0, [inputs, 1, 3, 3], stride, active)?;
            x = self.conv(&x, &prefix, 3, [outputs, inputs, 1, 1], 1, active)?;
            if let Some(map) = stages.get_mut(stage - 1) {
                *map = x.clone();
            }
        }
        Ok(stages)
    }

    fn pyramid(&mut self, [fine, middle, coarse]: &[Edge; 3]) -> Result<[Edge; 3], ArchError> {
        let (width, active) = (self.variant.width(), self.variant.activation());
        let [first, second, third] = self.variant.maps();
        let fine = self.conv(fine, "fpn.output1", 0, [width, first, 1, 1], 1, active)?;
        let middle = self.conv(middle, "fpn.output2", 0, [width, second, 1, 1], 1, active)?;
        let coarse = self.conv(coarse, "fpn.output3", 0, [width, third, 1, 1], 1, active)?;
        let middle = self.merge("fpn.merge2", &middle, &coarse)?;
        let fine = self.merge("fpn.merge1", &fine, &middle)?;
        Ok([fine, middle, coarse])
    }

    /// Adds the coarser map to the finer one, at exactly the finer one's size: with odd sizes a
    /// factor of two would be one cell off.
    fn merge(&mut self, name: &str, fine: &Edge, coarse: &Edge) -> Result<Edge, ArchError> {
        let g = &mut self.g;
        let size = g.op("Shape", &[fine], &[]);
        let none = g.floats(&format!("{name}.no_scales"), &[0], Vec::new());
        let nearest = [
            string("mode", "nearest"),
            string("coordinate_transformation_mode", "asymmetric"),
            string("nearest_mode", "floor"),
        ];
        let upsampled = g.op("Resize", &[coarse, &none, &none, &size], &nearest);
        let sum = g.op("Add", &[fine, &upsampled], &[]);
        let width = self.variant.width();
        self.conv(&sum, name, 0, [width, width, 3, 3], 1, self.variant.activation())
    }

    /// The SSH module: the same map seen through 3×3, 5×5 and 7×7.
    fn context(&mut self, level: usize, x: &Edge) -> Result<Edge, ArchError> {
        let name = |part: &str| format!("ssh{level}.{part}");
        let (width, active) = (self.variant.width(), self.variant.activation());
        let (half, quarter, plain) = (width / 2, width / 4, Activation::None);
        let three = self.conv(x, &name("conv3X3"), 0, [half, width, 3, 3], 1, plain)?;
        let deeper = self.conv(x, &name("conv5X5_1"), 0, [quarter, width, 3, 3], 1, active)?;
        let small = [quarter, quarter, 3, 3];
        let five = self.conv(&deeper, &name("conv5X5_2"), 0, small, 1, plain)?;
        let deepest = self.conv(&deeper, &name("conv7X7_2"), 0, small, 1, active)?;
        let seven = self.conv(&deepest, &name("conv7x7_3"), 0, small, 1, plain)?;
        let all = self.g.op("Concat", &[&three, &five, &seven], &[int("axis", 1)]);
        Ok(self.g.op("Relu", &[&all], &[]))
    }

    /// One head on every level, as `[N,A,values]`: level by level, row-major, anchor by anchor.
    fn heads(
        &mut self,
        head: &str,
        levels: &[Edge],
        values: usize,
    ) -> Result<Vec<Edge>, ArchError> {
        let mut parts = Vec::new();
        for (level, x) in levels.iter().enumerate() {
            let name = format!("{head}.{level}.conv1x1");
            let dims = [ANCHORS * values, self.variant.width(), 1, 1];
            let activation = Activation::None;
            let conv = BiasedConv { name: &name, dims, stride: 1, padding: 0, activation };
            let g = &mut self.g;
            let y = conv.add(g, self.tensors, x)?;
            parts.push(rows(g, &y, values));
        }
        Ok(parts)
    }
}
