//! What two programs call the same tensors.

use super::super::Tensors;
use super::super::transformer::{BlockNames, Projection, Rows};
use super::HUB_SIGNATURE;

/// Whose names they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Of VideoMAE's code, which M2SD took over.
    Own,
    /// Of Hugging Face's `VideoMAEForVideoClassification`.
    Hub,
}

impl Names {
    pub(super) fn of(tensors: &Tensors<'_>) -> Self {
        let [embedding, ..] = HUB_SIGNATURE;
        if tensors.has(embedding) { Self::Hub } else { Self::Own }
    }

    pub(super) fn embedding(self) -> &'static str {
        match self {
            Self::Own => "patch_embed.proj",
            Self::Hub => "videomae.embeddings.patch_embeddings.projection",
        }
    }

    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Own => "head",
            Self::Hub => "classifier",
        }
    }

    fn prefix(self, block: usize) -> String {
        match self {
            Self::Own => format!("blocks.{block}"),
            Self::Hub => format!("videomae.encoder.layer.{block}"),
        }
    }

    pub(super) fn fc1(self, block: usize) -> String {
        let part = if self == Self::Own { "mlp.fc1" } else { "intermediate.dense" };
        format!("{}.{part}", self.prefix(block))
    }

    /// A tensor that every block has.
    pub(super) fn of_a_block(self, block: usize) -> String {
        let prefix = self.prefix(block);
        match self {
            Self::Own => format!("{prefix}.attn.qkv.weight"),
            Self::Hub => format!("{prefix}.attention.attention.query.weight"),
        }
    }

    pub(super) fn block(self, tensors: &Tensors<'_>, block: usize, width: usize) -> BlockNames {
        let prefix = self.prefix(block);
        let name = |part: &str| format!("{prefix}.{part}");
        let qkv = self.qkv(tensors, &prefix, width);
        let fc1 = self.fc1(block);
        match self {
            Self::Own => BlockNames {
                norm1: name("norm1"),
                qkv,
                out: name("attn.proj"),
                norm2: name("norm2"),
                fc1,
                fc2: name("mlp.fc2"),
            },
            Self::Hub => BlockNames {
                norm1: name("layernorm_before"),
                qkv,
                out: name("attention.output.dense"),
                norm2: name("layernorm_after"),
                fc1,
                fc2: name("output.dense"),
            },
        }
    }

    /// Keys have no bias of their own (docs/method.md, "The M2SD network"), unless queries, keys and
    /// values share one.
    fn qkv(self, tensors: &Tensors<'_>, prefix: &str, width: usize) -> [Projection; 3] {
        let attention = match self {
            Self::Own => format!("{prefix}.attn"),
            Self::Hub => format!("{prefix}.attention.attention"),
        };
        let fused = format!("{attention}.qkv.bias");
        let third = |tensor: String, index: usize| Rows {
            tensor,
            rows: index * width..(index + 1) * width,
            of: 3 * width,
        };
        let parts = [("q", "query"), ("k", "key"), ("v", "value")];
        std::array::from_fn(|index| {
            let (letter, word) = parts.get(index).copied().unwrap_or_default();
            let weight = match self {
                Self::Own => third(format!("{attention}.qkv.weight"), index),
                Self::Hub => Rows::all(format!("{attention}.{word}.weight"), width),
            };
            let own = format!("{attention}.{letter}_bias");
            let bias = match letter {
                _ if tensors.has(&fused) => Some(third(fused.clone(), index)),
                "k" => None,
                _ => Some(Rows::all(own, width)),
            };
            Projection { name: format!("{attention}.{letter}"), weight, bias }
        })
    }
}
