//! GenD: CLIP's vision tower and a linear probe on its picture of a face (docs/method.md, "GenD").

use super::patches::Cut;
use super::transformer::{BlockNames, Gelu, Layers, Projection, Rows, Style, Tuning, blocks};
use super::{ArchError, Tensors};
use crate::models::checkpoint::Config;
use crate::models::graph::{Axis, Edge, Graph, int, ints};

/// Tensors that together only this network has.
pub const SIGNATURE: [&str; 3] = [
    "feature_extractor.vision_model.embeddings.patch_embedding.weight",
    "feature_extractor.vision_model.pre_layrnorm.weight",
    "model.linear.weight",
];

const TOWER: &str = "feature_extractor.vision_model";
const LAYER_NORM_EPS: f32 = 1e-5;
/// Real and fake.
const CLASSES: usize = 2;
/// All of CLIP's towers but the smallest have heads of 64 channels.
const HEAD_WIDTH: usize = 64;
/// The side of a frame.
const SIZE_PX: usize = 224;
/// What a length is at least, before something is divided by it.
const LEAST_LENGTH: f32 = 1e-12;

/// The network's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// The length of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Pixels of a token's side.
    pub patch_px: usize,
    /// The probe sees the direction of the feature only.
    pub normalises: bool,
}

/// `clip` `[N,3,1,224,224]` → `logits` `[N,2]`, index 1 fake; N is dynamic.
pub fn build(
    tensors: &mut Tensors<'_>,
    config: &Config,
    heads: Option<usize>,
    tuning: Tuning,
) -> Result<(Graph, Dims), ArchError> {
    let dims = Dims::new(tensors, config, heads)?;
    let Dims { width, heads, patch_px, .. } = dims;
    let (eps, gelu) = (LAYER_NORM_EPS, Gelu::Quick);
    let style = Style { width, heads, inner: width, eps, gelu, tuning };
    let mut net = Layers { g: Graph::new("gend"), tensors, style };
    let side = Axis::Size(SIZE_PX);
    let clip = net.g.input("clip", &[Axis::Any("N"), Axis::Size(3), Axis::Size(1), side, side]);
    let cut = Cut { frames: 1, size_px: SIZE_PX, tubelet: 1, patch_px };
    let x = net.tokens(&clip, &cut)?;
    let feature = net.tower(&x, dims.blocks)?;
    let feature = if dims.normalises { net.normalised(&feature) } else { feature };
    let logits = net.linear(&feature, "model.linear", width, CLASSES)?;
    net.g.output("logits", &logits, &[Axis::Any("N"), Axis::Size(CLASSES)]);
    Ok((net.g, dims))
}

impl Dims {
    fn new(
        tensors: &mut Tensors<'_>,
        config: &Config,
        heads: Option<usize>,
    ) -> Result<Self, ArchError> {
        let [embedding, ..] = SIGNATURE;
        let found: [usize; 4] = tensors.dims(embedding)?;
        let [width, colours, patch_px, patch_width] = found;
        let wrong = |expected: String| ArchError::Shape {
            tensor: embedding.to_owned(),
            found: found.to_vec(),
            expected,
        };
        let heads = heads.or_else(|| config.count("num_attention_heads"));
        let heads = heads.unwrap_or(width / HEAD_WIDTH);
        if colours != 3 || patch_px != patch_width || heads == 0 || !width.is_multiple_of(heads) {
            return Err(wrong(format!("[D, 3, p, p] with D for {heads} heads to share evenly")));
        }
        let normalises = match config.text("head") {
            Some("LinearNorm") => true,
            Some("linear" | "Linear") => false,
            found => return Err(ArchError::Head { found: found.map(str::to_owned) }),
        };
        let blocks = blocks(tensors, |i| format!("{TOWER}.encoder.layers.{i}.layer_norm1.weight"));
        Ok(Self { width, heads, blocks, patch_px, normalises })
    }
}

impl Layers<'_, '_> {
    /// `[N,3,1,224,224]` → `[N,tokens,D]`, the class token first.
    fn tokens(&mut self, clip: &Edge, cut: &Cut) -> Result<Edge, ArchError> {
        let Style { width, .. } = self.style;
        let [embedding, ..] = SIGNATURE;
        let patches = cut.patches(width).map_err(|expected| ArchError::Shape {
            tensor: embedding.to_owned(),
            found: vec![width, 3, cut.patch_px, cut.patch_px],
            expected,
        })?;
        let name = |part: &str| format!("{TOWER}.{part}");
        let x = self.embed(clip, &name("embeddings.patch_embedding"), false, cut)?;
        let class = name("embeddings.class_embedding");
        let class = self.tensors.read_expecting(&class, &[width])?;
        let places = name("embeddings.position_embedding.weight");
        let places = self.tensors.read_expecting(&places, &[patches + 1, width])?;
        let x = self.place(&x, Some(&class), places, patches);
        self.layer_norm(&x, &name("pre_layrnorm"))
    }

    /// The class token after all blocks, `[N,D]`.
    fn tower(&mut self, x: &Edge, blocks: usize) -> Result<Edge, ArchError> {
        let width = self.style.width;
        let mut x = x.clone();
        for block in 0..blocks {
            x = self.block(&names(block, width), &x, block + 1 == blocks)?;
        }
        let x = self.g.reshape(&x, &[-1, width as i64]);
        self.layer_norm(&x, &format!("{TOWER}.post_layernorm"))
    }

    /// `x` of length 1.
    fn normalised(&mut self, x: &Edge) -> Edge {
        let axes = [ints("axes", &[1]), int("keepdims", 1)];
        let length = self.g.op("ReduceL2", &[x], &axes);
        let least = self.g.scalar(LEAST_LENGTH);
        let length = self.g.op("Max", &[&length, &least], &[]);
        self.g.op("Div", &[x, &length], &[])
    }
}

fn names(block: usize, width: usize) -> BlockNames {
    let prefix = format!("{TOWER}.encoder.layers.{block}");
    let name = |part: &str| format!("{prefix}.{part}");
    let qkv = ["q_proj", "k_proj", "v_proj"].map(|part| {
        let name = format!("{prefix}.self_attn.{part}");
        let weight = Rows::all(format!("{name}.weight"), width);
        let bias = Some(Rows::all(format!("{name}.bias"), width));
        Projection { name, weight, bias }
    });
    BlockNames {
        norm1: name("layer_norm1"),
        qkv,
        out: name("self_attn.out_proj"),
        norm2: name("layer_norm2"),
        fc1: name("mlp.fc1"),
        fc2: name("mlp.fc2"),
    }
}
