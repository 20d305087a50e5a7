//! A network that reads bytes, made of one that reads floats: the map from bytes becomes
//! its first nodes. Everything else is copied as it is, also what this project does not know.

use std::io::{Read, Seek, Write};

use super::proto::{self, AttributeProto, NodeProto};
use super::rewrite::{Measure, copy, write_key, write_message};
use super::{Dim, OnnxError, Port, scan};
use crate::core::image::Normalization;
use crate::core::modelinfo::PortType;
use crate::core::onnx::{Value, Wire, WireError, field};

/// Why a network cannot be made to read bytes.
#[derive(Debug, thiserror::Error)]
pub enum BytesInError {
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(
        "it has no input of pixels, [N,3,…] or [N,T,3,…] of 32-bit floats, whose type could be changed"
    )]
    NoPixels,
}

/// Copies the network in `source` to `out` with bytes for its first input of pixels, and returns
/// that input's new name.
pub(crate) fn rewrite(
    mut source: impl Read + Seek,
    norm: Normalization,
    out: &mut impl Write,
) -> Result<String, BytesInError> {
    let summary = scan(&mut source)?;
    let pixels = summary.inputs.iter().find_map(|port| Some((port, colour_axis(port)?)));
    let (port, colours) = pixels.ok_or(BytesInError::NoPixels)?;
    let head = Head::new(port, colours, norm);
    head.network(&mut source, out).map_err(OnnxError::from)?;
    Ok(head.input)
}

/// The axis of the three colours of pictures or clips; `None` for what is neither, and where two
/// axes could be it.
fn colour_axis(port: &Port) -> Option<usize> {
    let three = |axis: usize| port.dims.get(axis) == Some(&Dim::Fixed(3));
    let open = |axis: usize| matches!(port.dims.get(axis), Some(Dim::Dynamic(_)));
    let over_time = port.dims.len() == 5 && three(2);
    match port.dims.len() {
        _ if port.element != Some(PortType::Float32) => None,
        4 | 5 if three(1) && over_time => None,
        5 if over_time => Some(2),
        4 | 5 if three(1) || open(1) => Some(1),
        _ => None,
    }
}

/// What comes before the network: `Cast`, `Mul`, `Add`, and the new input.
struct Head {
    /// The network's own input, which becomes an inner value.
    pixels: String,
    input: String,
    nodes: Vec<NodeProto>,
    constants: Vec<proto::TensorProto>,
}

impl Head {
    fn new(port: &Port, colours: usize, norm: Normalization) -> Self {
        let (pixels, rank) = (port.name.clone(), port.dims.len());
        let named = |suffix: &str| format!("{pixels}_{suffix}");
        let node = |op: &str, input: Vec<String>, output: String, attribute| NodeProto {
            input,
            name: output.clone(),
            output: vec![output],
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        };
        let to_float = AttributeProto {
            name: "to".to_owned(),
            i: Some(proto::FLOAT.into()),
            kind: proto::AttributeType::Int.into(),
            ..Default::default()
        };
        let nodes = vec![
            node("Cast", vec![named("u8")], named("values"), vec![to_float]),
            node("Mul", vec![named("values"), named("scale")], named("scaled"), Vec::new()),
            node("Add", vec![named("scaled"), named("offset")], pixels.clone(), Vec::new()),
        ];
        let constant = |name: String, values: [f32; 3]| proto::TensorProto {
            dims: (0..rank).map(|axis| if axis == colours { 3 } else { 1 }).collect(),
            data_type: proto::FLOAT,
            name,
            raw_data: Some(values.into_iter().flat_map(f32::to_le_bytes).collect()),
            ..Default::default()
        };
        let constants =
            vec![constant(named("scale"), norm.scale), constant(named("offset"), norm.offset)];
        Self { input: named("u8"), nodes, constants, pixels }
    }

    /// The network in `source` with this before it.
    fn network(&self, mut source: impl Read + Seek, out: &mut impl Write) -> Result<(), WireError> {
        // A message says its length first: the graph is written twice, once to be measured.
        let mut graph = Measure(0);
        let (mut wire, end) = Wire::new(&mut source)?;
        wire.message(end, |wire, field, value| match (field, value) {
            (field::MODEL_GRAPH, Value::Bytes(len)) => self.graph(wire, len, &mut graph),
            (_, other) => wire.skip(other),
        })?;
        let (mut wire, end) = Wire::new(&mut source)?;
        wire.message(end, |wire, field, value| match (field, value) {
            (field::MODEL_GRAPH, Value::Bytes(len)) => {
                write_key(out, field::MODEL_GRAPH, Value::Bytes(graph.0))?;
                self.graph(wire, len, out)
            }
            _ => copy(wire, field, value, out),
        })
    }

