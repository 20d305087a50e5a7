//! RetinaFace with a MobileNet-0.25 backbone (docs/method.md, "Detection").

use super::conv::{Activation, Conv};
use super::{ArchError, Tensors};
use crate::models::graph::{Axis, Edge, Graph, int, ints, string};

/// A tensor that only this network has.
pub const SIGNATURE: &str = "body.stage1.0.0.weight";

const LEAKY: Activation = Activation::LeakyRelu(0.1);
/// Channels of every level of the pyramid.
const WIDTH: usize = 64;
/// Anchors of a cell.
const ANCHORS: usize = 2;

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
pub fn build(tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("retinaface"), tensors };
    let any = [Axis::Any("N"), Axis::Size(3), Axis::Any("H"), Axis::Any("W")];
    let image = net.g.input("image", &any);
    let stages = net.backbone(&image)?;
    let pyramid = net.pyramid(&stages)?;
    let mut levels = Vec::new();
    for (level, map) in pyramid.iter().enumerate() {
        levels.push(net.context(level + 1, map)?);
    }
    for (head, name, values) in
        [("BboxHead", "boxes", 4), ("ClassHead", "classes", 2), ("LandmarkHead", "landmarks", 10)]
    {
        let mut all = net.heads(head, &levels, values)?;
        if head == "ClassHead" {
            all = net.g.op("Softmax", &[&all], &[int("axis", -1)]);
        }
        net.g.output(name, &all, &[Axis::Any("N"), Axis::Any("A"), Axis::Size(values)]);
    }
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
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
        let mut x = self.conv(image, "body.stage1.0", 0, [8, 3, 3, 3], 2, LEAKY)?;
        let mut stages = [x.clone(), x.clone(), x.clone()];
        for (stage, index, inputs, outputs, stride) in BLOCKS {
            let prefix = format!("body.stage{stage}.{index}");
            x = self.conv(&x, &prefix, 0, [inputs, 1, 3, 3], stride, LEAKY)?;
            x = self.conv(&x, &prefix, 3, [outputs, inputs, 1, 1], 1, LEAKY)?;
            if let Some(map) = stages.get_mut(stage - 1) {
                *map = x.clone();
            }
        }
        Ok(stages)
    }

    fn pyramid(&mut self, [fine, middle, coarse]: &[Edge; 3]) -> Result<[Edge; 3], ArchError> {
        let fine = self.conv(fine, "fpn.output1", 0, [WIDTH, 64, 1, 1], 1, LEAKY)?;
        let middle = self.conv(middle, "fpn.output2", 0, [WIDTH, 128, 1, 1], 1, LEAKY)?;
        let coarse = self.conv(coarse, "fpn.output3", 0, [WIDTH, 256, 1, 1], 1, LEAKY)?;
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
        self.conv(&sum, name, 0, [WIDTH, WIDTH, 3, 3], 1, LEAKY)
    }

    /// The SSH module: the same map seen through 3×3, 5×5 and 7×7.
    fn context(&mut self, level: usize, x: &Edge) -> Result<Edge, ArchError> {
        let name = |part: &str| format!("ssh{level}.{part}");
        let (half, quarter) = (WIDTH / 2, WIDTH / 4);
        let plain = Activation::None;
        let three = self.conv(x, &name("conv3X3"), 0, [half, WIDTH, 3, 3], 1, plain)?;
        let deeper = self.conv(x, &name("conv5X5_1"), 0, [quarter, WIDTH, 3, 3], 1, LEAKY)?;
        let small = [quarter, quarter, 3, 3];
        let five = self.conv(&deeper, &name("conv5X5_2"), 0, small, 1, plain)?;
        let deepest = self.conv(&deeper, &name("conv7X7_2"), 0, small, 1, LEAKY)?;
        let seven = self.conv(&deepest, &name("conv7x7_3"), 0, small, 1, plain)?;
        let all = self.g.op("Concat", &[&three, &five, &seven], &[int("axis", 1)]);
        Ok(self.g.op("Relu", &[&all], &[]))
    }

    /// One head on every level, as `[N,A,values]`: level by level, row-major, anchor by anchor.
    fn heads(&mut self, head: &str, levels: &[Edge], values: usize) -> Result<Edge, ArchError> {
        let mut parts = Vec::new();
        for (level, x) in levels.iter().enumerate() {
            let name = format!("{head}.{level}.conv1x1");
            let dims = [ANCHORS * values, WIDTH, 1, 1];
            let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
            let weight = self.tensors.read_expecting(&weight_name, &dims)?;
            let bias = self.tensors.read_expecting(&bias_name, &dims[..1])?;
            let g = &mut self.g;
            let weight = g.floats(&weight_name, &dims, weight);
            let bias = g.floats(&bias_name, &dims[..1], bias);
            let y = g.op("Conv", &[x, &weight, &bias], &[ints("kernel_shape", &[1, 1])]);
            let cells_last = g.transpose(&y, &[0, 2, 3, 1]);
            parts.push(g.reshape(&cells_last, &[0, -1, values as i64]));
        }
        let parts: Vec<&Edge> = parts.iter().collect();
        Ok(self.g.op("Concat", &parts, &[int("axis", 1)]))
    }
}
