//! A builder for ONNX graphs, and a writer that holds one weight at a time.

use std::io::{BufWriter, Write};
use std::ops::Range;

use ndarray::{ArrayView2, s};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};

use super::arch::{ArchError, Tensors};
use super::onnx::proto::{self, AttributeProto, NodeProto, dimension};
use crate::core::onnx::field;

/// Operator set 17: the first with `LayerNormalization`, and known to every current runtime.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// Protobuf's limit for one message.
const LARGEST_BYTES: u64 = i32::MAX as u64;

/// A value in the graph: what one node gives and others take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge(String);

/// One dimension of an input or output.
#[derive(Clone, Copy, Debug)]
pub enum Axis {
    /// So many.
    Size(usize),
    /// Any size. Equal names mean equal sizes.
    Any(&'static str),
}

/// The numbers of an initialiser.
#[derive(Debug)]
enum Data {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// Read when the file is written, so that a large network is never in memory as a whole.
    Part(Part),
}

/// A part of a checkpoint's tensor, seen as a matrix whose rows are its first axis.
#[derive(Clone, Debug)]
pub struct Part {
    /// The tensor's name in the checkpoint.
    pub tensor: String,
    /// Which of the matrix's rows.
    pub rows: Range<usize>,
    /// `None`: all.
    pub columns: Option<Range<usize>>,
    /// Swap rows and columns: a `Linear` weight becomes the right side of a `MatMul`.
    pub transpose: bool,
    /// What every number is multiplied by.
    pub scale: f32,
}

#[derive(Debug)]
struct Initializer {
    name: String,
    dims: Vec<usize>,
    data: Data,
}

/// A graph under construction. Nodes are added in the order in which they run.
#[derive(Debug)]
pub struct Graph {
    name: &'static str,
    nodes: Vec<NodeProto>,
    initializers: Vec<Initializer>,
    inputs: Vec<proto::ValueInfoProto>,
    outputs: Vec<proto::ValueInfoProto>,
}

/// An attribute of one integer.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        kind: proto::AttributeType::Int.into(),
        ..Default::default()
    }
}

/// An attribute of one float.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(value),
        kind: proto::AttributeType::Float.into(),
        ..Default::default()
    }
}

/// An attribute of a list of integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.to_vec(),
        kind: proto::AttributeType::Ints.into(),
        ..Default::default()
    }
}

/// An attribute of a text.
pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        s: Some(value.into()),
        kind: proto::AttributeType::String.into(),
        ..Default::default()
    }
}

impl Graph {
    /// A graph without nodes.
    pub fn new(name: &'static str) -> Self {
        let (nodes, initializers) = (Vec::new(), Vec::new());
        Self { name, nodes, initializers, inputs: Vec::new(), outputs: Vec::new() }
    }

    /// How many nodes it has so far.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Adds an input of 32-bit floats.
    pub fn input(&mut self, name: &str, axes: &[Axis]) -> Edge {
        self.inputs.push(port(name, axes));
        Edge(name.to_owned())
    }

    /// Gives `edge` a name and makes it an output.
    pub fn output(&mut self, name: &str, edge: &Edge, axes: &[Axis]) {
        for node in &mut self.nodes {
            for end in node.input.iter_mut().chain(&mut node.output) {
                if *end == edge.0 {
                    name.clone_into(end);
                }
            }
        }
        self.outputs.push(port(name, axes));
    }