    /// The graph of `len` bytes with this before it.
    fn graph<R: Read + Seek>(
        &self,
        wire: &mut Wire<R>,
        len: u64,
        out: &mut impl Write,
    ) -> Result<(), WireError> {
        for node in &self.nodes {
            write_message(out, field::GRAPH_NODE, node)?;
        }
        for constant in &self.constants {
            write_message(out, field::GRAPH_INITIALIZER, constant)?;
        }
        wire.message(len, |wire, field, value| match (field, value) {
            (field::GRAPH_INPUT, Value::Bytes(len)) => {
                let mut input: proto::ValueInfoProto = proto::decode(wire, len)?;
                if input.name == self.pixels {
                    input.name.clone_from(&self.input);
                    let tensor = input.r#type.as_mut().and_then(|t| t.tensor_type.as_mut());
                    tensor.into_iter().for_each(|tensor| tensor.elem_type = proto::UINT8);
                }
                Ok(write_message(out, field::GRAPH_INPUT, &input)?)
            }
            _ => copy(wire, field, value, out),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::models::synth::Synth;

    fn summary_of(file: &[u8]) -> crate::models::onnx::Summary {
        scan(Cursor::new(file)).unwrap()
    }

    #[test]
    fn only_the_pixels_become_bytes_and_the_rest_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = crate::models::synth::write(&Synth::Detector, dir.path()).unwrap();
        let before = std::fs::read(path).unwrap();
        let mut after = Vec::new();
        let input = rewrite(Cursor::new(&before), Normalization::RETINAFACE, &mut after).unwrap();
        assert_eq!(input, "image_u8");
        let (before, after) = (summary_of(&before), summary_of(&after));
        assert_eq!(after.inputs[0].element, Some(PortType::Uint8));
        assert_eq!(after.inputs[0].dims, before.inputs[0].dims);
        assert_eq!((after.outputs, after.opset), (before.outputs, before.opset));
    }

    #[test]
    fn the_colours_are_where_the_three_is() {
        let port = |dims: &[usize]| {
            let dim = |size: &usize| match size {
                0 => Dim::Dynamic(String::new()),
                size => Dim::Fixed(*size),
            };
            let dims = dims.iter().map(dim).collect();
            Port { name: "clip".to_owned(), element: Some(PortType::Float32), dims }
        };
        for (dims, axis) in [
            (&[0, 3, 8, 8][..], Some(1)),
            (&[0, 0, 8, 8], Some(1)),
            (&[0, 3, 16, 8, 8], Some(1)),
            (&[0, 0, 0, 8, 8], Some(1)),
            (&[0, 16, 3, 8, 8], Some(2)),
            (&[0, 0, 3, 8, 8], Some(2)),
            (&[0, 3, 3, 8, 8], None),
            (&[0, 16, 16, 8, 8], None),
            (&[0, 3, 8], None),
        ] {
            assert_eq!(colour_axis(&port(dims)), axis, "{dims:?}");
        }
    }

    #[test]
    fn fields_that_are_not_known_here_are_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = crate::models::synth::write(&Synth::Aligner, dir.path()).unwrap();
        let mut file = std::fs::read(path).unwrap();
        // `ModelProto.doc_string`, and a number and a fixed number of the future.
        file.extend(b"\x32\x04docs\xf8\x07\x05\xfd\x07abcd");
        let mut after = Vec::new();
        rewrite(Cursor::new(&file), Normalization::UNIT, &mut after).unwrap();
        assert!(after.ends_with(b"\x32\x04docs\xf8\x07\x05\xfd\x07abcd"));
        for len in (0..file.len() - 18).step_by(7) {
            let mut lost = Vec::new();
            assert!(rewrite(Cursor::new(&file[..len]), Normalization::UNIT, &mut lost).is_err());
        }
    }

    #[test]
    fn a_network_without_pixels_of_floats_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = crate::models::synth::write(&Synth::Aligner, dir.path()).unwrap();
        let floats = std::fs::read(path).unwrap();
        let mut bytes = Vec::new();
        rewrite(Cursor::new(&floats), Normalization::UNIT, &mut bytes).unwrap();
        let twice = rewrite(Cursor::new(&bytes), Normalization::UNIT, &mut Vec::new());
        assert!(matches!(twice, Err(BytesInError::NoPixels)));
    }
}
