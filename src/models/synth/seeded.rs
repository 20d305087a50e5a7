//! Random weights from a seed, made when they are asked for.

use std::collections::BTreeMap;

use crate::models::arch::{Weights, m2sd};
use crate::models::checkpoint::CheckpointError;

/// The dimensions of a transformer with random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerShape {
    /// The length of a token.
    pub width: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Attention heads.
    pub heads: usize,
    /// Frames in a clip.
    pub frames: usize,
    /// The side of a frame.
    pub size_px: usize,
    /// Pixels of a token's side.
    pub patch_px: usize,
    /// Frames in a token.
    pub tubelet: usize,
}

impl TransformerShape {
    /// The published M2SD: ViT-B.
    pub const BASE: Self = Self {
        width: 768,
        blocks: 12,
        heads: 12,
        frames: 16,
        size_px: 224,
        patch_px: 16,
        tubelet: 2,
    };

    pub(super) fn options(&self, tuning: m2sd::Tuning) -> m2sd::Options {
        let Self { heads, frames, size_px, .. } = *self;
        let [heads, frames, size_px] = [heads, frames, size_px].map(Some);
        m2sd::Options { heads, frames, size_px, tuning }
    }
}

/// Of every number.
pub(super) const DEVIATION: f32 = 0.02;

/// Tensors that exist only while they are read.
#[derive(Debug, Default)]
pub(super) struct Seeded {
    shapes: BTreeMap<String, Vec<usize>>,
    seed: u64,
}

impl Seeded {
    /// Matrices of rows and columns, by name.
    pub(super) fn matrices(shapes: &[(&str, [usize; 2])]) -> Self {
        let shapes = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
        Self { shapes: shapes.collect(), seed: 1 }
    }

    pub(super) fn transformer(shape: &TransformerShape, seed: u64) -> Self {
        let TransformerShape { width, blocks, patch_px, tubelet, .. } = *shape;
        let mut shapes = BTreeMap::new();
        let mut add = |name: String, dims: &[usize]| shapes.insert(name, dims.to_vec());
        add("cls_token".to_owned(), &[1, 1, width]);
        add("patch_embed.proj.weight".to_owned(), &[width, 3, tubelet, patch_px, patch_px]);
        add("patch_embed.proj.bias".to_owned(), &[width]);
        let mut linear = |name: String, outputs: usize, inputs: usize| {
            add(format!("{name}.weight"), &[outputs, inputs]);
            add(format!("{name}.bias"), &[outputs]);
        };
        for block in (0..blocks).map(|i| format!("blocks.{i}")) {
            linear(format!("{block}.attn.proj"), width, width);
            linear(format!("{block}.mlp.fc1"), 4 * width, width);
            linear(format!("{block}.mlp.fc2"), width, 4 * width);
        }
        linear("head".to_owned(), 2, width);
        for block in (0..blocks).map(|i| format!("blocks.{i}")) {
            add(format!("{block}.attn.qkv.weight"), &[3 * width, width]);
            for vector in ["attn.q_bias", "attn.v_bias"] {
                add(format!("{block}.{vector}"), &[width]);
            }
            for norm in ["norm1", "norm2"].map(|norm| format!("{block}.{norm}")) {
                add(format!("{norm}.weight"), &[width]);
                add(format!("{norm}.bias"), &[width]);
            }
        }
        add("norm.weight".to_owned(), &[width]);
        add("norm.bias".to_owned(), &[width]);
        Self { shapes, seed }
    }
}

impl Weights for Seeded {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let missing = || CheckpointError::NoSuchTensor(name.to_owned());
        let shape = self.shapes.get(name).ok_or_else(missing)?;
        let mut random = SplitMix64::new(self.seed, name);
        // Gains around 1, everything else around 0: activations stay in the range of a real
        // network's, so that timings are those of one.
        let middle = if name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        Ok((0..shape.iter().product()).map(|_| middle + DEVIATION * random.normal()).collect())
    }
}

/// Sebastiano Vigna's SplitMix64.
struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a, so that every tensor has its own numbers, the same on every machine.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Mean 0, deviation 1: the sum of four uniform numbers, close enough to a normal one.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
        // Four uniform numbers over 2^16 have variance 4/12 of 2^32.
        (sum as f32 / 65536.0 - 2.0) * 3f32.sqrt()
    }
}
