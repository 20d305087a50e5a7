//! Which operators compute in half floats, and where numbers change over.

use std::collections::{BTreeMap, BTreeSet};

use super::HalfError;
use super::attention::{DOMAIN, FUSED};
use super::network::{Network, Node};
use crate::core::onnx::{Value, field};
use crate::models::onnx::proto::{self, AttributeProto, NodeProto};
use crate::models::onnx::rewrite::{write_key, write_message};

/// Where the arithmetic is: these always compute in half floats.
const PRODUCTS: [&str; 5] = ["MatMul", "Gemm", "Conv", "ConvTranspose", FUSED];

/// Sums over many numbers, powers and what divides by small ones: these overflow half floats or
/// lose what counts, and stay in single ones.
const EXACT: [&str; 22] = [
    "LayerNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "BatchNormalization",
    "LpNormalization",
    "Softmax",
    "LogSoftmax",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "ReduceL1",
    "ReduceL2",
    "ReduceProd",
    "ReduceLogSumExp",
    "GlobalAveragePool",
    "AveragePool",
    "CumSum",
    "Pow",
    "Exp",
    "Log",
    "Sqrt",
    "Reciprocal",
];

/// Floats that operators do not mix with halves.
const OTHER_FLOATS: [i32; 2] = [proto::BFLOAT16, proto::DOUBLE];

/// What comes out is no number of the kind that goes in.
const NO_FLOATS: [&str; 16] = [
    "Shape",
    "Size",
    "ArgMax",
    "ArgMin",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Not",
    "Xor",
    "NonZero",
    "IsNaN",
    "IsInf",
];

/// Only the first input is computed with; others, floats too, say how.
const FIRST_ONLY: [&str; 2] = ["Resize", "Upsample"];
/// Only the first output is of the input's kind.
const FIRST_OUT: [&str; 3] = ["TopK", "MaxPool", "Dropout"];

/// What a value in the network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Half,
    Single,
    /// Integers, truth values, and what no operator gives a type to.
    Other,
}

impl Kind {
    fn of(element: i32) -> Self {
        match element {
            proto::FLOAT => Self::Single,
            proto::FLOAT16 => Self::Half,
            _ => Self::Other,
        }
    }
}

/// The network as it is to be written, without its weights.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The fields of all nodes, encoded.
    pub nodes: Vec<u8>,
    /// Weights that half floats are made of, and those that are used as they are.
    pub halves: BTreeSet<String>,
    pub kept: BTreeSet<String>,
    kinds: BTreeMap<String, Kind>,
    /// Values that were converted, by name and to what.
    casts: BTreeSet<String>,
}

impl Plan {
    /// # Errors
    /// [`HalfError::Operator`] for one whose types cannot be told.
    pub(super) fn new(network: &Network) -> Result<Self, HalfError> {
        let typed = network.weights.iter().chain(&network.inputs);
        if let Some((name, _)) = typed.clone().find(|(_, e)| OTHER_FLOATS.contains(e)) {
            return Err(HalfError::Element { name: name.clone() });
        }
        let kinds = typed.map(|(name, element)| (name.clone(), Kind::of(*element))).collect();
        let mut plan = Self { kinds, ..Self::default() };
        for node in &network.nodes {
            let known = match node.domain.as_str() {
                "" | "ai.onnx" => true,
                domain => domain == DOMAIN && node.op == FUSED,
            };
            if node.has_graph || !known {
                return Err(HalfError::Operator { op: node.op.clone() });
            }
            plan.place(node, network)?;
        }
        Ok(plan)
    }

