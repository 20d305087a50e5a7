//! What transformers share: layer norms, attention, the layers between.
//!
//! Written for speed in the usual runtimes: q, k and v are separate matrices with the scale
//! folded into q, and where the head reads the class token only, the last block computes nothing
//! else. Both are exact. What suits processors and GPUs differently is [`Tuning`].

use std::ops::Range;

use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph, Part, float, int};

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

/// The activation between the two layers of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gelu {
    /// With the error function.
    Exact,
    /// `x·σ(1.702·x)`, CLIP's.
    Quick,
}

/// What all blocks of a transformer have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) width: usize,
    pub(super) heads: usize,
    /// The width of all heads together.
    pub(super) inner: usize,
    /// Of the layer norms.
    pub(super) eps: f32,
    pub(super) gelu: Gelu,
    pub(super) tuning: Tuning,
}

/// The weights, or some of the rows of a larger matrix, that make queries, keys or values.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    /// What it is called in the graph, without `.weight`.
    pub(super) name: String,
    pub(super) weight: Rows,
    pub(super) bias: Option<Rows>,
}

/// Rows of a tensor, of so many in all.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) tensor: String,
    pub(super) rows: Range<usize>,
    pub(super) of: usize,
}

impl Rows {
    pub(super) fn all(tensor: String, rows: usize) -> Self {
        Self { tensor, rows: 0..rows, of: rows }
    }
}

/// The names of one block's tensors.
#[derive(Clone, Debug)]
pub(super) struct BlockNames {
    pub(super) norm1: String,
    /// Queries, keys, values.
    pub(super) qkv: [Projection; 3],
    pub(super) out: String,
    pub(super) norm2: String,
    pub(super) fc1: String,
    pub(super) fc2: String,
}

/// A transformer under construction.
pub(super) struct Layers<'a, 'b> {
    pub(super) g: Graph,
    pub(super) tensors: &'a mut Tensors<'b>,
    pub(super) style: Style,
}

impl Layers<'_, '_> {
    /// One pre-norm block on `x` `[N,tokens,D]`; with `class_only`, only the class token's row
    /// `[N,1,D]` comes out.
    pub(super) fn block(
        &mut self,
        names: &BlockNames,
        x: &Edge,
        class_only: bool,
    ) -> Result<Edge, ArchError> {
        let normed = self.layer_norm(x, &names.norm1)?;
        let (queries, x) = if class_only {
            (self.g.slice(&normed, 1, 0..1, 1), self.g.slice(x, 1, 0..1, 1))
        } else {
            (normed.clone(), x.clone())
        };
        let attended = self.attention(names, &queries, &normed)?;
        let x = self.g.op("Add", &[&x, &attended], &[]);
        let normed = self.layer_norm(&x, &names.norm2)?;
        self.mlp(names, &normed, x)
    }

    /// Attention of `queries` over `keys`, both normalised tokens.
    fn attention(
        &mut self,
        names: &BlockNames,
        queries: &Edge,
        keys: &Edge,
    ) -> Result<Edge, ArchError> {
        let Style { width, heads, inner, .. } = self.style;
        let scale = ((inner / heads) as f32).powf(-0.5);
        let [q, k, v] = &names.qkv;
        let biases = [(q, scale), (k, 1.0), (v, 1.0)].map(|(p, scale)| self.bias(p, scale));
        let [q_bias, k_bias, v_bias] = biases;
        let q = self.projection(q, queries, q_bias?, scale)?;
        let k = self.projection(k, keys, k_bias?, 1.0)?;
        let v = self.projection(v, keys, v_bias?, 1.0)?;

        let q = self.split_heads(&q, [0, 2, 1, 3]);
        // Two steps, which OpenVINO takes in half the time of one.
        let k = self.split_heads(&k, [0, 2, 1, 3]);
        let k = self.g.transpose(&k, &[0, 1, 3, 2]);
        let v = self.split_heads(&v, [0, 2, 1, 3]);
        let scores = self.g.op("MatMul", &[&q, &k], &[]);
        let weights = self.g.op("Softmax", &[&scores], &[int("axis", -1)]);
        let mixed = self.g.op("MatMul", &[&weights, &v], &[]);
        let mixed = self.g.transpose(&mixed, &[0, 2, 1, 3]);
        let mixed = self.g.reshape(&mixed, &[0, -1, inner as i64]);
        self.linear(&mixed, &names.out, inner, width)
    }

    fn bias(&mut self, projection: &Projection, scale: f32) -> Result<Option<Edge>, ArchError> {
        let Some(Rows { tensor, rows, of }) = &projection.bias else { return Ok(None) };
        let all = self.tensors.read_expecting(tensor, &[*of])?;
        let scaled: Vec<f32> =
            all.get(rows.clone()).unwrap_or_default().iter().map(|b| b * scale).collect();
        let name = match rows.len() == *of {
            true => tensor.clone(),
            false => format!("{}.bias", projection.name),
        };
        Ok(Some(self.g.floats(&name, &[scaled.len()], scaled)))
    }

