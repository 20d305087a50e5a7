//! TensorRT engines that somebody else built, such as those of `trtexec`: ONNX Runtime takes one
//! inside a network of a single node, with the inputs and outputs that a sidecar tells.

use std::path::{Path, PathBuf};

use prost::Message;
use thiserror::Error;

use super::file;
use super::onnx::OnnxError;
use super::onnx::proto::{self, AttributeProto, dimension};
use super::store::sidecar_of;
use crate::core::modelinfo::{Direction, ModelInfo, ModelInfoError, Port, PortType};
use crate::core::onnx::COMPILED;

/// The ending of an engine's file.
pub const ENDING: &str = "engine";
/// ONNX Runtime's name of the provider that made the engine.
const PROVIDER: &str = "TensorrtExecutionProvider";
/// Where ONNX Runtime's own operators live.
const DOMAIN: &str = "com.microsoft";
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// Protobuf's limit for one message, less what is around the engine.
const LARGEST_BYTES: u64 = i32::MAX as u64 - (1 << 16);

/// Why an engine cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum EngineFileError {
    #[error("cannot read the engine {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the sidecar of {}: {source}", path.display())]
    Sidecar { path: PathBuf, source: ModelInfoError },
    #[error(
        "an engine does not say what goes in and out: describe each of its tensors in {}, \
         as [NAME], dir=input or output, type=float32 or uint8, dims=-1,3,16,224,224; {missing}",
        sidecar.display()
    )]
    Undescribed { sidecar: PathBuf, missing: String },
    #[error("an engine of {bytes} bytes does not fit into a model (2 GiB); load its file itself")]
    TooLarge { bytes: u64 },
    #[error(
        "cannot write {}, through which ONNX Runtime loads the engine: {source}. \
         Make the folder writable, or import the engine: m2sd models import",
        path.display()
    )]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Onnx(#[from] OnnxError),
}

/// Whether a path is one of a bare engine.
pub fn is_engine(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ENDING))
}

/// Writes the model through which ONNX Runtime loads `engine` beside it, `NAME.engine.onnx`, if it
/// is not there as it should be, and returns its path.
///
/// # Errors
/// [`EngineFileError`] for the sidecar and the folder.
pub fn wrapper_beside(engine: &Path) -> Result<PathBuf, EngineFileError> {
    let mut path = engine.as_os_str().to_owned();
    path.push(".onnx");
    let path = PathBuf::from(path);
    // By name: the provider wants it beside the model.
    let name = engine.file_name().unwrap_or_default().to_string_lossy();
    let model = model(&info(engine)?, engine, Context::Beside(&name))?;
    if std::fs::read(&path).is_ok_and(|there| there == model) {
        return Ok(path);
    }
    match file::write_whole(&path, &model) {
        Ok(()) => Ok(path),
        Err(source) => Err(EngineFileError::Write { path, source }),
    }
}

/// A model that holds `engine`, and its sidecar.
pub(crate) fn embedded(engine: &Path) -> Result<(Vec<u8>, ModelInfo), EngineFileError> {
    let read = |source| EngineFileError::Read { path: engine.to_owned(), source };
    let bytes = std::fs::metadata(engine).map_err(read)?.len();
    if bytes > LARGEST_BYTES {
        return Err(EngineFileError::TooLarge { bytes });
    }
    let info = info(engine)?;
    let content = std::fs::read(engine).map_err(read)?;
    Ok((model(&info, engine, Context::Inside(content))?, info))
}

fn info(engine: &Path) -> Result<ModelInfo, EngineFileError> {
    ModelInfo::beside(engine)
        .map_err(|source| EngineFileError::Sidecar { path: engine.to_owned(), source })
}

/// Where the engine is.
enum Context<'a> {
    Beside(&'a str),
    Inside(Vec<u8>),
}

fn model(
    info: &ModelInfo,
    engine: &Path,
    context: Context<'_>,
) -> Result<Vec<u8>, EngineFileError> {
    let undescribed =
        |missing: String| EngineFileError::Undescribed { sidecar: sidecar_of(engine), missing };
    let ports = |direction: Direction| {
        let ports: Vec<_> = info.ports.iter().filter(|p| p.direction == direction).collect();
        if ports.is_empty() {
            return Err(undescribed(format!("found no {direction:?}").to_lowercase()));
        }
        let described = ports.into_iter().map(|port| {
            value_info(port)
                .ok_or_else(|| undescribed(format!("[{}] lacks its type or dims", port.name)))
        });
        described.collect::<Result<Vec<_>, _>>()
    };
    let (input, output) = (ports(Direction::Input)?, ports(Direction::Output)?);
    let names = |ports: &[proto::ValueInfoProto]| ports.iter().map(|p| p.name.clone()).collect();
    let node = proto::NodeProto {
        input: names(&input),
        output: names(&output),
        name: "engine".to_owned(),
        op_type: COMPILED.to_owned(),
        attribute: attributes(context),
        domain: DOMAIN.to_owned(),
    };
    let graph = proto::GraphProto {
        node: vec![node],
        name: "engine".to_owned(),
        input,
        output,
        initializer: Vec::new(),
    };
    let set = |domain: &str, version| proto::OperatorSetIdProto { domain: domain.into(), version };
    let model = proto::ModelProto {
        ir_version: IR_VERSION,
        producer_name: "m2sd".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![set("", OPSET), set(DOMAIN, 1)],
    };
    Ok(model.encode_to_vec())
}

