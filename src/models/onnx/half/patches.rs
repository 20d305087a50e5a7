//! Convolutions over clips, which cuDNN does not compute in half floats: it has no kernel for many of
//! them, and ONNX Runtime's CUDA provider then fails at the first run (cuDNN 9.19, M2SD's patches).
//! One whose patches lie side by side is a product of each patch with the weights, and becomes that;
//! any other stays in single floats.

use std::collections::BTreeMap;

use prost::Message;

use super::network::{Network, Node};
use crate::models::onnx::proto::{self, AttributeProto, AttributeType, NodeProto, TensorProto};

/// The axes of a clip: time, height, width.
const RANK: usize = 3;

/// What leaves the sides of a clip as they are.
const ELEMENTWISE: [&str; 7] = ["Cast", "Mul", "Add", "Sub", "Div", "Identity", "Clip"];

/// One convolution whose patches lie side by side.
struct Site {
    place: usize,
    /// Of the input, in the order of its axes.
    channels: i64,
    sides: [i64; RANK],
}

/// Makes convolutions over clips products where that is possible, and marks the others.
pub(super) fn rewrite(network: &mut Network) {
    let over_clips = |node: &Node| node.op == "Conv" && rank(network, node) == Some(RANK);
    let places: Vec<_> = (0..network.nodes.len())
        .filter(|place| network.nodes.get(*place).is_some_and(over_clips))
        .collect();
    // From the end, so that places before it stay.
    for place in places.into_iter().rev() {
        match site(network, place) {
            Some(site) => replace(network, &site),
            None => {
                let outputs = network.nodes.get(place).map(|node| node.outputs.clone());
                network.single.extend(outputs.unwrap_or_default());
            }
        }
    }
}

fn rank(network: &Network, conv: &Node) -> Option<usize> {
    Some(network.dims.get(conv.inputs.get(1)?)?.len().saturating_sub(2))
}

fn site(network: &Network, place: usize) -> Option<Site> {
    let conv = network.nodes.get(place)?;
    let dims = network.dims.get(conv.inputs.get(1)?)?;
    let [_, channels, time, height, width] = *dims.as_slice() else { return None };
    let sides = [time, height, width];
    let all = |name: &str, wanted: i64| {
        conv.lists.get(name).is_none_or(|list| list.iter().all(|value| *value == wanted))
    };
    let side_by_side = conv.lists.get("strides").is_some_and(|strides| *strides == sides)
        && all("pads", 0)
        && all("dilations", 1)
        && !conv.pads_itself
        && conv.group.is_none_or(|group| group == 1);
    let whole = clip_of(network, conv.inputs.first()?).is_some_and(|clip| {
        clip.iter().zip(sides).all(|(size, side)| side > 0 && size % side == 0)
    });
    (side_by_side && whole && channels > 0).then_some(Site { place, channels, sides })
}

/// The sides of the clip that a value is made of number by number: patches must fill them.
fn clip_of(network: &Network, name: &str) -> Option<[i64; RANK]> {
    if let Some([_, _, time, height, width]) = network.input_dims.get(name).map(Vec::as_slice) {
        return Some([(*time)?, (*height)?, (*width)?]);
    }
    // Their order is that of use, so no circle is followed.
    let giver =
        network.nodes.iter().find(|node| node.outputs.iter().any(|output| output == name))?;
    let known = ELEMENTWISE.contains(&giver.op.as_str());
    giver.inputs.iter().filter(|_| known).find_map(|input| clip_of(network, input))
}

/// The nodes that take the place of a convolution.
struct Chain {
    /// A value's name, which all others begin with.
    stem: String,
    nodes: Vec<Node>,
}

impl Chain {
    /// Adds a node and returns what it gives.
    fn add(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("{}_patches{}", self.stem, self.nodes.len());
        let lists = attributes.iter().filter(|a| !a.ints.is_empty());
        let lists: BTreeMap<_, _> = lists.map(|a| (a.name.clone(), a.ints.clone())).collect();
        let held = attributes.iter().find_map(|a| a.t.as_ref()).map(|tensor| tensor.data_type);
        let rest = NodeProto {
            name: output.clone(),
            op_type: op.to_owned(),
            attribute: attributes,
            ..Default::default()
        };
        self.nodes.push(Node {
            op: op.to_owned(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.clone()],
            rest: rest.encode_to_vec(),
            element: held,
            ints: lists.get("perm").cloned().unwrap_or_default(),
            lists,
            ..Node::default()
        });
        output
    }

