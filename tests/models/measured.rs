//! What was measured of a classifier goes with its weights.

use std::path::Path;

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{ClipShape, Synth, write};

const MEASURED: &str = "\n[sufficiency]\neye-distance=33\n\n[calibration]\nmethod=platt\nslope=1\n\
                        intercept=0.5\nreal=20\nfake=20\n\n[operating-point eer]\nthreshold=0.7\n\
                        fpr=0.1,0,0.2\ntpr=0.9,0.8,1\n";

/// A classifier in `dir`, with this beside what its sidecar says.
fn classifier(dir: &Path, size_px: usize, more: &str) -> std::path::PathBuf {
    let shape = ClipShape { frames: 1, size_px, ..ClipShape::default() };
    let model = write(&Synth::Classifier(shape), dir).unwrap();
    let sidecar = dir.join("analytic_classifier.onnx.modelinfo");
    let text = std::fs::read_to_string(&sidecar).unwrap();
    let (own, _) = text.split_once("\n[sufficiency]").unwrap();
    std::fs::write(&sidecar, format!("{own}\n{more}")).unwrap();
    model
}

fn has_measured(model: &Path) -> bool {
    let info = ModelInfo::beside(model).unwrap();
    let whole = info.calibration.is_some() && info.sufficiency.eye_distance_px == Some(33.0);
    whole && info.points.iter().any(|point| point.name == "eer")
}

#[test]
fn importing_the_same_weights_again_keeps_what_was_measured_of_them_and_others_do_not_inherit_it() {
    let [from, to] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let bring = |size_px, more| {
        let source = classifier(from.path(), size_px, more);
        import(&source, to.path(), &ImportOptions::default()).unwrap()
    };
    // A calibration that lies beside a file comes along.
    let report = bring(32, MEASURED);
    assert!(has_measured(&report.model));
    // It stays where the same file comes without one.
    let report = bring(32, "");
    assert!(has_measured(&report.model) && report.info.calibration.is_some());
    // Other weights are measured anew.
    assert!(!has_measured(&bring(48, "").model));
}