    /// Adds a node of ONNX's operator `op`; returns its one output.
    pub fn op(&mut self, op: &str, inputs: &[&Edge], attributes: &[AttributeProto]) -> Edge {
        let name = format!("{op}_{}", self.nodes.len());
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|e| e.0.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute: attributes.to_vec(),
            domain: String::new(),
        });
        Edge(name)
    }

    /// Weights that are in memory: small ones, and folded ones.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: Vec<f32>) -> Edge {
        self.initializer(name, dims, Data::Floats(values))
    }

    /// A constant of no axes.
    pub fn scalar(&mut self, value: f32) -> Edge {
        let name = format!("constant_{}", self.initializers.len());
        self.floats(&name, &[], vec![value])
    }

    /// One integer, as some operators take their axis.
    pub fn int(&mut self, value: i64) -> Edge {
        let name = format!("int_{}", self.initializers.len());
        self.initializer(&name, &[], Data::Ints(vec![value]))
    }

    /// A vector of integers, as shapes, axes and slices are given.
    pub fn shape(&mut self, values: &[i64]) -> Edge {
        let name = format!("shape_{}", self.initializers.len());
        self.initializer(&name, &[values.len()], Data::Ints(values.to_vec()))
    }

    /// Weights that are read from the checkpoint when the graph is written.
    pub fn part(&mut self, name: &str, dims: &[usize], part: Part) -> Edge {
        self.initializer(name, dims, Data::Part(part))
    }

    fn initializer(&mut self, name: &str, dims: &[usize], data: Data) -> Edge {
        self.initializers.push(Initializer { name: name.to_owned(), dims: dims.to_vec(), data });
        Edge(name.to_owned())
    }

    /// `x[.., start..end, ..]` along `axis`, every `step`-th.
    pub fn slice(&mut self, x: &Edge, axis: i64, range: Range<i64>, step: i64) -> Edge {
        let (start, end) = (self.shape(&[range.start]), self.shape(&[range.end]));
        let (axis, step) = (self.shape(&[axis]), self.shape(&[step]));
        self.op("Slice", &[x, &start, &end, &axis, &step], &[])
    }

    /// The same numbers, in another shape; -1 stands for what is left, 0 for the size as it is.
    pub fn reshape(&mut self, x: &Edge, dims: &[i64]) -> Edge {
        let dims = self.shape(dims);
        self.op("Reshape", &[x, &dims], &[])
    }

    /// Puts the axes into another order.
    pub fn transpose(&mut self, x: &Edge, order: &[i64]) -> Edge {
        self.op("Transpose", &[x], &[ints("perm", order)])
    }

    /// Writes the model. Its weights follow the nodes one by one, read from `tensors` as their
    /// turn comes.
    pub fn write(self, tensors: &mut Tensors<'_>, out: impl Write) -> Result<(), ArchError> {
        let mut out = BufWriter::with_capacity(1 << 18, out);
        let nodes = proto::GraphProto {
            node: self.nodes,
            name: self.name.to_owned(),
            input: self.inputs,
            output: self.outputs,
            initializer: Vec::new(),
        };
        let nodes = nodes.encode_to_vec();
        let weights = self.initializers.iter().map(|i| field_bytes(i.bytes()));
        let graph_bytes = weights.fold(nodes.len() as u64, u64::saturating_add);
        if graph_bytes > LARGEST_BYTES {
            return Err(ArchError::TooLarge { bytes: graph_bytes });
        }
        let model = proto::ModelProto {
            ir_version: IR_VERSION,
            producer_name: "m2sd".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: None,
            opset_import: vec![proto::OperatorSetIdProto { domain: String::new(), version: OPSET }],
        };
        out.write_all(&model.encode_to_vec())?;
        write_head(&mut out, field::MODEL_GRAPH, graph_bytes)?;
        out.write_all(&nodes)?;
        for initializer in self.initializers {
            write_head(&mut out, field::GRAPH_INITIALIZER, initializer.bytes())?;
            initializer.write(tensors, &mut out)?;
        }
        Ok(out.flush()?)
    }
}

