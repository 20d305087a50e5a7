use std::path::{Path,PathBuf};
use crate::core::modelinfo::Role;
#[derive(Debug, thiserror::Error)]
#[error("no {0} found")]
pub struct ResolveError(Role);
pub fn resolve(role: Role, name: Option<&str>, dir: Option<&Path>) -> Result<PathBuf, ResolveError> {
    let dir = dir.unwrap_or(Path::new("engines"));
    let d = match role { Role::Detector=>"retinaface_mobilenet0.25.onnx", Role::Aligner=>"pfld_112.onnx", Role::Classifier=>"meso4_df.onnx"};
    let n = name.unwrap_or(d);
    let p = if n.contains('/') { PathBuf::from(n) } else { dir.join(n) };
    if p.is_file() { Ok(p) } else { Err(ResolveError(role)) }
}