    fn place(&mut self, node: &Node, network: &Network) -> Result<(), HalfError> {
        let op = node.op.as_str();
        let counted = if FIRST_ONLY.contains(&op) { 1 } else { node.inputs.len() };
        let floats = || {
            let counted = node.inputs.iter().take(counted).map(|name| self.kind(name));
            counted.filter(|kind| *kind != Kind::Other)
        };
        let any_half = floats().any(|kind| kind == Kind::Half);
        let wanted = match op {
            // Takes anything, and says itself what it gives.
            "Cast" => None,
            _ if node.outputs.iter().any(|name| network.single.contains(name)) => {
                Some(Kind::Single)
            }
            "Reshape" if node.inputs.first().is_some_and(|name| network.half.contains(name)) => {
                Some(Kind::Half)
            }
            _ if PRODUCTS.contains(&op) => Some(Kind::Half),
            _ if EXACT.contains(&op) => Some(Kind::Single),
            _ if any_half => Some(Kind::Half),
            _ => floats().next(),
        };
        let inputs = node.inputs.iter().enumerate().map(|(place, name)| match wanted {
            Some(wanted) if place < counted => self.converted(name, wanted, network),
            _ => self.as_it_is(name, network),
        });
        let inputs: Vec<String> = inputs.collect();
        let given = match op {
            "Cast" | "Constant" | "ConstantOfShape" => {
                let default = if op == "Cast" { 0 } else { proto::FLOAT };
                Kind::of(node.element.unwrap_or(default))
            }
            _ if NO_FLOATS.contains(&op) => Kind::Other,
            _ => wanted.unwrap_or(Kind::Other),
        };
        self.write(node, inputs, given, network)
    }

    fn kind(&self, name: &str) -> Kind {
        self.kinds.get(name).copied().unwrap_or(Kind::Other)
    }

    fn as_it_is(&mut self, name: &str, network: &Network) -> String {
        if network.weights.contains_key(name) {
            self.kept.insert(name.to_owned());
        }
        name.to_owned()
    }

    /// The value `name` as floats of a kind; a weight becomes another weight, anything else is
    /// converted, once.
    fn converted(&mut self, name: &str, wanted: Kind, network: &Network) -> String {
        let (element, suffix) = match (self.kind(name), wanted) {
            (Kind::Single, Kind::Half) => (proto::FLOAT16, HALF),
            (Kind::Half, Kind::Single) => (proto::FLOAT, "_single"),
            _ => return self.as_it_is(name, network),
        };
        let converted = format!("{name}{suffix}");
        if wanted == Kind::Half && network.weights.contains_key(name) {
            self.halves.insert(name.to_owned());
        } else if self.casts.insert(converted.clone()) {
            self.cast(name, &converted, element);
        }
        converted
    }

    fn cast(&mut self, from: &str, to: &str, element: i32) {
        let attribute = AttributeProto {
            name: "to".to_owned(),
            i: Some(element.into()),
            kind: proto::AttributeType::Int.into(),
            ..Default::default()
        };
        let node = NodeProto {
            input: vec![from.to_owned()],
            output: vec![to.to_owned()],
            name: to.to_owned(),
            op_type: "Cast".to_owned(),
            attribute: vec![attribute],
            domain: String::new(),
        };
        // Writing to memory does not fail.
        let _ = write_message(&mut self.nodes, field::GRAPH_NODE, &node);
    }

    /// The node with its new ends. What leaves the network keeps its name and type.
    fn write(
        &mut self,
        node: &Node,
        inputs: Vec<String>,
        given: Kind,
        network: &Network,
    ) -> Result<(), HalfError> {
        let mut leaving = Vec::new();
        let mut outputs = Vec::new();
        for (place, name) in node.outputs.iter().enumerate() {
            let is_first = place == 0 || !FIRST_OUT.contains(&node.op.as_str());
            let given = if is_first { given } else { Kind::Other };
            if given == Kind::Half && network.outputs.get(name) == Some(&proto::FLOAT) {
                let inner = format!("{name}{HALF}");
                self.casts.insert(inner.clone());
                self.kinds.insert(name.clone(), Kind::Single);
                leaving.push((inner.clone(), name.clone()));
                outputs.push(inner);
            } else {
                self.kinds.insert(name.clone(), given);
                outputs.push(name.clone());
            }
        }
        let mut body = Vec::new();
        let ends = inputs.iter().map(|name| (field::NODE_INPUT, name));
        let ends = ends.chain(outputs.iter().map(|name| (field::NODE_OUTPUT, name)));
        for (end, name) in ends {
            write_key(&mut body, end, Value::Bytes(name.len() as u64))?;
            body.extend(name.bytes());
        }
        body.extend(&node.rest);
        write_key(&mut self.nodes, field::GRAPH_NODE, Value::Bytes(body.len() as u64))?;
        self.nodes.extend(body);
        for (inner, name) in leaving {
            self.cast(&inner, &name, proto::FLOAT);
        }
        Ok(())
    }
}

/// Of names of half floats.
pub(super) const HALF: &str = "_half";
