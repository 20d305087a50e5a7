//! ONNX detectors of other families than RetinaFace are imported as what they are.

use gstm2sd::core::image::Normalization;
use gstm2sd::core::modelinfo::{DetectorFamily, ModelInfo, PortType, Role};
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{DetectorShape, Synth, write};

#[test]
fn the_family_of_an_onnx_detector_is_seen_and_kept() {
    let families = [DetectorFamily::RetinaFace, DetectorFamily::YuNet, DetectorFamily::Scrfd];
    for (family, bytes_in) in families.into_iter().flat_map(|f| [(f, true), (f, false)]) {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let shape = DetectorShape { family, fixed_px: None };
        let model = write(&Synth::DetectorOf(shape), from.path()).unwrap();
        // As it is published: the file alone.
        let published = from.path().join("face.onnx");
        std::fs::copy(&model, &published).unwrap();
        let options = ImportOptions { bytes_in, ..ImportOptions::default() };
        let report = import(&published, to.path(), &options).unwrap();
        let info = ModelInfo::beside(&report.model).unwrap();
        assert_eq!((info.role, info.family), (Some(Role::Detector), Some(family)));
        if bytes_in {
            // The map of its family is inside.
            assert_eq!(info.ports[0].element, Some(PortType::Uint8));
            assert_eq!(info.normalization, Some(Normalization::IDENTITY));
        } else {
            assert_eq!(info.normalization_as(Role::Detector), family.normalization());
        }
    }
}

#[test]
fn outputs_that_no_family_has_are_none() {
    let of = |columns: &[usize]| DetectorFamily::of_outputs(columns.iter().map(|c| Some(*c)));
    assert_eq!(of(&[4, 2, 10]), Some(DetectorFamily::RetinaFace));
    assert_eq!(of(&[1, 1, 1, 4, 4, 4, 10, 10, 10]), Some(DetectorFamily::Scrfd));
    for none in [&[1, 1, 1, 4, 4, 4][..], &[136], &[4, 2, 10, 7], &[]] {
        assert_eq!(of(none), None, "{none:?}");
    }
    assert_eq!(DetectorFamily::of_outputs([Some(4), Some(2), None].into_iter()), None);
}
