//! The small detectors of biubug6's Face-Detector-1MB-with-landmark: Slim, and RFB, which has a
//! block of several receptive fields (docs/method.md, "Detection").

use super::conv::{Activation, BiasedConv, Conv};
use super::detections::{OUTPUTS, add_output, rows};
use super::{ArchError, Tensors};
use crate::models::graph::{Axis, Edge, Graph, int};

/// Tensors that together only Slim has.
pub const SIGNATURE: [&str; 2] = ["conv8.3.weight", "conv14.2.0.weight"];
/// Tensors that together only RFB has.
pub const RFB_SIGNATURE: [&str; 2] = ["conv8.ConvLinear.conv.weight", "conv14.2.0.weight"];

/// Depthwise-separable blocks, from `conv2` on: channels in and out, stride.
const BLOCKS: [(usize, usize, i64); 12] = [
    (16, 32, 1),
    (32, 32, 2),
    (32, 32, 1),
    (32, 64, 2),
    (64, 64, 1),
    (64, 64, 1),
    (64, 64, 1),
    (64, 128, 2),
    (128, 128, 1),
    (128, 128, 1),
    (128, 256, 2),
    (256, 256, 1),
];
/// The block that RFB has another one for.
const SEVERAL_FIELDS: usize = 8;
/// The blocks whose maps faces are read from, at strides 8, 16 and 32.
const MAPS: [usize; 3] = [8, 11, 13];
/// Channels of a map, and anchors of its cells; the last one is at stride 64.
const LEVELS: [(usize, usize); 4] = [(64, 3), (128, 2), (256, 2), (256, 3)];
/// In each branch: channels out, taps on a side, how far they lie apart, whether what is below zero
/// is cut off.
type Branch = &'static [(usize, usize, i64, bool)];
const BRANCHES: [Branch; 3] = [
    &[(8, 1, 1, false), (16, 3, 1, true), (16, 3, 2, false)],
    &[(8, 1, 1, false), (16, 3, 1, true), (16, 3, 3, false)],
    &[(8, 1, 1, false), (12, 3, 1, true), (16, 3, 1, true), (16, 3, 5, false)],
];

/// `image` `[N,3,H,W]` → `boxes` `[N,A,4]`, `classes` `[N,A,2]` after softmax, `landmarks`
/// `[N,A,10]`; N, H and W are dynamic. `rfb`: with the block of several fields.
pub fn build(tensors: &mut Tensors<'_>, rfb: bool) -> Result<Graph, ArchError> {
    let mut net = Net { g: Graph::new("slim"), tensors };
    let any = [Axis::Any("N"), Axis::Size(3), Axis::Any("H"), Axis::Any("W")];
    let image = net.g.input("image", &any);
    let maps = net.maps(&image, rfb)?;
    for (head, output) in ["loc", "conf", "landm"].into_iter().zip(OUTPUTS) {
        let rows = net.heads(head, &maps, output.1)?;
        add_output(&mut net.g, output, &rows);
    }
    Ok(net.g)
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
}

impl Net<'_, '_> {
    fn maps(&mut self, image: &Edge, rfb: bool) -> Result<Vec<Edge>, ArchError> {
        let mut x = self.normalised(image, ["conv1.0", "conv1.1"], [16, 3, 3, 3], 2)?;
        let mut maps = Vec::new();
        for (number, (inputs, outputs, stride)) in (2..).zip(BLOCKS) {
            let name = format!("conv{number}");
            let part = |n: usize| format!("{name}.{n}");
            x = if rfb && number == SEVERAL_FIELDS {
                self.several_fields(&x, &name)?
            } else {
                let names = [part(0), part(1), part(3), part(4)];
                let [conv, norm, next, last] = names.each_ref().map(String::as_str);
                let y = self.normalised(&x, [conv, norm], [inputs, 1, 3, 3], stride)?;
                self.normalised(&y, [next, last], [outputs, inputs, 1, 1], 1)?
            };
            if MAPS.contains(&number) {
                maps.push(x.clone());
            }
        }
        let relu = Activation::Relu;
        let y = self.biased(&x, "conv14.0", [64, 256, 1, 1], 1, relu)?;
        maps.push(self.separable(&y, "conv14.2", [64, 256], 2, relu)?);
        Ok(maps)
    }