fn attributes(context: Context<'_>) -> Vec<AttributeProto> {
    let int = |name: &str, i| AttributeProto {
        name: name.to_owned(),
        i: Some(i),
        kind: proto::AttributeType::Int.into(),
        ..Default::default()
    };
    let bytes = |name: &str, s| AttributeProto {
        name: name.to_owned(),
        s: Some(s),
        kind: proto::AttributeType::String.into(),
        ..Default::default()
    };
    let (embedded, content) = match context {
        Context::Beside(name) => (0, name.as_bytes().to_vec()),
        Context::Inside(engine) => (1, engine),
    };
    vec![
        int("main_context", 1),
        int("embed_mode", embedded),
        bytes("ep_cache_context", content),
        bytes("source", PROVIDER.as_bytes().to_vec()),
    ]
}

/// `None` where the sidecar leaves its type or shape open.
fn value_info(port: &Port) -> Option<proto::ValueInfoProto> {
    let elem_type = match port.element? {
        PortType::Float32 => proto::FLOAT,
        PortType::Uint8 => proto::UINT8,
    };
    let dim = port.dims.as_ref()?.iter().map(|size| proto::DimensionProto {
        value: size.and_then(|size| i64::try_from(size).ok()).map(dimension::Value::Size),
    });
    let shape = Some(proto::TensorShapeProto { dim: dim.collect() });
    let tensor_type = Some(proto::TensorTypeProto { elem_type, shape });
    let r#type = Some(proto::TypeProto { tensor_type });
    Some(proto::ValueInfoProto { name: port.name.clone(), r#type })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::onnx;

    const SIDECAR: &str = "[modelinfo]\nrole=classifier\n\
        [clip]\ndir=input\ntype=uint8\ndims=-1,3,16,224,224\n\
        [logits]\ndir=output\ntype=float32\ndims=-1,2\n";

    fn engine(sidecar: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.engine");
        std::fs::write(&path, b"not for people").unwrap();
        std::fs::write(dir.path().join("net.engine.modelinfo"), sidecar).unwrap();
        (dir, path)
    }

    fn node(model: &[u8]) -> proto::NodeProto {
        proto::ModelProto::decode(model).unwrap().graph.unwrap().node.remove(0)
    }

    fn attribute<'a>(node: &'a proto::NodeProto, name: &str) -> &'a AttributeProto {
        node.attribute.iter().find(|a| a.name == name).unwrap()
    }

    #[test]
    fn the_model_beside_an_engine_names_it_and_has_its_ports() {
        let (_dir, engine) = engine(SIDECAR);
        let path = wrapper_beside(&engine).unwrap();
        assert_eq!(path.file_name().unwrap(), "net.engine.onnx");
        let summary = onnx::summary(&path).unwrap();
        assert!(summary.traits.is_compiled);
        assert_eq!(summary.inputs[0].to_string(), "clip u8[?,3,16,224,224]");
        assert_eq!(summary.outputs[0].to_string(), "logits [?,2]");
        let node = node(&std::fs::read(&path).unwrap());
        assert_eq!((node.op_type.as_str(), node.domain.as_str()), ("EPContext", "com.microsoft"));
        assert_eq!(attribute(&node, "embed_mode").i, Some(0));
        assert_eq!(attribute(&node, "ep_cache_context").s.as_deref(), Some(&b"net.engine"[..]));
        // The sidecar serves the model too, and what is right is not written again.
        assert_eq!(ModelInfo::beside(&path).unwrap(), info(&engine).unwrap());
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        wrapper_beside(&engine).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn an_embedded_engine_is_inside() {
        let (_dir, engine) = engine(SIDECAR);
        let (model, _) = embedded(&engine).unwrap();
        let node = node(&model);
        assert_eq!(attribute(&node, "embed_mode").i, Some(1));
        assert_eq!(attribute(&node, "ep_cache_context").s.as_deref(), Some(&b"not for people"[..]));
    }

    #[test]
    fn a_sidecar_that_tells_too_little_is_named_with_what_is_missing() {
        for (sidecar, missing) in [
            ("[modelinfo]\nrole=classifier", "found no input"),
            ("[clip]\ndir=input\ntype=uint8\ndims=1,3", "found no output"),
            ("[clip]\ndir=input\ntype=uint8", "[clip] lacks its type or dims"),
            ("[clip]\ndir=input\ntype=float16\ndims=1", "[clip] lacks its type or dims"),
        ] {
            let (_dir, engine) = engine(sidecar);
            let error = wrapper_beside(&engine).unwrap_err().to_string();
            assert!(error.contains("net.engine.modelinfo") && error.ends_with(missing), "{error}");
        }
    }
}
