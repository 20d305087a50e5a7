//! FTCN+TT: convolutions over time alone, then a transformer over time (docs/method.md, "FTCN+TT").

use super::conv::folded;
use super::patches::positions;
use super::transformer::{
    BlockNames, Gelu, Layers, Projection, Rows, Style, Tuning, blocks, hidden,
};
use super::{ArchError, Tensors};
use crate::models::graph::{Axis, Edge, Graph, int, ints};

/// Tensors that together only this network has, below the prefix `resnet.`.
pub const SIGNATURE: [&str; 3] = [STEM, QKV, "head.time_T.mlp_head.1.weight"];

const STEM: &str = "s1.pathway0_stem.conv.weight";
const TRANSFORMER: &str = "head.time_T";
const QKV: &str = "head.time_T.transformer.layers.0.0.fn.fn.to_qkv.weight";
/// Frames in a clip.
const FRAMES: usize = 32;
/// The side of a frame.
const SIZE_PX: usize = 224;
/// Channels: the published network has 1024 in its tokens and in its heads.
const MOST_WIDE: usize = 1 << 16;
/// Channels of one head.
const HEAD_WIDTH: usize = 64;
/// Frames after the pooling over time.
const TOKENS: usize = FRAMES / 2;
const LAYER_NORM_EPS: f32 = 1e-5;
/// Stage, blocks, and its channels in widths of the stem.
const STAGES: [(usize, usize, usize); 3] = [(2, 3, 4), (3, 4, 8), (4, 6, 16)];

/// `clip` `[N,3,32,224,224]` → `logit` `[N,1]`, whose sigmoid is P(fake); N is dynamic.
pub fn build(tensors: &mut Tensors<'_>, tuning: Tuning) -> Result<Graph, ArchError> {
    let [stem, ..] = tensors.dims::<5>(STEM)?;
    let width = stem.saturating_mul(16);
    let [rows, _] = tensors.dims(QKV)?;
    let inner = rows / 3;
    let heads = inner / HEAD_WIDTH;
    if stem == 0
        || width > MOST_WIDE
        || inner > MOST_WIDE
        || heads == 0
        || rows != 3 * heads * HEAD_WIDTH
    {
        let expected = format!("[3·{HEAD_WIDTH}·heads, {width}], neither above {MOST_WIDE}");
        let (tensor, found) = (QKV.to_owned(), vec![rows, width]);
        return Err(ArchError::Shape { tensor, found, expected });
    }
    let style = Style { width, heads, inner, eps: LAYER_NORM_EPS, gelu: Gelu::Exact, tuning };
    let mut net = Layers { g: Graph::new("ftcn"), tensors, style };
    let side = Axis::Size(SIZE_PX);
    let axes = [Axis::Any("N"), Axis::Size(3), Axis::Size(FRAMES), side, side];
    let clip = net.g.input("clip", &axes);
    let features = net.convolutions(&clip, stem)?;
    let pooling = [ints("axes", &[3, 4]), int("keepdims", 0)];
    let tokens = net.g.op("ReduceMean", &[&features], &pooling);
    let tokens = net.g.transpose(&tokens, &[0, 2, 1]);
    let logit = net.time_transformer(&tokens)?;
    net.g.output("logit", &logit, &[Axis::Any("N"), Axis::Size(1)]);
    Ok(net.g)
}

/// A bottleneck block: its place and its channels.
struct Bottleneck {
    prefix: String,
    channels: [usize; 3],
    /// It pools its pictures to half their size.
    halves: bool,
}

impl Layers<'_, '_> {
    /// `[N,3,32,224,224]` → `[N,16·stem,16,14,14]`.
    fn convolutions(&mut self, clip: &Edge, stem: usize) -> Result<Edge, ArchError> {
        let x = self.conv(clip, "s1.pathway0_stem.conv", "s1.pathway0_stem.bn.0", [stem, 3, 5])?;
        // In place of the stride that the convolution would have.
        let x = self.halve(&x);
        let x = self.g.op("Relu", &[&x], &[]);
        let pool = [
            ints("kernel_shape", &[1, 3, 3]),
            ints("strides", &[1, 2, 2]),
            ints("pads", &[0, 1, 1, 0, 1, 1]),
        ];
        let mut x = self.g.op("MaxPool", &[&x], &pool);
        let mut inputs = stem;
        for (stage, blocks, widths) in STAGES {
            for index in 0..blocks {
                let outputs = widths * stem;
                let block = Bottleneck {
                    prefix: format!("s{stage}.pathway0_res{index}"),
                    channels: [inputs, outputs / 4, outputs],
                    halves: stage > 2 && index == 0,
                };
                x = self.bottleneck(&x, &block, index == 0)?;
                inputs = outputs;
            }
            if stage == 2 {
                let pool = [ints("kernel_shape", &[2, 1, 1]), ints("strides", &[2, 1, 1])];
                x = self.g.op("MaxPool", &[&x], &pool);
            }
        }
        Ok(x)
    }