fn port(name: &str, axes: &[Axis]) -> proto::ValueInfoProto {
    let dim = axes.iter().map(|axis| {
        let value = match *axis {
            Axis::Size(size) => dimension::Value::Size(size as i64),
            Axis::Any(name) => dimension::Value::Name(name.to_owned()),
        };
        proto::DimensionProto { value: Some(value) }
    });
    let shape = Some(proto::TensorShapeProto { dim: dim.collect() });
    let tensor_type = Some(proto::TensorTypeProto { elem_type: proto::FLOAT, shape });
    proto::ValueInfoProto { name: name.to_owned(), r#type: Some(proto::TypeProto { tensor_type }) }
}

/// Key and length of a field whose value is `len` bytes. All field numbers here are below 16, so
/// that a key is one byte.
fn write_head(out: &mut impl Write, field: u64, len: u64) -> std::io::Result<()> {
    let mut head = Vec::new();
    encode_varint(field << 3 | 2, &mut head);
    encode_varint(len, &mut head);
    out.write_all(&head)
}

fn field_bytes(len: u64) -> u64 {
    (1 + encoded_len_varint(len) as u64).saturating_add(len)
}

impl Initializer {
    fn head(&self) -> Vec<u8> {
        let data_type = match self.data {
            Data::Ints(_) => proto::INT64,
            Data::Floats(_) | Data::Part(_) => proto::FLOAT,
        };
        let dims = self.dims.iter().map(|d| *d as i64).collect();
        let name = self.name.clone();
        proto::TensorProto { dims, data_type, name, ..Default::default() }.encode_to_vec()
    }

    fn raw_bytes(&self) -> u64 {
        let element = match self.data {
            Data::Ints(_) => 8,
            Data::Floats(_) | Data::Part(_) => 4,
        };
        self.dims.iter().fold(element, |bytes, dim| bytes.saturating_mul(*dim as u64))
    }

    fn bytes(&self) -> u64 {
        field_bytes(self.raw_bytes()).saturating_add(self.head().len() as u64)
    }

    fn write(self, tensors: &mut Tensors<'_>, out: &mut impl Write) -> Result<(), ArchError> {
        out.write_all(&self.head())?;
        write_head(out, field::TENSOR_RAW_DATA, self.raw_bytes())?;
        // What is written was found to fit into a file.
        let expected = self.dims.iter().fold(1, |numel: usize, dim| numel.saturating_mul(*dim));
        let written = match self.data {
            Data::Ints(values) => {
                write_each(out, &values, i64::to_le_bytes)?;
                values.len()
            }
            Data::Floats(values) => {
                write_each(out, &values, f32::to_le_bytes)?;
                values.len()
            }
            Data::Part(part) => {
                let values = part.read(tensors)?;
                write_each(out, &values, f32::to_le_bytes)?;
                values.len()
            }
        };
        if written == expected {
            Ok(())
        } else {
            Err(ArchError::Shape {
                tensor: self.name,
                found: vec![written],
                expected: format!("{:?}", self.dims),
            })
        }
    }
}

fn write_each<T: Copy, const N: usize>(
    out: &mut impl Write,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> std::io::Result<()> {
    values.iter().try_for_each(|v| out.write_all(&bytes(*v)))
}

impl Part {
    /// A whole tensor of so many rows, as it is.
    pub fn all(tensor: &str, rows: usize) -> Self {
        Self {
            tensor: tensor.to_owned(),
            rows: 0..rows,
            columns: None,
            transpose: false,
            scale: 1.0,
        }
    }

    fn read(&self, tensors: &mut Tensors<'_>) -> Result<Vec<f32>, ArchError> {
        let height = tensors.shape(&self.tensor)?.first().copied().unwrap_or(1);
        let all = tensors.read(&self.tensor)?;
        let width = all.len() / height.max(1);
        let columns = self.columns.clone().unwrap_or(0..width);
        let wrong = || ArchError::Shape {
            tensor: self.tensor.clone(),
            found: vec![height, width],
            expected: format!("rows {:?} and columns {columns:?}", self.rows),
        };
        let whole = ArrayView2::from_shape((height, width), &all).map_err(|_| wrong())?;
        if self.rows.end > height || columns.end > width {
            return Err(wrong());
        }
        let part = whole.slice(s![self.rows.clone(), columns.clone()]);
        let part = if self.transpose { part.reversed_axes() } else { part };
        Ok(part.iter().map(|v| v * self.scale).collect())
    }
}
