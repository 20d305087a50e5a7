//! M2SD and its family, VideoMAE's video transformers, in any size (docs/method.md, "The M2SD
//! network").
//!
//! Written for speed in the usual runtimes: q, k and v are separate matrices with the scale
//! folded into q, and where the head reads the class token only, the last block computes nothing
//! else. Both are exact. What suits processors and GPUs differently is [`Tuning`].

use super::{ArchError, Tensors};
use crate::models::graph::{Axis, Edge, Graph, Part, float, int, ints};

/// Tensors that together only this family has.
pub const SIGNATURE: [&str; 2] = ["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"];

const LAYER_NORM_EPS: f32 = 1e-6;
/// Fake and real.
const CLASSES: usize = 2;
/// Attention over more would need a matrix of 16 GiB for each head.
const MOST_TOKENS: usize = 1 << 16;
/// Numbers of the table of positions, which is in memory whole: half of what an ONNX file can hold.
const MOST_POSITIONS: usize = 1 << 28;
/// Parts of a hidden layer: the published networks have 4.
const MOST_PARTS: usize = 64;

/// What the graph is written for; it runs, and means the same, everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuning {
    /// Products small enough that their weights stay in a core's cache, which an AMX core
    /// computes half as fast again: the MLPs in parts, as wide as the tokens, and the
    /// embedding as one product instead of a convolution.
    #[default]
    Cpu,
    /// Few large products.
    Gpu,
}

/// What the tensors do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Attention heads; `None`: one for every 64 channels.
    pub heads: Option<usize>,
    /// Frames in a clip.
    pub frames: usize,
    /// The side of a frame.
    pub size_px: usize,
    pub tuning: Tuning,
}

impl Default for Options {
    fn default() -> Self {
        Self { heads: None, frames: 16, size_px: 224, tuning: Tuning::default() }
    }
}

/// The network's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    pub width: usize,
    pub heads: usize,
    pub blocks: usize,
    /// Width of the two-layer MLPs.
    pub hidden: usize,
    pub frames: usize,
    pub size_px: usize,
    /// Frames in a token.
    pub tubelet: usize,
    /// Pixels of a token's side.
    pub patch_px: usize,
    /// Tokens of the clip, without the class token.
    pub patches: usize,
    /// The head reads the class token; otherwise the mean of all tokens.
    pub class_token: bool,
}

impl Dims {
    fn tokens(&self) -> usize {
        self.patches + usize::from(self.class_token)
    }

    fn from_tensors(tensors: &mut Tensors<'_>, options: &Options) -> Result<Self, ArchError> {
        let embedding = "patch_embed.proj.weight";
        let [width, colours, tubelet, patch_px, patch_width] = tensors.dims(embedding)?;
        let wrong = |tensor: &str, expected: String| ArchError::Shape {
            tensor: tensor.to_owned(),
            found: vec![width, colours, tubelet, patch_px, patch_width],
            expected,
        };
        let cuts = |whole: usize, part: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        if colours != 3
            || patch_px != patch_width
            || !cuts(options.frames, tubelet)
            || !cuts(options.size_px, patch_px)
        {
            let Options { frames, size_px, .. } = options;
            let expected = format!("[D, 3, t, p, p] with t, p that cut {frames}×{size_px}² evenly");
            return Err(wrong(embedding, expected));
        }
        let side = options.size_px / patch_px;
        let patches = side.checked_mul(side).and_then(|n| n.checked_mul(options.frames / tubelet));
        let few = patches.filter(|n| *n <= MOST_TOKENS);
        let patches = few.ok_or_else(|| {
            wrong(embedding, format!("patches that give at most {MOST_TOKENS} tokens a clip"))
        })?;
        let positions = patches.saturating_add(1).checked_mul(width);
        if positions.is_none_or(|numbers| numbers > MOST_POSITIONS) {
            return Err(wrong(embedding, format!("a width of which {patches} tokens fit a file")));
        }
        let heads = options.heads.unwrap_or(width / 64);
        if !cuts(width, heads) {
            return Err(wrong(embedding, format!("a width that {heads} heads share evenly")));
        }
        let mlp = "blocks.0.mlp.fc1.weight";
        let [hidden, inputs] = tensors.dims(mlp)?;
        if hidden == 0 {
            let (tensor, found) = (mlp.to_owned(), vec![hidden, inputs]);
            let expected = format!("[hidden, {width}] with hidden at least 1");
            return Err(ArchError::Shape { tensor, found, expected });
        }
        let names = (0..).map(|i| format!("blocks.{i}.attn.qkv.weight"));
        Ok(Self {
            width,
            heads,
            blocks: names.take_while(|name| tensors.has(name)).count(),
            hidden,
            frames: options.frames,
            size_px: options.size_px,
            tubelet,
            patch_px,
            patches,
            class_token: tensors.has("cls_token"),
        })
    }
}

