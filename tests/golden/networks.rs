//! The test data's networks, imported once a process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gstm2sd::infer::{EngineOptions, Provider};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};

pub struct Networks {
    /// Where they all are, each with its sidecar; also Meso4, which only the element needs.
    pub dir: PathBuf,
    pub retinaface: PathBuf,
    pub pfld: PathBuf,
    pub gdconv: PathBuf,
    pub m2sd_tiny: PathBuf,
}

/// The networks of the test data in `shared`.
pub fn networks(shared: &Path) -> &'static Networks {
    static NETWORKS: OnceLock<Networks> = OnceLock::new();
    NETWORKS.get_or_init(|| imported(shared, "golden-networks", false))
}

/// The same networks twice: as they are, and reading bytes and written for GPUs.
pub fn both(shared: &Path) -> [&'static Networks; 2] {
    static OF_BYTES: OnceLock<Networks> = OnceLock::new();
    let of_bytes = OF_BYTES.get_or_init(|| imported(shared, "golden-networks-of-bytes", true));
    [networks(shared), of_bytes]
}

fn imported(shared: &Path, folder: &str, bytes_in: bool) -> Networks {
    // Nothing drops what is static: a temporary folder of its own would never be removed.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut options = ImportOptions { bytes_in, ..ImportOptions::default() };
    options.transformer.tuning = if bytes_in { Tuning::Gpu } else { Tuning::Cpu };
    let one = |file: &str| import(&shared.join("models").join(file), &dir, &options).unwrap().model;
    one("meso4_df.onnx");
    Networks {
        retinaface: one("retinaface_mobilenet0.25.pth"),
        pfld: one("pfld_112.onnx"),
        gdconv: one("mobilenet_gdconv_seeded.pth"),
        m2sd_tiny: one("m2sd_tiny.pt"),
        dir,
    }
}

/// The reference's arithmetic: 32-bit floats.
pub fn cpu() -> EngineOptions {
    EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() }
}