    fn reshape(&mut self, value: &str, shape: &[i64]) -> String {
        let tensor = TensorProto {
            dims: vec![shape.len() as i64],
            data_type: proto::INT64,
            raw_data: Some(shape.iter().flat_map(|size| size.to_le_bytes()).collect()),
            ..Default::default()
        };
        let value_of = AttributeProto {
            name: "value".to_owned(),
            t: Some(tensor),
            kind: AttributeType::Tensor.into(),
            ..Default::default()
        };
        let shape = self.add("Constant", &[], vec![value_of]);
        self.add("Reshape", &[value, &shape], Vec::new())
    }

    fn transpose(&mut self, value: &str, order: &[usize]) -> String {
        let perm = AttributeProto {
            name: "perm".to_owned(),
            ints: order.iter().map(|axis| *axis as i64).collect(),
            kind: AttributeType::Ints.into(),
            ..Default::default()
        };
        self.add("Transpose", &[value], vec![perm])
    }
}

/// An axis of the clip while it is cut.
#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Batch,
    Channels,
    /// Uncut, or which patch of it.
    Of(usize),
    /// Within a patch.
    Within(usize),
}

/// `[N,C,T,H,W]` to `[N,T/t,H/h,W/w,C·t·h·w]`. Sizes that are not known are copied by `Reshape`'s 0,
/// which takes them from the same place: so each axis is cut at the end.
fn cut(chain: &mut Chain, clip: &str, site: &Site) -> String {
    let mut axes = vec![Axis::Batch, Axis::Channels];
    axes.extend((0..RANK).map(Axis::Of));
    let mut value = clip.to_owned();
    for (axis, side) in site.sides.iter().enumerate().rev() {
        let others = axes.iter().copied().filter(|other| *other != Axis::Of(axis));
        let order: Vec<_> = others.chain([Axis::Of(axis)]).collect();
        value = reordered(chain, value, &mut axes, order);
        let mut shape = vec![0; axes.len() - 1];
        shape.extend([-1, *side]);
        value = chain.reshape(&value, &shape);
        axes.push(Axis::Within(axis));
    }
    let patches = (0..RANK).map(Axis::Of);
    let within = (0..RANK).map(Axis::Within);
    let order =
        [Axis::Batch].into_iter().chain(patches).chain([Axis::Channels]).chain(within).collect();
    value = reordered(chain, value, &mut axes, order);
    let mut shape = vec![0; 1 + RANK];
    shape.push(site.channels * site.sides.iter().product::<i64>());
    chain.reshape(&value, &shape)
}

fn reordered(chain: &mut Chain, value: String, axes: &mut Vec<Axis>, order: Vec<Axis>) -> String {
    if order == *axes {
        return value;
    }
    let places = order.iter().filter_map(|axis| axes.iter().position(|other| other == axis));
    let places: Vec<_> = places.collect();
    *axes = order;
    chain.transpose(&value, &places)
}

fn replace(network: &mut Network, site: &Site) {
    let Some(conv) = network.nodes.get(site.place) else { return };
    let ([clip, weights, ..], Some(output)) = (conv.inputs.as_slice(), conv.outputs.first()) else {
        return;
    };
    let (clip, weights, output) = (clip.clone(), weights.clone(), output.clone());
    let bias = conv.inputs.get(2).filter(|name| !name.is_empty()).cloned();
    let mut chain = Chain { stem: output.clone(), nodes: Vec::new() };
    let patches = cut(&mut chain, &clip, site);
    let across = chain.reshape(&weights, &[0, -1]);
    let across = chain.transpose(&across, &[1, 0]);
    let mut value = chain.add("MatMul", &[&patches, &across], Vec::new());
    if let Some(bias) = bias {
        value = chain.add("Add", &[&value, &bias], Vec::new());
    }
    chain.transpose(&value, &[0, 4, 1, 2, 3]);
    // Moved in half floats, as they are computed with.
    network.half.extend([clip, weights]);
    if let Some(last) = chain.nodes.last_mut() {
        last.outputs = vec![output];
    }
    network.nodes.splice(site.place..=site.place, chain.nodes);
}
