//! M2SD and its family, VideoMAE's video transformers, in any size, with the names of their own code
//! or of Hugging Face's (docs/method.md, "The M2SD network").

mod names;

use self::names::Names;
use super::patches::{self, Cut};
use super::transformer::{self, Gelu, Layers, Style};
use super::{ArchError, Tensors};
use crate::models::checkpoint::Config;
use crate::models::graph::{Axis, Edge, Graph, int, ints};

pub use super::transformer::Tuning;

/// Tensors that together only this family has, as its own code calls them.
pub const SIGNATURE: [&str; 2] = ["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"];
/// The same as Hugging Face calls them.
pub const HUB_SIGNATURE: [&str; 3] = [
    "videomae.embeddings.patch_embeddings.projection.weight",
    "videomae.encoder.layer.0.attention.attention.query.weight",
    "classifier.weight",
];

/// Of the layer norms of its own code, and of Hugging Face's where its configuration says nothing.
const LAYER_NORM_EPS: [f32; 2] = [1e-6, 1e-12];
/// Fake and real.
const CLASSES: usize = 2;
/// The published sizes: width and heads. All read 16 frames of 224².
const PUBLISHED: [(usize, usize); 6] =
    [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16), (1408, 16)];
const PUBLISHED_FRAMES: usize = 16;
const PUBLISHED_SIZE_PX: usize = 224;

/// What the tensors do not tell. `None`: what the file says beside them, else what the published
/// network of this width has; a network of another width needs to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Attention heads.
    pub heads: Option<usize>,
    /// Frames in a clip.
    pub frames: Option<usize>,
    /// The side of a frame.
    pub size_px: Option<usize>,
    /// What the graph is made for.
    pub tuning: Tuning,
}

/// The network's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// The length of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Frames in a clip.
    pub frames: usize,
    /// The side of a frame.
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
    fn from_tensors(
        tensors: &mut Tensors<'_>,
        names: Names,
        config: &Config,
        options: &Options,
    ) -> Result<Self, ArchError> {
        let embedding = format!("{}.weight", names.embedding());
        let found: [usize; 5] = tensors.dims(&embedding)?;
        let [width, colours, tubelet, patch_px, patch_width] = found;
        let wrong = |expected: String| ArchError::Shape {
            tensor: embedding.clone(),
            found: found.to_vec(),
            expected,
        };
        let published = PUBLISHED.iter().find(|(published, _)| *published == width);
        let unsaid = |what, option| ArchError::Unsaid { what, option, width };
        let told = |keys: &[&str]| keys.iter().find_map(|key| config.count(key));
        let frames = options.frames.or_else(|| told(&["num_frames"]));
        let frames = frames.or(published.map(|_| PUBLISHED_FRAMES));
        let frames = frames.ok_or_else(|| unsaid("frames", "--frames"))?;
        let size_px = options.size_px.or_else(|| told(&["image_size", "input_size", "img_size"]));
        let size_px = size_px.or(published.map(|_| PUBLISHED_SIZE_PX));
        let size_px = size_px.ok_or_else(|| unsaid("size", "--size"))?;
        if let Some(told) = config.count("tubelet_size").filter(|told| *told != tubelet) {
            return Err(wrong(format!("{told} frames in a token, as the file says beside it")));
        }
        let cut = Cut { frames, size_px, tubelet, patch_px };
        let patches = cut.patches(width).map_err(wrong)?;
        if colours != 3 || patch_px != patch_width {
            return Err(wrong("[D, 3, t, p, p]".to_owned()));
        }
        let heads = options.heads.or_else(|| told(&["num_attention_heads", "num_heads"]));
        let heads = heads.or(published.map(|(_, heads)| *heads));
        let heads = heads.ok_or_else(|| unsaid("heads", "--heads"))?;
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return Err(wrong(format!("a width that {heads} heads share evenly")));
        }
        transformer::hidden(tensors, &format!("{}.weight", names.fc1(0)), width)?;
        Ok(Self {
            width,
            heads,
            blocks: transformer::blocks(tensors, |i| names.of_a_block(i)),
            frames,
            size_px,
            tubelet,
            patch_px,
            patches,
            class_token: tensors.has("cls_token"),
        })
    }

    fn cut(&self) -> Cut {
        let Self { frames, size_px, tubelet, patch_px, .. } = *self;
        Cut { frames, size_px, tubelet, patch_px }
    }
}

/// `clip` `[N,3,T,S,S]` → `logits` `[N,2]`; N is dynamic. M2SD's index 0 is fake.
pub fn build(
    tensors: &mut Tensors<'_>,
    config: &Config,
    options: &Options,
) -> Result<(Graph, Dims), ArchError> {
    let names = Names::of(tensors);
    let dims = Dims::from_tensors(tensors, names, config, options)?;
    let Dims { width, heads, class_token, .. } = dims;
    let [own_eps, hub_eps] = LAYER_NORM_EPS;
    let eps = match names {
        Names::Own => own_eps,
        Names::Hub => config.number("layer_norm_eps").map_or(hub_eps, |eps| eps as f32),
    };
    let style =
        Style { width, heads, inner: width, eps, gelu: Gelu::Exact, tuning: options.tuning };
    let mut net = Layers { g: Graph::new("m2sd"), tensors, style };
    let side = Axis::Size(dims.size_px);
    let axes = [Axis::Any("N"), Axis::Size(3), Axis::Size(dims.frames), side, side];
    let clip = net.g.input("clip", &axes);
    let mut x = net.embed(&clip, names.embedding(), true, &dims.cut())?;
    let tokens = dims.patches + usize::from(class_token);
    let positions = patches::positions(net.tensors, "pos_embed", tokens, width)?;
    let class =
        class_token.then(|| net.tensors.read_expecting("cls_token", &[1, 1, width])).transpose()?;
    x = net.place(&x, class.as_deref(), positions, dims.patches);
    for index in 0..dims.blocks {
        no_layer_scale(net.tensors, index)?;
        let block = names.block(net.tensors, index, width);
        x = net.block(&block, &x, class_token && index + 1 == dims.blocks)?;
    }
    let logits = head(&mut net, names, class_token, &x)?;
    net.g.output("logits", &logits, &[Axis::Any("N"), Axis::Size(CLASSES)]);
    Ok((net.g, dims))
}

fn no_layer_scale(tensors: &Tensors<'_>, block: usize) -> Result<(), ArchError> {
    let scales = ["gamma_1", "gamma_2"].map(|scale| format!("blocks.{block}.{scale}"));
    match scales.into_iter().find(|scale| tensors.has(scale)) {
        Some(tensor) => {
            let why = "blocks with a layer scale are not supported";
            Err(ArchError::Unsupported { tensor, why })
        }
        None => Ok(()),
    }
}

/// `[N,1,D]` (class token) or `[N,tokens,D]` → `[N,2]`.
fn head(
    net: &mut Layers<'_, '_>,
    names: Names,
    class_token: bool,
    x: &Edge,
) -> Result<Edge, ArchError> {
    let width = net.style.width;
    let x = if class_token {
        let normed = net.layer_norm(x, "norm")?;
        net.g.reshape(&normed, &[-1, width as i64])
    } else {
        let pooling = [ints("axes", &[1]), int("keepdims", 0)];
        let mean = net.g.op("ReduceMean", &[x], &pooling);
        net.layer_norm(&mean, "fc_norm")?
    };
    net.linear(&x, names.head(), width, CLASSES)
}
