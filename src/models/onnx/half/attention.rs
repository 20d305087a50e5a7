//! Attention as one operator, which ONNX Runtime computes on NVIDIA GPUs without writing down the
//! scores of each token for each other one.

use std::collections::BTreeMap;

use prost::Message;

use super::network::{Network, Node};
use crate::models::onnx::proto::{AttributeProto, AttributeType, NodeProto};

/// ONNX Runtime's operator, and whose it is.
pub(super) const FUSED: &str = "MultiHeadAttention";
pub(super) const DOMAIN: &str = "com.microsoft";

/// What one attention is made of: `[N,tokens,width]` each, and who gives the result in that shape.
struct Site {
    inputs: [String; 3],
    heads: i64,
    /// The place of the node that gives the result.
    last: usize,
}

/// Makes each `softmax(q·kᵀ)·v` of several heads one node; the scale is in q already. Returns how
/// many there were.
pub(super) fn fuse(network: &mut Network) -> usize {
    let sites = Sites::of(network).find();
    for site in &sites {
        let Some(node) = network.nodes.get_mut(site.last) else { continue };
        let name = format!("{FUSED}_{}", site.last);
        node.rest = NodeProto {
            name,
            op_type: FUSED.to_owned(),
            domain: DOMAIN.to_owned(),
            attribute: vec![
                AttributeProto {
                    name: "num_heads".to_owned(),
                    i: Some(site.heads),
                    kind: AttributeType::Int.into(),
                    ..Default::default()
                },
                AttributeProto {
                    name: "scale".to_owned(),
                    f: Some(1.0),
                    kind: AttributeType::Float.into(),
                    ..Default::default()
                },
            ],
            ..Default::default()
        }
        .encode_to_vec();
        node.op = FUSED.to_owned();
        node.domain = DOMAIN.to_owned();
        node.inputs = site.inputs.to_vec();
    }
    if !sites.is_empty() {
        remove_unused(network);
    }
    sites.len()
}

/// Removes nodes that give nothing to anyone.
fn remove_unused(network: &mut Network) {
    let mut wanted: std::collections::BTreeSet<String> = network.outputs.keys().cloned().collect();
    let mut kept = Vec::new();
    for node in std::mem::take(&mut network.nodes).into_iter().rev() {
        if node.outputs.iter().any(|name| wanted.contains(name)) {
            wanted.extend(node.inputs.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    network.nodes = kept;
}

/// A network's nodes by what they give and take.
struct Sites<'a> {
    network: &'a Network,
    givers: BTreeMap<&'a str, usize>,
    takers: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Sites<'a> {
    fn of(network: &'a Network) -> Self {
        let (mut givers, mut takers) = (BTreeMap::new(), BTreeMap::<&str, Vec<usize>>::new());
        for (place, node) in network.nodes.iter().enumerate() {
            givers.extend(node.outputs.iter().map(|name| (name.as_str(), place)));
            node.inputs.iter().for_each(|name| takers.entry(name).or_default().push(place));
        }
        Self { network, givers, takers }
    }

    fn find(&self) -> Vec<Site> {
        let nodes = self.network.nodes.iter().filter(|node| node.op == "Softmax");
        nodes.filter_map(|softmax| self.site(softmax)).collect()
    }

    fn site(&self, softmax: &Node) -> Option<Site> {
        let scores = self.giver(softmax.inputs.first()?, "MatMul")?;
        let [q, k] = scores.inputs.as_slice() else { return None };
        let turned = self.giver(k, "Transpose").filter(|t| t.ints == [0, 1, 3, 2])?;
        let k = turned.inputs.first()?;
        let (_, mixed) = self.taker(softmax, "MatMul")?;
        let [weights, v] = mixed.inputs.as_slice() else { return None };
        if Some(weights) != softmax.outputs.first() {
            return None;
        }
        let ((q, heads), (k, k_heads), (v, v_heads)) =
            (self.split(q)?, self.split(k)?, self.split(v)?);
        let (_, together) =
            self.taker(mixed, "Transpose").filter(|(_, t)| t.ints == HEADS_APART)?;
        let (last, _) = self.taker(together, "Reshape")?;
        let alike = heads == k_heads && heads == v_heads;
        alike.then(|| Site { inputs: [q, k, v].map(str::to_owned), heads, last })
    }

    /// Tokens of several heads, `[N,heads,tokens,channels]`, as they were before they were split; and
    /// the number of heads.
    fn split(&self, name: &str) -> Option<(&'a str, i64)> {
        let apart = self.giver(name, "Transpose").filter(|t| t.ints == HEADS_APART)?;
        let cut = self.giver(apart.inputs.first()?, "Reshape")?;
        let shape = self.network.shapes.get(cut.inputs.get(1)?)?;
        match shape.as_slice() {
            [0, -1, heads, channels] if *heads > 0 && *channels > 0 => {
                Some((cut.inputs.first()?, *heads))
            }
            _ => None,
        }
    }

    fn giver(&self, name: &str, op: &str) -> Option<&'a Node> {
        self.network.nodes.get(*self.givers.get(name)?).filter(|node| node.op == op)
    }

    /// The only one that takes what a node gives.
    fn taker(&self, node: &Node, op: &str) -> Option<(usize, &'a Node)> {
        let [place] = self.takers.get(node.outputs.first()?.as_str())?.as_slice() else {
            return None;
        };
        let taker = self.network.nodes.get(*place).filter(|node| node.op == op)?;
        Some((*place, taker))
    }
}

/// `[N,tokens,heads,channels]` to `[N,heads,tokens,channels]`, and back.
const HEADS_APART: [i64; 4] = [0, 2, 1, 3];