    /// A convolution, its normalisation, and nothing below zero.
    fn normalised(
        &mut self,
        x: &Edge,
        [conv, norm]: [&str; 2],
        dims: [usize; 4],
        stride: i64,
    ) -> Result<Edge, ArchError> {
        let padding = (dims[2] / 2) as i64;
        Conv { conv, norm, dims, stride, padding, activation: Activation::Relu }.add(
            &mut self.g,
            self.tensors,
            x,
        )
    }

    fn biased(
        &mut self,
        x: &Edge,
        name: &str,
        dims: [usize; 4],
        stride: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let padding = (dims[2] / 2) as i64;
        BiasedConv { name, dims, stride, padding, activation }.add(&mut self.g, self.tensors, x)
    }

    /// Channel by channel, then across channels.
    fn separable(
        &mut self,
        x: &Edge,
        name: &str,
        [inputs, outputs]: [usize; 2],
        stride: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let (first, second) = (format!("{name}.0"), format!("{name}.2"));
        let y = self.biased(x, &first, [inputs, 1, 3, 3], stride, Activation::Relu)?;
        self.biased(&y, &second, [outputs, inputs, 1, 1], 1, activation)
    }

    /// The same map seen through fields of several sizes, beside a shortcut.
    fn several_fields(&mut self, x: &Edge, name: &str) -> Result<Edge, ArchError> {
        let mut branches = Vec::new();
        for (branch, plan) in BRANCHES.into_iter().enumerate() {
            let (mut y, mut inputs) = (x.clone(), 64);
            for (index, (outputs, kernel, dilation, active)) in plan.iter().copied().enumerate() {
                let name = format!("{name}.branch{branch}.{index}");
                let dims = [outputs, inputs, kernel, kernel];
                let activation = if active { Activation::Relu } else { Activation::None };
                y = self.field(&y, &name, dims, dilation, activation)?;
                inputs = outputs;
            }
            branches.push(y);
        }
        let branches: Vec<&Edge> = branches.iter().collect();
        let y = self.g.op("Concat", &branches, &[int("axis", 1)]);
        let plain = Activation::None;
        let y = self.field(&y, &format!("{name}.ConvLinear"), [64, 48, 1, 1], 1, plain)?;
        let shortcut = self.field(x, &format!("{name}.shortcut"), [64, 64, 1, 1], 1, plain)?;
        let sum = self.g.op("Add", &[&y, &shortcut], &[]);
        Ok(self.g.op("Relu", &[&sum], &[]))
    }

    fn field(
        &mut self,
        x: &Edge,
        name: &str,
        dims: [usize; 4],
        dilation: i64,
        activation: Activation,
    ) -> Result<Edge, ArchError> {
        let (conv, norm) = (format!("{name}.conv"), format!("{name}.bn"));
        let padding = dilation * (dims[2] / 2) as i64;
        let conv = Conv { conv: &conv, norm: &norm, dims, stride: 1, padding, activation };
        conv.add_dilated(&mut self.g, self.tensors, x, dilation)
    }

    /// One head on every level, as `[N,A,values]`: level by level, row-major, anchor by anchor.
    fn heads(&mut self, head: &str, maps: &[Edge], values: usize) -> Result<Vec<Edge>, ArchError> {
        let mut parts = Vec::new();
        for (level, (x, (width, anchors))) in maps.iter().zip(LEVELS).enumerate() {
            let (name, out) = (format!("{head}.{level}"), anchors * values);
            let plain = Activation::None;
            let y = match level {
                3 => self.biased(x, &name, [out, width, 3, 3], 1, plain)?,
                _ => self.separable(x, &name, [width, out], 1, plain)?,
            };
            parts.push(rows(&mut self.g, &y, values));
        }
        Ok(parts)
    }
}