/// `clip` `[N,3,T,S,S]` → `logits` `[N,2]`, index 0 fake; N is dynamic.
pub fn build(tensors: &mut Tensors<'_>, options: &Options) -> Result<(Graph, Dims), ArchError> {
    let dims = Dims::from_tensors(tensors, options)?;
    let mut net = Net { g: Graph::new("m2sd"), tensors, dims, tuning: options.tuning };
    let side = Axis::Size(options.size_px);
    let axes = [Axis::Any("N"), Axis::Size(3), Axis::Size(options.frames), side, side];
    let clip = net.g.input("clip", &axes);
    let mut x = net.embed(&clip)?;
    for block in 0..dims.blocks {
        let last = block + 1 == dims.blocks;
        x = net.block(block, &x, last && dims.class_token)?;
    }
    let logits = net.head(&x)?;
    net.g.output("logits", &logits, &[Axis::Any("N"), Axis::Size(CLASSES)]);
    Ok((net.g, dims))
}

struct Net<'a, 'b> {
    g: Graph,
    tensors: &'a mut Tensors<'b>,
    dims: Dims,
    tuning: Tuning,
}

impl Net<'_, '_> {
    /// Tubelets to tokens, plus positions, class token first.
    fn embed(&mut self, clip: &Edge) -> Result<Edge, ArchError> {
        let Dims { width, patches, class_token, .. } = self.dims;
        let x = match self.tuning {
            Tuning::Cpu => self.embed_by_product(clip)?,
            Tuning::Gpu => self.embed_by_convolution(clip)?,
        };
        let mut positions = self.positions()?;
        if !class_token {
            let positions = self.g.floats("positions", &[1, patches, width], positions);
            return Ok(self.g.op("Add", &[&x, &positions], &[]));
        }
        let others = positions.split_off(width);
        let class = self.tensors.read_expecting("cls_token", &[1, 1, width])?;
        let class = class.iter().zip(&positions).map(|(c, p)| c + p).collect();
        let others = self.g.floats("positions", &[1, patches, width], others);
        let x = self.g.op("Add", &[&x, &others], &[]);
        let class = self.g.floats("class_token", &[1, 1, width], class);
        let shape = self.g.op("Shape", &[&x], &[]);
        let batch = self.g.slice(&shape, 0, 0..1, 1);
        let one_token = self.g.shape(&[1, width as i64]);
        let shape = self.g.op("Concat", &[&batch, &one_token], &[int("axis", 0)]);
        let class = self.g.op("Expand", &[&class, &shape], &[]);
        Ok(self.g.op("Concat", &[&class, &x], &[int("axis", 1)]))
    }

