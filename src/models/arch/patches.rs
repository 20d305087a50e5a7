//! Pictures and clips cut into tokens, and where they are.

use super::transformer::{Layers, Tuning};
use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Part, int, ints};

/// Attention over more would need a matrix of 16 GiB for each head.
const MOST_TOKENS: usize = 1 << 16;
/// Numbers of the table of positions, which is in memory whole: half of what an ONNX file can hold.
const MOST_POSITIONS: usize = 1 << 28;

/// How a clip is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) frames: usize,
    pub(super) size_px: usize,
    /// Frames of a token.
    pub(super) tubelet: usize,
    /// Pixels of a token's side.
    pub(super) patch_px: usize,
}

impl Cut {
    /// Tokens of a clip, where they and their positions are few enough to be computed with.
    pub(super) fn patches(&self, width: usize) -> Result<usize, String> {
        let Self { frames, size_px, tubelet, patch_px } = *self;
        let cuts = |whole: usize, part: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        if !cuts(frames, tubelet) || !cuts(size_px, patch_px) {
            return Err(format!("[D, 3, t, p, p] with t, p that cut {frames}×{size_px}² evenly"));
        }
        let pixels = patch_px.checked_mul(patch_px).and_then(|n| n.checked_mul(tubelet));
        if pixels.is_none_or(|pixels| pixels > MOST_POSITIONS) {
            return Err(format!("tokens of less than {MOST_POSITIONS} pixels"));
        }
        let side = size_px / patch_px;
        let patches = side.checked_mul(side).and_then(|n| n.checked_mul(frames / tubelet));
        let patches = patches.filter(|n| *n <= MOST_TOKENS);
        let patches = patches
            .ok_or_else(|| format!("patches that give at most {MOST_TOKENS} tokens a clip"))?;
        let positions = patches.saturating_add(1).checked_mul(width);
        if positions.is_none_or(|numbers| numbers > MOST_POSITIONS) {
            return Err(format!("a width of which {patches} tokens fit a file"));
        }
        Ok(patches)
    }
}

impl Layers<'_, '_> {
    /// The tokens of `clip` `[N,3,T,S,S]` as `[N,patches,D]`, by the embedding of this name.
    pub(super) fn embed(
        &mut self,
        clip: &Edge,
        name: &str,
        has_bias: bool,
        cut: &Cut,
    ) -> Result<Edge, ArchError> {
        match self.style.tuning {
            Tuning::Cpu => self.embed_by_product(clip, name, has_bias, cut),
            Tuning::Gpu => self.embed_by_convolution(clip, name, has_bias, cut),
        }
    }

    /// Patches without overlap: a convolution that is a matrix product of each patch's pixels.
    fn embed_by_product(
        &mut self,
        clip: &Edge,
        name: &str,
        has_bias: bool,
        cut: &Cut,
    ) -> Result<Edge, ArchError> {
        let Cut { frames, size_px, tubelet, patch_px } = *cut;
        let (side, width) = (size_px / patch_px, self.style.width);
        let cut = [frames / tubelet, tubelet, side, patch_px, side, patch_px];
        let dims: Vec<_> = [0, 3].into_iter().chain(cut.map(|n| n as i64)).collect();
        let x = self.g.reshape(clip, &dims);
        let x = self.g.transpose(&x, &[0, 2, 4, 6, 1, 3, 5, 7]);
        let pixels = 3 * tubelet * patch_px * patch_px;
        let x = self.g.reshape(&x, &[0, -1, pixels as i64]);
        let tensor = format!("{name}.weight");
        let weight = Part { transpose: true, ..Part::all(&tensor, width) };
        let weight = self.g.part(&tensor, &[pixels, width], weight);
        if !has_bias {
            return Ok(self.g.op("MatMul", &[&x, &weight], &[]));
        }
        let bias = self.vector(&format!("{name}.bias"), width)?;
        Ok(self.affine(&x, &weight, &bias))
    }

    fn embed_by_convolution(
        &mut self,
        clip: &Edge,
        name: &str,
        has_bias: bool,
        cut: &Cut,
    ) -> Result<Edge, ArchError> {
        let Cut { tubelet, patch_px, .. } = *cut;
        let width = self.style.width;
        let tensor = format!("{name}.weight");
        let all = Part::all(&tensor, width);
        let weight = self.g.part(&tensor, &[width, 3, tubelet, patch_px, patch_px], all);
        let cut = [tubelet as i64, patch_px as i64, patch_px as i64];
        let conv = [ints("kernel_shape", &cut), ints("strides", &cut)];
        let x = if has_bias {
            let bias = self.vector(&format!("{name}.bias"), width)?;
            self.g.op("Conv", &[clip, &weight, &bias], &conv)
        } else {
            self.g.op("Conv", &[clip, &weight], &conv)
        };
        let x = self.g.reshape(&x, &[0, width as i64, -1]);
        Ok(self.g.transpose(&x, &[0, 2, 1]))
    }

    /// Adds `positions` to the tokens; where there is a `class` token, it comes first, and theirs
    /// is the first position.
    pub(super) fn place(
        &mut self,
        x: &Edge,
        class: Option<&[f32]>,
        mut positions: Vec<f32>,
        patches: usize,
    ) -> Edge {
        let width = self.style.width;
        let Some(class) = class else {
            let positions = self.g.floats("positions", &[1, patches, width], positions);
            return self.g.op("Add", &[x, &positions], &[]);
        };
        let others = positions.split_off(width.min(positions.len()));
        let class = class.iter().zip(&positions).map(|(c, p)| c + p).collect();
        let others = self.g.floats("positions", &[1, patches, width], others);
        let x = self.g.op("Add", &[x, &others], &[]);
        let class = self.g.floats("class_token", &[1, 1, width], class);
        let shape = self.g.op("Shape", &[&x], &[]);
        let batch = self.g.slice(&shape, 0, 0..1, 1);
        let one_token = self.g.shape(&[1, width as i64]);
        let shape = self.g.op("Concat", &[&batch, &one_token], &[int("axis", 0)]);
        let class = self.g.op("Expand", &[&class, &shape], &[]);
        self.g.op("Concat", &[&class, &x], &[int("axis", 1)])
    }
}

/// The learned table where the checkpoint has one, else the sinusoids.
pub(super) fn positions(
    tensors: &mut Tensors<'_>,
    learned: &str,
    tokens: usize,
    width: usize,
) -> Result<Vec<f32>, ArchError> {
    if tensors.has(learned) {
        return tensors.read_expecting(learned, &[1, tokens, width]);
    }
    Ok(sinusoids(tokens, width))
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
