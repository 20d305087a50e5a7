//! Real and reference checkpoints. What the networks compute is tested where they run.

use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::{ModelInfo, Role, Training};
use gstm2sd::models::import::{ImportOptions, ImportReport, import};
use gstm2sd::models::onnx::Port;
use gstm2sd::models::{State, list, onnx, verify};

use crate::support::shared_dir;

/// The folder of test models.
fn models() -> PathBuf {
    shared_dir().join("models")
}

fn import_one(source: &Path) -> (tempfile::TempDir, ImportReport) {
    let out = tempfile::tempdir().unwrap();
    let report = import(source, out.path(), &ImportOptions::default()).unwrap();
    assert_eq!(ModelInfo::beside(&report.model).unwrap().title, report.info.title);
    (out, report)
}

fn ports(report: &ImportReport) -> String {
    let summary = onnx::summary(&report.model).unwrap();
    let all = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(" ");
    format!("{} -> {}", all(&summary.inputs), all(&summary.outputs))
}

#[test]
fn golden_import_retinaface() {
    let models = models();
    let (_out, report) = import_one(&models.join("retinaface_mobilenet0.25.pth"));
    let expected = "image [N,3,H,W] -> boxes [N,A,4] classes [N,A,2] landmarks [N,A,10]";
    assert_eq!(ports(&report), expected);
    assert_eq!((report.info.role, report.info.training), (Some(Role::Detector), Training::Trained));
    // The counters of 47 batch normalisations are all that is not used.
    assert_eq!(report.ignored.len(), 47);
    assert!(report.ignored.iter().all(|name| name.ends_with("num_batches_tracked")));
}

#[test]
fn golden_import_gdconv() {
    let models = models();
    let (_out, report) = import_one(&models.join("mobilenet_gdconv_seeded.pth"));
    assert_eq!(ports(&report), "image [N,3,224,224] -> landmarks [N,136]");
    assert_eq!(report.info.training, Training::Untrained);
    let known =
        |name: &String| name.starts_with("pretrain_net.") || name.ends_with("num_batches_tracked");
    assert!(report.ignored.iter().all(known), "{:?}", report.ignored);
}

#[test]
fn golden_import_m2sd() {
    let models = models();
    let source = models.join("m2sd_tiny.pt");
    let (out, report) = import_one(&source);
    assert_eq!(ports(&report), "clip [N,3,16,224,224] -> logits [N,2]");
    assert_eq!(report.ignored, Vec::<String>::new());
    assert!(report.network.contains("2 blocks, width 192, 3 heads"), "{}", report.network);

    // Under another name it is the same known file; seven heads do not share 192 channels.
    let renamed = out.path().join("renamed.pt");
    std::fs::copy(&source, &renamed).unwrap();
    let (_out, again) = import_one(&renamed);
    assert_eq!(again.info.title, report.info.title);
    let mut options = ImportOptions::default();
    options.transformer.heads = Some(7);
    let error = import(&source, out.path(), &options).unwrap_err().to_string();
    assert!(error.contains("7 heads"), "{error}");
}

#[test]
fn golden_import_onnx_files() {
    let models = models();
    let out = tempfile::tempdir().unwrap();
    for (file, role) in [("pfld_112.onnx", Role::Aligner), ("meso4_df.onnx", Role::Classifier)] {
        let report = import(&models.join(file), out.path(), &ImportOptions::default()).unwrap();
        assert_eq!(report.info.role, Some(role));
        assert_eq!(report.info.training, Training::Trained);
        let [copied, source] = [&report.model, &models.join(file)].map(std::fs::read);
        assert_eq!(copied.unwrap(), source.unwrap());
    }
    let listed = list(out.path()).unwrap();
    let roles: Vec<_> = listed.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Some(Role::Aligner), Some(Role::Classifier)]);
    let thresholds: Vec<_> = listed.iter().map(|m| m.info.as_ref().unwrap().threshold).collect();
    // Nobody has measured, or published, one of Meso4.
    assert_eq!(thresholds, [None, None]);

    std::fs::write(out.path().join("meso4_df.onnx"), "damaged").unwrap();
    let changed = verify(out.path()).unwrap();
    let changed = changed.iter().find(|v| v.file == "meso4_df.onnx").unwrap();
    assert!(matches!(changed.state, State::Changed { .. }));
}