    /// Patches without overlap: a convolution that is a matrix product of each patch's pixels.
    fn embed_by_product(&mut self, clip: &Edge) -> Result<Edge, ArchError> {
        let Dims { width, frames, size_px, tubelet, patch_px, .. } = self.dims;
        let side = size_px / patch_px;
        let cut = [frames / tubelet, tubelet, side, patch_px, side, patch_px];
        let dims: Vec<_> = [0, 3].into_iter().chain(cut.map(|n| n as i64)).collect();
        let x = self.g.reshape(clip, &dims);
        let x = self.g.transpose(&x, &[0, 2, 4, 6, 1, 3, 5, 7]);
        let pixels = 3 * tubelet * patch_px * patch_px;
        let x = self.g.reshape(&x, &[0, -1, pixels as i64]);
        let name = "patch_embed.proj.weight";
        let weight = Part { transpose: true, ..Part::all(name, width) };
        let weight = self.g.part(name, &[pixels, width], weight);
        let bias = self.vector("patch_embed.proj.bias", width)?;
        Ok(self.affine(&x, &weight, &bias))
    }

    fn embed_by_convolution(&mut self, clip: &Edge) -> Result<Edge, ArchError> {
        let Dims { width, tubelet, patch_px, .. } = self.dims;
        let name = "patch_embed.proj.weight";
        let all = Part::all(name, width);
        let weight = self.g.part(name, &[width, 3, tubelet, patch_px, patch_px], all);
        let bias = self.vector("patch_embed.proj.bias", width)?;
        let cut = [tubelet as i64, patch_px as i64, patch_px as i64];
        let conv = [ints("kernel_shape", &cut), ints("strides", &cut)];
        let x = self.g.op("Conv", &[clip, &weight, &bias], &conv);
        let x = self.g.reshape(&x, &[0, width as i64, -1]);
        Ok(self.g.transpose(&x, &[0, 2, 1]))
    }

    /// The learned table where the checkpoint has one, else the sinusoids.
    fn positions(&mut self) -> Result<Vec<f32>, ArchError> {
        let (tokens, width) = (self.dims.tokens(), self.dims.width);
        if self.tensors.has("pos_embed") {
            return self.tensors.read_expecting("pos_embed", &[1, tokens, width]);
        }
        Ok(sinusoids(tokens, width))
    }

    /// One transformer block on `x` `[N,tokens,D]`; with `class_only`, only the class token's
    /// row `[N,1,D]` comes out.
    fn block(&mut self, index: usize, x: &Edge, class_only: bool) -> Result<Edge, ArchError> {
        let prefix = format!("blocks.{index}");
        for scale in ["gamma_1", "gamma_2"] {
            let tensor = format!("{prefix}.{scale}");
            if self.tensors.has(&tensor) {
                let why = "blocks with a layer scale are not supported";
                return Err(ArchError::Unsupported { tensor, why });
            }
        }
        let normed = self.layer_norm(x, &format!("{prefix}.norm1"))?;
        let (queries, x) = if class_only {
            (self.g.slice(&normed, 1, 0..1, 1), self.g.slice(x, 1, 0..1, 1))
        } else {
            (normed.clone(), x.clone())
        };
        let attended = self.attention(&format!("{prefix}.attn"), &queries, &normed)?;
        let x = self.g.op("Add", &[&x, &attended], &[]);
        let normed = self.layer_norm(&x, &format!("{prefix}.norm2"))?;
        self.mlp(&format!("{prefix}.mlp"), &normed, x)
    }

