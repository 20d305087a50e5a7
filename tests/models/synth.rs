//! Made-up networks and the folder that they land in.

use gstm2sd::core::modelinfo::{Role, Training};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::resolve::Search;
use gstm2sd::models::synth::{self, Audio, ClipShape, Synth, TransformerShape};
use gstm2sd::models::{State, onnx, verify};

#[test]
fn analytic_networks_fill_every_role() {
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        synth::write(&network, dir.path()).unwrap();
    }
    let search = Search::in_dirs([dir.path().to_owned()]);
    for role in Role::ALL {
        assert_eq!(search.find(role, None).unwrap().info.training, Training::Analytic);
    }
    assert!(verify(dir.path()).unwrap().iter().all(|v| matches!(v.state, State::Intact)));
}

#[test]
fn a_second_input_and_other_sizes_can_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let audio = Some(Audio { mels: 80, frames: 50 });
    let shape = ClipShape { frames: 1, size_px: 64, audio, ..ClipShape::default() };
    let model = synth::write(&Synth::Classifier(shape), dir.path()).unwrap();
    let inputs: Vec<_> =
        onnx::summary(&model).unwrap().inputs.iter().map(ToString::to_string).collect();
    assert_eq!(inputs, ["clip [N,3,1,64,64]", "audio [N,1,80,50]"]);
}

#[test]
fn seeds_decide_every_weight() {
    let shape =
        TransformerShape { width: 64, blocks: 2, heads: 2, frames: 4, ..TransformerShape::BASE };
    let hash = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let network = Synth::Transformer { shape, seed, tuning: Tuning::Cpu };
        gstm2sd::models::sha256(&synth::write(&network, dir.path()).unwrap()).unwrap()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
