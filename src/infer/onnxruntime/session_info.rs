//! What a session says of itself.

use std::ffi::CStr;
use std::{ptr, slice};

use ort::AsPointer;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::infer::info::{ElementType, TensorInfo};

pub(super) fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let name = outlet.name().to_owned();
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let dims = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
            let element = match ty {
                TensorElementType::Float32 => ElementType::F32,
                TensorElementType::Uint8 => ElementType::U8,
                other => ElementType::Other(other.to_string()),
            };
            TensorInfo { name, dims, element }
        }
        ValueType::Sequence(_) | ValueType::Map { .. } | ValueType::Optional(_) => {
            TensorInfo { name, dims: Vec::new(), element: ElementType::Other("no tensor".into()) }
        }
    }
}

/// Whom ONNX Runtime gave the nodes of a graph to, the one with the most first. This is asked
/// because several ways to choose a provider fall back to another one without a word.
pub(super) fn assigned(session: &Session) -> ort::Result<Vec<String>> {
    let api = ort::api();
    let mut subgraphs = ptr::null();
    let mut count = 0;
    // SAFETY: the session is alive, and the out pointers are valid. ONNX Runtime answers with an
    // array of `count` subgraphs that belongs to the session.
    let subgraphs = unsafe {
        let status =
            (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &mut subgraphs, &mut count);
        ort::Error::result_from_status(status)?;
        if count == 0 { &[] } else { slice::from_raw_parts(subgraphs, count) }
    };
    let mut nodes_by_ep: Vec<(usize, String)> = Vec::new();
    for &subgraph in subgraphs {
        let (mut name, mut nodes, mut count) = (ptr::null(), ptr::null(), 0);
        // SAFETY: as above; the name is a C string that belongs to the session.
        let name = unsafe {
            let status = (api.EpAssignedSubgraph_GetEpName)(subgraph, &mut name);
            ort::Error::result_from_status(status)?;
            let status = (api.EpAssignedSubgraph_GetNodes)(subgraph, &mut nodes, &mut count);
            ort::Error::result_from_status(status)?;
            CStr::from_ptr(name).to_string_lossy().into_owned()
        };
        match nodes_by_ep.iter_mut().find(|(_, known)| *known == name) {
            Some((total, _)) => *total += count,
            None => nodes_by_ep.push((count, name)),
        }
    }
    nodes_by_ep.sort_by(|a, b| b.cmp(a));
    Ok(nodes_by_ep.into_iter().map(|(_, name)| name).collect())
}