    /// `sum` plus the two layers on `x`, computed for one part of the hidden channels after the
    /// other.
    fn mlp(&mut self, prefix: &str, x: &Edge, mut sum: Edge) -> Result<Edge, ArchError> {
        let Dims { width, hidden, .. } = self.dims;
        let (fc1, fc2) = (format!("{prefix}.fc1"), format!("{prefix}.fc2"));
        self.tensors.expect(&format!("{fc1}.weight"), &[hidden, width])?;
        self.tensors.expect(&format!("{fc2}.weight"), &[width, hidden])?;
        let inner_bias = self.tensors.read_expecting(&format!("{fc1}.bias"), &[hidden])?;
        let part = match self.tuning {
            Tuning::Cpu if hidden.is_multiple_of(width) && hidden / width <= MOST_PARTS => width,
            Tuning::Cpu | Tuning::Gpu => hidden,
        };
        for (index, bias) in inner_bias.chunks(part).enumerate() {
            let channels = index * part..(index + 1) * part;
            let (fc1_weight, fc2_weight) = (format!("{fc1}.weight"), format!("{fc2}.weight"));
            let all = Part { transpose: true, ..Part::all(&fc1_weight, hidden) };
            let weight = Part { rows: channels.clone(), ..all };
            let weight = self.g.part(&format!("{fc1_weight}.{index}"), &[width, part], weight);
            let bias = self.g.floats(&format!("{fc1}.bias.{index}"), &[part], bias.to_vec());
            let inner = self.affine(x, &weight, &bias);
            let inner = self.gelu(&inner);

            let all = Part { transpose: true, ..Part::all(&fc2_weight, width) };
            let weight = Part { columns: Some(channels), ..all };
            let weight = self.g.part(&format!("{fc2_weight}.{index}"), &[part, width], weight);
            let outer = if index == 0 {
                let bias = self.vector(&format!("{fc2}.bias"), width)?;
                self.affine(&inner, &weight, &bias)
            } else {
                self.g.op("MatMul", &[&inner, &weight], &[])
            };
            sum = self.g.op("Add", &[&sum, &outer], &[]);
        }
        Ok(sum)
    }

    /// Attention of `queries` over `keys`, both normalised tokens.
    fn attention(&mut self, prefix: &str, queries: &Edge, keys: &Edge) -> Result<Edge, ArchError> {
        let Dims { width, heads, .. } = self.dims;
        let scale = ((width / heads) as f32).powf(-0.5);
        self.tensors.expect(&format!("{prefix}.qkv.weight"), &[3 * width, width])?;
        let q_bias = self.tensors.read_expecting(&format!("{prefix}.q_bias"), &[width])?;
        let q_bias = q_bias.iter().map(|b| b * scale).collect();
        let q_bias = self.g.floats(&format!("{prefix}.q_bias"), &[width], q_bias);
        let v_bias = self.vector(&format!("{prefix}.v_bias"), width)?;

        let q = self.projection(prefix, 'q', queries, 0, scale);
        let q = self.g.op("Add", &[&q, &q_bias], &[]);
        // Keys have no bias (docs/method.md, "The M2SD network").
        let k = self.projection(prefix, 'k', keys, 1, 1.0);
        let v = self.projection(prefix, 'v', keys, 2, 1.0);
        let v = self.g.op("Add", &[&v, &v_bias], &[]);

        let q = self.split_heads(&q, [0, 2, 1, 3]);
        // Two steps, which OpenVINO takes in half the time of one.
        let k = self.split_heads(&k, [0, 2, 1, 3]);
        let k = self.g.transpose(&k, &[0, 1, 3, 2]);
        let v = self.split_heads(&v, [0, 2, 1, 3]);
        let scores = self.g.op("MatMul", &[&q, &k], &[]);
        let weights = self.g.op("Softmax", &[&scores], &[int("axis", -1)]);
        let mixed = self.g.op("MatMul", &[&weights, &v], &[]);
        let mixed = self.g.transpose(&mixed, &[0, 2, 1, 3]);
        let mixed = self.g.reshape(&mixed, &[0, -1, width as i64]);
        self.linear(&mixed, &format!("{prefix}.proj"), width, width)
    }

    /// One third of the fused qkv matrix, applied to `x`.
    fn projection(
        &mut self,
        prefix: &str,
        letter: char,
        x: &Edge,
        third: usize,
        scale: f32,
    ) -> Edge {
        let width = self.dims.width;
        let all = Part::all(&format!("{prefix}.qkv.weight"), 3 * width);
        let rows = third * width..(third + 1) * width;
        let part = Part { rows, transpose: true, scale, ..all };
        let weight = self.g.part(&format!("{prefix}.{letter}.weight"), &[width, width], part);
        self.g.op("MatMul", &[x, &weight], &[])
    }