    fn bottleneck(
        &mut self,
        x: &Edge,
        block: &Bottleneck,
        projects: bool,
    ) -> Result<Edge, ArchError> {
        let Bottleneck { prefix, channels: [inputs, middle, outputs], halves } = block;
        let (inputs, middle, outputs) = (*inputs, *middle, *outputs);
        // A normalisation with a pool behind it is the first of two modules.
        let norm = |name: &str| format!("{prefix}.{name}{}", if *halves { ".0" } else { "" });
        let shortcut = if projects {
            let (conv, norm) = (format!("{prefix}.branch1"), norm("branch1_bn"));
            let y = self.conv(x, &conv, &norm, [outputs, inputs, 1])?;
            if *halves { self.halve(&y) } else { y }
        } else {
            x.clone()
        };
        let branch = |part: &str| format!("{prefix}.branch2.{part}");
        // In the later stages every second block looks at single frames: the weights tell.
        let weight = format!("{}.weight", branch("a"));
        let [.., frames, _, _] = self.tensors.dims::<5>(&weight)?;
        let frames = if frames == 1 { 1 } else { 3 };
        let y = self.conv(x, &branch("a"), &branch("a_bn"), [middle, inputs, frames])?;
        let y = self.g.op("Relu", &[&y], &[]);
        let mut y = self.conv(&y, &branch("b"), &norm("branch2.b_bn"), [middle, middle, 1])?;
        if *halves {
            y = self.halve(&y);
        }
        let y = self.g.op("Relu", &[&y], &[]);
        let y = self.conv(&y, &branch("c"), &branch("c_bn"), [outputs, middle, 1])?;
        let sum = self.g.op("Add", &[&shortcut, &y], &[]);
        Ok(self.g.op("Relu", &[&sum], &[]))
    }

    /// A convolution over so many frames, `[out, in, frames]`, and its normalisation.
    fn conv(
        &mut self,
        x: &Edge,
        conv: &str,
        norm: &str,
        [outputs, inputs, frames]: [usize; 3],
    ) -> Result<Edge, ArchError> {
        let dims = [outputs, inputs, frames, 1, 1];
        let [weight, bias] = folded(&mut self.g, self.tensors, conv, norm, &dims)?;
        let (frames, around) = (frames as i64, (frames / 2) as i64);
        let attributes =
            [ints("kernel_shape", &[frames, 1, 1]), ints("pads", &[around, 0, 0, around, 0, 0])];
        Ok(self.g.op("Conv", &[x, &weight, &bias], &attributes))
    }

    /// Pictures to half their size.
    fn halve(&mut self, x: &Edge) -> Edge {
        let pool = [ints("kernel_shape", &[1, 2, 2]), ints("strides", &[1, 2, 2])];
        self.g.op("MaxPool", &[x], &pool)
    }

    /// `[N,16,D]` → `[N,1]`.
    fn time_transformer(&mut self, tokens: &Edge) -> Result<Edge, ArchError> {
        let Style { width, .. } = self.style;
        let name = |part: &str| format!("{TRANSFORMER}.{part}");
        let (class, places) = (name("cls_token"), name("pos_embedding"));
        let class = self.tensors.read_expecting(&class, &[1, 1, width])?;
        self.tensors.expect(&places, &[1, TOKENS + 1, width])?;
        let places = positions(self.tensors, &places, TOKENS + 1, width)?;
        let mut x = self.place(tokens, Some(&class), places, TOKENS);
        let layers =
            blocks(self.tensors, |i| name(&format!("transformer.layers.{i}.0.fn.norm.weight")));
        for layer in 0..layers {
            let names = self.layer(layer);
            hidden(self.tensors, &format!("{}.weight", names.fc1), width)?;
            x = self.block(&names, &x, layer + 1 == layers)?;
        }
        let x = self.g.reshape(&x, &[-1, width as i64]);
        let x = self.layer_norm(&x, &name("mlp_head.0"))?;
        self.linear(&x, &name("mlp_head.1"), width, 1)
    }

    fn layer(&self, index: usize) -> BlockNames {
        let Style { inner, .. } = self.style;
        let prefix = format!("{TRANSFORMER}.transformer.layers.{index}");
        let attention = format!("{prefix}.0.fn.fn");
        let mut third = 0..inner;
        let qkv = ["q", "k", "v"].map(|letter| {
            let rows = third.clone();
            third = rows.end..rows.end + inner;
            let tensor = format!("{attention}.to_qkv.weight");
            let weight = Rows { tensor, rows, of: 3 * inner };
            Projection { name: format!("{attention}.{letter}"), weight, bias: None }
        });
        BlockNames {
            norm1: format!("{prefix}.0.fn.norm"),
            qkv,
            out: format!("{attention}.to_out.0"),
            norm2: format!("{prefix}.1.fn.norm"),
            fc1: format!("{prefix}.1.fn.fn.net.0"),
            fc2: format!("{prefix}.1.fn.fn.net.3"),
        }
    }
}