    fn projection(
        &mut self,
        projection: &Projection,
        x: &Edge,
        bias: Option<Edge>,
        scale: f32,
    ) -> Result<Edge, ArchError> {
        let Style { width, inner, .. } = self.style;
        let Rows { tensor, rows, of } = &projection.weight;
        self.tensors.expect(tensor, &[*of, width])?;
        let rows = rows.clone();
        let part = Part { rows, transpose: true, scale, ..Part::all(tensor, *of) };
        let weight = self.g.part(&format!("{}.weight", projection.name), &[width, inner], part);
        let y = self.g.op("MatMul", &[x, &weight], &[]);
        Ok(match bias {
            Some(bias) => self.g.op("Add", &[&y, &bias], &[]),
            None => y,
        })
    }

    fn split_heads(&mut self, x: &Edge, order: [i64; 4]) -> Edge {
        let Style { heads, inner, .. } = self.style;
        let split = self.g.reshape(x, &[0, -1, heads as i64, (inner / heads) as i64]);
        self.g.transpose(&split, &order)
    }

    /// `sum` plus the two layers on `x`, computed for one part of the hidden channels after the
    /// other.
    fn mlp(&mut self, names: &BlockNames, x: &Edge, mut sum: Edge) -> Result<Edge, ArchError> {
        let Style { width, tuning, .. } = self.style;
        let BlockNames { fc1, fc2, .. } = names;
        let (fc1_weight, fc2_weight) = (format!("{fc1}.weight"), format!("{fc2}.weight"));
        let hidden = hidden(self.tensors, &fc1_weight, width)?;
        self.tensors.expect(&fc1_weight, &[hidden, width])?;
        self.tensors.expect(&fc2_weight, &[width, hidden])?;
        let inner_bias = self.tensors.read_expecting(&format!("{fc1}.bias"), &[hidden])?;
        let part = match tuning {
            Tuning::Cpu if hidden.is_multiple_of(width) && hidden / width <= MOST_PARTS => width,
            Tuning::Cpu | Tuning::Gpu => hidden,
        };
        for (index, bias) in inner_bias.chunks(part).enumerate() {
            let channels = index * part..(index + 1) * part;
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

    pub(super) fn layer_norm(&mut self, x: &Edge, prefix: &str) -> Result<Edge, ArchError> {
        let Style { width, eps, .. } = self.style;
        let gain = self.vector(&format!("{prefix}.weight"), width)?;
        let shift = self.vector(&format!("{prefix}.bias"), width)?;
        let attributes = [int("axis", -1), float("epsilon", eps)];
        Ok(self.g.op("LayerNormalization", &[x, &gain, &shift], &attributes))
    }

    pub(super) fn linear(
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

    pub(super) fn affine(&mut self, x: &Edge, weight: &Edge, bias: &Edge) -> Edge {
        let y = self.g.op("MatMul", &[x, weight], &[]);
        self.g.op("Add", &[&y, bias], &[])
    }

    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Edge, ArchError> {
        let values = self.tensors.read_expecting(name, &[len])?;
        Ok(self.g.floats(name, &[len], values))
    }

    fn gelu(&mut self, x: &Edge) -> Edge {
        match self.style.gelu {
            Gelu::Exact => self.exact_gelu(x),
            Gelu::Quick => {
                let slope = self.g.scalar(1.702);
                let scaled = self.g.op("Mul", &[x, &slope], &[]);
                let gate = self.g.op("Sigmoid", &[&scaled], &[]);
                self.g.op("Mul", &[x, &gate], &[])
            }
        }
    }

    /// In the form that runtimes recognise and fuse.
    fn exact_gelu(&mut self, x: &Edge) -> Edge {
        let (root, one) = (self.g.scalar(std::f32::consts::SQRT_2), self.g.scalar(1.0));
        let half = self.g.scalar(0.5);
        let scaled = self.g.op("Div", &[x, &root], &[]);
        let erf = self.g.op("Erf", &[&scaled], &[]);
        let raised = self.g.op("Add", &[&erf, &one], &[]);
        let gated = self.g.op("Mul", &[x, &raised], &[]);
        self.g.op("Mul", &[&gated, &half], &[])
    }
}

/// The width of a block's hidden layer.
pub(super) fn hidden(
    tensors: &mut Tensors<'_>,
    fc1_weight: &str,
    width: usize,
) -> Result<usize, ArchError> {
    let [hidden, inputs] = tensors.dims(fc1_weight)?;
    if hidden > 0 {
        return Ok(hidden);
    }
    let (tensor, found) = (fc1_weight.to_owned(), vec![hidden, inputs]);
    let expected = format!("[hidden, {width}] with hidden at least 1");
    Err(ArchError::Shape { tensor, found, expected })
}

/// How many blocks there are, by a tensor that each has.
pub(super) fn blocks(tensors: &Tensors<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..).take_while(|index| tensors.has(&name(*index))).count()
}