    fn split_heads(&mut self, x: &Edge, order: [i64; 4]) -> Edge {
        let Dims { width, heads, .. } = self.dims;
        let split = self.g.reshape(x, &[0, -1, heads as i64, (width / heads) as i64]);
        self.g.transpose(&split, &order)
    }

    /// `[N,1,D]` (class token) or `[N,tokens,D]` → `[N,2]`.
    fn head(&mut self, x: &Edge) -> Result<Edge, ArchError> {
        let width = self.dims.width;
        let x = if self.dims.class_token {
            let normed = self.layer_norm(x, "norm")?;
            self.g.reshape(&normed, &[-1, width as i64])
        } else {
            let pooling = [ints("axes", &[1]), int("keepdims", 0)];
            let mean = self.g.op("ReduceMean", &[x], &pooling);
            self.layer_norm(&mean, "fc_norm")?
        };
        self.linear(&x, "head", width, CLASSES)
    }

    fn layer_norm(&mut self, x: &Edge, prefix: &str) -> Result<Edge, ArchError> {
        let width = self.dims.width;
        let gain = self.vector(&format!("{prefix}.weight"), width)?;
        let shift = self.vector(&format!("{prefix}.bias"), width)?;
        let attributes = [int("axis", -1), float("epsilon", LAYER_NORM_EPS)];
        Ok(self.g.op("LayerNormalization", &[x, &gain, &shift], &attributes))
    }

    fn linear(
        &mut self,
        x: &Edge,
        prefix: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Edge, ArchError> {
        let tensor = format!("{prefix}.weight");
        self.tensors.expect(&tensor, &[outputs, inputs])?;
        let all = Part { transpose: true, ..Part::all(&tensor, outputs) };
        let weight = self.g.part(&tensor, &[inputs, outputs], all);
        let bias = self.vector(&format!("{prefix}.bias"), outputs)?;
        Ok(self.affine(x, &weight, &bias))
    }

    fn affine(&mut self, x: &Edge, weight: &Edge, bias: &Edge) -> Edge {
        let y = self.g.op("MatMul", &[x, weight], &[]);
        self.g.op("Add", &[&y, bias], &[])
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Edge, ArchError> {
        let values = self.tensors.read_expecting(name, &[len])?;
        Ok(self.g.floats(name, &[len], values))
    }

    /// The exact one, in the form that runtimes recognise and fuse.
    fn gelu(&mut self, x: &Edge) -> Edge {
        let (root, one) = (self.g.scalar(std::f32::consts::SQRT_2), self.g.scalar(1.0));
        let half = self.g.scalar(0.5);
        let scaled = self.g.op("Div", &[x, &root], &[]);
        let erf = self.g.op("Erf", &[&scaled], &[]);
        let raised = self.g.op("Add", &[&erf, &one], &[]);
        let gated = self.g.op("Mul", &[x, &raised], &[]);
        self.g.op("Mul", &[&gated, &half], &[])
    }
}

/// `sin` on even and `cos` on odd channels of `position / 10000^(2·(channel/2)/width)`, row by
/// row. Computed in double precision, as the reference does.
fn sinusoids(positions: usize, width: usize) -> Vec<f32> {
    let angle = |position: usize, channel: usize| {
        let exponent = (2 * (channel / 2)) as f64 / width as f64;
        position as f64 / 10_000f64.powf(exponent)
    };
    let value = |position, channel: usize| {
        let angle = angle(position, channel);
        (if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    (0..positions).flat_map(|p| (0..width).map(move |c| value(p, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinusoids_begin_and_continue_as_documented() {
        let table = sinusoids(3, 4);
        assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
        let second = [1f64.sin(), 1f64.cos(), 0.01f64.sin(), 0.01f64.cos()];
        assert_eq!(table[4..8], second.map(|v| v as f32));
    }
}
